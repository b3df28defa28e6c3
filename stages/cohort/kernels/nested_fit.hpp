// One training set to one model: the steps, then an elastic net whose mixing and penalty an inner
// k-fold picks. The steps are refitted inside every inner fold, so the choice sees no leak either.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/elastic_net.hpp"
#include "stages/cohort/kernels/learning_step.hpp"

namespace boldmill::cohort {

struct Learner {
  const std::vector<LearningStep>* steps = nullptr;
  Family family = Family::gaussian;
  std::vector<double> alphas;
  int n_lambdas = 30;
  double lambda_ratio = 1e-3;
  int n_inner_folds = 5;
};

struct Sample {
  Rows rows;
  Eigen::VectorXd y;
  std::vector<int> person; // may be empty

  [[nodiscard]] Sample select(const std::vector<Eigen::Index>& which) const;
};

struct Trained {
  FittedSteps steps;
  ElasticNetFit fit;
  Family family = Family::gaussian;
  double alpha = 0.0;
  double lambda = 0.0;
  std::vector<std::string> names; // of the columns the steps leave
  double largest_distance = 0.0;  // root mean square of a training row's inputs, the largest
  double base = 0.0;              // mean of the training target
  bool usable = false;            // false: one class only, or no column left
};

[[nodiscard]] Trained train(const Learner& learner, const Sample& training, std::uint64_t seed);

struct Predicted {
  Eigen::VectorXd value;    // NaN when the model is not usable
  Eigen::VectorXd distance; // root mean square of the row's inputs
};
[[nodiscard]] Predicted predict(const Trained& model, const Rows& rows);

} // namespace boldmill::cohort
