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

Eigen::MatrixXf read_columns(const std::filesystem::path& path, std::span<const std::size_t> voxels,
                             int first, const Context& context) {
  const NiftiHeader header = read_header(path);
  const Eigen::Index rows = header.n_volumes - first;
  Eigen::MatrixXf columns(rows, static_cast<Eigen::Index>(voxels.size()));
  Eigen::MatrixXf staged(static_cast<Eigen::Index>(voxels.size()), kVolumes);
  const auto turn = [&](Eigen::Index begin, Eigen::Index n) {
    parallel_blocks(context, voxels.size(), kColumns, [&](std::size_t from, std::size_t to) {
      const auto v = static_cast<Eigen::Index>(from);
      const auto width = static_cast<Eigen::Index>(to - from);
      columns.block(begin, v, n, width) = staged.block(v, 0, width, n).transpose();
    });
  };
  auto next = voxels.begin(); // of the volume being read
  for_each_block(path, context, [&](const SeriesBlock& block) {
    const Eigen::Index row = block.volume - first;
    if (row < 0) return;
    if (block.begin == 0) next = voxels.begin();
    float* to = staged.col(row % kVolumes).data();
    for (; next != voxels.end() && *next < block.begin + block.values.size(); ++next) {
      to[next - voxels.begin()] = block.values[*next - block.begin];
    }
    const bool last_block = block.begin + block.values.size() == header.grid.n_voxels();
    if (!last_block) return;
    const Eigen::Index filled = row % kVolumes + 1;
    if (filled == kVolumes || row + 1 == rows) turn(row + 1 - filled, filled);
  });
  return columns;
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
