#include "pipeline/graph/t1w_images.hpp"

#include "pipeline/graph/anatomy.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/t1w_average.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/outcome.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::graph {
namespace {

// 0.67 mm heads cost three times the memory of 1 mm ones and register no better at 2 mm.
Volume read_one(const Study& study, const bids::AnatFile& file, std::int64_t& n_nonfinite,
                const Context& context) {
  image_io::ReadReport report;
  Volume t1w = image_io::read_volume(study.index.absolute(file),
                                     {.nonfinite_to_zero = true, .report = &report});
  n_nonfinite += static_cast<std::int64_t>(report.n_nonfinite);
  if (t1w.grid.spacing_mm().minCoeff() < kFinestVoxelMm) t1w = downsample(t1w, 1.0, context);
  return t1w;
}

} // namespace

T1wPlan plan_t1w(const Study& study, const bids::ParticipantSession& session) {
  T1wPlan plan;
  plan.files.push_back(&t1w_of(session));
  if (study.config.t1w_average.enabled) {
    for (const bids::AnatFile& file : session.t1w) {
      if (file.problem.empty() && &file != plan.files.front()) plan.files.push_back(&file);
    }
  }
  std::vector<std::string> digests;
  for (const bids::AnatFile* file : plan.files) {
    const auto digest = study.digests.of(study.index.absolute(*file));
    plan.inputs.push_back({file->path, digest.bytes, digest.sha256});
    digests.push_back(digest.sha256);
  }
  plan.key = digests.size() == 1
                 ? digests.front()
                 : cache::node_key(t1w_average::kStage,
                                   config::to_json(study.config)["t1w_average"].dump(), digests);
  return plan;
}

T1wImage read_t1w(const Study& study, const T1wPlan& plan, const Context& context) {
  T1wImage out;
  out.image = read_one(study, *plan.files.front(), out.notes.n_nonfinite, context);
  if (plan.files.size() == 1) return out;
  std::vector<Volume> images;
  std::vector<std::string> paths;
  images.push_back(std::move(out.image));
  for (std::size_t n = 1; n < plan.files.size(); ++n) {
    auto image =
        capture([&] { return read_one(study, *plan.files[n], out.notes.n_nonfinite, context); });
    if (auto* failure = std::get_if<Failure>(&image)) {
      if (failure->kind != ErrorKind::input) throw Error(failure->kind, failure->message);
      out.notes.left_out.push_back(failure->message);
    } else {
      images.push_back(std::move(std::get<Volume>(image)));
      paths.push_back(plan.files[n]->path);
    }
  }
  auto average = t1w_average::run({images}, study.config.t1w_average, context);
  for (std::size_t n = 1; n < images.size(); ++n) {
    if (average.used[n] != 0) continue;
    out.notes.left_out.push_back(paths[n - 1] + ": correlation with the first image " +
                                 std::to_string(average.correlation[n]).substr(0, 5) +
                                 ", or too far from it");
  }
  out.image = std::move(average.average);
  return out;
}

LesionPlan plan_lesions(const Study& study, const bids::ParticipantSession& session) {
  LesionPlan plan;
  if (!study.config.input.use_lesion_masks) return plan;
  for (const bids::BidsFile& file : session.lesions) {
    if (!file.problem.empty()) continue;
    const auto digest = study.digests.of(study.index.absolute(file));
    plan.files.push_back(&file);
    plan.inputs.push_back({file.path, digest.bytes, digest.sha256});
    plan.key += digest.sha256;
  }
  return plan;
}

Mask read_lesions(const Study& study, const LesionPlan& plan, const Grid& t1w,
                  const Context& context) {
  Mask all(t1w, 0);
  bool any = false;
  for (const bids::BidsFile* file : plan.files) {
    const Mask lesion = image_io::read_mask(study.index.absolute(*file));
    if (count(lesion) == 0) continue;
    const Mask here = resample_mask(lesion, t1w, PointMap{}, context);
    if (count(here) == 0) {
      throw Error(ErrorKind::input, file->path + ": the lesion lies outside the T1w");
    }
    for (std::size_t v = 0; v < all.data.size(); ++v) all.data[v] |= here.data[v];
    any = true;
  }
  return any ? all : Mask();
}

std::vector<std::string> warnings_of(const T1wNotes& notes, const T1wPlan& plan,
                                     const std::string& session_id) {
  std::vector<std::string> warnings;
  if (notes.n_nonfinite > 0) {
    warnings.push_back(session_id + ": " + std::to_string(notes.n_nonfinite) +
                       " voxels of the T1w are NaN or infinite, taken as 0");
  }
  for (const std::string& reason : notes.left_out) {
    warnings.push_back(session_id + ": one of " + std::to_string(plan.files.size()) +
                       " T1w images is not in the average: " + reason);
  }
  return warnings;
}

} // namespace boldmill::graph
