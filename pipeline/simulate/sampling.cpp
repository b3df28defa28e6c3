#include "pipeline/simulate/sampling.hpp"

#include <cmath>
#include <numbers>

namespace boldmill::simulate {
namespace {

constexpr int kSteps = 4096; // fractional positions: half a micrometre apart on a 2 mm lattice
constexpr int kLanes = 8;    // six weights and two zeros, so that a row is one vector

using Weights = std::array<float, kLanes>;

double lanczos(double x) {
  if (std::abs(x) < 1e-12) return 1.0;
  if (std::abs(x) >= 3.0) return 0.0;
  const double p = std::numbers::pi * x;
  return 3.0 * std::sin(p) * std::sin(p / 3.0) / (p * p);
}

std::vector<Weights> make_table() {
  std::vector<Weights> table(kSteps + 1);
  for (int step = 0; step <= kSteps; ++step) {
    const double fraction = static_cast<double>(step) / kSteps;
    std::array<double, 6> w{};
    double sum = 0.0;
    for (int tap = 0; tap < 6; ++tap) {
      w[static_cast<std::size_t>(tap)] = lanczos(fraction - (tap - 2));
      sum += w[static_cast<std::size_t>(tap)];
    }
    Weights& row = table[static_cast<std::size_t>(step)];
    row.fill(0.0F);
    for (std::size_t tap = 0; tap < 6; ++tap) row[tap] = static_cast<float>(w[tap] / sum);
  }
  return table;
}

const std::vector<Weights>& table() {
  static const std::vector<Weights> instance = make_table();
  return instance;
}

struct Taps {
  const float* weights;
  int first;
};

Taps taps(const std::vector<Weights>& table, double x) {
  const double floor_x = std::floor(x);
  const auto step = static_cast<std::size_t>((x - floor_x) * kSteps + 0.5);
  return {table[step].data(), static_cast<int>(floor_x) - 2};
}

} // namespace

float sample_lanczos(const float* data, const std::array<int, 3>& shape, double x, double y,
                     double z) {
  // Two spare entries behind a row are read with weight zero: they must exist.
  if (!(x >= 2.0 && y >= 2.0 && z >= 2.0 && x < shape[0] - 6 && y < shape[1] - 4 &&
        z < shape[2] - 4)) {
    return 0.0F;
  }
  const std::vector<Weights>& weights = table();
  const Taps tx = taps(weights, x);
  const Taps ty = taps(weights, y);
  const Taps tz = taps(weights, z);
  const auto nx = static_cast<std::size_t>(shape[0]);
  const std::size_t plane = nx * static_cast<std::size_t>(shape[1]);
  const float* corner = data + static_cast<std::size_t>(tz.first) * plane +
                        static_cast<std::size_t>(ty.first) * nx +
                        static_cast<std::size_t>(tx.first);
  Weights sum{};
  for (std::size_t dk = 0; dk < 6; ++dk) {
    for (std::size_t dj = 0; dj < 6; ++dj) {
      const float w = tz.weights[dk] * ty.weights[dj];
      const float* row = corner + dk * plane + dj * nx;
      for (std::size_t lane = 0; lane < kLanes; ++lane) sum[lane] += w * row[lane];
    }
  }
  float value = 0.0F;
  for (std::size_t lane = 0; lane < 6; ++lane) value += sum[lane] * tx.weights[lane];
  return value;
}

} // namespace boldmill::simulate
