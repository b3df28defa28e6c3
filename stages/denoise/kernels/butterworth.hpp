// Butterworth filters as second-order sections, run forward and backward (zero phase).
// Design by analogue prototype, frequency transform and bilinear map; Oppenheim & Schafer,
// Discrete-Time Signal Processing, chapter 7. Agrees with scipy.signal.butter and sosfiltfilt.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/denoise/kernels/lanes.hpp"

namespace boldmill {

struct Biquad {
  double b0 = 0, b1 = 0, b2 = 0, a1 = 0, a2 = 0; // a0 = 1
};

enum class Padding {
  constant, // the end value, n - 1 samples
  odd       // point reflection, 3 (2 n_sections + 1 - first-order sections) samples
};

// low_hz or high_hz 0: no edge there (low-pass or high-pass). At least one edge is needed, both
// below the Nyquist frequency 1 / (2 tr_s) and low_hz < high_hz.
[[nodiscard]] std::vector<Biquad> butterworth(int order, double low_hz, double high_hz,
                                              double tr_s);

// In place; needs more samples than the padding.
void filter_forward_backward(const std::vector<Biquad>& sections, Lanes& x, Padding padding);
[[nodiscard]] Eigen::VectorXd filter_forward_backward(const std::vector<Biquad>& sections,
                                                      const Eigen::VectorXd& x, Padding padding);
[[nodiscard]] Eigen::Index padding_length(const std::vector<Biquad>& sections, Eigen::Index n,
                                          Padding padding);

} // namespace boldmill
