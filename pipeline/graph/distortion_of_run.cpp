#include "pipeline/graph/distortion_of_run.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/cache/archive.hpp"
#include "pipeline/graph/single_volume.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/bold_mask.hpp"
#include "stages/functional/coregistration.hpp"
#include "stages/functional/distortion.hpp"
#include "stages/functional/fieldmap_alignment.hpp"
#include "stages/functional/fieldmap_free.hpp"
#include "stages/functional/fieldmap_pepolar.hpp"
#include "stages/functional/fieldmap_phase.hpp"

namespace boldmill::graph {
namespace {

using bids::FieldmapKind;

std::vector<FieldmapKind> kinds_of(const std::string& method) {
  if (method == "pepolar") return {FieldmapKind::pepolar};
  if (method == "phase") return {FieldmapKind::phase_difference, FieldmapKind::two_phases};
  if (method == "direct") return {FieldmapKind::direct};
  return {std::begin(bids::kMeasuredKinds), std::end(bids::kMeasuredKinds)};
}

int axis_length(const Study& study, const bids::BidsFile& file, int axis) {
  return image_io::read_header(study.index.absolute(file))
      .grid.shape.at(static_cast<std::size_t>(axis));
}

struct Field {
  Volume hz;
  Volume reference; // undistorted image in the same pose
  bool in_bold_pose = false;
  std::vector<std::string> warnings;
};

Field pepolar_field(const Study& study, const DistortionPlan& plan, const Volume& boldref,
                    const Context& context) {
  const auto& images = plan.estimator.epi;
  std::vector<Volume> volumes;
  for (const auto& image : images) {
    const bool own = image.file.path == plan.estimator.run.file.path;
    volumes.push_back(own ? boldref : single_volume(study, image.file, context));
  }
  fieldmap_pepolar::Inputs inputs;
  for (std::size_t k = 0; k < images.size(); ++k) {
    inputs.images.push_back(
        {&volumes[k], distortion::phase_encoding(images[k].direction, images[k].readout_s)});
  }
  fieldmap_pepolar::Outputs out =
      fieldmap_pepolar::run(inputs, study.config.fieldmap_pepolar, context);
  if (!out.usable) throw Error(ErrorKind::input, out.reason);
  Field field{std::move(out.field_hz), std::move(out.reference), false, {}};
  field.in_bold_pose = images[0].file.path == plan.estimator.run.file.path;
  if (!out.converged) field.warnings.emplace_back("the field map's estimate did not settle");
  return field;
}

// Phase difference, two phases, or a direct map; without a magnitude the direct map's own voxels
// that are not 0 are taken for signal.
Field phase_field(const Study& study, const DistortionPlan& plan, const Context& context) {
  const bids::FieldmapEstimator& found = plan.estimator;
  std::vector<Volume> volumes;
  for (const bids::BidsFile& file : found.phase) {
    volumes.push_back(image_io::read_volume(study.index.absolute(file)));
  }
  if (found.field) volumes.push_back(image_io::read_volume(study.index.absolute(*found.field)));
  Field field;
  Mask mask(volumes[0].grid, 0);
  if (found.magnitude) {
    field.reference = single_volume(study, *found.magnitude, context);
    mask = bold_mask::run({&field.reference, nullptr}, study.config.bold_mask, context).mask;
  } else {
    for (std::size_t v = 0; v < mask.data.size(); ++v) {
      const float x = volumes[0].data[v];
      mask.data[v] = std::isfinite(x) && x != 0.0F ? 1 : 0;
    }
    // Nothing to align: the headers are believed.
    field.in_bold_pose = true;
    field.warnings.emplace_back(
        "the field map has no magnitude image: its header says where it is");
  }
  fieldmap_phase::Inputs inputs;
  inputs.mask = &mask;
  inputs.echo_time1_s = found.echo_time1_s;
  inputs.echo_time2_s = found.echo_time2_s;
  inputs.units = found.units;
  if (found.field) {
    inputs.field = &volumes.back();
  } else {
    for (const Volume& volume : volumes) inputs.phase.push_back(&volume);
  }
  auto out = fieldmap_phase::run(inputs, study.config.fieldmap_phase, context);
  field.hz = std::move(out.field_hz);
  field.warnings.insert(field.warnings.end(), out.warnings.begin(), out.warnings.end());
  return field;
}

Field measured_field(const Study& study, const DistortionPlan& plan, const Volume& boldref,
                     const Context& context) {
  if (plan.estimator.kind == FieldmapKind::pepolar) {
    return pepolar_field(study, plan, boldref, context);
  }
  return phase_field(study, plan, context);
}

bool modulates(const Study& study, FieldmapKind kind) {
  const std::string& jacobian = study.config.distortion.jacobian;
  return jacobian == "always" || (jacobian == "auto" && kind == FieldmapKind::pepolar);
}

// By a measured field.
void correct_by_field(const Study& study, const DistortionPlan& plan, const Volume& boldref,
                      const Mask& mask, const Context& context, RunDistortion& out) {
  const Field field = measured_field(study, plan, boldref, context);
  const auto& run = plan.estimator.run;
  const auto encoding = distortion::phase_encoding(run.direction, run.readout_s);
  Affine bold_to_field = Affine::Identity();
  if (!field.in_bold_pose) {
    const auto pose =
        fieldmap_alignment::run({&boldref, &mask, &field.hz, &field.reference, encoding},
                                study.config.fieldmap_alignment, context);
    if (pose.doubtful) {
      throw Error(ErrorKind::input, "the field map lies " +
                                        std::to_string(pose.movement_mm).substr(0, 5) +
                                        " mm from the BOLD reference, which is not believed");
    }
    bold_to_field = pose.bold_to_field;
  }
  out.map = distortion::run({&field.hz, boldref.grid, encoding, bold_to_field}, {}, context);
  out.method = bids::to_string(plan.estimator.kind);
  out.warnings.insert(out.warnings.end(), field.warnings.begin(), field.warnings.end());
}

// Against the T1w, from a first coregistration of the distorted reference.
void correct_by_anatomy(const Study& study, const DistortionPlan& plan, const Anatomy& anatomy,
                        const Volume& boldref, const Mask& mask, const Context& context,
                        RunDistortion& out) {
  const auto coreg = coregistration::run({&boldref, &mask, &anatomy.t1w, &anatomy.fit.mask},
                                         study.config.coregistration, context);
  const int axis = distortion::phase_encoding(plan.estimator.run.direction, 1.0).axis;
  auto free = fieldmap_free::run(
      {&boldref, &mask, &anatomy.t1w, &anatomy.fit.mask, coreg.bold_to_t1w, axis},
      study.config.fieldmap_free, context);
  if (!free.corrected) throw Error(ErrorKind::input, free.reason);
  out.map = distortion::from_shift(std::move(free.shift_voxels), axis, context);
  out.method = "against the T1w, without a field map";
}

} // namespace

bool needs_anatomy(const Study& study) { return study.config.distortion.method == "free"; }

DistortionPlan plan_distortion(const Study& study, const bids::ParticipantSession& session,
                               const bids::BoldRun& run) {
  DistortionPlan plan;
  const std::string& method = study.config.distortion.method;
  if (method == "none") {
    plan.key = "none";
    return plan;
  }
  if (needs_anatomy(study)) {
    const std::string direction = study.index.metadata(session, run.file).phase_encoding_direction;
    plan.estimator.run.file = run.file;
    plan.estimator.run.direction = direction;
    plan.expected = true;
    if (direction.empty()) plan.reason = run.file.path + ": no PhaseEncodingDirection";
    plan.key = "free " + direction;
    return plan;
  }
  plan.estimator = bids::fieldmap_estimator(
      study.index, session, run, kinds_of(method),
      [&](const bids::BidsFile& file, int axis) { return axis_length(study, file, axis); });
  const bids::FieldmapEstimator& found = plan.estimator;
  plan.reason = found.reason;
  plan.expected = method != "auto" || !session.fieldmaps.empty();
  config::Json key{{"kind", bids::to_string(found.kind)},
                   {"run", {found.run.direction, found.run.readout_s}},
                   {"echoes", {found.echo_time1_s, found.echo_time2_s}},
                   {"units", found.units},
                   {"reason", found.reason},
                   {"expected", plan.expected}};
  for (const auto& image : found.epi) key["epi"].push_back({image.direction, image.readout_s});
  for (const bids::BidsFile& file : found.files()) {
    const auto digest = study.digests.of(study.index.absolute(file));
    key["files"].push_back(digest.sha256);
    plan.inputs.push_back({file.path, digest.bytes, digest.sha256});
  }
  plan.key = key.dump();
  return plan;
}

void archive(cache::Archive& a, RunDistortion& d) {
  a(d.corrected, d.modulate, d.map.shift_voxels, d.map.factor, d.map.axis, d.reference,
    d.max_shift_voxels, d.method, d.warnings, d.notes);
}

RunDistortion correct_distortion(const Study& study, const DistortionPlan& plan,
                                 const Anatomy& anatomy, const Volume& boldref,
                                 const Context& context) {
  RunDistortion out;
  if (study.config.distortion.method == "none") return out;
  out.warnings = plan.estimator.warnings;
  if (!plan.reason.empty()) {
    (plan.expected ? out.warnings : out.notes)
        .push_back("distortion not corrected: " + plan.reason);
    return out;
  }
  try {
    const Mask mask = bold_mask::run({&boldref, nullptr}, study.config.bold_mask, context).mask;
    if (needs_anatomy(study)) {
      correct_by_anatomy(study, plan, anatomy, boldref, mask, context, out);
    } else {
      correct_by_field(study, plan, boldref, mask, context, out);
    }
    out.modulate = modulates(study, plan.estimator.kind);
    out.reference = distortion::unwarp(boldref, out.map, out.modulate, context);
    for (std::size_t v = 0; v < mask.data.size(); ++v) {
      if (mask.data[v] == 0) continue;
      out.max_shift_voxels = std::max(out.max_shift_voxels,
                                      std::abs(static_cast<double>(out.map.shift_voxels.data[v])));
    }
    out.corrected = true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    out = RunDistortion{};
    out.warnings = plan.estimator.warnings;
    out.warnings.push_back(std::string("distortion not corrected: ") + error.what());
  }
  return out;
}

distortion::AtVoxels distortion_at(const RunDistortion& distortion, const Grid& target,
                                   std::span<const std::size_t> voxels,
                                   const PointMap& target_to_ref, const Context& context) {
  if (!distortion.corrected) return {};
  auto at = distortion::at_voxels(distortion.map, distortion.modulate, target, voxels,
                                  target_to_ref, context);
  if (!distortion.modulate) at.factor.clear();
  return at;
}

} // namespace boldmill::graph
