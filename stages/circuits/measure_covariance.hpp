// How the errors of one person's measures belong together: masks overlap, edges share regions, the
// two directions of an interaction share everything. Each estimate's error in a run is a sum over
// volumes of its influence u_i(t) (weight times residual; 0 where a volume was not kept), so
//   C_ij = sum over runs, lags k with |k| tr_s < window_s of w(|k| tr_s / window_s) sum_t u_i(t)
//   u_j(t+k)
// with Parzen's window w, whose transform is not negative: C is positive semi-definite whatever the
// influences. R_ij = C_ij / sqrt(C_ii C_jj); covariance = diag(se) R diag(se) with the standard
// errors of the measures' own models. A measure without influence counts as independent of the
// others; a measure without se is NaN throughout. Sources: Newey 1987, doi:10.2307/1913610; Andrews
// 1991, doi:10.2307/2938229; Parzen 1961, doi:10.1080/00401706.1961.10489939. Cost O(M^2 T lags).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::measure_covariance {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Newey 1987, Econometrica, doi:10.2307/1913610",
    "Andrews 1991, Econometrica, doi:10.2307/2938229",
    "Parzen 1961, Technometrics, doi:10.1080/00401706.1961.10489939"};
inline constexpr StageInfo kStage{.name = "measure_covariance",
                                  .version = 1,
                                  .summary = "correlation of the errors of one person's measures",
                                  .references = kReferences};

struct Params {
  double window_s = 20.0;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [window_s] = params;
  visit("window_s", window_s, "s",
        "errors this far apart count as unrelated; the weight falls smoothly from 1 at 0",
        Limits::between(0.0, 600.0));
}

struct Run {
  std::string run_id; // for messages
  double tr_s = 0.0;
  // T x M, 0 on volumes not kept; a column of 0 where the run does not enter the measure. When a
  // measure is a weighted mean over runs, times the run's weight.
  Eigen::MatrixXd influence;
};
struct Inputs {
  Eigen::VectorXd se; // M, NaN missing or unknown
  std::vector<Run> runs;
};
struct Outputs {
  Eigen::MatrixXd correlation; // M x M, unit diagonal; NaN rows and columns where se is NaN
  Eigen::MatrixXd covariance;  // diag(se) correlation diag(se)
  std::vector<std::size_t> without_influence; // measures with a se taken as independent, ascending
};
// Throws internal: sizes that differ, an influence that is not finite, tr_s not above 0.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// T values from the n of the volumes kept, 0 elsewhere. `kept`: ascending volumes.
[[nodiscard]] Eigen::VectorXd over_all_volumes(const Eigen::VectorXd& influence,
                                               const std::vector<Eigen::Index>& kept,
                                               Eigen::Index n_volumes);

struct Shape {
  std::size_t n_measures = 0, n_volumes = 0, n_runs = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::measure_covariance
