#include "pipeline/simulate/run.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/simulate/sidecars.hpp"

namespace boldmill::simulate {
namespace {

const std::vector<std::string> kParameterNames{"trans_x", "trans_y", "trans_z",
                                               "rot_x",   "rot_y",   "rot_z"};
const std::vector<std::string> kMatrixNames{"m00", "m01", "m02", "m03", "m10", "m11",
                                            "m12", "m13", "m20", "m21", "m22", "m23"};

void fill_row(Eigen::MatrixXd& table, Eigen::Index row, Eigen::Index column,
              const RigidParameters& parameters, const Affine& matrix) {
  for (int a = 0; a < 3; ++a) {
    table(row, column + a) = parameters.translation_mm[a];
    table(row, column + 3 + a) = parameters.rotation_rad[a];
  }
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) table(row, column + 6 + 4 * i + j) = matrix(i, j);
  }
}

std::vector<std::string> pose_names(std::vector<std::string> first) {
  first.insert(first.end(), kParameterNames.begin(), kParameterNames.end());
  first.insert(first.end(), kMatrixNames.begin(), kMatrixNames.end());
  return first;
}

Json matrix_json(const Affine& matrix) {
  Json rows = Json::array();
  for (int i = 0; i < 4; ++i) {
    rows.push_back({matrix(i, 0), matrix(i, 1), matrix(i, 2), matrix(i, 3)});
  }
  return rows;
}

double fisher_z(const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
  const Eigen::ArrayXd x = a.array() - a.mean();
  const Eigen::ArrayXd y = b.array() - b.mean();
  return std::atanh((x * y).sum() / std::sqrt(x.square().sum() * y.square().sum()));
}

struct Contrast {
  std::string_view name;
  std::vector<std::string_view> plus;
  std::string_view minus;
};

std::vector<Contrast> contrasts_of(std::string_view task) {
  if (task == "gonogo") return {{"nogo_vs_go", {"nogo"}, "go"}};
  if (task == "rest") return {};
  return {{"sad_vs_neu", {"sad"}, "neutral"},
          {"thr_vs_neu", {"fear", "anger"}, "neutral"},
          {"happy_vs_neu", {"happy"}, "neutral"}};
}

// Both directions of every pair. With unit-variance neural series, the target's slope on the hub
// rises by the strength; the hub's slope on the target from r to (r + s) / (1 + 2 r s + s^2).
void append_interactions(const RunId& id, const SourceModel& model,
                         const Eigen::MatrixXd& region_weights, SessionTruth& truth) {
  std::size_t next = 0;
  for (const PpiPair& pair : ppi_pairs()) {
    if (pair.task != id.task) continue;
    const double s = model.interactions[next++].strength;
    const double r = model.correlation(pair.hub, pair.target);
    const double reverse = (r + s) / (1.0 + 2.0 * r * s + s * s) - r;
    const auto weight = [&](std::string_view region, int source) {
      return region_weights(static_cast<Eigen::Index>(region_index(region)), source);
    };
    const double ratio =
        weight(pair.target_region, pair.target) / weight(pair.hub_region, pair.hub);
    const std::string hub(pair.hub_region), target(pair.target_region);
    const std::string code(pair.code), contrast(pair.contrast);
    truth.interactions.push_back(
        {id.participant, id.session, id.task, code, contrast, hub, target, s, s, s * ratio});
    truth.interactions.push_back({id.participant, id.session, id.task, code, contrast, target, hub,
                                  s, reverse, reverse / ratio});
  }
}

} // namespace

Poses draw_poses(const SimulationParams& params, const Site& site, const Person& person,
                 int n_volumes, const Eigen::Vector3d& center_mm, std::uint64_t seed) {
  Random random(seed);
  Poses poses;
  poses.center_mm = center_mm;
  poses.per_slice = params.within_volume_motion;
  // Patients move a little more, as they do in practice: a confound that the truth knows.
  const MotionParams level = motion_level(params.motion, person.patient ? 1.15 : 1.0);
  const Trajectory trajectory(level, n_volumes * site.tr_s, person.breathing_hz, random);
  RigidParameters offset; // the head settles anew before each run
  for (int a = 0; a < 3 && params.motion != "none"; ++a) {
    offset.translation_mm[a] = 0.5 * random.normal();
    offset.rotation_rad[a] = 0.006 * random.normal();
  }
  const auto at = [&](double time_s) {
    RigidParameters pose = trajectory.at(time_s);
    pose.translation_mm += offset.translation_mm;
    pose.rotation_rad += offset.rotation_rad;
    return pose;
  };
  for (int t = 0; t < n_volumes; ++t) {
    poses.volume_parameters.push_back(at((t + 0.5) * site.tr_s));
    poses.volume.push_back(rigid_matrix(poses.volume_parameters.back(), center_mm));
    if (!poses.per_slice) continue;
    auto& parameters = poses.slice_parameters.emplace_back();
    auto& matrices = poses.slice.emplace_back();
    for (const double slice_time : site.slice_times_s) {
      parameters.push_back(at(t * site.tr_s + slice_time));
      matrices.push_back(rigid_matrix(parameters.back(), center_mm));
    }
  }
  return poses;
}

Poses still(const RigidParameters& pose, const Eigen::Vector3d& center_mm) {
  Poses poses;
  poses.center_mm = center_mm;
  poses.volume_parameters = {pose};
  poses.volume = {rigid_matrix(pose, center_mm)};
  return poses;
}

