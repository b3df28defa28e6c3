#include "stages/cohort/kernels/spline.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "stages/core/statistics.hpp"

namespace boldmill::cohort {
namespace {

constexpr Eigen::Index kDegree = 3;

} // namespace

SplineBasis SplineBasis::at_quantiles(const Eigen::VectorXd& values, int interior) {
  const std::vector<double> all(values.begin(), values.end());
  std::vector<double> knots;
  for (int i = 0; i <= interior + 1; ++i) {
    const double at = quantile(all, static_cast<double>(i) / (interior + 1));
    if (knots.empty() || at > knots.back()) knots.push_back(at); // few distinct values: fewer knots
  }
  return {Eigen::Map<const Eigen::VectorXd>(knots.data(), static_cast<Eigen::Index>(knots.size()))};
}

Eigen::Index SplineBasis::size() const { return knots.size() < 2 ? 0 : knots.size() + 1; }

Eigen::MatrixXd SplineBasis::evaluate(const Eigen::VectorXd& values) const {
  Eigen::MatrixXd out(values.size(), size());
  if (size() == 0) return out;
  Eigen::VectorXd t(knots.size() + 2 * kDegree);
  t << Eigen::VectorXd::Constant(kDegree, knots[0]), knots,
      Eigen::VectorXd::Constant(kDegree, knots[knots.size() - 1]);
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      out.row(i).setConstant(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const double x = std::clamp(values[i], knots[0], knots[knots.size() - 1]);
    const auto* after = std::upper_bound(knots.data(), knots.data() + knots.size() - 1, x);
    const Eigen::Index span = (after - knots.data()) - 1 + kDegree; // t[span] <= x <= t[span + 1]
    Eigen::VectorXd basis = Eigen::VectorXd::Zero(size() + 1);
    basis[span] = 1.0; // Cox and de Boor, from degree 0 up
    for (Eigen::Index degree = 1; degree <= kDegree; ++degree) {
      for (Eigen::Index j = span - degree; j <= span; ++j) {
        const double left = t[j + degree] - t[j];
        const double a = left > 0.0 ? (x - t[j]) / left * basis[j] : 0.0;
        const double right = j < span ? t[j + degree + 1] - t[j + 1] : 0.0;
        const double b = right > 0.0 ? (t[j + degree + 1] - x) / right * basis[j + 1] : 0.0;
        basis[j] = a + b;
      }
    }
    out.row(i) = basis.tail(size());
  }
  return out;
}

} // namespace boldmill::cohort
