// Out-of-fold predictions of a learner over repeated splits, and what they are worth.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/folds.hpp"
#include "stages/cohort/kernels/nested_fit.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::cohort {

struct HeldOut {
  Eigen::VectorXd prediction;        // n
  Eigen::VectorXd eta;               // n, b0 + X b
  Eigen::VectorXd score;             // n, eta in SD of the training rows' about their mean
  Eigen::VectorXd relative_distance; // n, of the row over the largest of its training rows
  std::vector<Trained> models;       // one per fold
};
[[nodiscard]] HeldOut cross_validate(const Learner& learner, const Sample& sample,
                                     const Split& split, std::uint64_t seed,
                                     const Context& context);

struct RepeatedPredictions {
  Eigen::MatrixXd by_repeat;         // n x repeats
  Eigen::MatrixXd base;              // n x repeats, the training mean
  Eigen::MatrixXd score;             // n x repeats, HeldOut::score
  Eigen::VectorXd mean_prediction;   // n
  Eigen::VectorXd first_eta;         // n, of the first repeat
  Eigen::VectorXd relative_distance; // n, of the first repeat
  std::vector<Trained> models;       // repeat by repeat, fold by fold
};
[[nodiscard]] RepeatedPredictions repeated_cross_validation(const Learner& learner,
                                                            const Sample& sample,
                                                            const std::vector<Split>& splits,
                                                            std::uint64_t seed,
                                                            const Context& context);

// r for gaussian, AUC for binomial.
[[nodiscard]] double primary_metric(Family family, const Eigen::VectorXd& y,
                                    const Eigen::VectorXd& prediction);

struct NamedBaseline {
  std::string name;
  Eigen::MatrixXd x; // n x q, NaN missing
};
struct EvaluatedMetric {
  std::string name;
  double value = 0.0, lower = 0.0, upper = 0.0;
  std::vector<double> baseline;
};
struct Evaluation {
  std::vector<EvaluatedMetric> metrics; // the primary first
  std::vector<std::string> baseline_names;
  std::string interval_method;
};
// Metrics of the pooled predictions, averaged over repeats, with corrected repeated-CV intervals;
// the same of "mean" and of each baseline (training-median imputation, standardisation, ridge
// 1e-3).
[[nodiscard]] Evaluation evaluate(Family family, const Sample& sample,
                                  const std::vector<Split>& splits,
                                  const RepeatedPredictions& held_out,
                                  const std::vector<NamedBaseline>& baselines);

} // namespace boldmill::cohort
