// A head in closed form for tests: an ellipsoid with smooth tissue, so that any pose can be sampled
// exactly, without interpolation. Test support only.
#pragma once

#include <cmath>

#include "stages/core/image.hpp"
#include "stages/core/random.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::phantom {

// Signal of the still head at a point (mm, head centred at the origin). Edges are a few mm wide, as
// the point spread of an image makes them.
inline double head_signal(const Eigen::Vector3d& p) {
  const double r = Eigen::Vector3d(p[0] / 65.0, p[1] / 82.0, p[2] / 58.0).norm();
  const double brain = 1.0 / (1.0 + std::exp((r - 1.0) * 25.0));
  const double folds = 0.12 * std::sin(p[0] / 5.0) * std::cos(p[1] / 6.0 + p[2] / 9.0) +
                       0.10 * std::cos(p[2] / 5.5 + p[0] / 11.0);
  const auto blob = [&](double x, double y, double z, double s) {
    return std::exp(-(p - Eigen::Vector3d(x, y, z)).squaredNorm() / (2.0 * s * s));
  };
  const double ventricles = 0.6 * (blob(-9, 5, 10, 7) + blob(9, 5, 10, 7));
  const double dropout = 0.6 * blob(0, 55, -25, 14);
  return 1000.0 * brain * (0.7 + folds + ventricles - dropout);
}

// The head moved by `ref_to_volume`, times gain (1 + slope z), plus noise of `noise_sd`.
struct Scan {
  Affine ref_to_volume = Affine::Identity();
  double gain = 1.0;
  double noise_sd = 0.0;
};
inline void sample_head(const Grid& grid, const Scan& scan, Random& random, float* out) {
  const Affine back = scan.ref_to_volume.inverse();
  std::size_t v = 0;
  for (int k = 0; k < grid.shape[2]; ++k) {
    for (int j = 0; j < grid.shape[1]; ++j) {
      for (int i = 0; i < grid.shape[0]; ++i, ++v) {
        const Eigen::Vector3d mm = grid.to_mm(Eigen::Vector3d(i, j, k));
        const Eigen::Vector3d still = back.topLeftCorner<3, 3>() * mm + back.topRightCorner<3, 1>();
        double value = scan.gain * head_signal(still);
        if (scan.noise_sd > 0.0) {
          value =
              std::hypot(value + scan.noise_sd * random.normal(), scan.noise_sd * random.normal());
        }
        out[v] = static_cast<float>(value);
      }
    }
  }
}

// LAS grid, as scanners write it, centred on the head.
inline Grid scanner_grid(const std::array<int, 3>& shape, const Eigen::Vector3d& spacing) {
  Grid grid;
  grid.shape = shape;
  grid.affine = Affine::Identity();
  for (int a = 0; a < 3; ++a) {
    const double s = a == 0 ? -spacing[a] : spacing[a];
    grid.affine(a, a) = s;
    grid.affine(a, 3) = -0.5 * s * (shape[static_cast<std::size_t>(a)] - 1);
  }
  return grid;
}

// Random poses, the first still: translations and rotations with these SDs about the origin.
inline std::vector<Affine> random_motion(int n_volumes, double sd_mm, double sd_deg,
                                         Random& random) {
  std::vector<Affine> motion{Affine::Identity()};
  while (static_cast<int>(motion.size()) < n_volumes) {
    RigidParameters p;
    for (int a = 0; a < 3; ++a) {
      p.translation_mm[a] = sd_mm * random.normal();
      p.rotation_rad[a] = sd_deg * 0.017453292519943295 * random.normal();
    }
    motion.push_back(rigid_matrix(p, Eigen::Vector3d::Zero()));
  }
  return motion;
}

inline Series moving_head(const Grid& grid, const std::vector<Affine>& motion, double noise_sd,
                          std::uint64_t seed) {
  Series series;
  series.grid = grid;
  series.n_volumes = static_cast<int>(motion.size());
  series.tr_s = 2.0;
  series.data.resize(grid.n_voxels() * motion.size());
  Random random(seed);
  for (int t = 0; t < series.n_volumes; ++t) {
    Scan scan;
    scan.ref_to_volume = motion[static_cast<std::size_t>(t)];
    scan.noise_sd = noise_sd;
    sample_head(grid, scan, random, series.volume(t));
  }
  return series;
}

} // namespace boldmill::phantom
