#include "stages/cohort/kernels/prediction_quality.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "stages/cohort/kernels/elastic_net.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kEdge = 1e-9; // probabilities are kept off 0 and 1

std::vector<Eigen::Index> known_rows(const Eigen::VectorXd& y, const Eigen::VectorXd& p) {
  std::vector<Eigen::Index> rows;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (!std::isnan(y[i]) && !std::isnan(p[i])) rows.push_back(i);
  }
  return rows;
}

} // namespace

CalibrationLine calibration_line(bool binary, const Eigen::VectorXd& y,
                                 const Eigen::VectorXd& prediction) {
  const auto rows = known_rows(y, prediction);
  if (rows.size() < 3) return {kNaN, kNaN};
  const Eigen::VectorXd outcome = y(rows);
  Eigen::MatrixXd x = prediction(rows);
  if (binary) {
    const Eigen::ArrayXd p = x.col(0).array().max(kEdge).min(1.0 - kEdge);
    x.col(0) = (p / (1.0 - p)).log();
  }
  const double spread = std::sqrt((x.col(0).array() - x.mean()).square().mean());
  if (!(spread > 1e-12) || outcome.minCoeff() == outcome.maxCoeff()) return {kNaN, kNaN};
  x /= spread;
  const ElasticNetSettings settings{
      .family = binary ? Family::binomial : Family::gaussian, .alpha = 0.0, .tolerance = 1e-14};
  const auto fit = elastic_net_path(x, outcome, {1e-10}, settings)[0];
  return {fit.intercept, fit.beta[0] / spread};
}

std::vector<CalibrationBin> calibration_curve(const Eigen::VectorXd& y,
                                              const Eigen::VectorXd& prediction, int bins) {
  auto rows = known_rows(y, prediction);
  std::stable_sort(rows.begin(), rows.end(),
                   [&](auto a, auto b) { return prediction[a] < prediction[b]; });
  const std::size_t n_bins = std::min(rows.size(), static_cast<std::size_t>(bins));
  std::vector<CalibrationBin> out;
  for (std::size_t b = 0; b < n_bins; ++b) {
    CalibrationBin bin;
    const std::size_t end = (b + 1) * rows.size() / n_bins;
    for (std::size_t i = b * rows.size() / n_bins; i < end; ++i) {
      ++bin.n;
      bin.predicted += prediction[rows[i]];
      bin.observed += y[rows[i]];
    }
    bin.predicted /= bin.n;
    bin.observed /= bin.n;
    out.push_back(bin);
  }
  return out;
}

std::vector<DecisionPoint> decision_curve(const Eigen::VectorXd& y,
                                          const Eigen::VectorXd& probability) {
  const auto rows = known_rows(y, probability);
  const auto n = static_cast<double>(rows.size());
  std::vector<DecisionPoint> out;
  for (int percent = 5; percent < 100 && n > 0; percent += 5) {
    const double threshold = percent / 100.0;
    const double cost = threshold / (1.0 - threshold);
    DecisionPoint point{threshold, 0.0, 0.0};
    for (const Eigen::Index row : rows) {
      const double gain = y[row] > 0.5 ? 1.0 : -cost;
      point.all += gain / n;
      if (probability[row] >= threshold) point.model += gain / n;
    }
    out.push_back(point);
  }
  return out;
}

std::string why_abstain(Eigen::Index n_missing, Eigen::Index n_used, double max_missing_share,
                        double relative_distance) {
  if (n_missing == n_used) return "no measure is present";
  if (static_cast<double>(n_missing) > max_missing_share * static_cast<double>(n_used)) {
    return std::to_string(n_missing) + " of " + std::to_string(n_used) + " measures are missing";
  }
  if (relative_distance <= 1.0) return "";
  std::array<char, 32> times{};
  std::snprintf(times.data(), times.size(), "%.4g", relative_distance);
  return std::string("outside the training people: ") + times.data() +
         " times as far from their mean as the furthest of them";
}

} // namespace boldmill::cohort
