#include "stages/functional/multi_echo.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::multi_echo {
namespace {

constexpr double kReferenceQuantile = 0.33;
constexpr float kSignalShare = 1.0F / 3.0F;
constexpr std::size_t kBlock = 4096;

void require(const Inputs& inputs) {
  const std::size_t n = inputs.means.size();
  if (n < 2 || n != inputs.echo_times_s.size()) {
    throw Error(ErrorKind::input, "multi_echo: found " + std::to_string(n) + " echoes and " +
                                      std::to_string(inputs.echo_times_s.size()) +
                                      " echo times, expected as many, at least two");
  }
  double last = 0.0;
  for (const double time : inputs.echo_times_s) {
    if (!(time > last)) {
      throw Error(ErrorKind::input, "multi_echo: echo times must be positive and rise, found " +
                                        std::to_string(time) + " s after " + std::to_string(last));
    }
    last = time;
  }
  for (const Volume& mean : inputs.means) {
    if (!mean.grid.same_as(inputs.brain.grid)) {
      throw Error(ErrorKind::input, "multi_echo: the echoes are not on one grid");
    }
    for (const float value : mean.data) {
      if (!std::isfinite(value)) throw Error(ErrorKind::input, "multi_echo: a mean is not finite");
    }
  }
}

// Per echo: means above this are signal.
std::vector<float> thresholds(const Inputs& inputs) {
  const std::vector<std::size_t> voxels = indices_of(inputs.brain);
  if (voxels.empty()) throw Error(ErrorKind::input, "multi_echo: the brain mask is empty");
  std::vector<std::size_t> order = voxels;
  const Volume& first = inputs.means[0];
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return first.data[a] != first.data[b] ? first.data[a] < first.data[b] : a < b;
  });
  const auto at =
      static_cast<std::size_t>(kReferenceQuantile * static_cast<double>(order.size() - 1));
  std::vector<float> out;
  for (const Volume& mean : inputs.means) {
    out.push_back(std::max(0.0F, kSignalShare * mean.data[order[at]]));
  }
  return out;
}

struct Decay {
  double t2star_s = 0.0;
  double s0 = 0.0;
};

// Weighted straight line through (TE_e, log m_e) of the first n echoes.
Decay fit(const Inputs& inputs, std::size_t v, std::size_t n, double longest_s) {
  double w = 0.0;
  double wx = 0.0;
  double wy = 0.0;
  double wxx = 0.0;
  double wxy = 0.0;
  for (std::size_t e = 0; e < n; ++e) {
    const double mean = static_cast<double>(inputs.means[e].data[v]);
    if (!(mean > 0.0)) continue;
    const double x = inputs.echo_times_s[e];
    const double y = std::log(mean);
    const double weight = mean * mean;
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
  }
  const double spread = w * wxx - wx * wx;
  const double rate = spread > 1e-12 * w * wxx ? -(w * wxy - wx * wy) / spread : 0.0;
  const double t2star = rate * longest_s > 1.0 ? 1.0 / rate : longest_s;
  return {t2star, w > 0.0 ? std::exp((wy + wx / t2star) / w) : 0.0};
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  require(inputs);
  const std::vector<float> limits = thresholds(inputs);
  const Grid& grid = inputs.brain.grid;
  const std::size_t n_echoes = inputs.means.size();
  Outputs out{Volume(grid), Volume(grid), Mask(grid, 0), {}};
  out.weights.assign(n_echoes, Volume(grid));
  const double longest_s = params.max_t2star_ms / 1000.0;
  parallel_blocks(context, grid.n_voxels(), kBlock, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      std::size_t n = 0;
      while (n < n_echoes && inputs.means[n].data[v] > limits[n]) ++n;
      out.n_echoes.data[v] = static_cast<std::uint8_t>(n);
      const Decay decay = fit(inputs, v, std::max<std::size_t>(n, 2), longest_s);
      if (n > 0) {
        out.t2star_ms.data[v] = static_cast<float>(1000.0 * decay.t2star_s);
        out.s0.data[v] = static_cast<float>(decay.s0);
      }
      const std::size_t n_used = n == 0 ? n_echoes : n;
      double sum = 0.0;
      for (const bool write : {false, true}) {
        for (std::size_t e = 0; e < n_used; ++e) {
          const double time = inputs.echo_times_s[e];
          // Relative to the first echo: the exponential of a long train over a short T2* vanishes.
          const double weight = time * std::exp(-(time - inputs.echo_times_s[0]) / decay.t2star_s);
          if (write) {
            out.weights[e].data[v] = static_cast<float>(weight / sum);
          } else {
            sum += weight;
          }
        }
      }
    }
  });
  return out;
}

void add_weighted(Series& sum, const Series& echo, const Volume& weight,
                  std::span<const Affine> ref_to_volume, const Context& context) {
  if (echo.grid.shape != sum.grid.shape || weight.grid.shape != sum.grid.shape ||
      echo.n_volumes != sum.n_volumes) {
    throw Error(ErrorKind::input, "multi_echo: found " + std::to_string(echo.n_volumes) +
                                      " volumes of an echo or another grid, expected " +
                                      std::to_string(sum.n_volumes) + " volumes on one grid");
  }
  const Grid& grid = sum.grid;
  const auto n_rows =
      static_cast<std::size_t>(grid.shape[1]) * static_cast<std::size_t>(grid.shape[2]);
  const auto n = static_cast<std::size_t>(grid.shape[0]);
  const Eigen::Vector3d last(grid.shape[0] - 1, grid.shape[1] - 1, grid.shape[2] - 1);
  parallel_blocks(
      context, static_cast<std::size_t>(sum.n_volumes), 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t t = begin; t < end; ++t) {
          const bool moves = !ref_to_volume.empty() && ref_to_volume[t] != Affine::Identity();
          const Affine map =
              moves ? Affine(grid.affine.inverse() * ref_to_volume[t].inverse() * grid.affine)
                    : Affine(Affine::Identity());
          float* out = sum.volume(static_cast<int>(t));
          const float* in = echo.volume(static_cast<int>(t));
          for (std::size_t row = 0; row < n_rows; ++row) {
            Eigen::Vector3d x =
                (map * Eigen::Vector4d(
                           0.0, static_cast<double>(row % static_cast<std::size_t>(grid.shape[1])),
                           static_cast<double>(row / static_cast<std::size_t>(grid.shape[1])), 1.0))
                    .head<3>();
            for (std::size_t i = 0; i < n; ++i, x += map.col(0).head<3>()) {
              const std::size_t v = row * n + i;
              if (!moves) {
                out[v] += weight.data[v] * in[v];
                continue;
              }
              const Eigen::Vector3d at = x.cwiseMax(0.0).cwiseMin(last);
              out[v] += in[v] * sample_linear(weight.data.data(), grid.shape, at[0], at[1], at[2]);
            }
          }
        }
      });
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  return shape.n_voxels * sizeof(float) * (shape.n_volumes + 2 * shape.n_echoes + 3);
}

} // namespace boldmill::multi_echo
