// How far predictions may be taken at their word, and what acting on them is worth.
#pragma once

#include <Eigen/Dense>
#include <string>
#include <vector>

namespace boldmill::cohort {

// Slope and intercept of the outcome on the prediction: y = a + b prediction, or for a binary
// outcome logit P(y) = a + b logit(probability). 0 and 1 when well calibrated; NaN without spread.
struct CalibrationLine {
  double intercept = 0.0, slope = 0.0;
};
[[nodiscard]] CalibrationLine calibration_line(bool binary, const Eigen::VectorXd& y,
                                               const Eigen::VectorXd& prediction);

// Rows in order of their prediction, in `bins` groups of nearly equal size.
struct CalibrationBin {
  int n = 0;
  double predicted = 0.0, observed = 0.0; // means
};
[[nodiscard]] std::vector<CalibrationBin>
calibration_curve(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction, int bins = 10);

// Net benefit of treating when probability >= threshold: (TP - FP t / (1 - t)) / n, and of treating
// all; treating none is 0 (Vickers 2006, doi:10.1177/0272989X06295361).
struct DecisionPoint {
  double threshold = 0.0, model = 0.0, all = 0.0;
};
[[nodiscard]] std::vector<DecisionPoint> decision_curve(const Eigen::VectorXd& y,
                                                        const Eigen::VectorXd& probability);

// Why the prediction of a person is not to be used, "" when it may be: of the n_used measures with
// a value in training (the others are nobody's and say nothing) more than max_missing_share are
// missing, or relative_distance, over that of the furthest training row, is not at most 1.
[[nodiscard]] std::string why_abstain(Eigen::Index n_missing, Eigen::Index n_used,
                                      double max_missing_share, double relative_distance);

} // namespace boldmill::cohort
