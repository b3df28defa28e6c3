#include "stages/anatomy/brain_mask.hpp"

#include <gtest/gtest.h>

#include "stages/anatomy/template_mask.hpp"
#include "stages/anatomy/testing/expect.hpp"
#include "stages/anatomy/testing/phantom.hpp"

namespace boldmill::brain_mask {
namespace {

using anatomy::testing::cube_grid;
using anatomy::testing::expect_error;
using anatomy::testing::Point;
using anatomy::testing::render;

// A person whose brain is bent against the template's.
Point to_scene(const Point& p) {
  return 1.03 * p + Point(3.0 * std::sin(p[1] / 30.0), 2.0, 3.0 * std::cos(p[0] / 35.0));
}

struct Case {
  Volume brain = render(cube_grid(48, 4.0), anatomy::testing::brain);
  Mask mask = anatomy::testing::brain_truth(brain.grid);
  Volume head = render(cube_grid(60, 3.5, Point(0, 0, -15)), anatomy::testing::head, to_scene);
  Mask truth = anatomy::testing::brain_truth(head.grid, to_scene);
  Volume stripped = head;
  Affine map = Affine::Identity();
  Case() {
    map.topLeftCorner<3, 3>() *= 1.03;
    for (std::size_t v = 0; v < head.data.size(); ++v) {
      if (truth.data[v] == 0) stripped.data[v] = 0.0F;
    }
  }
};

const Case& phantom() {
  static const Case value;
  return value;
}

TEST(TemplateMask, FindsTheBrainOfABrainOnlyImage) {
  const Mask mask = template_mask(phantom().brain, {});
  EXPECT_GT(dice(mask, phantom().mask), 0.96); // a fifth of a 4 mm voxel at the surface
}

TEST(TemplateMask, RefusesAHeadAndNothing) {
  expect_error(ErrorKind::input, "brain-only",
               [] { (void)template_mask(render(cube_grid(70, 4.0), anatomy::testing::head), {}); });
  Volume negative = phantom().brain;
  for (float& value : negative.data) value = -value - 1.0F;
  expect_error(ErrorKind::input, "no positive", [&] { (void)template_mask(negative, {}); });
}

TEST(BrainMask, OfAHeadAgreesWithTheTruth) {
  const Case& c = phantom();
  const auto out = run({c.head, c.brain, c.mask, c.map}, {}, {});
  EXPECT_GT(dice(out.mask, c.truth), 0.95);
  EXPECT_FALSE(out.skull_stripped);
  EXPECT_NEAR(out.volume_ml, static_cast<double>(count(c.truth)) * 0.042875, 150.0);
}

// A dark lesion at the surface would be cut out; masked, it stays a part of the brain.
TEST(BrainMask, AMaskedLesionStaysInside) {
  const Case& c = phantom();
  Volume lesioned = c.head;
  Mask lesion(c.head.grid, 0);
  for (std::size_t v = 0; v < lesion.data.size(); ++v) {
    const auto [i, j, k] = lesion.grid.coordinates(v);
    const Point p = lesion.grid.to_mm(Point(i, j, k));
    if (c.truth.data[v] == 0 || (p - Point(-55, 0, 20)).norm() > 20.0) continue;
    lesion.data[v] = 1;
    lesioned.data[v] = 0.0F;
  }
  const auto share = [&](const Volume& image, const Mask* left_out) {
    const auto out = run({image, c.brain, c.mask, c.map, left_out}, {}, {});
    std::size_t inside = 0;
    for (const std::size_t v : indices_of(lesion)) inside += out.mask.data[v];
    return static_cast<double>(inside) / static_cast<double>(count(lesion));
  };
  const double sound = share(c.head, nullptr);
  EXPECT_LT(share(lesioned, nullptr), sound - 0.15)
      << "the lesion must matter for this test to mean something";
  EXPECT_GT(share(lesioned, &lesion), sound - 0.08); // the edge is that of the carried mask
}

TEST(BrainMask, OfABrainIsItsOwnEdge) {
  const Case& c = phantom();
  const auto out = run({c.stripped, c.brain, c.mask, c.map}, {}, {});
  EXPECT_TRUE(out.skull_stripped);
  EXPECT_GT(dice(out.mask, c.truth), 0.97);
}

TEST(BrainMask, ThreadsAndBrightnessDoNotMatter) {
  const Case& c = phantom();
  const auto at = [&](int threads, const Volume& image) {
    return anatomy::testing::with_threads(threads, [&] {
      return run({image, c.brain, c.mask, c.map}, {}, {}).mask.data;
    });
  };
  Volume brighter = c.head;
  for (float& value : brighter.data) value *= 8.0F;
  const auto one = at(1, c.head);
  EXPECT_EQ(one, at(8, c.head));
  EXPECT_EQ(one, at(2, brighter));
}

TEST(BrainMask, RefusesBadInput) {
  const Case& c = phantom();
  anatomy::testing::expect_bad_images_refused(c.head, [&](const Volume& image) {
    (void)run({image, c.brain, c.mask, c.map}, {}, {});
  });
  Affine away = c.map;
  away(0, 3) = 1000.0;
  expect_error(ErrorKind::input, "overlap", [&] {
    (void)run({c.head, c.brain, c.mask, away}, {}, {});
  });
}

} // namespace
} // namespace boldmill::brain_mask
