#include "stages/anatomy/t1w_average.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/anatomy/testing/expect.hpp"
#include "stages/anatomy/testing/phantom.hpp"
#include "stages/core/random.hpp"

namespace boldmill::t1w_average {
namespace {

using anatomy::testing::cube_grid;
using anatomy::testing::head;
using anatomy::testing::Point;
using anatomy::testing::render;

const Affine kMove = rigid_matrix({Point(4.0, -6.0, 3.0), Point(0.06, -0.04, 0.08)}, Point::Zero());

Volume noisy(Volume image, double sd, std::uint64_t seed) {
  Random random(seed);
  for (float& value : image.data) {
    value = static_cast<float>(std::abs(static_cast<double>(value) + sd * random.normal()));
  }
  return image;
}

// The head at first_to_image^-1 on a grid of another size and spacing, `gain` times as bright.
Volume moved_head(double gain, double sd) {
  const Affine back = kMove.inverse();
  Volume image = render(cube_grid(72, 3.2), head, [&](const Point& p) -> Point {
    return (back * p.homogeneous()).head<3>();
  });
  for (float& value : image.data) value *= static_cast<float>(gain);
  return noisy(std::move(image), gain * sd, 8);
}

double noise_of(const Volume& image, const Volume& truth) { // inside the brain
  double sum = 0.0;
  double n = 0.0;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const auto [i, j, k] = image.grid.coordinates(v);
    if (anatomy::testing::brain_distance(image.grid.to_mm(Point(i, j, k))) > -4.0) continue;
    sum += std::pow(static_cast<double>(image.data[v] - truth.data[v]), 2);
    n += 1.0;
  }
  return std::sqrt(sum / n);
}

TEST(T1wAverage, AlignsScalesAndReducesNoise) {
  const Volume truth = render(cube_grid(76, 3.0), head);
  const Volume images[] = {noisy(truth, 6.0, 7), moved_head(1.7, 6.0)};
  const Outputs out = run({images}, {}, {});
  ASSERT_EQ(out.used, (std::vector<std::uint8_t>{1, 1}));
  EXPECT_LT(rms_displacement_mm(out.first_to_image[1], kMove, Point::Zero()), 0.1);
  EXPECT_GT(out.correlation[1], 0.95);
  const double alone = noise_of(images[0], truth);
  EXPECT_NEAR(alone, 6.0, 0.3);
  EXPECT_LT(noise_of(out.average, truth), 0.8 * alone); // 1 / sqrt(2) and what resampling costs
  EXPECT_TRUE(out.average.grid.same_as(truth.grid));
}

TEST(T1wAverage, AnotherHeadIsLeftOut) {
  const Volume first = render(cube_grid(60, 4.0), head);
  const Volume other = render(cube_grid(60, 4.0), [](const Point& p) {
    return 100.0 * anatomy::testing::inside(
                       anatomy::testing::ellipsoid(p, Point(0, 0, 0), Point(50, 50, 90)));
  });
  const Volume images[] = {first, other};
  const Outputs out = run({images}, {}, {});
  EXPECT_EQ(out.used, (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(out.average.data, first.data);
}

TEST(T1wAverage, OneImageOrNoneToAverageIsTheFirst) {
  const Volume first = render(cube_grid(60, 4.0), head);
  const Volume images[] = {first, moved_head(1.0, 1.0)};
  EXPECT_EQ(run({{images, 1}}, {}, {}).average.data, first.data);
  EXPECT_EQ(run({images}, {.enabled = false}, {}).average.data, first.data);
}

TEST(T1wAverage, PlacesTheSecondDoesNotCoverKeepTheFirst) {
  const Volume first = render(cube_grid(60, 4.0), head);
  Volume slab = first;
  slab.grid.shape[2] = 40;
  slab.data.resize(slab.grid.n_voxels());
  const Volume images[] = {first, slab};
  const Outputs out = run({images}, {}, {});
  ASSERT_EQ(out.used[1], 1);
  const std::size_t above = first.grid.index(30, 30, 45);
  EXPECT_EQ(out.average.data[above], first.data[above]);
}

TEST(T1wAverage, SameBitsAtOneAndEightThreads) {
  const Volume images[] = {render(cube_grid(60, 4.0), head), moved_head(1.2, 3.0)};
  const auto average = [&] { return run({images}, {}, {}).average.data; };
  EXPECT_EQ(anatomy::testing::with_threads(1, average), anatomy::testing::with_threads(8, average));
}

TEST(T1wAverage, ErrorsAreNamed) {
  anatomy::testing::expect_error(ErrorKind::input, "no image", [] { (void)run({}, {}, {}); });
  const Volume images[] = {Volume(cube_grid(60, 4.0))};
  anatomy::testing::expect_error(ErrorKind::input, "constant",
                                 [&] { (void)run({images}, {}, {}); });
}

} // namespace
} // namespace boldmill::t1w_average
