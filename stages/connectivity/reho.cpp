#include "stages/connectivity/reho.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "stages/connectivity/kernels/kept_columns.hpp"
#include "stages/connectivity/kernels/ranks.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::reho {
namespace {

using connectivity::double_ranks;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Sum over volumes of (sum of double ranks)^2 to W. `k` usable voxels, `ties` = sum of T_v.
float kendall_w(const std::uint32_t* sums, std::size_t n, int k, double ties, int min_voxels) {
  if (k < min_voxels) return kNaN;
  const double mean = static_cast<double>(k) * static_cast<double>(n + 1); // of double ranks
  double s = 0.0;
  for (std::size_t t = 0; t < n; ++t) {
    const double difference = static_cast<double>(sums[t]) - mean;
    s += difference * difference;
  }
  const auto volumes = static_cast<double>(n);
  const double voxels = k;
  const double scale = voxels * voxels * (volumes * volumes * volumes - volumes) - voxels * ties;
  return static_cast<float>(12.0 * 0.25 * s / scale); // double ranks: four times the squares
}

// Ranks of one plane of the grid; unusable voxels are all zero with usable = 0.
struct Plane {
  std::vector<std::uint16_t> ranks; // voxel after voxel, n each
  std::vector<std::uint8_t> usable;
  std::vector<double> ties;
};

// Walks over the planes with the ranks of three of them and the box sums of each.
class Volume {
public:
  Volume(const Inputs& inputs, std::vector<Eigen::Index> volumes, const Params& params)
      : inputs_(inputs), volumes_(std::move(volumes)), params_(params),
        nx_(static_cast<std::size_t>(inputs.mask->grid.shape[0])),
        ny_(static_cast<std::size_t>(inputs.mask->grid.shape[1])),
        nz_(static_cast<std::size_t>(inputs.mask->grid.shape[2])), n_(volumes_.size()) {
    column_of_.assign(nx_ * ny_ * nz_, -1);
    Eigen::Index column = 0;
    for (std::size_t v = 0; v < column_of_.size(); ++v) {
      if (inputs.mask->data[v] != 0) column_of_[v] = column++;
    }
  }

  Outputs run(const Context& context) {
    Outputs out;
    out.n_volumes = static_cast<int>(n_);
    out.reho.assign(static_cast<std::size_t>(inputs_.columns.cols()), kNaN);
    if (nz_ > 0) load(0, context);
    for (std::size_t z = 0; z < nz_; ++z) {
      if (z + 1 < nz_) load(z + 1, context);
      parallel_blocks(context, ny_, 1, [&](std::size_t y, std::size_t) { row(y, z, out.reho); });
    }
    return out;
  }

private:
  void load(std::size_t z, const Context& context) {
    Plane& plane = planes_[z % 3];
    const std::size_t size = nx_ * ny_;
    plane.ranks.assign(size * n_, 0);
    plane.usable.assign(size, 0);
    plane.ties.assign(size, 0.0);
    parallel_blocks(context, size, 64, [&](std::size_t begin, std::size_t end) {
      connectivity::RankBuffer buffer;
      for (std::size_t v = begin; v < end; ++v) {
        const Eigen::Index column = column_of_[z * size + v];
        if (column < 0) continue;
        const float* values = inputs_.columns.col(column).data();
        const double ties = double_ranks(values, volumes_, buffer, plane.ranks.data() + v * n_);
        if (std::isnan(ties)) {
          std::fill_n(plane.ranks.data() + v * n_, n_, std::uint16_t{0});
          continue;
        }
        plane.usable[v] = 1;
        plane.ties[v] = ties;
      }
    });
  }

  // Is (dx, dy, dz) part of the neighbourhood? By the number of axes along which it moves.
  [[nodiscard]] bool inside(int dx, int dy, int dz) const {
    const int moved = std::abs(dx) + std::abs(dy) + std::abs(dz);
    return moved <= (params_.neighbours == 7 ? 1 : params_.neighbours == 19 ? 2 : 3);
  }

  // Sums over the (up to nine) voxels of column x whose x-neighbours join: for dx = 0 the widest
  // cross-section, for dx = +-1 the one of the neighbourhood's sides.
  struct Section {
    std::vector<std::uint32_t> sums;
    std::vector<int> count;
    std::vector<double> ties;
  };

  void add_section(std::size_t y, std::size_t z, int dx, Section& section) const {
    section.sums.assign(nx_ * n_, 0);
    section.count.assign(nx_, 0);
    section.ties.assign(nx_, 0.0);
    for (int dz = -1; dz <= 1; ++dz) {
      if ((dz < 0 && z == 0) || (dz > 0 && z + 1 == nz_)) continue;
      const Plane& plane = planes_[(z + static_cast<std::size_t>(dz + 3)) % 3];
      for (int dy = -1; dy <= 1; ++dy) {
        if (!inside(dx, dy, dz) || (dy < 0 && y == 0) || (dy > 0 && y + 1 == ny_)) continue;
        const std::size_t first = (y + static_cast<std::size_t>(dy + 1) - 1) * nx_;
        const std::uint16_t* ranks = plane.ranks.data() + first * n_;
        for (std::size_t i = 0; i < nx_ * n_; ++i) section.sums[i] += ranks[i];
        for (std::size_t x = 0; x < nx_; ++x) {
          section.count[x] += plane.usable[first + x];
          section.ties[x] += plane.ties[first + x];
        }
      }
    }
  }

