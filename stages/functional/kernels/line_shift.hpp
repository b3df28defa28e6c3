// One level of the search for a shift along an axis by squared local correlation: value, damped
// Newton steps with conjugate gradients. The unknown is the shift in mm. See fieldmap_free.hpp.
#pragma once

#include <array>
#include <vector>

#include "stages/functional/kernels/line_correlation.hpp"

namespace boldmill {

struct LineShiftSettings {
  double smoothness = 3.0;    // weight of the squared gradient of the shift in mm
  double max_shift_mm = 15.0; // no shift is larger
  int max_iterations = 15;
};

class LineShiftLevel {
public:
  LineShiftLevel(LineCorrelation correlation, int axis, const LineShiftSettings& settings,
                 const Context& context);

  [[nodiscard]] double r2(const std::vector<float>& shift_mm) const; // mean over the domain
  // Starts from `shift_mm`, or from none where that is better.
  void minimise(std::vector<float>& shift_mm) const;

private:
  [[nodiscard]] std::vector<float> in_voxels(const std::vector<float>& b) const;
  [[nodiscard]] float roughness(std::size_t v, const std::vector<float>& b) const;
  [[nodiscard]] double value(const std::vector<float>& b) const; // infinite when nearly folded
  [[nodiscard]] double dot(const std::vector<float>& a, const std::vector<float>& b) const;
  [[nodiscard]] std::vector<float> newton_step(const std::vector<float>& b,
                                               const LineCorrelation::Value& at) const;

  LineCorrelation correlation_;
  std::size_t axis_;
  LineShiftSettings settings_;
  const Context& context_;
  std::array<std::size_t, 3> length_{}, stride_{};
  std::array<float, 3> per_mm2_{};
  double voxels_per_mm_ = 1.0;
};

} // namespace boldmill
