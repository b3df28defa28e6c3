// Pictures for the report, made while the images are in memory, kept in the cache, written to the
// shard: T1w and normalization of the anatomy; coregistration, distortion, masks and signal of a
// run. T1w and template are shown inside the brain mask only, BOLD references to kBoldRimMm beyond
// theirs, so that a mask that cuts into the brain can be seen: faces are in none.
#pragma once

#include <optional>

#include "pipeline/graph/anatomy.hpp"
#include "pipeline/graph/native_run.hpp"
#include "pipeline/graph/voxel_moments.hpp"
#include "pipeline/store/figures.hpp"
#include "stages/anatomy/tissue.hpp"

namespace boldmill::graph {

inline constexpr double kBoldRimMm = 4.0;

struct Figures {
  std::vector<store::FigureRecord> all;
  std::vector<store::VolumeRecord> volumes; // for the viewer
};
void archive(cache::Archive& a, Figures& figures);

// Key of the pictures of the anatomy (its tissue maps) or the run with that key.
[[nodiscard]] std::string figures_key(const std::string& of);
// The stage record of pictures under that key.
[[nodiscard]] store::StageRecord figures_stage(const std::string& key);

// `tissues` may be null: no contours of tissue then.
[[nodiscard]] Figures figures_of_anatomy(const TargetSpace& target, const AnatomyFit& fit,
                                         const Volume& t1w, const tissue::Outputs* tissues,
                                         const Context& context);

struct RunPictures {
  const Volume& boldref; // what masks and coregistration saw
  const Mask& mask;      // its brain
  const Affine& bold_to_t1w;
  const Anatomy& anatomy;      // with images
  const NativeRun& native;     // its masks
  const VoxelMoments& moments; // of its series
  const TargetSpace& target;
  const Volume* distorted = nullptr; // the reference before its distortion was corrected
  const Mask* distorted_mask = nullptr;
};
[[nodiscard]] Figures figures_of_run(const RunPictures& run, const Context& context);

// Of a run that was preprocessed elsewhere, in the space of the target.
[[nodiscard]] Figures figures_of_derived(const TargetSpace& target, const VoxelMoments& moments,
                                         const Mask& mask, const Context& context);

// Whether the pictures of that key's anatomy or run are in the cache, or not asked for.
[[nodiscard]] bool figures_are_kept(const Study& study, const std::string& of);

// Sees that they are in the cache when report.figures asks for them, and notes the stage. None are
// kept when `make` finds the images unusable (Error{input} or {gate}): a picture is no reason to
// lose a run.
template <class Make>
void keep_figures(const Study& study, const std::string& of,
                  std::vector<store::StageRecord>& stages, Make&& make) {
  if (!study.config.report.figures) return;
  const std::string key = figures_key(of);
  stages.push_back(figures_stage(key));
  if (study.cache.has(key)) return;
  (void)study.cache.value<Figures>(key, [&]() -> Figures {
    try {
      return make();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input && error.kind() != ErrorKind::gate) throw;
      return {};
    }
  });
}

// What the cache holds of a participant-session. Pictures are made before the gates, so what these
// refuse has them too.
[[nodiscard]] store::ShardFigures
kept_figures(const Study& study, const bids::ParticipantSession& session, const Context& context);

} // namespace boldmill::graph
