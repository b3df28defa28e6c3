// Susceptibility distortion of one run: which field, brought to the pose of the BOLD reference, and
// what it does there. A measured field is estimated once per run from the files its sidecars name;
// without one the run stays as it is, and the reason is a warning where a field could be expected,
// else a note.
#pragma once

#include "pipeline/bids/fieldmap_estimator.hpp"
#include "pipeline/graph/anatomy.hpp"
#include "pipeline/graph/study.hpp"
#include "stages/functional/kernels/shift_map.hpp"

namespace boldmill::graph {

// What will be done, from sidecars and digests alone.
struct DistortionPlan {
  bids::FieldmapEstimator estimator;
  std::string reason;    // why nothing will be done, "" otherwise
  bool expected = false; // the session has field maps, or the configuration asks for a method
  std::string key;       // of all that enters beside the BOLD reference
  std::vector<store::InputRecord> inputs;
};
[[nodiscard]] DistortionPlan plan_distortion(const Study& study,
                                             const bids::ParticipantSession& session,
                                             const bids::BoldRun& run);

// Kept in the cache.
struct RunDistortion {
  bool corrected = false;
  bool modulate = false; // intensities too
  distortion::ShiftMap map;
  Volume reference;              // the BOLD reference without distortion
  double max_shift_voxels = 0.0; // in the brain
  std::string method;
  std::vector<std::string> warnings;
  std::vector<std::string> notes; // as warnings, of what nobody could expect

  [[nodiscard]] const distortion::ShiftMap* shift() const { return corrected ? &map : nullptr; }
};
void archive(cache::Archive& a, RunDistortion& d);

// Never throws for a field map that cannot be used: the run stays uncorrected, with a warning.
[[nodiscard]] RunDistortion correct_distortion(const Study& study, const DistortionPlan& plan,
                                               const Anatomy& anatomy, const Volume& boldref,
                                               const Context& context);
// The method estimates against the T1w: the anatomy enters the key.
[[nodiscard]] bool needs_anatomy(const Study& study);

// Shift and factor at voxels of `target`, empty when the run is not corrected.
[[nodiscard]] distortion::AtVoxels distortion_at(const RunDistortion& distortion,
                                                 const Grid& target,
                                                 std::span<const std::size_t> voxels,
                                                 const PointMap& target_to_ref,
                                                 const Context& context);

} // namespace boldmill::graph