  void row(std::size_t y, std::size_t z, std::vector<float>& out) const {
    const std::size_t first = (z * ny_ + y) * nx_;
    if (std::all_of(column_of_.begin() + static_cast<std::ptrdiff_t>(first),
                    column_of_.begin() + static_cast<std::ptrdiff_t>(first + nx_),
                    [](Eigen::Index c) { return c < 0; })) {
      return;
    }
    Section middle, side;
    add_section(y, z, 0, middle);
    const bool same = params_.neighbours == 27;
    if (!same) add_section(y, z, 1, side);
    const Section& sides = same ? middle : side;
    std::vector<std::uint32_t> sums(n_);
    const Plane& here = planes_[z % 3];
    for (std::size_t x = 0; x < nx_; ++x) {
      if (column_of_[first + x] < 0 || here.usable[y * nx_ + x] == 0) continue;
      std::copy_n(middle.sums.data() + x * n_, n_, sums.data());
      int count = middle.count[x];
      double ties = middle.ties[x];
      for (const std::size_t other : {x - 1, x + 1}) { // x - 1 of 0 is beyond nx_
        if (other >= nx_) continue;
        const std::uint32_t* more = sides.sums.data() + other * n_;
        for (std::size_t t = 0; t < n_; ++t) sums[t] += more[t];
        count += sides.count[other];
        ties += sides.ties[other];
      }
      out[static_cast<std::size_t>(column_of_[first + x])] =
          kendall_w(sums.data(), n_, count, ties, params_.min_voxels);
    }
  }

  const Inputs& inputs_;
  const std::vector<Eigen::Index> volumes_;
  const Params& params_;
  std::size_t nx_, ny_, nz_, n_;
  std::vector<Eigen::Index> column_of_; // of each voxel of the grid, -1 outside the mask
  std::array<Plane, 3> planes_;
};

std::vector<Eigen::Index> checked_volumes(Eigen::Index n, std::span<const std::uint8_t> keep,
                                          const Params& params) {
  if (n > 32767) { // double ranks fit 16 bits
    throw Error(ErrorKind::input,
                "reho: found " + std::to_string(n) + " volumes, expected at most 32767");
  }
  return connectivity::kept_volumes(keep, n, kStage.name, params.min_volumes);
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (params.neighbours != 7 && params.neighbours != 19 && params.neighbours != 27) {
    throw Error(ErrorKind::input, "reho: found neighbours = " + std::to_string(params.neighbours) +
                                      ", expected 7, 19 or 27");
  }
  if (count(*inputs.mask) != static_cast<std::size_t>(inputs.columns.cols())) {
    throw Error(ErrorKind::input, "reho: found " + std::to_string(inputs.columns.cols()) +
                                      " columns, the mask has " +
                                      std::to_string(count(*inputs.mask)) + " voxels");
  }
  return Volume(inputs, checked_volumes(inputs.columns.rows(), inputs.keep, params), params)
      .run(context);
}

Outputs run(const Eigen::Map<const Eigen::MatrixXf>& columns, const Neighbourhood& neighbourhood,
            std::span<const std::uint8_t> keep, const Params& params, const Context& context) {
  const std::vector<Eigen::Index> volumes = checked_volumes(columns.rows(), keep, params);
  const auto n_columns = static_cast<std::size_t>(columns.cols());
  if (neighbourhood.first.size() != n_columns + 1) {
    throw Error(ErrorKind::input, "reho: neighbourhoods of " +
                                      std::to_string(neighbourhood.first.size()) +
                                      " - 1 columns, found " + std::to_string(n_columns));
  }
  const std::size_t n = volumes.size();
  std::vector<std::uint16_t> ranks(n * n_columns);
  std::vector<double> ties(n_columns);
  parallel_blocks(context, n_columns, 64, [&](std::size_t begin, std::size_t end) {
    connectivity::RankBuffer buffer;
    for (std::size_t p = begin; p < end; ++p) {
      ties[p] = double_ranks(columns.col(static_cast<Eigen::Index>(p)).data(), volumes, buffer,
                             ranks.data() + p * n);
    }
  });
  Outputs out;
  out.n_volumes = static_cast<int>(n);
  out.reho.assign(n_columns, kNaN);
  parallel_blocks(context, n_columns, 64, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint32_t> sums(n);
    for (std::size_t p = begin; p < end; ++p) {
      if (std::isnan(ties[p])) continue;
      std::copy_n(ranks.data() + p * n, n, sums.data());
      int count = 1;
      double all_ties = ties[p];
      for (std::size_t i = neighbourhood.first[p]; i < neighbourhood.first[p + 1]; ++i) {
        const std::size_t q = neighbourhood.neighbour[i];
        if (std::isnan(ties[q])) continue;
        for (std::size_t t = 0; t < n; ++t) sums[t] += ranks[q * n + t];
        ++count;
        all_ties += ties[q];
      }
      out.reho[p] = kendall_w(sums.data(), n, count, all_ties, params.min_voxels);
    }
  });
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return 3 * shape.n_plane * shape.n_volumes * sizeof(std::uint16_t) +
         shape.n_columns * (sizeof(float) + 2 * sizeof(Eigen::Index)) +
         8 * shape.n_volumes * 512 * sizeof(std::uint32_t);
}

} // namespace boldmill::reho
