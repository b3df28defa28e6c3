#include "stages/cohort/kernels/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/statistics.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool both(double a, double b) { return !std::isnan(a) && !std::isnan(b); }

template <class Term>
double mean_over(const Eigen::VectorXd& y, const Eigen::VectorXd& p, Term&& term) {
  double sum = 0.0;
  int n = 0;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (!both(y[i], p[i])) continue;
    sum += term(y[i], p[i]);
    ++n;
  }
  return n == 0 ? kNaN : sum / n;
}

} // namespace

double correlation(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction) {
  return pearson({y.data(), static_cast<std::size_t>(y.size())},
                 {prediction.data(), static_cast<std::size_t>(prediction.size())});
}

double r_squared(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction,
                 const Eigen::VectorXd& base) {
  double model = 0.0;
  double null = 0.0;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (!both(y[i], prediction[i])) continue;
    model += (y[i] - prediction[i]) * (y[i] - prediction[i]);
    null += (y[i] - base[i]) * (y[i] - base[i]);
  }
  return null > 0.0 ? 1.0 - model / null : kNaN;
}

double mean_absolute_error(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction) {
  return mean_over(y, prediction, [](double a, double b) { return std::abs(a - b); });
}

double auc(const Eigen::VectorXd& y, const Eigen::VectorXd& score) {
  std::vector<std::pair<double, bool>> rows;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (both(y[i], score[i])) rows.emplace_back(score[i], y[i] > 0.5);
  }
  std::sort(rows.begin(), rows.end());
  double rank_sum = 0.0;
  double n_positive = 0.0;
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin;
    while (end < rows.size() && rows[end].first == rows[begin].first) ++end;
    const double rank = 0.5 * static_cast<double>(begin + 1 + end); // mean rank of the tie
    for (; begin < end; ++begin) {
      if (!rows[begin].second) continue;
      rank_sum += rank;
      ++n_positive;
    }
  }
  const double n_negative = static_cast<double>(rows.size()) - n_positive;
  if (n_positive == 0.0 || n_negative == 0.0) return kNaN;
  return (rank_sum - 0.5 * n_positive * (n_positive + 1.0)) / (n_positive * n_negative);
}

double balanced_accuracy(const Eigen::VectorXd& y, const Eigen::VectorXd& probability,
                         double threshold) {
  double right[2] = {0.0, 0.0};
  double n[2] = {0.0, 0.0};
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (!both(y[i], probability[i])) continue;
    const bool positive = y[i] > 0.5;
    ++n[positive];
    if ((probability[i] >= threshold) == positive) ++right[positive];
  }
  return n[0] > 0.0 && n[1] > 0.0 ? 0.5 * (right[0] / n[0] + right[1] / n[1]) : kNaN;
}

double brier(const Eigen::VectorXd& y, const Eigen::VectorXd& probability) {
  return mean_over(y, probability, [](double a, double b) { return (a - b) * (a - b); });
}

} // namespace boldmill::cohort
