// Replaces censored samples of series by a cubic spline (not-a-knot) through the samples kept.
// Before the first and after the last sample kept, the nearest of these stands in (XCP-D).
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <span>
#include <vector>

#include "stages/denoise/kernels/lanes.hpp"

namespace boldmill {

// For one pattern of samples kept: the tridiagonal system of the slopes is factored once. keep[t]
// != 0 for at least one t. With fewer than four samples kept, linear.
class CensoredSpline {
public:
  explicit CensoredSpline(std::span<const std::uint8_t> keep);
  void apply(Lanes& series) const; // a row per sample of keep

private:
  [[nodiscard]] Lanes slopes(const Lanes& y) const;

  std::vector<Eigen::Index> kept_; // samples
  Eigen::Index n_ = 0;
  std::vector<double> step_;                      // between samples kept
  std::vector<double> factor_, diagonal_, upper_; // of the elimination
};

void interpolate_censored(Eigen::Ref<Eigen::VectorXd> x, std::span<const std::uint8_t> keep);

} // namespace boldmill
