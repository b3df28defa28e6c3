#include "stages/denoise/kernels/fourier_basis.hpp"

#include <cmath>
#include <numbers>

namespace boldmill {

Eigen::MatrixXd fourier_stop_band(Eigen::Index n, double tr_s, double low_hz, double high_hz,
                                  std::vector<std::string>* names) {
  constexpr double kMargin_hz = 1e-4;
  const double length_s = static_cast<double>(n) * tr_s;
  const double below = low_hz > 0.0 ? std::nearbyint((low_hz - kMargin_hz) * length_s) : 0.0;
  const double above =
      high_hz > 0.0 ? std::nearbyint((high_hz + kMargin_hz) * length_s) : static_cast<double>(n);
  Eigen::MatrixXd out(n, n);
  Eigen::Index q = 0;
  for (Eigen::Index k = 1; k <= n / 2; ++k) {
    const auto frequency = static_cast<double>(k);
    if (frequency > below && frequency < above) continue;
    const bool nyquist = 2 * k == n;
    const std::string prefix = frequency <= below ? "drift" : "fast";
    for (const bool sine : {false, true}) {
      if (sine && nyquist) continue;
      for (Eigen::Index t = 0; t < n; ++t) {
        const double angle =
            2.0 * std::numbers::pi * frequency * static_cast<double>(t) / static_cast<double>(n);
        out(t, q) = sine ? std::sin(angle) : std::cos(angle);
      }
      ++q;
      if (names != nullptr) names->push_back(prefix + (sine ? "_sin" : "_cos") + std::to_string(k));
    }
  }
  return out.leftCols(q);
}

} // namespace boldmill
