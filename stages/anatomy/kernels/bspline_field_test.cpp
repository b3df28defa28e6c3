#include "stages/anatomy/kernels/bspline_field.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/anatomy/testing/expect.hpp"
#include "stages/core/random.hpp"

namespace boldmill::anatomy {
namespace {

constexpr std::array<int, 3> kShape{13, 9, 11};
constexpr std::array<int, 3> kSpans{2, 1, 3};

// The cubic B-spline by its definition about 0, and so the weight of coefficient c at parameter u.
double cubic(double x) {
  x = std::abs(x);
  if (x >= 2.0) return 0.0;
  if (x >= 1.0) return std::pow(2.0 - x, 3) / 6.0;
  return 2.0 / 3.0 - x * x + x * x * x / 2.0;
}

double weight(const std::array<double, 3>& voxel, const std::array<int, 3>& c,
              const std::array<int, 3>& spans) {
  double product = 1.0;
  for (std::size_t a = 0; a < 3; ++a)
    product *= cubic(voxel[a] / (kShape[a] - 1) * spans[a] - (c[a] - 1));
  return product;
}

template <class Body>
void over(const std::array<int, 3>& shape, Body&& body) {
  std::size_t index = 0;
  for (int k = 0; k < shape[2]; ++k)
    for (int j = 0; j < shape[1]; ++j)
      for (int i = 0; i < shape[0]; ++i) body(std::array<int, 3>{i, j, k}, index++);
}

std::array<double, 3> real(const std::array<int, 3>& voxel) {
  return {double(voxel[0]), double(voxel[1]), double(voxel[2])};
}

Grid lattice() {
  Grid grid;
  grid.shape = kShape;
  return grid;
}

// About half of the voxels; none in the last slices, so that some coefficients have no data.
Mask some_voxels() {
  Random random(3);
  Mask mask(lattice());
  over(kShape, [&](const auto& voxel, std::size_t v) {
    mask.data[v] = random.normal() > 0.0 && voxel[2] < 4 ? 1 : 0;
  });
  return mask;
}

Volume values_of(std::uint64_t seed) {
  Random random(seed);
  Volume values(lattice());
  for (float& value : values.data) value = static_cast<float>(random.normal());
  return values;
}

SplineField random_field() {
  Random random(5);
  SplineField field = zero_spline(kShape, kSpans);
  for (double& value : field.coefficients) value = random.normal();
  return field;
}

SplineField fitted(const Mask& mask, const Volume& values) {
  SplineField field = zero_spline(kShape, kSpans);
  SplineFit(mask, field, {})
      .add_to(field,
              [&](std::size_t j, std::size_t k, double* row) {
                for (int i = 0; i < kShape[0]; ++i) {
                  const std::size_t v =
                      mask.grid.index(i, static_cast<int>(j), static_cast<int>(k));
                  row[i] = mask.data[v] != 0 ? static_cast<double>(values.data[v]) : 0.0;
                }
                return true;
              },
              {});
  return field;
}

Volume evaluated(const SplineField& field, const std::array<int, 3>& shape = kShape,
                 const std::array<double, 3>& factor = {1, 1, 1},
                 const std::array<double, 3>& offset = {0, 0, 0}) {
  Grid grid;
  grid.shape = shape;
  Volume out(grid);
  evaluate(field, basis_weights(field, shape, factor, offset),
           [&](std::size_t j, std::size_t k, const double* row) {
             for (int i = 0; i < shape[0]; ++i)
               out.at(i, static_cast<int>(j), static_cast<int>(k)) = static_cast<float>(row[i]);
           },
           {});
  return out;
}

TEST(BsplineField, TheFitIsTheDenseFormula) {
  const Mask mask = some_voxels();
  const Volume values = values_of(4);
  const SplineField field = fitted(mask, values);
  const std::array<int, 3> m{kSpans[0] + 3, kSpans[1] + 3, kSpans[2] + 3};
  ASSERT_EQ(field.shape, m);
  std::vector<double> squares(mask.data.size(), 0.0);
  over(kShape, [&](const auto& voxel, std::size_t v) {
    over(m, [&](const auto& c, std::size_t) {
      squares[v] += std::pow(weight(real(voxel), c, kSpans), 2);
    });
  });
  int empty = 0;
  over(m, [&](const auto& c, std::size_t at) {
    double sum = 0.0;
    double total = 0.0;
    over(kShape, [&](const auto& voxel, std::size_t v) {
      if (mask.data[v] == 0) return;
      const double w = weight(real(voxel), c, kSpans);
      sum += w * w * (w * static_cast<double>(values.data[v]) / squares[v]);
      total += w * w;
    });
    if (total == 0.0) ++empty;
    ASSERT_NEAR(field.coefficients[at], total > 0.0 ? sum / total : 0.0, 1e-12) << at;
  });
  EXPECT_GT(empty, 0);
}

TEST(BsplineField, EvaluationIsTheDenseSumAlsoOnAFinerLattice) {
  const SplineField field = random_field();
  const std::array<int, 3> fine{26, 27, 11};
  const Volume out = evaluated(field, fine, {2, 3, 1}, {0.5, 1.0, 0.0});
  over(fine, [&](const auto& voxel, std::size_t v) {
    const std::array<double, 3> at{std::clamp((voxel[0] - 0.5) / 2.0, 0.0, 12.0),
                                   std::clamp((voxel[1] - 1.0) / 3.0, 0.0, 8.0), double(voxel[2])};
    double sum = 0.0;
    over(field.shape, [&](const auto& c, std::size_t n) {
      sum += weight(at, c, kSpans) * field.coefficients[n];
    });
    ASSERT_NEAR(out.data[v], sum, 1e-6) << v;
  });
}

TEST(BsplineField, HalvedSpansAreTheSameFunction) {
  const SplineField field = random_field();
  const SplineField halved = halve_spans(field);
  EXPECT_EQ(halved.shape, (std::array<int, 3>{7, 5, 9}));
  const Volume before = evaluated(field);
  const Volume after = evaluated(halved);
  for (std::size_t v = 0; v < before.data.size(); ++v)
    ASSERT_NEAR(before.data[v], after.data[v], 1e-6);
}

TEST(BsplineField, ThreadsDoNotMatter) {
  const auto at = [](int threads) {
    return testing::with_threads(threads, [] {
      const SplineField field = fitted(some_voxels(), values_of(4));
      return std::pair(field.coefficients, evaluated(field).data);
    });
  };
  EXPECT_EQ(at(1), at(8));
}

} // namespace
} // namespace boldmill::anatomy
