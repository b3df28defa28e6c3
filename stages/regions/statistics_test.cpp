// The statistics of a region other than the plain mean.
#include "stages/regions/map_atlas.hpp"
#include "stages/regions/test_series.hpp"

namespace boldmill::extraction {
namespace {

Outputs statistic_of(const Reference& reference, const std::vector<Region>& regions,
                     const std::string& statistic) {
  return run({.series = &reference.series, .regions = &regions, .mask = &reference.mask},
             {.min_coverage = 0.0, .statistic = statistic}, Context{});
}

std::vector<Region> maps_of(const Reference& reference) {
  std::vector<Region> regions;
  for (std::size_t m = 0; m < reference.maps.size(); ++m) {
    regions.push_back(map_atlas::run({.map = &reference.maps[m],
                                      .target = &reference.series.grid,
                                      .label = "map",
                                      .index = static_cast<int>(m) + 1},
                                     {}, Context{})
                          .region);
  }
  return regions;
}

void expect_near(const Outputs& outputs, const std::string& file, double tolerance) {
  const Eigen::MatrixXd expected = read_matrix(file);
  ASSERT_EQ(outputs.parcel_series.rows(), expected.rows());
  ASSERT_EQ(outputs.parcel_series.cols(), expected.cols());
  EXPECT_LT((outputs.parcel_series.cast<double>() - expected).cwiseAbs().maxCoeff(), tolerance)
      << file;
}

// Tolerances: the float of the result, half a unit in the last place of numbers below 512.
TEST(RegionStatistics, AgreeWithNilearnAndNumpy) {
  const Reference reference;
  const std::vector<Region> labels = regions_from_labels(reference.labels);
  expect_near(statistic_of(reference, labels, "median"), "median.tsv", 3e-5);
  expect_near(statistic_of(reference, labels, "eigenvariate"), "eigenvariate.tsv", 3e-5);
  const std::vector<Region> maps = maps_of(reference);
  expect_near(statistic_of(reference, maps, "mean"), "weighted.tsv", 3e-5);
  expect_near(statistic_of(reference, maps, "least_squares"), "maps.tsv", 3e-5);
}

TEST(RegionStatistics, LeastSquaresOfDisjointLabelsIsTheMean) {
  const Reference reference;
  const std::vector<Region> labels = regions_from_labels(reference.labels);
  const Outputs fit = statistic_of(reference, labels, "least_squares");
  const Outputs mean = statistic_of(reference, labels, "mean");
  EXPECT_LT((fit.parcel_series - mean.parcel_series).cwiseAbs().maxCoeff(), 1e-4F);
}

TEST(RegionStatistics, LeastSquaresFindsWhatOverlappingMapsMix) {
  // x(t) = sum_r w_r y_r(t) exactly, one weight negative, a second copy of a map shares its part.
  const Grid grid = grid_of({5, 4, 3});
  Random random(3);
  std::vector<Region> maps(4);
  Eigen::MatrixXd weights(static_cast<Eigen::Index>(grid.n_voxels()), 4);
  Eigen::MatrixXd truth(6, 4);
  for (Eigen::Index i = 0; i < weights.rows(); ++i) {
    for (Eigen::Index r = 0; r < 3; ++r) weights(i, r) = random.normal();
    weights(i, 3) = weights(i, 2);
  }
  for (Eigen::Index t = 0; t < 6; ++t) {
    for (Eigen::Index r = 0; r < 3; ++r) truth(t, r) = random.normal();
    truth(t, 3) = truth(t, 2);
  }
  for (std::size_t r = 0; r < 4; ++r) {
    maps[r].index = static_cast<int>(r) + 1;
    for (std::size_t v = 0; v < grid.n_voxels(); ++v) {
      maps[r].voxels.push_back(v);
      maps[r].weights.push_back(
          static_cast<float>(weights(static_cast<Eigen::Index>(v), static_cast<Eigen::Index>(r))));
    }
  }
  Series series{grid, 6, 1.0, std::vector<float>(grid.n_voxels() * 6)};
  for (Eigen::Index t = 0; t < 6; ++t) {
    for (Eigen::Index v = 0; v < weights.rows(); ++v) {
      double x = 0.0;
      for (std::size_t r = 0; r < 4; ++r) {
        x += static_cast<double>(maps[r].weights[static_cast<std::size_t>(v)]) *
             truth(t, static_cast<Eigen::Index>(r));
      }
      series.volume(static_cast<int>(t))[v] = static_cast<float>(x);
    }
  }
  series.volume(1)[7] = kNaN; // one voxel less for everybody
  const Outputs out =
      run({.series = &series, .regions = &maps}, {.statistic = "least_squares"}, Context{});
  EXPECT_LT((out.parcel_series.cast<double>() - truth).cwiseAbs().maxCoeff(), 1e-5);
  EXPECT_EQ(out.n_missing, 4);
  EXPECT_THROW((void)run({.series = &series, .regions = &maps}, {}, Context{}), Error);
}

// x_v(t) = m_v + b_v a(t): u1 = a / |a|, s1 = |a| |b|, so y = a |b| / sqrt(n) in the sign of sum b.
TEST(RegionStatistics, EigenvariateOfOneSourceIsTheSource) {
  const int n_volumes = 9;
  LabelImage labels(grid_of({5, 1, 1}), 1);
  const std::vector<double> b{1.0, -3.0, 2.0, 0.5, -1.5}; // sums to -1
  Series series{labels.grid, n_volumes, 1.0, {}};
  Eigen::VectorXd a(n_volumes);
  for (int t = 0; t < n_volumes; ++t) a[t] = std::sin(0.7 * t);
  a.array() -= a.mean();
  for (int t = 0; t < n_volumes; ++t) {
    for (std::size_t v = 0; v < 5; ++v) {
      series.data.push_back(static_cast<float>(100.0 * static_cast<double>(v) + b[v] * a[t]));
    }
  }
  const std::vector<Region> regions = regions_from_labels(labels);
  const Outputs out =
      run({.series = &series, .regions = &regions}, {.statistic = "eigenvariate"}, Context{});
  const double size = std::sqrt((1.0 + 9.0 + 4.0 + 0.25 + 2.25) / 5.0);
  for (int t = 0; t < n_volumes; ++t) EXPECT_NEAR(out.parcel_series(t, 0), -size * a[t], 1e-4);
}

TEST(RegionStatistics, EigenvariateOfAnySizeAgreesWithASingularValueDecomposition) {
  Random random(5);
  for (const auto& [rows, columns] : {std::pair{60, 7}, {7, 60}, {50, 50}, {1, 4}, {4, 1}}) {
    Eigen::MatrixXd y(rows, columns);
    for (double& value : y.reshaped()) value = random.normal();
    const Eigen::JacobiSVD<Eigen::MatrixXd> svd(y, Eigen::ComputeThinU | Eigen::ComputeThinV);
    const double sign = svd.matrixV().col(0).sum() < 0.0 ? -1.0 : 1.0;
    const Eigen::VectorXd expected =
        sign * svd.singularValues()[0] / std::sqrt(columns) * svd.matrixU().col(0);
    EXPECT_LT((region_statistics::first_eigenvariate(y) - expected).norm(), 1e-9 * expected.norm())
        << rows << " x " << columns;
  }
  const Eigen::VectorXd flat = region_statistics::first_eigenvariate(Eigen::MatrixXd::Zero(4, 3));
  EXPECT_EQ(flat, Eigen::VectorXd::Zero(4));
}

TEST(RegionStatistics, MissingVoxelsAndVolumes) {
  LabelImage labels(grid_of({4, 1, 1}), 1);
  Series series{labels.grid, 3, 1.0, {1, 2, 3, 9, kNaN, 2, 3, 7, kNaN, kNaN, kNaN, kNaN}};
  const std::vector<Region> regions = regions_from_labels(labels);
  const Inputs inputs{.series = &series, .regions = &regions};
  const Outputs median = run(inputs, {.statistic = "median"}, Context{});
  EXPECT_EQ(median.parcel_series(0, 0), 2.5F);
  EXPECT_EQ(median.parcel_series(1, 0), 3.0F);
  EXPECT_TRUE(std::isnan(median.parcel_series(2, 0)));
  EXPECT_EQ(median.n_missing, 5);
  for (const char* statistic : {"eigenvariate", "least_squares"}) {
    const Outputs out = run(inputs, {.statistic = statistic}, Context{});
    EXPECT_TRUE(std::isfinite(out.parcel_series(1, 0))) << statistic;
    EXPECT_TRUE(std::isnan(out.parcel_series(2, 0))) << statistic;
    EXPECT_EQ(out.n_missing, 5) << statistic;
    const Outputs strict = run(inputs, {.min_coverage = 0.8, .statistic = statistic}, Context{});
    EXPECT_TRUE(std::isnan(strict.parcel_series(0, 0))) << statistic << ": 3 of 4 voxels are left";
  }
}

TEST(RegionStatistics, CoverageIsAShareOfTheWeights) {
  const Grid grid = grid_of({3, 1, 1});
  Mask mask(grid);
  mask.data = {1, 0, 0};
  Series series{grid, 1, 1.0, {2, 50, 90}};
  std::vector<Region> regions(1);
  regions[0].voxels = {0, 1, 2};
  regions[0].weights = {0.6F, 0.3F, 0.1F};
  const Outputs out = run({.series = &series, .regions = &regions, .mask = &mask}, {}, Context{});
  EXPECT_NEAR(out.coverage[0], 0.6, 1e-7);
  EXPECT_EQ(out.parcel_series(0, 0), 2.0F);
  regions[0].weights = {0.2F, 0.7F, 0.1F};
  EXPECT_TRUE(std::isnan(run({.series = &series, .regions = &regions, .mask = &mask}, {}, Context{})
                             .parcel_series(0, 0)));
}

TEST(RegionStatistics, ScaleAndShift) {
  Random5 data;
  for (const char* statistic : {"median", "eigenvariate"}) {
    const Params params{.statistic = statistic};
    Random5 moved = data;
    for (float& value : moved.series.data) value = 4.0F * value - 512.0F;
    const Outputs before = run({.series = &data.series, .regions = &data.regions}, params, {});
    const Outputs after = run({.series = &moved.series, .regions = &moved.regions}, params, {});
    const float shift = params.statistic == "median" ? -512.0F : 0.0F;
    for (Eigen::Index r : {0, 1, 2, 4}) {
      const Eigen::VectorXf expected = before.parcel_series.col(r).array() * 4.0F + shift;
      EXPECT_LT((after.parcel_series.col(r) - expected).cwiseAbs().maxCoeff(), 2e-3F) << statistic;
    }
  }
}

TEST(RegionStatistics, KeepingTheSeriesIsDeclared) {
  const Shape shape{.n_region_voxels = 1000, .n_regions = 10, .n_volumes = 200};
  const std::size_t mean = peak_bytes(shape, {});
  for (const char* statistic : {"median", "eigenvariate", "least_squares"}) {
    EXPECT_GE(peak_bytes(shape, {.statistic = statistic}), 1000U * 200U * 4U);
    EXPECT_GT(peak_bytes(shape, {.statistic = statistic}), mean);
  }
}

} // namespace
} // namespace boldmill::extraction
