// Sines and cosines outside a band, the band-pass regressors of AFNI's 3dTproject and
// afni_proc.py: frequencies k / (n TR), k = 1 .. n / 2, of which those with
//   k <= rint((low - 1e-4 Hz) n TR)  or  k >= rint((high + 1e-4 Hz) n TR)
// are regressors (a cosine and a sine each, at Nyquist the cosine alone); the 0.1 mHz and the
// rounding are AFNI's.
#pragma once

#include <Eigen/Dense>
#include <string>
#include <vector>

namespace boldmill {

// n x q over times 0 .. n - 1; an edge of 0 is none. `names`, if given, receives q names.
[[nodiscard]] Eigen::MatrixXd fourier_stop_band(Eigen::Index n, double tr_s, double low_hz,
                                                double high_hz,
                                                std::vector<std::string>* names = nullptr);

} // namespace boldmill
