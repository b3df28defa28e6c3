#include "pipeline/image_io/columns.hpp"

#include <tbb/task_arena.h>

#include <limits>

#include "pipeline/image_io/test_files.hpp"

namespace boldmill::image_io {
namespace {

constexpr int kVolumes = 37; // not a multiple of the volumes turned at once

// Exact, so that it does not matter how it is computed.
float value_of(std::size_t voxel, int volume) {
  return static_cast<float>(voxel) + 0.25F * static_cast<float>(volume);
}

Series numbered(const std::array<int, 3>& shape) {
  Series series;
  series.grid.shape = shape;
  series.n_volumes = kVolumes;
  series.tr_s = 2.0;
  for (int t = 0; t < kVolumes; ++t) {
    for (std::size_t v = 0; v < series.grid.n_voxels(); ++v) series.data.push_back(value_of(v, t));
  }
  return series;
}

std::vector<std::size_t> every_third(std::size_t n) {
  std::vector<std::size_t> voxels;
  for (std::size_t v = 1; v < n; v += 3) voxels.push_back(v);
  return voxels;
}

TEST(Columns, HoldEveryVoxelsSeriesAtAnyNumberOfThreads) {
  const TemporaryFolder folder;
  const Series series = numbered({60, 50, 40}); // several blocks a volume
  write_series(folder / "x.nii.gz", series);
  const auto voxels = every_third(series.grid.n_voxels());
  for (const int first : {0, 5}) {
    for (const int threads : {1, 8}) {
      Eigen::MatrixXf columns;
      tbb::task_arena(threads).execute(
          [&] { columns = read_columns(folder / "x.nii.gz", voxels, first, Context{}); });
      ASSERT_EQ(columns.rows(), kVolumes - first);
      ASSERT_EQ(columns.cols(), static_cast<Eigen::Index>(voxels.size()));
      std::size_t wrong = 0;
      for (Eigen::Index c = 0; c < columns.cols(); ++c) {
        for (Eigen::Index t = 0; t < columns.rows(); ++t) {
          const float expected =
              value_of(voxels[static_cast<std::size_t>(c)], static_cast<int>(t) + first);
          wrong += columns(t, c) == expected ? 0U : 1U;
        }
      }
      EXPECT_EQ(wrong, 0U) << first << " " << threads;
    }
  }
}

TEST(Columns, VolumesComeBackWithoutThoseCensoredAndWithZeroForWhatIsMissing) {
  const Series series = numbered({5, 4, 3});
  const auto voxels = every_third(series.grid.n_voxels());
  Eigen::MatrixXf columns(kVolumes, static_cast<Eigen::Index>(voxels.size()));
  for (Eigen::Index c = 0; c < columns.cols(); ++c) {
    for (int t = 0; t < kVolumes; ++t) {
      columns(t, c) = value_of(voxels[static_cast<std::size_t>(c)], t);
    }
  }
  columns(3, 2) = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::uint8_t> keep(kVolumes, 1);
  keep[0] = keep[16] = keep[36] = 0;
  std::vector<int> volumes;
  for (int t = 0; t < kVolumes; ++t) {
    if (keep[static_cast<std::size_t>(t)] != 0) volumes.push_back(t);
  }
  std::size_t n = 0;
  for_each_kept_volume({columns.data(), columns.rows(), columns.cols()}, voxels, series.grid, keep,
                       Context{}, [&](std::span<const float> volume) {
                         ASSERT_LT(n, volumes.size());
                         const int t = volumes[n++];
                         for (std::size_t v = 0; v < volume.size(); ++v) {
                           const bool missing = v % 3 != 1 || (t == 3 && v == voxels[2]);
                           EXPECT_EQ(volume[v], missing ? 0.0F : value_of(v, t)) << t << " " << v;
                         }
                       });
  EXPECT_EQ(n, volumes.size());
}

} // namespace
} // namespace boldmill::image_io
