#include "stages/regions/extraction.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <tuple>

#include "stages/regions/test_series.hpp"

namespace boldmill::extraction {
namespace {

TEST(Extraction, AgreesWithNilearn) {
  const Reference reference;
  const std::vector<Region> regions = regions_from_labels(reference.labels);
  ASSERT_EQ(regions.size(), 8U);
  for (const bool masked : {false, true}) {
    const Outputs outputs = run({.series = &reference.series,
                                 .regions = &regions,
                                 .mask = masked ? &reference.mask : nullptr},
                                {}, Context{});
    const Eigen::MatrixXd expected = read_matrix(masked ? "nilearn_masked.tsv" : "nilearn_all.tsv");
    ASSERT_EQ(outputs.parcel_series.rows(), expected.rows());
    ASSERT_EQ(outputs.parcel_series.cols(), expected.cols());
    // nilearn sums in single precision: a few units of the last place of numbers below 512.
    EXPECT_LT((outputs.parcel_series.cast<double>() - expected).cwiseAbs().maxCoeff(), 2e-4);
  }
}

TEST(Extraction, ConstantRegionsHaveTheirConstant) {
  LabelImage labels(grid_of({4, 4, 4}));
  Series series{labels.grid, 3, 1.0, std::vector<float>(64 * 3)};
  for (std::size_t v = 0; v < 64; ++v) {
    labels.data[v] = static_cast<std::int32_t>(v % 3);
    for (int t = 0; t < 3; ++t)
      series.volume(t)[v] = static_cast<float>(100 * t) + static_cast<float>(v % 3);
  }
  const std::vector<Region> regions = regions_from_labels(labels);
  const Outputs outputs = run({.series = &series, .regions = &regions}, {}, Context{});
  for (int t = 0; t < 3; ++t) {
    EXPECT_EQ(outputs.parcel_series(t, 0), static_cast<float>(100 * t + 1));
    EXPECT_EQ(outputs.parcel_series(t, 1), static_cast<float>(100 * t + 2));
  }
  EXPECT_EQ(outputs.coverage[0], 1.0);
}

TEST(Extraction, SumsInDouble) {
  // A float sum of 2^24 + 1 + 1 + ... stands still at 2^24.
  const std::size_t n = 1001;
  LabelImage labels(grid_of({static_cast<int>(n), 1, 1}), 1);
  Series series{labels.grid, 1, 1.0, std::vector<float>(n, 1.0F)};
  series.data[0] = 16777216.0F;
  const std::vector<Region> regions = regions_from_labels(labels);
  const Outputs outputs = run({.series = &series, .regions = &regions}, {}, Context{});
  EXPECT_FLOAT_EQ(outputs.parcel_series(0, 0), static_cast<float>((16777216.0 + 1000.0) / 1001.0));
}

TEST(Extraction, CoverageDecidesWhatIsMissing) {
  LabelImage labels(grid_of({12, 1, 1}));
  labels.data = {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 0, 0};
  Mask mask(labels.grid);
  mask.data = {1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1};
  Series series{labels.grid, 1, 1.0, {2, 4, 90, 90, 6, 90, 90, 90, 7, 8, 9, 9}};
  const std::vector<Region> regions = regions_from_labels(labels, {3, 1, 9, 2});
  const Outputs outputs =
      run({.series = &series, .regions = &regions, .mask = &mask}, {}, Context{});
  EXPECT_TRUE(std::isnan(outputs.parcel_series(0, 0))); // nothing in the mask
  EXPECT_EQ(outputs.parcel_series(0, 1), 3.0F);         // exactly one half
  EXPECT_TRUE(std::isnan(outputs.parcel_series(0, 2))); // no such label
  EXPECT_TRUE(std::isnan(outputs.parcel_series(0, 3))); // one quarter
  EXPECT_EQ(outputs.coverage[0], 0.0);
  EXPECT_EQ(outputs.coverage[1], 0.5);
  EXPECT_TRUE(std::isnan(outputs.coverage[2]));
  EXPECT_EQ(outputs.coverage[3], 0.25);
  const Outputs lenient = run({.series = &series, .regions = &regions, .mask = &mask},
                              {.min_coverage = 0.0}, Context{});
  EXPECT_EQ(lenient.parcel_series(0, 3), 6.0F);
  EXPECT_TRUE(std::isnan(lenient.parcel_series(0, 0)));
}

TEST(Extraction, MissingVoxelsAreLeftOutOfTheirVolume) {
  LabelImage labels(grid_of({4, 1, 1}), 1);
  const float infinity = std::numeric_limits<float>::infinity();
  Series series{labels.grid, 3, 1.0, {1, 2, 3, 6, kNaN, 2, 3, 7, kNaN, infinity, -infinity, 7}};
  const std::vector<Region> regions = regions_from_labels(labels);
  const Outputs outputs = run({.series = &series, .regions = &regions}, {}, Context{});
  EXPECT_EQ(outputs.parcel_series(0, 0), 3.0F);
  EXPECT_EQ(outputs.parcel_series(1, 0), 4.0F);
  EXPECT_TRUE(std::isnan(outputs.parcel_series(2, 0))); // one of four left
  EXPECT_EQ(outputs.n_missing, 4);
  EXPECT_EQ(outputs.coverage[0], 1.0);
}

TEST(Extraction, BlocksColumnsAndThreadsGiveTheSameBits) {
  for (const auto& [statistic, missing, weighted] : {std::tuple{"mean", 0.0F, false},
                                                     {"mean", 0.05F, false},
                                                     {"mean", 0.05F, true},
                                                     {"median", 0.05F, false},
                                                     {"eigenvariate", 0.001F, false},
                                                     {"least_squares", 0.001F, true}}) {
    Random5 data(missing);
    if (weighted) data.weigh();
    const Params params{.statistic = statistic};
    const Inputs inputs{.series = &data.series, .regions = &data.regions, .mask = &data.mask};
    const Outputs whole = run(inputs, params, Context{});
    const std::size_t n = data.series.grid.n_voxels();
    for (const std::size_t block : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, n}) {
      ParcelAccumulator accumulator(data.regions, n, &data.mask, 13, params);
      for (int t = 0; t < 13; ++t) {
        for (std::size_t v = 0; v < n; v += block) {
          accumulator.add(t, v, {data.series.volume(t) + v, std::min(block, n - v)});
        }
      }
      expect_same_bits(accumulator.finish(), whole);
    }
    const std::vector<std::size_t> columns = indices_of(data.mask);
    Eigen::MatrixXf series(13, static_cast<Eigen::Index>(columns.size()));
    for (std::size_t c = 0; c < columns.size(); ++c) {
      for (int t = 0; t < 13; ++t) {
        series(t, static_cast<Eigen::Index>(c)) = data.series.volume(t)[columns[c]];
      }
    }
    const Inputs by_column{.voxel_series = &series, .columns = &columns, .regions = &data.regions};
    expect_same_bits(run(by_column, params, Context{}), whole);
    for (const int threads : {1, 8}) {
      with_threads(threads, [&] {
        expect_same_bits(run(inputs, params, Context{}), whole);
        expect_same_bits(run(by_column, params, Context{}), whole);
      });
    }
  }
}

TEST(Extraction, ScaleAndShiftCarryOver) {
  Random5 data;
  const Outputs before = run({.series = &data.series, .regions = &data.regions}, {}, Context{});
  for (float& value : data.series.data) value = 4.0F * value - 512.0F;
  const Outputs after = run({.series = &data.series, .regions = &data.regions}, {}, Context{});
  for (Eigen::Index r = 0; r < 5; ++r) {
    if (r == 3) continue;
    const Eigen::VectorXf expected = before.parcel_series.col(r).array() * 4.0F - 512.0F;
    // Two float roundings of numbers near 3500.
    EXPECT_LT((after.parcel_series.col(r) - expected).cwiseAbs().maxCoeff(), 1e-3F);
  }
}

TEST(Extraction, LabelsOnAnotherGridGoToTheNearestVoxel) {
  LabelImage fine(grid_of({6, 6, 6}));
  fine.grid.affine.diagonal() << 1.5, 1.5, 1.5, 1;
  for (std::size_t v = 0; v < fine.data.size(); ++v) {
    fine.data[v] = 1 + fine.grid.coordinates(v)[0];
  }
  bool resampled = false;
  const LabelImage coarse = labels_on_grid(fine, grid_of({3, 3, 3}), Context{}, resampled);
  EXPECT_TRUE(resampled);
  EXPECT_EQ(coarse.at(0, 1, 1), 1);
  EXPECT_EQ(coarse.at(1, 1, 1), 3);
  EXPECT_EQ(coarse.at(2, 1, 1), 5);
  (void)labels_on_grid(fine, fine.grid, Context{}, resampled);
  EXPECT_FALSE(resampled);
}

ErrorKind kind_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "no error";
  return ErrorKind::usage;
}

