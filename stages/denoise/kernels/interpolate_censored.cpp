#include "stages/denoise/kernels/interpolate_censored.hpp"

#include <vector>

namespace boldmill {
namespace {

// Slopes of the not-a-knot spline at the knots: a tridiagonal system (de Boor 1978, chapter IV).
Eigen::VectorXd spline_slopes(const std::vector<double>& t, const Eigen::VectorXd& y) {
  const auto n = static_cast<Eigen::Index>(t.size());
  Eigen::VectorXd step(n - 1), slope(n - 1), lower(n), diagonal(n), upper(n), right(n);
  for (Eigen::Index i = 0; i + 1 < n; ++i) {
    step[i] = t[static_cast<std::size_t>(i) + 1] - t[static_cast<std::size_t>(i)];
    slope[i] = (y[i + 1] - y[i]) / step[i];
  }
  const double first = step[0] + step[1];
  diagonal[0] = step[1];
  upper[0] = first;
  right[0] = ((step[0] + 2.0 * first) * step[1] * slope[0] + step[0] * step[0] * slope[1]) / first;
  for (Eigen::Index i = 1; i + 1 < n; ++i) {
    lower[i] = step[i];
    diagonal[i] = 2.0 * (step[i - 1] + step[i]);
    upper[i] = step[i - 1];
    right[i] = 3.0 * (step[i] * slope[i - 1] + step[i - 1] * slope[i]);
  }
  const double h = step[n - 2];
  const double last = step[n - 3] + h;
  lower[n - 1] = last;
  diagonal[n - 1] = step[n - 3];
  right[n - 1] = (h * h * slope[n - 3] + (2.0 * last + h) * step[n - 3] * slope[n - 2]) / last;
  for (Eigen::Index i = 1; i < n; ++i) {
    const double factor = lower[i] / diagonal[i - 1];
    diagonal[i] -= factor * upper[i - 1];
    right[i] -= factor * right[i - 1];
  }
  right[n - 1] /= diagonal[n - 1];
  for (Eigen::Index i = n - 2; i >= 0; --i) {
    right[i] = (right[i] - upper[i] * right[i + 1]) / diagonal[i];
  }
  return right;
}

} // namespace

void interpolate_censored(Eigen::Ref<Eigen::VectorXd> x, std::span<const std::uint8_t> keep) {
  std::vector<double> t;
  for (std::size_t i = 0; i < keep.size(); ++i) {
    if (keep[i] != 0) t.push_back(static_cast<double>(i));
  }
  const auto n = static_cast<Eigen::Index>(t.size());
  if (n == 0 || n == x.size()) return;
  Eigen::VectorXd y(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    y[i] = x[static_cast<Eigen::Index>(t[static_cast<std::size_t>(i)])];
  }
  const Eigen::VectorXd slope = n >= 4 ? spline_slopes(t, y) : Eigen::VectorXd();
  Eigen::Index knot = -1; // last kept sample at or before the current one
  for (Eigen::Index i = 0; i < x.size(); ++i) {
    if (keep[static_cast<std::size_t>(i)] != 0) {
      ++knot;
      continue;
    }
    if (knot < 0 || knot + 1 == n) {
      x[i] = knot < 0 ? y[0] : y[n - 1];
      continue;
    }
    const double start = t[static_cast<std::size_t>(knot)];
    const double h = t[static_cast<std::size_t>(knot) + 1] - start;
    const double u = (static_cast<double>(i) - start) / h;
    if (n < 4) {
      x[i] = (1.0 - u) * y[knot] + u * y[knot + 1];
      continue;
    }
    const double v = 1.0 - u; // Hermite form
    x[i] = v * v * (1.0 + 2.0 * u) * y[knot] + u * u * (1.0 + 2.0 * v) * y[knot + 1] +
           h * u * v * (v * slope[knot] - u * slope[knot + 1]);
  }
}

} // namespace boldmill
