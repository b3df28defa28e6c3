#include "stages/denoise/kernels/interpolate_censored.hpp"

namespace boldmill {
namespace {

std::size_t at(Eigen::Index i) { return static_cast<std::size_t>(i); }

} // namespace

// Slopes of the not-a-knot spline at the knots: a tridiagonal system (de Boor 1978, chapter IV).
CensoredSpline::CensoredSpline(std::span<const std::uint8_t> keep)
    : n_(static_cast<Eigen::Index>(keep.size())) {
  for (Eigen::Index t = 0; t < n_; ++t) {
    if (keep[at(t)] != 0) kept_.push_back(t);
  }
  for (std::size_t i = 0; i + 1 < kept_.size(); ++i) {
    step_.push_back(static_cast<double>(kept_[i + 1] - kept_[i]));
  }
  const std::size_t n = kept_.size();
  if (n < 4) return;
  diagonal_.resize(n);
  upper_.resize(n);
  factor_.resize(n);
  const double last = step_[n - 3] + step_[n - 2];
  for (std::size_t i = 0; i < n; ++i) {
    double lower = 0.0;
    if (i == 0) {
      diagonal_[i] = step_[1];
      upper_[i] = step_[0] + step_[1];
    } else if (i + 1 < n) {
      lower = step_[i];
      diagonal_[i] = 2.0 * (step_[i - 1] + step_[i]);
      upper_[i] = step_[i - 1];
    } else {
      lower = last;
      diagonal_[i] = step_[n - 3];
    }
    if (i == 0) continue;
    factor_[i] = lower / diagonal_[i - 1];
    diagonal_[i] -= factor_[i] * upper_[i - 1];
  }
}

Lanes CensoredSpline::slopes(const Lanes& y) const {
  const std::size_t n = kept_.size();
  const auto rise = [&](std::size_t i) -> Lane { return (y[i + 1] - y[i]) / step_[i]; };
  Lanes right(n);
  const double h0 = step_[0], h1 = step_[1], first = h0 + h1;
  right[0] = ((h0 + 2.0 * first) * h1 * rise(0) + h0 * h0 * rise(1)) / first;
  for (std::size_t i = 1; i + 1 < n; ++i) {
    right[i] = 3.0 * (step_[i] * rise(i - 1) + step_[i - 1] * rise(i));
  }
  const double h = step_[n - 2], last = step_[n - 3] + h;
  right[n - 1] = (h * h * rise(n - 3) + (2.0 * last + h) * step_[n - 3] * rise(n - 2)) / last;
  for (std::size_t i = 1; i < n; ++i) right[i] -= factor_[i] * right[i - 1];
  right[n - 1] /= diagonal_[n - 1];
  for (std::size_t i = n - 1; i-- > 0;) {
    right[i] = (right[i] - upper_[i] * right[i + 1]) / diagonal_[i];
  }
  return right;
}

void CensoredSpline::apply(Lanes& series) const {
  const std::size_t n = kept_.size();
  if (n == 0 || static_cast<Eigen::Index>(n) == n_) return;
  Lanes y(n);
  for (std::size_t i = 0; i < n; ++i) y[i] = series[at(kept_[i])];
  for (Eigen::Index t = 0; t < kept_.front(); ++t) series[at(t)] = y.front();
  for (Eigen::Index t = kept_.back() + 1; t < n_; ++t) series[at(t)] = y.back();
  const Lanes slope = n >= 4 ? slopes(y) : Lanes();
  for (std::size_t knot = 0; knot + 1 < n; ++knot) {
    const double h = step_[knot];
    for (Eigen::Index t = kept_[knot] + 1; t < kept_[knot + 1]; ++t) {
      const double u = static_cast<double>(t - kept_[knot]) / h;
      const double v = 1.0 - u;
      if (n < 4) {
        series[at(t)] = v * y[knot] + u * y[knot + 1];
        continue;
      }
      series[at(t)] = v * v * (1.0 + 2.0 * u) * y[knot] + // Hermite form
                      u * u * (1.0 + 2.0 * v) * y[knot + 1] +
                      h * u * v * (v * slope[knot] - u * slope[knot + 1]);
    }
  }
}

void interpolate_censored(Eigen::Ref<Eigen::VectorXd> x, std::span<const std::uint8_t> keep) {
  Lanes lanes;
  load_lanes(x, 0, lanes);
  CensoredSpline(keep).apply(lanes);
  store_lanes(lanes, 0, x);
}

} // namespace boldmill
