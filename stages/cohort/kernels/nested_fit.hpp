// One training set to one model: the steps, then a linear model whose mixing and penalty an inner
// k-fold picks. The steps are refitted inside every inner fold, so the choice sees no leak either.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/elastic_net.hpp"
#include "stages/cohort/kernels/folds.hpp"
#include "stages/cohort/kernels/learning_step.hpp"

namespace boldmill::cohort {

// elastic_net: over alphas and lambdas. svm: L2-regularised squared hinge over lambdas, its
// decision value made a probability by a logistic fit to the inner held-out values (Platt 1999).
// connectome: see connectome_model.hpp, over thresholds.
enum class Model { elastic_net, svm, connectome };

struct Learner {
  const std::vector<LearningStep>* steps = nullptr;
  Model model = Model::elastic_net;
  Family family = Family::gaussian; // of the prediction: gaussian or binomial
  std::vector<double> alphas;
  int n_lambdas = 30;
  double lambda_ratio = 1e-3;
  std::vector<double> thresholds = {0.01};
  int n_inner_folds = 5;
  // Last step, after which columns are no longer measures (biotypes); may be null. Distances from
  // the training rows are taken before it.
  const LearningStep* recode = nullptr;
};

struct Sample {
  Rows rows;
  Eigen::VectorXd y;
  std::vector<int> person; // may be empty

  [[nodiscard]] Sample select(const std::vector<Eigen::Index>& which) const;
};

struct Trained {
  FittedSteps steps;
  LearningStep::Apply recode; // may be empty
  ElasticNetFit fit;
  Family family = Family::gaussian;
  double alpha = 0.0;
  double lambda = 0.0;               // of connectome the threshold
  std::vector<std::string> names;    // of the columns the steps leave
  double largest_distance = 0.0;     // root mean square of a training row's inputs, the largest
  double base = 0.0;                 // mean of the training target
  double center = 0.0, spread = 0.0; // mean and SD of b0 + X b over the training rows
  bool usable = false;               // false: one class only, or no column left
  // The chosen model's b0 + X b of each training row while its inner fold was held out.
  Eigen::VectorXd inner_eta;
};

[[nodiscard]] Trained train(const Learner& learner, const Sample& training, std::uint64_t seed);
// The folds that train() uses inside.
[[nodiscard]] Split inner_split(const Learner& learner, const Sample& training, std::uint64_t seed);

struct Predicted {
  Eigen::VectorXd value;    // NaN when the model is not usable
  Eigen::VectorXd eta;      // b0 + X b
  Eigen::VectorXd distance; // root mean square of the row's inputs
  Eigen::MatrixXd inputs;   // n x p as the model takes them; only when asked for
};
[[nodiscard]] Predicted predict(const Trained& model, const Rows& rows, bool keep_inputs = false);

} // namespace boldmill::cohort
