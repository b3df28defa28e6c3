#include <gtest/gtest.h>

#include <cmath>

#include "stages/anatomy/kernels/affine_fit.hpp"
#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/anatomy/kernels/local_correlation.hpp"
#include "stages/anatomy/kernels/morphology.hpp"
#include "stages/anatomy/kernels/otsu.hpp"
#include "stages/anatomy/kernels/topology.hpp"
#include "stages/anatomy/kernels/vector_field.hpp"
#include "stages/anatomy/testing/phantom.hpp"
#include "stages/core/random.hpp"

namespace boldmill::anatomy {
namespace {

using testing::cube_grid;
using testing::Point;
using testing::render;

Grid grid_of(int nx, int ny, int nz, double dx, double dy, double dz) {
  Grid grid;
  grid.shape = {nx, ny, nz};
  grid.affine.diagonal() << dx, dy, dz, 1.0;
  return grid;
}

std::vector<float> noise(std::size_t n, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> out(n);
  for (float& value : out) value = static_cast<float>(random.normal());
  return out;
}

TEST(BlockAverage, KeepsALinearRampInPlace) {
  Grid grid = grid_of(12, 9, 8, 1.0, 1.0, 2.0);
  grid.affine.topLeftCorner<3, 3>() =
      Eigen::AngleAxisd(0.4, Point(1, 2, 3).normalized()) * grid.affine.topLeftCorner<3, 3>();
  const auto ramp = [](const Point& p) { return 3.0 * p[0] - 2.0 * p[1] + p[2] + 7.0; };
  const Volume out = block_average(render(grid, ramp), 3.0, {});
  EXPECT_EQ(out.grid.shape, (std::array<int, 3>{4, 3, 4}));
  const Volume expected = render(out.grid, ramp);
  for (std::size_t v = 0; v < out.data.size(); ++v)
    EXPECT_NEAR(out.data[v], expected.data[v], 1e-4);
}

TEST(BlockAverage, PartialBlocksAverageWhatThereIs) {
  Volume image(grid_of(5, 1, 1, 1, 1, 1));
  image.data = {1, 3, 5, 7, 100};
  EXPECT_EQ(block_average(image, 2.0, {}).data, (std::vector<float>{2, 6, 100}));
}

TEST(Morphology, DistanceIsEuclideanInMillimetres) {
  Mask mask(grid_of(11, 9, 7, 1.0, 2.0, 3.5));
  mask.at(5, 4, 3) = 1;
  const Volume distance = distance_mm(mask, {});
  for (std::size_t v = 0; v < distance.data.size(); ++v) {
    const auto [i, j, k] = mask.grid.coordinates(v);
    const double expected = Point(i - 5, 2.0 * (j - 4), 3.5 * (k - 3)).norm();
    ASSERT_NEAR(distance.data[v], expected, 1e-4);
  }
  EXPECT_GE(distance_mm(Mask(mask.grid), {}).data[0], 1e5F);
}

TEST(Morphology, DistanceAgreesWithBruteForceOnNoise) {
  Mask mask(grid_of(9, 8, 7, 1.3, 0.9, 2.1));
  Random random(3);
  for (auto& value : mask.data) value = random.uniform() < 0.03 ? 1 : 0;
  mask.at(8, 7, 6) = 1;
  const Volume distance = distance_mm(mask, {});
  const auto set = indices_of(mask);
  for (std::size_t v = 0; v < distance.data.size(); ++v) {
    double best = 1e30;
    for (const std::size_t w : set) {
      const auto a = mask.grid.coordinates(v);
      const auto b = mask.grid.coordinates(w);
      best = std::min(best,
                      Point(1.3 * (a[0] - b[0]), 0.9 * (a[1] - b[1]), 2.1 * (a[2] - b[2])).norm());
    }
    ASSERT_NEAR(distance.data[v], best, 1e-4);
  }
}

TEST(Morphology, ErodeUndoesDilateOfABallAndKeepsTheCutOfTheView) {
  const Grid grid = cube_grid(31, 1.0);
  Mask ball(grid);
  for (std::size_t v = 0; v < ball.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    ball.data[v] = grid.to_mm(Point(i, j, k)).norm() <= 8.0 ? 1 : 0;
  }
  const Mask wide = dilate(ball, 4.0, {});
  // The dilated lattice ball lies between the balls of radius 11 and 12.
  EXPECT_GT(static_cast<double>(count(wide)), 4.0 / 3.0 * M_PI * 11 * 11 * 11);
  EXPECT_LT(static_cast<double>(count(wide)), 4.0 / 3.0 * M_PI * 12 * 12 * 12);
  EXPECT_GT(dice(erode(wide, 4.0, {}), ball), 0.97);
  Mask full(grid, 1);
  EXPECT_EQ(count(erode(full, 5.0, {})), full.data.size());
}

TEST(Morphology, LargestComponentAndHoles) {
  Mask mask(cube_grid(12, 1.0));
  for (int k = 2; k < 9; ++k)
    for (int j = 2; j < 9; ++j)
      for (int i = 2; i < 9; ++i) mask.at(i, j, k) = 1;
  mask.at(5, 5, 5) = 0;
  mask.at(11, 11, 11) = 1;
  const Mask one = largest_component(mask);
  EXPECT_EQ(count(one), 7U * 7U * 7U - 1U);
  EXPECT_EQ(one.at(11, 11, 11), 0);
  EXPECT_EQ(count(fill_holes(one)), 7U * 7U * 7U);
  EXPECT_EQ(count(largest_component(Mask(mask.grid))), 0U);
}

TEST(Otsu, PartsTwoModes) {
  auto values = noise(4000, 5);
  for (std::size_t n = 0; n < values.size(); ++n) values[n] += n % 4 == 0 ? 20.0F : 0.0F;
  const float threshold = otsu_threshold(values);
  EXPECT_GT(threshold, 3.0F);
  EXPECT_LT(threshold, 17.0F);
}

TEST(LocalCorrelation, ValueAgreesWithTheDefinition) {
  const std::array<int, 3> shape{7, 6, 5};
  const auto a = noise(210, 1);
  const auto b = noise(210, 2);
  LocalCorrelation out;
  local_correlation(a, b, {}, shape, 1, 0.1, out, {});
  const Grid grid = grid_of(7, 6, 5, 1, 1, 1);
  double sum = 0.0;
  for (std::size_t v = 0; v < a.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (int dk = -1; dk <= 1; ++dk)
      for (int dj = -1; dj <= 1; ++dj)
        for (int di = -1; di <= 1; ++di) {
          if (!grid.contains(i + di, j + dj, k + dk)) continue;
          const std::size_t w = grid.index(i + di, j + dj, k + dk);
          sa += a[w], sb += b[w], saa += a[w] * a[w], sbb += b[w] * b[w], sab += a[w] * b[w];
        }
    const double covariance = std::max(0.0, sab - sa * sb / 27.0);
    sum +=
        covariance * covariance / ((saa - sa * sa / 27.0 + 0.27) * (sbb - sb * sb / 27.0 + 0.27));
  }
  EXPECT_NEAR(out.value, sum / static_cast<double>(a.size()), 1e-5);
}

TEST(LocalCorrelation, DerivativesAgreeWithFiniteDifferences) {
  const std::array<int, 3> shape{8, 7, 9};
  const std::size_t n = 8 * 7 * 9;
  auto a = noise(n, 3);
  auto b = noise(n, 4);
  for (std::size_t v = 0; v < n; ++v) b[v] = 0.6F * a[v] + 0.8F * b[v];
  std::vector<float> weight(n);
  double total = 0.0;
  for (std::size_t v = 0; v < n; ++v) total += weight[v] = v % 5 == 0 ? 0.25F : 1.0F;
  LocalCorrelation out;
  LocalCorrelation moved;
  local_correlation(a, b, weight, shape, 2, 0.05, out, {});
  const auto value_with = [&](std::vector<float>& image, std::size_t v, float step) {
    const float kept = image[v];
    image[v] = kept + step;
    local_correlation(a, b, weight, shape, 2, 0.05, moved, {});
    image[v] = kept;
    return moved.value * total;
  };
  constexpr float kStep = 0.02F;
  for (const std::size_t v : {std::size_t{0}, std::size_t{100}, std::size_t{251}, n - 1}) {
    const double da = (value_with(a, v, kStep) - value_with(a, v, -kStep)) / (2.0 * kStep);
    const double db = (value_with(b, v, kStep) - value_with(b, v, -kStep)) / (2.0 * kStep);
    EXPECT_NEAR(out.d_a[v], da, 2e-3 + 0.01 * std::abs(da));
    EXPECT_NEAR(out.d_b[v], db, 2e-3 + 0.01 * std::abs(db));
  }
}

VectorField waves(const std::array<int, 3>& shape, float height) {
  VectorField field(shape);
  for (std::size_t v = 0; v < field.n_voxels(); ++v) {
    Grid grid;
    grid.shape = shape;
    const auto [i, j, k] = grid.coordinates(v);
    field.u[3 * v] =
        height * static_cast<float>(std::sin(j / 3.0) * std::sin(M_PI * i / (shape[0] - 1)));
    field.u[3 * v + 1] =
        height * static_cast<float>(std::cos(k / 4.0) * std::sin(M_PI * j / (shape[1] - 1)));
    field.u[3 * v + 2] =
        height * static_cast<float>(std::sin(i / 3.5) * std::sin(M_PI * k / (shape[2] - 1)));
  }
  return field;
}

TEST(VectorField, InverseComposedWithTheFieldIsTheIdentity) {
  const VectorField field = waves({24, 22, 20}, 1.5F);
  VectorField both;
  compose(invert(field, 50, {}), field, both, {});
  EXPECT_LT(largest(both), 1e-3);
  compose(field, invert(field, 50, {}), both, {});
  EXPECT_LT(largest(both), 0.1); // the inverse is only known at voxel centres
}

TEST(VectorField, WarpMovesByTheDisplacementAndComposeAdds) {
  const std::array<int, 3> shape{10, 9, 8};
  VectorField a(shape);
  VectorField b(shape);
  for (std::size_t v = 0; v < a.n_voxels(); ++v) {
    a.u[3 * v] = 1.0F;
    b.u[3 * v + 1] = -0.5F;
  }
  VectorField sum;
  compose(a, b, sum, {});
  EXPECT_EQ(sum.u[0], 1.0F);
  EXPECT_EQ(sum.u[1], -0.5F);
  const Volume ramp =
      render(grid_of(10, 9, 8, 1, 1, 1), [](const Point& p) { return p[0] + 10 * p[1]; });
  std::vector<float> out;
  warp(ramp.data, sum, out, {});
  EXPECT_NEAR(out[ramp.grid.index(3, 4, 5)], 4.0 + 35.0, 1e-4);
}

TEST(VectorField, AnotherGridHoldsTheSameMillimetres) {
  const Grid coarse = cube_grid(12, 4.0);
  const Grid fine = cube_grid(20, 2.0);
  VectorField field(coarse.shape);
  for (std::size_t v = 0; v < field.n_voxels(); ++v) {
    const auto [i, j, k] = coarse.coordinates(v);
    field.u[3 * v + 2] = static_cast<float>(0.01 * coarse.to_mm(Point(i, j, k))[0]);
  }
  const VectorField out = on_grid(field, coarse, fine, {});
  const std::size_t v = fine.index(15, 7, 9);
  EXPECT_NEAR(out.u[3 * v + 2] * 2.0, 4.0 * 0.01 * fine.to_mm(Point(15, 7, 9))[0], 1e-5);
}

TEST(Topology, DeterminantsOfALinearMap) {
  VectorField field({8, 8, 8});
  for (std::size_t v = 0; v < field.n_voxels(); ++v) {
    Grid grid;
    grid.shape = field.shape;
    const auto [i, j, k] = grid.coordinates(v);
    field.u[3 * v] = static_cast<float>(0.5 * i + 0.25 * j);
    field.u[3 * v + 1] = static_cast<float>(-0.2 * k);
    field.u[3 * v + 2] = static_cast<float>(-0.5 * k + 0.1 * i);
  }
  // det [[1.5, 0.25, 0], [0, 1, -0.2], [0.1, 0, 0.5]]
  const auto det = jacobians(field, {});
  EXPECT_NEAR(det.low[4 + 8 * (4 + 8 * 4)], 0.75 + 0.25 * -0.2 * 0.1 * 1.0, 1e-5);
  EXPECT_NEAR(det.high[4 + 8 * (4 + 8 * 4)], det.low[4 + 8 * (4 + 8 * 4)], 1e-5);
}

TEST(Topology, AFoldIsRepairedAndFarPlacesAreLeftAlone) {
  VectorField field = waves({40, 24, 24}, 0.3F);
  const std::size_t fold = 8 + 40 * (12 + 24 * 12);
  field.u[3 * fold] += 2.5F;
  const std::size_t far = 32 + 40 * (12 + 24 * 12);
  const float kept = field.u[3 * far];
  EXPECT_LT(jacobians(field, {}).low[fold], 0.0F);
  EXPECT_GT(keep_topology(field, 0.05, {}), 0);
  const auto det = jacobians(field, {});
  EXPECT_GE(*std::min_element(det.low.begin(), det.low.end()), 0.05F);
  EXPECT_EQ(field.u[3 * far], kept);
  EXPECT_EQ(keep_topology(field, 0.05, {}), 0);
}

FixedSamples samples_of(const Volume& image) {
  FixedSamples samples;
  samples.center_mm = image.grid.center_mm();
  for (std::size_t v = 0; v < image.data.size(); v += 3) {
    const auto [i, j, k] = image.grid.coordinates(v);
    const Eigen::Vector3f p = (image.grid.to_mm(Point(i, j, k)) - samples.center_mm).cast<float>();
    samples.point_mm.insert(samples.point_mm.end(), {p[0], p[1], p[2]});
    samples.value.push_back(image.data[v]);
  }
  return samples;
}

TEST(AffineFit, GradientAgreesWithFiniteDifferences) {
  const Volume fixed = render(cube_grid(20, 8.0), testing::brain);
  const Volume moving = render(cube_grid(30, 7.0, Point(3, -4, 5)), testing::brain);
  const FixedSamples samples = samples_of(fixed);
  Affine map = rigid_matrix({Point(4, -3, 5), Point(0.1, -0.05, 0.08)}, Point::Zero());
  map.topLeftCorner<3, 3>() *= 1.05;
  const CorrelationStep at = correlation_step(samples, moving, map, {});
  ASSERT_EQ(at.inside, 1.0);
  EXPECT_NEAR(at.correlation, correlation_only(samples, moving, map, {}), 1e-12);
  for (int p = 0; p < kAffineParameters; ++p) {
    const auto value = [&](double step) {
      Affine change = Affine::Identity();
      if (p % 4 == 3) {
        change(p / 4, 3) = step;
      } else {
        change(p / 4, p % 4) += step / kReachMm;
        change(p / 4, 3) -= step / kReachMm * samples.center_mm[p % 4];
      }
      return correlation_only(samples, moving, map * change, {});
    };
    const double numeric = (value(0.02) - value(-0.02)) / 0.04;
    EXPECT_NEAR(at.gradient[p], numeric, 2e-4 + 0.02 * std::abs(numeric)) << "parameter " << p;
  }
}

TEST(AffineFit, ARigidFitStaysRigid) {
  const Volume fixed = render(cube_grid(38, 5.0), testing::brain);
  const Affine truth = rigid_matrix({Point(5, -4, 3), Point(0.1, 0.06, -0.12)}, Point::Zero());
  const Volume moving = render(cube_grid(44, 5.0), testing::brain, [&](const Point& p) -> Point {
    return (truth.inverse() * p.homogeneous()).head<3>();
  });
  const auto fit =
      fit_affine(samples_of(fixed), moving, Affine::Identity(), {Freedom::rigid, 50, 1e-3}, {});
  const Eigen::Matrix3d r = fit.fixed_to_moving.topLeftCorner<3, 3>();
  EXPECT_LT((r * r.transpose() - Eigen::Matrix3d::Identity()).norm(), 1e-9);
  EXPECT_LT(rms_displacement_mm(fit.fixed_to_moving, truth, Point::Zero()), 0.4);
}

} // namespace
} // namespace boldmill::anatomy
