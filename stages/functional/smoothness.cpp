#include "stages/functional/smoothness.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::smoothness {
namespace {

constexpr std::size_t kBlock = 1024;

// Zero mean, no part along `line` (unit length, mean 0), unit length. False when the voxel does not
// vary.
bool standardise(const Eigen::VectorXd& line, Eigen::Ref<Eigen::VectorXd> x) {
  x.array() -= x.mean();
  x -= line * line.dot(x);
  const double length = x.norm();
  if (!(length > 0.0) || !std::isfinite(length)) return false;
  x /= length;
  return true;
}

struct Pairs {
  Eigen::Vector3d correlation = Eigen::Vector3d::Zero();
  Eigen::Vector3d n = Eigen::Vector3d::Zero();
  Pairs& operator+=(const Pairs& other) {
    correlation += other.correlation;
    n += other.n;
    return *this;
  }
};

} // namespace

Outputs run(const Inputs& inputs, const Context& context) {
  const Series& bold = inputs.bold;
  const Grid& grid = bold.grid;
  if (!inputs.mask.grid.same_as(grid, 0.01)) {
    throw Error(ErrorKind::input, "smoothness: the mask is on another grid than the series");
  }
  const int n_volumes = bold.n_volumes - inputs.n_dummies;
  if (n_volumes < 4) {
    throw Error(ErrorKind::input, "smoothness: found " + std::to_string(n_volumes) +
                                      " steady volumes, expected at least 4");
  }
  const std::array<std::size_t, 3> stride{1, static_cast<std::size_t>(grid.shape[0]),
                                          static_cast<std::size_t>(grid.shape[0]) *
                                              static_cast<std::size_t>(grid.shape[1])};
  const double last = 0.5 * (n_volumes - 1);
  const Eigen::VectorXd line = Eigen::VectorXd::LinSpaced(n_volumes, -last, last).normalized();
  const auto series_of = [&](std::size_t v, Eigen::Ref<Eigen::VectorXd> x) {
    for (int t = 0; t < n_volumes; ++t) {
      x[t] = static_cast<double>(bold.volume(inputs.n_dummies + t)[v]);
    }
    return standardise(line, x);
  };
  const Pairs pairs = parallel_sum(
      context, grid.n_voxels(), kBlock, Pairs{}, [&](std::size_t begin, std::size_t end) {
        Pairs part;
        Eigen::VectorXd here(n_volumes);
        Eigen::VectorXd next(n_volumes);
        for (std::size_t v = begin; v < end; ++v) {
          if (inputs.mask.data[v] == 0 || !series_of(v, here)) continue;
          const auto at = grid.coordinates(v);
          for (std::size_t a = 0; a < 3; ++a) {
            const std::size_t neighbour = v + stride[a];
            if (at[a] + 1 >= grid.shape[a] || inputs.mask.data[neighbour] == 0 ||
                !series_of(neighbour, next)) {
              continue;
            }
            part.correlation[static_cast<Eigen::Index>(a)] += here.dot(next);
            part.n[static_cast<Eigen::Index>(a)] += 1.0;
          }
        }
        return part;
      });
  Outputs out;
  const Eigen::Vector3d spacing = grid.spacing_mm();
  double log_sum = 0.0;
  int n_axes = 0;
  for (Eigen::Index a = 0; a < 3; ++a) {
    const double r = pairs.n[a] > 0.0 ? pairs.correlation[a] / pairs.n[a] : 0.0;
    out.fwhm_mm[a] = std::numeric_limits<double>::quiet_NaN();
    if (!(r > 0.0 && r < 1.0)) continue;
    out.fwhm_mm[a] = spacing[a] * std::sqrt(-2.0 * std::numbers::ln2 / std::log(r));
    log_sum += std::log(out.fwhm_mm[a]);
    ++n_axes;
  }
  out.mean_mm = n_axes > 0 ? std::exp(log_sum / n_axes) : std::numeric_limits<double>::quiet_NaN();
  return out;
}

} // namespace boldmill::smoothness
