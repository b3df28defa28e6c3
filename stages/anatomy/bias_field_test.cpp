#include "stages/anatomy/bias_field.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <iostream>

#include "stages/anatomy/testing/expect.hpp"
#include "stages/anatomy/testing/phantom.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::bias_field {
namespace {

using anatomy::testing::cube_grid;
using anatomy::testing::expect_error;
using anatomy::testing::Point;
using anatomy::testing::render;

double true_field(const Point& p) {
  return std::exp(0.25 * std::sin(p[0] / 60.0) + 0.3 * p[1] / 90.0 - 0.15 * std::cos(p[2] / 50.0));
}

// A ball of two tissues in small cells: the tissues have no slow pattern of their own.
double cells(const Point& p) {
  const double which = std::sin(p[0] / 4.0) * std::sin(p[1] / 4.3) * std::sin(p[2] / 3.7);
  return p.norm() > 75.0 ? 0.0 : which > 0.0 ? 110.0 : 80.0;
}

Mask ball(const Grid& grid) {
  const Volume image = render(grid, cells);
  Mask mask(grid);
  for (std::size_t v = 0; v < mask.data.size(); ++v) mask.data[v] = image.data[v] > 0.0F ? 1 : 0;
  return mask;
}

Volume biased_on(const Grid& grid) {
  return render(grid, [](const Point& p) { return cells(p) * true_field(p); });
}

const Volume& biased() {
  static const Volume value = biased_on(cube_grid(44, 4.0));
  return value;
}

Params quick() {
  Params params;
  params.levels = 3;
  params.iterations = 30;
  return params;
}

// SD over the brain of the log of (estimated / true) field: 0 for the truth up to a factor.
double field_error(const Volume& image, const Outputs& out) {
  std::vector<double> logs;
  const Mask brain = ball(image.grid);
  for (const std::size_t v : indices_of(brain)) {
    const auto [i, j, k] = image.grid.coordinates(v);
    const double estimate = static_cast<double>(image.data[v] / out.corrected.data[v]);
    logs.push_back(std::log(estimate / true_field(image.grid.to_mm(Point(i, j, k)))));
  }
  return standard_deviation(logs);
}

double spread_of_truth() {
  std::vector<double> logs;
  const Mask brain = ball(biased().grid);
  for (const std::size_t v : indices_of(brain)) {
    const auto [i, j, k] = brain.grid.coordinates(v);
    logs.push_back(std::log(true_field(brain.grid.to_mm(Point(i, j, k)))));
  }
  return standard_deviation(logs);
}

TEST(BiasField, RemovesMostOfAKnownField) {
  const auto out = run({biased()}, quick(), {});
  EXPECT_LT(field_error(biased(), out), 0.25 * spread_of_truth());
  EXPECT_LT(out.field_min, 0.85);
  EXPECT_GT(out.field_max, 1.15);
  EXPECT_EQ(out.corrected.grid.same_as(biased().grid), true);
}

// A lesion that fades outwards looks like a field; masked, it does not reach the field at all.
TEST(BiasField, AMaskedLesionHasNoSay) {
  const Grid& grid = biased().grid;
  Mask lesion(grid, 0);
  Mask sound = ball(grid);
  std::array<Volume, 2> with{biased(), biased()};
  for (std::size_t v = 0; v < lesion.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    const double r = (grid.to_mm(Point(i, j, k)) - Point(-30, 10, 15)).norm() / 36.0;
    if (r > 1.0) continue;
    lesion.data[v] = 1;
    sound.data[v] = 0;
    with[0].data[v] *= static_cast<float>(0.4 + 0.6 * r);
    with[1].data[v] *= static_cast<float>(2.0 - r);
  }
  const auto error = [&](const Outputs& out) { // as field_error, outside the lesion
    std::vector<double> logs;
    for (const std::size_t v : indices_of(sound)) {
      const auto [i, j, k] = grid.coordinates(v);
      const double estimate = static_cast<double>(biased().data[v] / out.corrected.data[v]);
      logs.push_back(std::log(estimate / true_field(grid.to_mm(Point(i, j, k)))));
    }
    return standard_deviation(logs);
  };
  const auto dark = run({with[0], &lesion}, quick(), {});
  const auto bright = run({with[1], &lesion}, quick(), {});
  for (const std::size_t v : indices_of(sound)) {
    ASSERT_EQ(bright.corrected.data[v], dark.corrected.data[v]);
  }
  const double without = error(run({biased()}, quick(), {}));
  const double pulled = error(run({with[0]}, quick(), {}));
  std::cout << "SD of the log field's error: no lesion " << without << ", lesion " << pulled
            << ", masked " << error(dark) << '\n';
  EXPECT_GT(pulled, 1.5 * without) << "the lesion must matter for this test to mean something";
  EXPECT_LT(error(dark), 1.3 * without);
  const Mask foreign(cube_grid(10, 4.0), 1);
  expect_error(ErrorKind::input, "lesion mask", [&] {
    (void)run({biased(), &foreign}, quick(), {});
  });
}

TEST(BiasField, LeavesAnEvenImageNearlyAlone) {
  const Volume even = render(cube_grid(44, 4.0), cells);
  const auto out = run({even}, quick(), {});
  EXPECT_GT(out.field_min, 0.9);
  EXPECT_LT(out.field_max, 1.1);
}

TEST(BiasField, AFinerImageGetsTheSameField) {
  const Volume fine = biased_on(cube_grid(88, 2.0));
  EXPECT_LT(field_error(fine, run({fine}, quick(), {})), 0.25 * spread_of_truth());
}

TEST(BiasField, ThreadsAndScaleDoNotMatter) {
  const auto at = [&](int threads, const Volume& image) {
    return anatomy::testing::with_threads(threads,
                                          [&] { return run({image}, quick(), {}).corrected; });
  };
  const Volume one = at(1, biased());
  EXPECT_EQ(one.data, at(8, biased()).data);
  Volume scaled = biased();
  for (float& value : scaled.data) value *= 4.0F;
  const Volume four = at(2, scaled);
  for (std::size_t v = 0; v < one.data.size(); ++v) {
    ASSERT_NEAR(four.data[v], 4.0F * one.data[v], 0.01F * four.data[v] + 1e-3F);
  }
}

TEST(BiasField, RefusesBadInputAndStopsWhenAsked) {
  anatomy::testing::expect_bad_images_refused(
      biased(), [](const Volume& image) { (void)run({image}, quick(), {}); });
  std::stop_source stop;
  stop.request_stop();
  Context context;
  context.stop = stop.get_token();
  expect_error(ErrorKind::interrupted, "interrupted",
               [&] { (void)run({biased()}, quick(), context); });
}

} // namespace
} // namespace boldmill::bias_field
