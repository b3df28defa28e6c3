// Missing measures by chained random forests and predictive mean matching, one batch at a time: the
// imputer of the published chain (miceRanger). It completes the rows it learns from and nobody
// else: never inside a fold, never for new people. Steps and departures: METHOD.md.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

#include "stages/cohort/kernels/regression_forest.hpp"

namespace boldmill::cohort {

struct ForestImputation {
  int iterations = 5;
  int donors = 5;
  int trees = 500;
  std::uint64_t seed = 1;
};
// x: n x p, NaN missing; batch: n, empty: all are of one. A column that nobody of a batch has stays
// missing there.
[[nodiscard]] Eigen::MatrixXd impute_by_forests(const Eigen::MatrixXd& x,
                                                const std::vector<int>& batch,
                                                const ForestImputation& options,
                                                const Context& context);

} // namespace boldmill::cohort