void write_motion(const Names& names, const std::string& run, const Site& site, const Poses& poses,
                  const Affine& t1w_to_boldref) {
  const auto n = static_cast<Eigen::Index>(poses.volume.size());
  Eigen::MatrixXd table(n, 18);
  for (Eigen::Index t = 0; t < n; ++t) {
    const auto ts = static_cast<std::size_t>(t);
    fill_row(table, t, 0, poses.volume_parameters[ts], poses.volume[ts]);
  }
  bids::write_tsv(names.truth(run + "_motion.tsv"), pose_names({}), table);
  if (poses.per_slice) {
    const auto slices = static_cast<Eigen::Index>(site.slice_times_s.size());
    Eigen::MatrixXd rows(n * slices, 21);
    for (Eigen::Index r = 0; r < rows.rows(); ++r) {
      const auto t = static_cast<std::size_t>(r / slices);
      const auto k = static_cast<std::size_t>(r % slices);
      rows(r, 0) = static_cast<double>(t);
      rows(r, 1) = static_cast<double>(k);
      rows(r, 2) = static_cast<double>(t) * site.tr_s + site.slice_times_s[k];
      fill_row(rows, r, 3, poses.slice_parameters[t][k], poses.slice[t][k]);
    }
    bids::write_tsv(names.truth(run + "_desc-slices_motion.tsv"),
                    pose_names({"volume", "slice", "time_s"}), rows);
  }
  const Eigen::Vector3d& c = poses.center_mm;
  write_json(names.truth(run + "_motion.json"),
             {{"Description",
               "Row t: rigid map from the session's reference pose to the pose in volume t. Both "
               "sides are scanner coordinates (RAS, mm) of the BOLD image: tissue that lies at x "
               "in the reference pose lies at M x in volume t. M = Rz Ry Rx about center_mm, then "
               "translation; m00..m23 are its first three rows. The map from volume a to volume b "
               "is M_b inverse(M_a)."},
              {"center_mm", {c[0], c[1], c[2]}},
              {"within_volume", poses.per_slice},
              {"volume_time", poses.per_slice ? "the row holds the pose at the middle of the volume"
                                              : "the pose is held during the volume"},
              {"t1w_to_reference", matrix_json(t1w_to_boldref)}});
}

void write_sources(const Names& names, const std::string& run, const SourceSignals& signals,
                   double tr_s, int n_volumes) {
  Eigen::MatrixXd table(n_volumes, kSources);
  std::array<float, kSources> values{};
  for (int t = 0; t < n_volumes; ++t) {
    signals.at((t + 0.5) * tr_s, values.data());
    for (int s = 0; s < kSources; ++s) {
      // Six digits of a percent are far below any noise and keep the file small.
      table(t, s) =
          std::round(static_cast<double>(values[static_cast<std::size_t>(s)]) * 1e6) / 1e6;
    }
  }
  std::vector<std::string> columns(source_names().begin(), source_names().end());
  bids::write_tsv(names.truth(run + "_sources.tsv"), columns, table);
}

Eigen::MatrixXf fluctuation_at_volumes(const SourceSignals& signals, double tr_s, int first,
                                       int n_volumes) {
  Eigen::MatrixXf out(n_volumes - first, kSources);
  for (int t = first; t < n_volumes; ++t) {
    out.row(t - first) = signals.fluctuation_at((t + 0.5) * tr_s);
  }
  return out;
}

void append_truth(const RunId& id, const SourceModel& model, const Design& design,
                  const std::array<double, kEdges>& person_z, const Eigen::MatrixXf& fluctuation,
                  const Eigen::MatrixXd& region_weights, SessionTruth& truth) {
  const Eigen::MatrixXd source = fluctuation.cast<double>();
  const Eigen::MatrixXd region = source * region_weights.transpose();
  for (std::size_t e = 0; e < kEdges; ++e) {
    const Edge& edge = edges()[e]; // the first 15 regions have the index of their source
    truth.edges.push_back({id.participant, id.session, id.task, std::string(edge.code), person_z[e],
                           fisher_z(source.col(edge.a), source.col(edge.b)),
                           fisher_z(region.col(edge.a), region.col(edge.b))});
  }
  const auto column = [&](std::string_view condition) {
    const auto at = std::find(design.conditions.begin(), design.conditions.end(), condition);
    return static_cast<Eigen::Index>(at - design.conditions.begin());
  };
  for (const Contrast& contrast : contrasts_of(id.task)) {
    Eigen::VectorXd effect = -model.activation.col(column(contrast.minus));
    for (const std::string_view plus : contrast.plus) {
      effect += model.activation.col(column(plus)) / static_cast<double>(contrast.plus.size());
    }
    const Eigen::VectorXd by_region = region_weights * effect;
    for (std::size_t r = 0; r < kRegions; ++r) {
      truth.activations.push_back({id.participant, id.session, id.task,
                                   std::string(regions()[r].code), std::string(contrast.name),
                                   effect[regions()[r].source],
                                   by_region[static_cast<Eigen::Index>(r)]});
    }
  }
  append_interactions(id, model, region_weights, truth);
}

MotionTruth summarize_motion(const RunId& id, const Poses& poses) {
  MotionTruth motion{id.participant, id.session, id.task, 0.0, 0.0};
  for (std::size_t t = 1; t < poses.volume_parameters.size(); ++t) {
    const RigidParameters& a = poses.volume_parameters[t - 1];
    const RigidParameters& b = poses.volume_parameters[t];
    const double fd = (b.translation_mm - a.translation_mm).cwiseAbs().sum() +
                      50.0 * (b.rotation_rad - a.rotation_rad).cwiseAbs().sum();
    motion.mean_fd_mm += fd / static_cast<double>(poses.volume_parameters.size() - 1);
    motion.max_fd_mm = std::max(motion.max_fd_mm, fd);
  }
  return motion;
}

} // namespace boldmill::simulate
