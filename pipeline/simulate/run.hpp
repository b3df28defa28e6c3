// One functional run: poses, acquisition, and the truth about both.
#pragma once

#include "pipeline/simulate/acquire.hpp"
#include "pipeline/simulate/session.hpp"

namespace boldmill::simulate {

[[nodiscard]] Poses draw_poses(const SimulationParams& params, const Site& site,
                               const Person& person, int n_volumes,
                               const Eigen::Vector3d& center_mm, std::uint64_t seed);
// The same pose throughout.
[[nodiscard]] Poses still(const RigidParameters& pose, const Eigen::Vector3d& center_mm);

// motion.tsv and motion.json in the truth folder; with motion within volumes also one row per
// slice.
void write_motion(const Names& names, const std::string& run, const Site& site, const Poses& poses,
                  const Affine& t1w_to_boldref);
// sources.tsv: noise-free source signals in percent at the middle of every volume.
void write_sources(const Names& names, const std::string& run, const SourceSignals& signals,
                   double tr_s, int n_volumes);

struct RunId {
  std::string participant, session, task;
};
void append_truth(const RunId& id, const SourceModel& model, const Design& design,
                  const std::array<double, kEdges>& person_z, const Eigen::MatrixXf& fluctuation,
                  const Eigen::MatrixXd& region_weights, SessionTruth& truth);
[[nodiscard]] MotionTruth summarize_motion(const RunId& id, const Poses& poses);

// n_volumes x kSources fluctuations at the middle of each kept volume.
[[nodiscard]] Eigen::MatrixXf fluctuation_at_volumes(const SourceSignals& signals, double tr_s,
                                                     int first, int n_volumes);

} // namespace boldmill::simulate
