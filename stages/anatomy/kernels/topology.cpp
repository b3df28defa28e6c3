#include "stages/anatomy/kernels/topology.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::anatomy {

Jacobians jacobians(const VectorField& field, const Context& context) {
  const auto& shape = field.shape;
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto ny = static_cast<std::size_t>(shape[1]);
  const auto nz = static_cast<std::size_t>(shape[2]);
  const std::size_t nxy = nx * ny;
  const std::ptrdiff_t stride[3] = {3, 3 * static_cast<std::ptrdiff_t>(nx),
                                    3 * static_cast<std::ptrdiff_t>(nxy)};
  Jacobians out{std::vector<float>(nxy * nz, 1.0F), std::vector<float>(nxy * nz, 1.0F)};
  parallel_blocks(context, nz, 1, [&](std::size_t k, std::size_t) {
    if (k == 0 || k + 1 == nz) return;
    for (std::size_t j = 1; j + 1 < ny; ++j) {
      for (std::size_t i = 1; i + 1 < nx; ++i) {
        const std::size_t v = i + nx * j + nxy * k;
        const float* p = field.u.data() + 3 * v;
        Eigen::Vector3f side[3][2];
        for (int a = 0; a < 3; ++a) {
          for (int c = 0; c < 3; ++c) {
            side[a][0][c] = p[c] - p[c - stride[a]];
            side[a][1][c] = p[c + stride[a]] - p[c];
          }
          side[a][0][a] += 1.0F;
          side[a][1][a] += 1.0F;
        }
        for (int corner = 0; corner < 8; ++corner) {
          const Eigen::Vector3f& x = side[0][corner & 1];
          const float det = x.dot(side[1][(corner >> 1) & 1].cross(side[2][corner >> 2]));
          out.low[v] = corner == 0 ? det : std::min(out.low[v], det);
          out.high[v] = corner == 0 ? det : std::max(out.high[v], det);
        }
      }
    }
  });
  return out;
}

int keep_topology(VectorField& field, double least, const Context& context) {
  constexpr int kRounds = 40;
  constexpr double kReachVoxels = 1.5;
  constexpr float kGain = 12.0F; // a lone voxel's smoothed weight still reaches 1 at its place
  for (int round = 0; round < kRounds; ++round) {
    const Jacobians det = jacobians(field, context);
    std::vector<float> weight(det.low.size());
    bool folded = false;
    for (std::size_t v = 0; v < weight.size(); ++v) {
      weight[v] = det.low[v] < static_cast<float>(least) ? 1.0F : 0.0F;
      folded = folded || weight[v] > 0.0F;
    }
    if (!folded) return round;
    gaussian_smooth_in_place(weight, field.shape, Eigen::Vector3d::Constant(kReachVoxels), context);
    VectorField smooth = field;
    smooth_in_place(smooth, 1.0, context);
    for (std::size_t v = 0; v < weight.size(); ++v) {
      const float w = std::min(1.0F, kGain * weight[v]);
      if (w <= 0.0F) continue;
      float* u = field.u.data() + 3 * v;
      const float* s = smooth.u.data() + 3 * v;
      for (int c = 0; c < 3; ++c) u[c] += w * (s[c] - u[c]);
    }
  }
  return kRounds;
}

} // namespace boldmill::anatomy
