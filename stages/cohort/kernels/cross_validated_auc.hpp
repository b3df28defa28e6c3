// Interval of the AUC of a model trained on this cohort, on new people, from repeated k-fold
// cross-validation. On the logit scale, A the mean of the folds' AUCs:
//   logit A +- 1.96 sqrt(V) / (A (1 - A)),   V = V_D (1 + phi (1 - (1 - 1/R) / K))
// V_D: variance of placements, a person one unit; phi = K (1 - c): how much of the models'
// direction is noise, c the mean correlation of the scores that two repeats give the same held-out
// people. Derivation: METHOD.md. Cost O(repeats n log n + repeats^2 n).
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/cohort/kernels/folds.hpp"

namespace boldmill::cohort {

struct CrossValidatedAuc {
  double value = 0.0;               // mean over folds and repeats, NaN: no fold has both classes
  double lower = 0.0, upper = 0.0;  // 95 %
  double direct = 0.0, noise = 0.0; // V_D, phi
};
// y in {0, 1}; score: n x repeats, of a model that had not seen the row, its training scores with
// mean 0 and SD 1 (0 where they do not vary); NaN where there is none. splits: one per repeat, two
// at least. person may be empty.
[[nodiscard]] CrossValidatedAuc cross_validated_auc(const Eigen::VectorXd& y,
                                                    const Eigen::MatrixXd& score,
                                                    const std::vector<Split>& splits,
                                                    const std::vector<int>& person);

} // namespace boldmill::cohort
