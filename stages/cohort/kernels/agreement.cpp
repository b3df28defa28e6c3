#include "stages/cohort/kernels/agreement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace boldmill::cohort {

Kappa cohens_kappa(const std::vector<int>& a, const std::vector<int>& b, double confidence) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  Kappa out{0, kNaN, kNaN, kNaN, {kNaN, kNaN}};
  int n_levels = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] < 0 || b[i] < 0) continue;
    n_levels = std::max({n_levels, a[i] + 1, b[i] + 1});
    ++out.n;
  }
  if (out.n == 0) return out;
  Eigen::MatrixXd p = Eigen::MatrixXd::Zero(n_levels, n_levels);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] >= 0 && b[i] >= 0) p(a[i], b[i]) += 1.0 / out.n;
  }
  const Eigen::VectorXd row = p.rowwise().sum();
  const Eigen::VectorXd column = p.colwise().sum();
  out.agreement = p.trace();
  const double chance = row.dot(column);
  if (!(chance < 1.0)) return out;
  out.kappa = (out.agreement - chance) / (1.0 - chance);
  const double rest = 1.0 - out.kappa;
  double diagonal = 0.0;
  double other = 0.0;
  for (int i = 0; i < n_levels; ++i) {
    for (int j = 0; j < n_levels; ++j) {
      if (i == j) {
        diagonal += p(i, i) * std::pow(1.0 - (row[i] + column[i]) * rest, 2);
      } else {
        other += p(i, j) * std::pow(column[i] + row[j], 2);
      }
    }
  }
  const double last = std::pow(out.kappa - chance * rest, 2);
  const double variance =
      (diagonal + rest * rest * other - last) / (out.n * (1.0 - chance) * (1.0 - chance));
  out.se = std::sqrt(std::max(0.0, variance));
  const double half = normal_quantile(0.5 + 0.5 * confidence) * out.se;
  out.bounds = {out.kappa - half, out.kappa + half};
  return out;
}

} // namespace boldmill::cohort
