#include "pipeline/image_io/columns.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"

namespace boldmill::image_io {
namespace {

// Volumes turned at once: a cache line of each column.
constexpr Eigen::Index kVolumes = 16;
constexpr std::size_t kColumns = 2048;

} // namespace

ColumnCollector::ColumnCollector(std::span<const std::size_t> voxels, std::size_t n_grid,
                                 int n_volumes, int first)
    : voxels_(voxels), n_grid_(n_grid), first_(first),
      columns_(n_volumes - first, static_cast<Eigen::Index>(voxels.size())),
      staged_(static_cast<Eigen::Index>(voxels.size()), kVolumes) {}

void ColumnCollector::turn(Eigen::Index begin, Eigen::Index n, const Context& context) {
  parallel_blocks(context, voxels_.size(), kColumns, [&](std::size_t from, std::size_t to) {
    const auto v = static_cast<Eigen::Index>(from);
    const auto width = static_cast<Eigen::Index>(to - from);
    columns_.block(begin, v, n, width) = staged_.block(v, 0, width, n).transpose();
  });
}

void ColumnCollector::add(const SeriesBlock& block, const Context& context) {
  const Eigen::Index row = block.volume - first_;
  if (row < 0) return;
  if (block.begin == 0) next_ = 0;
  const std::size_t end = block.begin + block.values.size();
  float* to = staged_.col(row % kVolumes).data();
  for (; next_ < voxels_.size() && voxels_[next_] < end; ++next_) {
    to[next_] = block.values[voxels_[next_] - block.begin];
  }
  if (end != n_grid_) return;
  const Eigen::Index filled = row % kVolumes + 1;
  if (filled == kVolumes || row + 1 == columns_.rows()) turn(row + 1 - filled, filled, context);
}

Eigen::MatrixXf read_columns(const std::filesystem::path& path, std::span<const std::size_t> voxels,
                             int first, const Context& context) {
  const NiftiHeader header = read_header(path);
  ColumnCollector collector(voxels, header.grid.n_voxels(), header.n_volumes, first);
  for_each_block(path, context, [&](const SeriesBlock& block) { collector.add(block, context); });
  return collector.take();
}

void for_each_kept_volume(const Eigen::Map<const Eigen::MatrixXf>& columns,
                          std::span<const std::size_t> voxels, const Grid& grid,
                          std::span<const std::uint8_t> keep, const Context& context,
                          const std::function<void(std::span<const float>)>& consume) {
  Eigen::MatrixXf staged(columns.cols(), kVolumes);
  std::vector<float> volume(grid.n_voxels(), 0.0F);
  for (Eigen::Index begin = 0; begin < columns.rows(); begin += kVolumes) {
    const Eigen::Index n = std::min(kVolumes, columns.rows() - begin);
    parallel_blocks(context, voxels.size(), kColumns, [&](std::size_t from, std::size_t to) {
      const auto v = static_cast<Eigen::Index>(from);
      const auto width = static_cast<Eigen::Index>(to - from);
      staged.block(v, 0, width, n) = columns.block(begin, v, n, width).transpose();
    });
    for (Eigen::Index t = 0; t < n; ++t) {
      if (!keep.empty() && keep[static_cast<std::size_t>(begin + t)] == 0) continue;
      const float* values = staged.col(t).data();
      for (std::size_t v = 0; v < voxels.size(); ++v) {
        volume[voxels[v]] = std::isfinite(values[v]) ? values[v] : 0.0F;
      }
      consume(volume);
    }
  }
}

std::size_t columns_bytes(std::size_t n_voxels, std::size_t n_volumes) {
  return n_voxels * (n_volumes + static_cast<std::size_t>(kVolumes)) * sizeof(float);
}

} // namespace boldmill::image_io
