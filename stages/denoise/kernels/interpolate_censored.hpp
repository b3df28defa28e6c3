// Replaces censored samples of a series by a cubic spline (not-a-knot) through the samples kept.
// Before the first and after the last sample kept, the nearest of these stands in (XCP-D).
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <span>

namespace boldmill {

// keep[t] != 0 for at least one t. With fewer than four samples kept, linear.
void interpolate_censored(Eigen::Ref<Eigen::VectorXd> x, std::span<const std::uint8_t> keep);

} // namespace boldmill
