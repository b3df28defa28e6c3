// For the tests of this folder: the series of tests/reference/extraction, a random one,
// comparisons.
#pragma once

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <string>

#include "stages/core/random.hpp"
#include "stages/regions/extraction.hpp"

namespace boldmill::extraction {

inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

inline Grid grid_of(std::array<int, 3> shape) {
  Grid grid;
  grid.shape = shape;
  grid.affine.diagonal() << 3, 3, 3, 1;
  return grid;
}

// The numbers of tests/reference/extraction/make_reference.py and make_statistics.py.
struct Reference {
  LabelImage labels{grid_of({7, 6, 5})};
  Mask mask{grid_of({7, 6, 5})};
  Series series;
  std::vector<Volume> maps; // three

  Reference() {
    for (auto& label : labels.data) {
      label = static_cast<std::int32_t>(next() % 10);
      if (label == 4) label = 0;
    }
    for (auto& inside : mask.data) inside = next() % 4 > 0 ? 1 : 0;
    series.grid = labels.grid;
    series.n_volumes = 8;
    series.data.resize(labels.data.size() * 8);
    for (float& value : series.data) value = static_cast<float>(next() % 4096) / 8.0F;
    for (int m = 0; m < 3; ++m) {
      maps.emplace_back(labels.grid);
      for (float& weight : maps.back().data) {
        weight = static_cast<float>(std::max(static_cast<int>(next() % 64) - 40, 0)) / 8.0F;
      }
    }
  }

private:
  std::uint64_t next() {
    state_ = (1103515245U * state_ + 12345U) % 2147483648U;
    return state_ >> 16U;
  }
  std::uint64_t state_ = 1;
};

inline Eigen::MatrixXd read_matrix(const std::string& name) {
  std::ifstream file(std::string(BOLDMILL_SOURCE_DIR) + "/tests/reference/extraction/" + name);
  EXPECT_TRUE(file) << name;
  std::string line;
  std::getline(file, line);
  std::vector<std::vector<double>> rows;
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    rows.emplace_back();
    for (double value = 0.0; cells >> value;) rows.back().push_back(value);
  }
  Eigen::MatrixXd matrix(rows.size(), rows.at(0).size());
  for (Eigen::Index r = 0; r < matrix.rows(); ++r) {
    for (Eigen::Index c = 0; c < matrix.cols(); ++c) {
      matrix(r, c) = rows[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)];
    }
  }
  return matrix;
}

// Random series with NaN here and there, regions that overlap and one that is empty.
struct Random5 {
  Series series;
  std::vector<Region> regions;
  Mask mask;

  explicit Random5(float missing_share = 0.0F) {
    Random random(11);
    series.grid = grid_of({23, 19, 17});
    series.n_volumes = 13;
    series.data.resize(series.grid.n_voxels() * 13);
    for (float& value : series.data) {
      value = static_cast<float>(1000.0 + 37.0 * random.normal());
      if (random.uniform() < static_cast<double>(missing_share)) value = kNaN;
    }
    mask = Mask(series.grid);
    for (auto& inside : mask.data) inside = random.uniform() < 0.8 ? 1 : 0;
    for (int r = 0; r < 5; ++r) {
      Region region;
      region.index = r + 1;
      std::set<std::size_t> voxels;
      for (int i = 0; r != 3 && i < 40 * (r + 1); ++i) {
        const std::size_t start = random.below(series.grid.n_voxels() - 30);
        for (std::size_t v = start; v < start + random.below(30) + 1; ++v) voxels.insert(v);
      }
      region.voxels.assign(voxels.begin(), voxels.end());
      regions.push_back(region);
    }
  }
  void weigh() {
    Random random(12);
    for (Region& region : regions) {
      for (std::size_t i = 0; i < region.voxels.size(); ++i) {
        region.weights.push_back(static_cast<float>(random.uniform()));
      }
    }
  }
};

inline void expect_same_bits(const Outputs& a, const Outputs& b) {
  ASSERT_EQ(a.parcel_series.rows(), b.parcel_series.rows());
  ASSERT_EQ(a.parcel_series.cols(), b.parcel_series.cols());
  for (Eigen::Index i = 0; i < a.parcel_series.size(); ++i) {
    const float x = a.parcel_series.data()[i];
    const float y = b.parcel_series.data()[i];
    ASSERT_TRUE(x == y || (std::isnan(x) && std::isnan(y))) << x << " " << y;
  }
  EXPECT_EQ(a.n_voxels, b.n_voxels);
  EXPECT_EQ(a.n_missing, b.n_missing);
  for (Eigen::Index r = 0; r < a.coverage.size(); ++r) {
    EXPECT_TRUE(a.coverage[r] == b.coverage[r] ||
                (std::isnan(a.coverage[r]) && std::isnan(b.coverage[r])));
  }
}

// Runs `body` with so many threads, however many cores there are.
template <class Body>
void with_threads(int n, Body&& body) {
  const tbb::global_control more(tbb::global_control::max_allowed_parallelism,
                                 static_cast<std::size_t>(n));
  tbb::task_arena arena(n);
  arena.execute(std::forward<Body>(body));
}

} // namespace boldmill::extraction
