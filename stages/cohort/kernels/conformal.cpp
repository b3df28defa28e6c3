#include "stages/cohort/kernels/conformal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace boldmill::cohort {
namespace {

// Quantile of the values without one of them (NaN: without none), from the sorted whole.
double quantile_without(const std::vector<double>& sorted, double left_out, double alpha) {
  const bool leave = !std::isnan(left_out);
  const auto n = static_cast<double>(sorted.size()) - (leave ? 1.0 : 0.0);
  const double rank = std::ceil((1.0 - alpha) * (n + 1.0) - 1e-12);
  if (rank > n) return std::numeric_limits<double>::infinity();
  auto position = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  if (leave && left_out <= sorted[position]) ++position;
  return sorted[position];
}

std::vector<double> sorted_present(const Eigen::VectorXd& values) {
  std::vector<double> out;
  for (const double value : values) {
    if (!std::isnan(value)) out.push_back(value);
  }
  std::sort(out.begin(), out.end());
  return out;
}

} // namespace

double conformal_quantile(std::vector<double> values, double alpha) {
  std::sort(values.begin(), values.end());
  return quantile_without(values, std::numeric_limits<double>::quiet_NaN(), alpha);
}

Interval conformal_interval(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction,
                            double alpha) {
  const Eigen::VectorXd residual = (y - prediction).cwiseAbs();
  const std::vector<double> sorted = sorted_present(residual);
  Interval out{prediction, prediction};
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    const double half = quantile_without(sorted, residual[i], alpha);
    out.lower[i] -= half;
    out.upper[i] += half;
  }
  return out;
}

Eigen::Array<std::uint8_t, Eigen::Dynamic, 2>
conformal_set(const Eigen::VectorXd& y, const Eigen::VectorXd& probability, double alpha) {
  Eigen::Array<std::uint8_t, Eigen::Dynamic, 2> out(y.size(), 2);
  for (int label = 0; label < 2; ++label) {
    const Eigen::VectorXd strangeness =
        label == 1 ? Eigen::VectorXd(1.0 - probability.array()) : probability;
    Eigen::VectorXd own = strangeness;
    for (Eigen::Index i = 0; i < y.size(); ++i) {
      if (std::isnan(y[i]) || (y[i] > 0.5) != (label == 1)) {
        own[i] = std::numeric_limits<double>::quiet_NaN();
      }
    }
    const std::vector<double> sorted = sorted_present(own);
    for (Eigen::Index i = 0; i < y.size(); ++i) {
      out(i, label) = strangeness[i] <= quantile_without(sorted, own[i], alpha) ? 1 : 0;
    }
  }
  return out;
}

} // namespace boldmill::cohort