TEST(Extraction, Errors) {
  LabelImage labels(grid_of({2, 1, 1}));
  labels.data = {1, -1};
  EXPECT_EQ(kind_of([&] { (void)regions_from_labels(labels); }), ErrorKind::input);
  labels.data = {1, 2};
  EXPECT_EQ(kind_of([&] { (void)regions_from_labels(labels, {1, 1}); }), ErrorKind::input);
  const std::vector<Region> regions = regions_from_labels(labels);
  EXPECT_EQ(kind_of([&] { (void)run({.regions = &regions}, {}, Context{}); }), ErrorKind::internal);
  ParcelAccumulator accumulator(regions, 2, nullptr, 1, {});
  const std::vector<float> two{1.0F, 2.0F};
  EXPECT_EQ(kind_of([&] { (void)accumulator.finish(); }), ErrorKind::internal);
  EXPECT_EQ(kind_of([&] { accumulator.add(0, 1, std::span(two).first(1)); }), ErrorKind::internal);
  EXPECT_EQ(kind_of([&] { accumulator.add(1, 0, two); }), ErrorKind::internal);
  const Mask other(grid_of({3, 1, 1}));
  EXPECT_EQ(kind_of([&] { ParcelAccumulator(regions, 2, &other, 1, {}); }), ErrorKind::internal);
  std::vector<Region> outside = regions;
  outside[0].voxels = {2};
  EXPECT_EQ(kind_of([&] { ParcelAccumulator(outside, 2, nullptr, 1, {}); }), ErrorKind::internal);
}

TEST(Extraction, NoRegionsAndOneVolume) {
  Series series{grid_of({2, 2, 1}), 1, 1.0, {1, 2, 3, 4}};
  const std::vector<Region> none;
  EXPECT_EQ(run({.series = &series, .regions = &none}, {}, Context{}).parcel_series.cols(), 0);
}

} // namespace
} // namespace boldmill::extraction
