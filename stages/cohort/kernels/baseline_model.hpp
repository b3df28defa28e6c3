// What imaging has to beat: a nearly unpenalised linear or logistic regression on a few covariates,
// and a model of imaging stacked on it.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

#include "stages/cohort/kernels/nested_fit.hpp"

namespace boldmill::cohort {

// b0 + X b out of fold: training-median imputation, standardisation, ridge with lambda 0.001.
[[nodiscard]] Eigen::VectorXd baseline_eta(Family family, const Eigen::VectorXd& y,
                                           const Eigen::MatrixXd& x, const Split& split);

// Of each outer fold, what the stack needs of the baseline; does not depend on imaging.
struct StackedBaseline {
  Eigen::VectorXd test_eta;               // n, out of fold
  std::vector<Eigen::VectorXd> inner_eta; // per outer fold: of its training rows, out of inner fold
};
[[nodiscard]] StackedBaseline stacked_baseline(const Learner& learner, const Sample& sample,
                                               const Eigen::MatrixXd& x, const Split& split,
                                               std::uint64_t seed);

// Out-of-fold prediction from baseline and imaging together: in each fold the target is regressed
// on both predictors' inner held-out values, with weights not below zero (stacking: Breiman 1996,
// doi:10.1007/BF00117832). `models` and `eta` (n) are the imaging model's, fold by fold.
[[nodiscard]] Eigen::VectorXd stacked_prediction(Family family, const Eigen::VectorXd& y,
                                                 const Split& split,
                                                 const StackedBaseline& baseline,
                                                 const std::vector<Trained>& models,
                                                 const Eigen::VectorXd& eta);

} // namespace boldmill::cohort
