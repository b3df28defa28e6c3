#include "pipeline/graph/anatomy.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "pipeline/bids/text.hpp"
#include "pipeline/graph/archives.hpp"
#include "pipeline/graph/figures.hpp"
#include "pipeline/graph/precomputed.hpp"
#include "pipeline/graph/t1w_images.hpp"
#include "pipeline/graph/volumes.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/bias_field.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/t1w_average.hpp"
#include "stages/anatomy/tissue.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::graph {
namespace {

std::string params_of(const config::Config& config, std::string_view section) {
  return config::to_json(config)[std::string(section)].dump();
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

constexpr double kAveragingSlack = 1.1; // edges are rounded up

struct Keys {
  std::string bias, affine, mask, brain_affine, normalization, fit;
};

Keys keys_of(const Study& study, const std::string& t1w_key, const std::string& lesion_key,
             const Precomputed& given) {
  const auto& c = study.config;
  Keys keys;
  std::vector<std::string> of_bias{t1w_key}; // a lesion is left out from here on
  if (!lesion_key.empty()) of_bias.push_back(lesion_key);
  keys.bias = cache::node_key(bias_field::kStage, params_of(c, "bias_field"), of_bias);
  keys.affine = cache::node_key(affine::kStage, params_of(c, "affine"),
                                {keys.bias, study.target.template_key});
  keys.mask = cache::node_key(brain_mask::kStage, params_of(c, "brain_mask"), {keys.affine});
  if (given.mask) {
    keys.mask =
        cache::node_key("precomputed_mask", 1, "{}", {keys.affine, given.mask->record.sha256});
  }
  keys.brain_affine = cache::node_key(affine::kStage, params_of(c, "affine"), {keys.mask});
  keys.normalization =
      cache::node_key(normalization::kStage, params_of(c, "normalization"), {keys.brain_affine});
  if (given.t1w_to_target) {
    keys.normalization = cache::node_key(
        "precomputed_normalization", 1, "{}",
        {keys.mask, given.t1w_to_target->record.sha256, given.target_to_t1w->record.sha256});
  }
  keys.fit = cache::node_key("anatomy", 2, "{}", {keys.normalization});
  return keys;
}

void check_fit(const Study& study, const AnatomyFit& fit, const std::string& id) {
  const auto& gates = study.config.gates;
  if (fit.normalization.dice < gates.min_norm_dice) {
    throw Error(ErrorKind::gate, id + ": brain and template overlap with Dice " +
                                     number(fit.normalization.dice) + ", expected at least " +
                                     number(gates.min_norm_dice));
  }
  if (fit.normalization.min_jacobian <= gates.min_norm_jacobian) {
    throw Error(ErrorKind::gate, id + ": the warp folds, smallest Jacobian " +
                                     number(fit.normalization.min_jacobian) + ", expected above " +
                                     number(gates.min_norm_jacobian));
  }
}

brain_mask::Outputs as_given(Mask mask) {
  brain_mask::Outputs out;
  out.volume_ml = static_cast<double>(count(mask)) * mask.grid.voxel_volume_mm3() / 1000.0;
  out.carried_dice = std::nan("");
  out.mask = std::move(mask);
  return out;
}

// What was done under which key, and what was taken from elsewhere.
void add_records(const Precomputed& given, const Keys& keys, Anatomy& out) {
  const auto add = [&out](const StageInfo& stage, const std::string& key) {
    out.stages.push_back({std::string(stage.name), stage.version, key});
  };
  add(bias_field::kStage, keys.bias);
  if (!given.mask || !given.t1w_to_target) add(affine::kStage, keys.affine);
  if (given.mask) {
    out.stages.push_back({"precomputed_mask", 1, keys.mask});
    out.inputs.push_back(given.mask->record);
  } else {
    add(brain_mask::kStage, keys.mask);
  }
  if (given.t1w_to_target) {
    out.stages.push_back({"precomputed_normalization", 1, keys.normalization});
    out.inputs.push_back(given.t1w_to_target->record);
    out.inputs.push_back(given.target_to_t1w->record);
  } else {
    add(normalization::kStage, keys.normalization);
  }
  out.warnings = given.warnings;
}

} // namespace

const bids::AnatFile& t1w_of(const bids::ParticipantSession& session) {
  for (const bids::AnatFile& file : session.t1w) {
    if (file.problem.empty()) return file;
  }
  if (!session.t1w.empty()) {
    throw Error(ErrorKind::input, session.t1w.front().path + ": " + session.t1w.front().problem);
  }
  throw Error(ErrorKind::input, session.id + ": no T1w image, expected anat/*_T1w.nii.gz");
}

std::string anatomy_key(const Study& study, const bids::ParticipantSession& session) {
  return keys_of(study, plan_t1w(study, session).key, plan_lesions(study, session).key,
                 precomputed_of(study, session))
      .fit;
}

std::string tissue_key(const Study& study, const std::string& anatomy) {
  return cache::node_key(tissue::kStage, params_of(study.config, "tissue"), {anatomy});
}

Anatomy run_anatomy(const Study& study, const bids::ParticipantSession& session, bool needs_images,
                    const Context& context) {
  const T1wPlan images = plan_t1w(study, session);
  const Precomputed given = precomputed_of(study, session);
  const LesionPlan lesions = plan_lesions(study, session);
  const Keys keys = keys_of(study, images.key, lesions.key, given);
  const auto& c = study.config;
  Anatomy out;
  out.key = keys.fit;
  out.inputs = images.inputs;
  out.inputs.insert(out.inputs.end(), lesions.inputs.begin(), lesions.inputs.end());
  if (images.files.size() > 1) {
    out.stages.push_back(
        {std::string(t1w_average::kStage.name), t1w_average::kStage.version, images.key});
  }
  add_records(given, keys, out);

  std::optional<T1wNotes> notes;
  Mask lesion; // on the grid of the T1w, once that is read
  const auto lesion_or_none = [&]() { return lesion.data.empty() ? nullptr : &lesion; };
  const auto corrected = [&]() -> const Volume& {
    if (out.t1w.data.empty()) {
      T1wImage raw = timed(out.resources, "read_t1w", session.id,
                           [&] { return read_t1w(study, images, context); });
      notes = std::move(raw.notes);
      lesion = read_lesions(study, lesions, raw.image.grid, context);
      out.t1w = timed(out.resources, "bias_field", session.id, [&] {
                  return bias_field::run({raw.image, lesion_or_none()}, c.bias_field, context);
                }).corrected;
    }
    return out.t1w;
  };
  if (!given.mask || !given.t1w_to_target) {
    out.fit.affine = study.cache.value<affine::Outputs>(keys.affine, [&] {
      const Volume& t1w = corrected();
      return timed(out.resources, "affine", session.id, [&] {
        return affine::run(
            {t1w, study.target.brain, study.target.mask, nullptr, nullptr, lesion_or_none()},
            c.affine, context);
      });
    });
  }
  const auto brain = study.cache.value<brain_mask::Outputs>(keys.mask, [&] {
    const Volume& t1w = corrected();
    return timed(out.resources, "brain_mask", session.id, [&] {
      if (given.mask) return as_given(precomputed_mask(*given.mask, t1w.grid, context));
      return brain_mask::run({t1w, study.target.brain, study.target.mask,
                              out.fit.affine.t1w_to_template, lesion_or_none()},
                             c.brain_mask, context);
    });
  });
  out.fit.mask = brain.mask;
  out.fit.brain_ml = brain.volume_ml;
  out.fit.skull_stripped = brain.skull_stripped;
  if (given.t1w_to_target) {
    auto taken = timed(out.resources, "precomputed_normalization", session.id, [&] {
      return precomputed_normalization(study, given, out.fit.mask, context);
    });
    out.fit.normalization = std::move(taken.normalization);
    out.fit.affine = taken.affine;
  } else {
    // Brain to brain: scalp and neck, which the template lacks, no longer pull.
    const auto from_head = out.fit.affine.t1w_to_template;
    const auto from_brain = study.cache.value<affine::Outputs>(keys.brain_affine, [&] {
      const Volume& t1w = corrected();
      return timed(out.resources, "affine_brain", session.id, [&] {
        return affine::run({t1w, study.target.brain, study.target.mask, &out.fit.mask, &from_head,
                            lesion_or_none()},
                           c.affine, context);
      });
    });
    out.fit.affine.t1w_to_template = from_brain.t1w_to_template;
    out.fit.affine.correlation = from_brain.correlation;
    out.fit.affine.overlap = from_brain.overlap;
    out.fit.affine.mirror_gain = from_brain.mirror_gain;
    out.fit.affine.converged = from_brain.converged;
    out.fit.normalization = study.cache.value<normalization::Outputs>(keys.normalization, [&] {
      const Volume& t1w = corrected();
      return timed(out.resources, "normalization", session.id, [&] {
        return normalization::run({t1w, out.fit.mask, study.target.brain, study.target.mask,
                                   out.fit.affine.t1w_to_template, lesion_or_none()},
                                  c.normalization, context);
      });
    });
  }
  const auto known =
      study.cache.value<T1wNotes>(cache::node_key("t1w_notes", 1, "{}", {images.key}), [&] {
        (void)corrected();
        return *notes;
      });
  const auto of_images = warnings_of(known, images, session.id);
  out.warnings.insert(out.warnings.end(), of_images.begin(), of_images.end());
  if (out.fit.affine.header_rotation_deg > 60.0) {
    out.warnings.push_back(session.id + ": the head lies " +
                           number(out.fit.affine.header_rotation_deg) +
                           " degrees away from what the T1w header says");
  }
  if (out.fit.normalization.correlation < c.gates.warn_norm_correlation) {
    out.warnings.push_back(
        session.id + ": the warped T1w correlates " + number(out.fit.normalization.correlation) +
        " with the template, expected at least " + number(c.gates.warn_norm_correlation));
  }
  std::optional<tissue::Outputs> found;
  const auto tissues_of = [&]() -> tissue::Outputs& {
    const Volume& t1w = corrected();
    if (found) return *found;
    return found.emplace(timed(out.resources, "tissue", session.id, [&] {
      const tissue::Priors priors = tissue::priors_on(
          out.fit.mask, study.target.priors, out.fit.normalization.moving_to_template, context);
      return tissue::run({t1w, out.fit.mask, &priors, lesion_or_none()}, c.tissue, context);
    }));
  };
  keep_figures(study, tissue_key(study, keys.fit), out.stages, [&] {
    const tissue::Outputs& tissues = tissues_of();
    return timed(out.resources, "figures", session.id, [&] {
      return figures_of_anatomy(study.target, out.fit, out.t1w, &tissues, context);
    });
  });
  check_fit(study, out.fit, session.id);
  if (needs_images) {
    tissue::Outputs& tissues = tissues_of();
    if (study.write_volumes != "none") write_anatomy_volumes(study, session, out, tissues, context);
    out.noise = timed(out.resources, "tissue_maps", session.id, [&] {
      return compcor::tissue_maps(tissues.gm, tissues.wm, tissues.csf, context);
    });
    out.white_matter = std::move(tissues.wm);
  } else {
    out.t1w = Volume();
  }
  return out;
}

namespace {

// Fine voxels are averaged to 1 mm; all but the reader sees the averaged image.
std::size_t n_averaged(const Grid& t1w) {
  const std::size_t n_raw = t1w.n_voxels();
  if (t1w.spacing_mm().minCoeff() >= kFinestVoxelMm) return n_raw;
  const double n = static_cast<double>(n_raw) * t1w.voxel_volume_mm3() * kAveragingSlack;
  return std::min(n_raw, static_cast<std::size_t>(n));
}

} // namespace

std::size_t anatomy_kept_bytes(const Study& study, const Grid& t1w) {
  // Bias-corrected image, white matter, three maps of aCompCor and the mask; the warp and its
  // inverse.
  const std::size_t on_t1w = 5 * sizeof(float) + 1;
  const Grid& target = study.target.brain.grid;
  const double spacing = study.config.normalization.level_spacing_mm.back();
  const double n_field = static_cast<double>(target.n_voxels()) * target.voxel_volume_mm3() /
                         (spacing * spacing * spacing);
  const std::size_t warps = 2 * 3 * sizeof(float) * static_cast<std::size_t>(n_field);
  return on_t1w * n_averaged(t1w) + warps;
}

std::size_t anatomy_peak_bytes(const Study& study, const Grid& t1w) {
  const auto& c = study.config;
  const std::size_t n_raw = t1w.n_voxels();
  const std::size_t n_voxels = n_averaged(t1w);
  const std::size_t reading = (2 * n_raw + n_voxels) * sizeof(float);
  const std::size_t n_template = study.target.brain.grid.n_voxels();
  const std::size_t held = 6 * n_voxels * sizeof(float); // raw, corrected, tissue maps
  std::size_t peak = bias_field::peak_bytes({n_voxels}, c.bias_field);
  peak = std::max(peak, affine::peak_bytes({n_voxels, n_template}, c.affine));
  peak = std::max(peak, brain_mask::peak_bytes({n_voxels, n_template}, c.brain_mask));
  peak = std::max(peak, normalization::peak_bytes({n_voxels, n_template}, c.normalization));
  peak = std::max(peak, tissue::peak_bytes({n_voxels}, c.tissue));
  return std::max(reading, held + peak);
}

} // namespace boldmill::graph
