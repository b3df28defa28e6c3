#include "pipeline/graph/voxel_moments.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::graph {
namespace {

constexpr std::size_t kGrain = 4096; // voxels

// Sums of a voxel's changes since its first value, which keeps them small.
struct Sums {
  double first = 0.0, sum = 0.0, squares = 0.0;
};

struct Filling {
  explicit Filling(const Mask& mask)
      : voxels(indices_of(mask)), out{Volume(mask.grid, 0.0F), Volume(mask.grid, 0.0F), 0.0},
        tsnr(voxels.size(), std::nan("")) {}

  void set(std::size_t n, const Sums& of, double n_volumes) {
    const double mean = of.sum / n_volumes;
    const double variance = (of.squares - of.sum * mean) / std::max(1.0, n_volumes - 1.0);
    out.mean.data[voxels[n]] = static_cast<float>(mean + of.first);
    if (!(variance > 0.0)) return;
    out.sd.data[voxels[n]] = static_cast<float>(std::sqrt(variance));
    tsnr[n] = (mean + of.first) / std::sqrt(variance);
  }
  VoxelMoments take() {
    out.tsnr = median(std::move(tsnr));
    return std::move(out);
  }

  std::vector<std::size_t> voxels;
  VoxelMoments out;
  std::vector<double> tsnr;
};

} // namespace

VoxelMoments moments_of(const Series& series, const Mask& mask, int n_dummies,
                        const Context& context) {
  Filling filling(mask);
  const double n_volumes = series.n_volumes - n_dummies;
  parallel_blocks(context, filling.voxels.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    const std::size_t* at = filling.voxels.data() + begin;
    std::vector<Sums> sums(end - begin);
    for (std::size_t n = 0; n < sums.size(); ++n) {
      sums[n].first = static_cast<double>(series.volume(n_dummies)[at[n]]);
    }
    for (int t = n_dummies; t < series.n_volumes; ++t) {
      const float* values = series.volume(t);
      for (std::size_t n = 0; n < sums.size(); ++n) {
        const double change = static_cast<double>(values[at[n]]) - sums[n].first;
        sums[n].sum += change;
        sums[n].squares += change * change;
      }
    }
    for (std::size_t n = 0; n < sums.size(); ++n) filling.set(begin + n, sums[n], n_volumes);
  });
  return filling.take();
}

void VoxelSums::add(const image_io::SeriesBlock& block) {
  if (block.volume < n_dummies_) return;
  float* first = first_.data() + block.begin;
  double* sum = sum_.data() + block.begin;
  double* squares = squares_.data() + block.begin;
  const float* values = block.values.data();
  const std::size_t n = block.values.size();
  if (block.volume == n_dummies_) {
    std::copy_n(values, n, first);
    return;
  }
  for (std::size_t v = 0; v < n; ++v) {
    const double x = static_cast<double>(values[v]) - static_cast<double>(first[v]);
    sum[v] += x;
    squares[v] += x * x;
  }
}

VoxelMoments VoxelSums::moments(const Mask& mask, int n_volumes) const {
  Filling filling(mask);
  for (std::size_t n = 0; n < filling.voxels.size(); ++n) {
    const std::size_t v = filling.voxels[n];
    filling.set(n, {static_cast<double>(first_[v]), sum_[v], squares_[v]}, n_volumes - n_dummies_);
  }
  return filling.take();
}

} // namespace boldmill::graph
