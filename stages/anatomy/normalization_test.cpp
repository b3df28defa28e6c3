#include "stages/anatomy/normalization.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>

#include "stages/anatomy/testing/expect.hpp"
#include "stages/anatomy/testing/phantom.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::normalization {
namespace {

using anatomy::testing::cube_grid;
using anatomy::testing::expect_error;
using anatomy::testing::Point;
using anatomy::testing::render;

// A smooth warp of up to about 9 mm with a closed form: moving point of a template point.
Point bent(const Point& p) {
  return p + Point(4.5 * std::sin(p[1] / 28.0), 4.0 * std::cos(p[2] / 25.0 + 0.4),
                   4.5 * std::sin(p[0] / 30.0 + p[1] / 60.0));
}

Affine some_affine() {
  Affine map = rigid_matrix({Point(5, -8, 4), Point(0.1, 0.05, -0.08)}, Point::Zero());
  map.topLeftCorner<3, 3>() *= 1.04;
  return map;
}

struct Case {
  Volume brain, moving;
  Mask mask, moving_mask;
  Affine moving_to_template = some_affine();

  Case() {
    brain = render(cube_grid(60, 3.0), anatomy::testing::brain);
    mask = anatomy::testing::brain_truth(brain.grid);
    const Grid grid =
        cube_grid(64, 3.0, (some_affine().inverse() * Point::Zero().homogeneous()).head<3>());
    moving = render(grid, anatomy::testing::brain, &Case::scene_point);
    moving_mask = anatomy::testing::brain_truth(grid, &Case::scene_point);
  }
  // Template point of a moving point: the affine, then the inverse of the bend.
  static Point scene_point(const Point& p) {
    const Point y = (some_affine() * p.homogeneous()).head<3>();
    Point x = y;
    for (int n = 0; n < 40; ++n) x += y - bent(x);
    return x;
  }
  [[nodiscard]] Inputs inputs() const {
    return {moving, moving_mask, brain, mask, moving_to_template};
  }
};

const Case& phantom() {
  static const Case value;
  return value;
}

Params quick() {
  Params params;
  params.level_spacing_mm = {8.0, 4.0};
  params.iterations = {100, 60};
  return params;
}

std::vector<double> errors_mm(const Outputs& out) {
  std::vector<double> errors;
  const Affine back = some_affine().inverse();
  for (std::size_t v = 0; v < phantom().mask.data.size(); v += 7) {
    if (phantom().mask.data[v] == 0) continue;
    const auto [i, j, k] = phantom().mask.grid.coordinates(v);
    const Point p = phantom().mask.grid.to_mm(Point(i, j, k));
    const Point truth = (back * bent(p).homogeneous()).head<3>();
    errors.push_back((out.template_to_moving(p) - truth).norm());
  }
  return errors;
}

TEST(Normalization, RecoversAKnownSmoothWarp) {
  Params affine_only = quick();
  affine_only.method = "affine";
  const auto before = run(phantom().inputs(), affine_only, {});
  const auto out = run(phantom().inputs(), quick(), {});
  EXPECT_GT(median(errors_mm(before)), 4.0);
  EXPECT_LT(median(errors_mm(out)), 1.0);
  EXPECT_LT(quantile(errors_mm(out), 0.95), 2.5);
  EXPECT_GT(out.dice, 0.97);
  EXPECT_GT(out.correlation, 0.97);
  EXPECT_GT(out.correlation, before.correlation + 0.02);
  EXPECT_GT(out.min_jacobian, 0.2);
  EXPECT_LT(out.max_jacobian, 3.0);
  EXPECT_GT(out.max_displacement_mm, 4.0);
  EXPECT_EQ(out.iterations.size(), 2U);
}

// A lesion that looks like nothing in the template: masked, it pulls the tissue around it less.
TEST(Normalization, AMaskedLesionDoesNotPull) {
  const Case& c = phantom();
  Case lesioned = c;
  Mask lesion(c.moving.grid, 0);
  const Point center = (some_affine().inverse() * bent(Point(-30, 5, 15)).homogeneous()).head<3>();
  for (std::size_t v = 0; v < lesion.data.size(); ++v) {
    const auto [i, j, k] = lesion.grid.coordinates(v);
    if ((lesion.grid.to_mm(Point(i, j, k)) - center).norm() > 18.0) continue;
    lesion.data[v] = 1;
    lesioned.moving.data[v] = 0.2F * lesioned.moving.data[v];
  }
  const auto error_near = [&](const Inputs& inputs) {
    const Outputs out = run(inputs, {}, {});
    std::vector<double> errors;
    for (std::size_t v = 0; v < c.mask.data.size(); ++v) {
      const auto [i, j, k] = c.mask.grid.coordinates(v);
      const Point x = c.mask.grid.to_mm(Point(i, j, k));
      const double away = (x - Point(-30, 5, 15)).norm();
      if (c.mask.data[v] == 0 || away > 32.0) continue;
      const Point truth = (some_affine().inverse() * bent(x).homogeneous()).head<3>();
      errors.push_back((out.template_to_moving(x) - truth).norm());
    }
    return median(errors);
  };
  const double sound = error_near(c.inputs());
  const double pulled = error_near(lesioned.inputs());
  Inputs with_mask = lesioned.inputs();
  with_mask.lesion = &lesion;
  const double masked = error_near(with_mask);
  std::cout << "median error near the lesion: without it " << sound << " mm, with it " << pulled
            << " mm, masked " << masked << " mm\n";
  EXPECT_GT(pulled, 1.5 * sound) << "the lesion must matter for this test to mean something";
  EXPECT_LT(masked, 0.7 * pulled) << sound;
  Mask foreign(c.brain.grid, 1);
  with_mask.lesion = &foreign;
  expect_error(ErrorKind::input, "lesion mask", [&] { (void)run(with_mask, {}, {}); });
}

TEST(Normalization, BothDirectionsUndoEachOther) {
  const auto out = run(phantom().inputs(), quick(), {});
  EXPECT_LT(out.inverse_error_mm, 0.4);
  std::vector<double> errors;
  for (std::size_t v = 0; v < phantom().mask.data.size(); v += 11) {
    if (phantom().mask.data[v] == 0) continue;
    const auto [i, j, k] = phantom().mask.grid.coordinates(v);
    const Point p = phantom().mask.grid.to_mm(Point(i, j, k));
    errors.push_back((out.moving_to_template(out.template_to_moving(p)) - p).norm());
  }
  EXPECT_LT(quantile(errors, 0.99), 0.4);
}

TEST(Normalization, AnImageOfItselfStaysWhereItIs) {
  const Affine identity = Affine::Identity();
  const auto out = run({phantom().brain, phantom().mask, phantom().brain, phantom().mask, identity},
                       quick(), {});
  EXPECT_LT(out.max_displacement_mm, 0.2);
  EXPECT_GT(out.correlation, 0.999);
  EXPECT_GT(out.dice, 0.995);
}

TEST(Normalization, AffineMethodKeepsTheAffine) {
  Params params = quick();
  params.method = "affine";
  const auto out = run(phantom().inputs(), params, {});
  const Point p(10, 20, -5);
  EXPECT_LT((out.moving_to_template(p) - (some_affine() * p.homogeneous()).head<3>()).norm(),
            1e-12);
  EXPECT_LT((out.template_to_moving(out.moving_to_template(p)) - p).norm(), 1e-10);
  EXPECT_EQ(out.min_jacobian, 1.0);
}

TEST(Normalization, ThreadsAndBrightnessDoNotMatter) {
  const auto at = [&](int threads, const Volume& moving) {
    return anatomy::testing::with_threads(threads, [&] {
      return run({moving, phantom().moving_mask, phantom().brain, phantom().mask,
                  phantom().moving_to_template},
                 quick(), {});
    });
  };
  const auto one = at(1, phantom().moving);
  const auto eight = at(8, phantom().moving);
  const auto field = [](const Outputs& out) {
    return std::get<std::shared_ptr<const DisplacementField>>(out.template_to_moving.steps[0])->mm;
  };
  EXPECT_EQ(field(one), field(eight));
  Volume brighter = phantom().moving;
  for (float& value : brighter.data) value *= 16.0F; // a power of two: the same bits
  EXPECT_EQ(field(one), field(at(2, brighter)));
}

TEST(Normalization, LevelsFinerThanTheImageAreSkipped) {
  Params params = quick();
  params.level_spacing_mm = {8.0, 4.0, 1.5};
  params.iterations = {10, 10, 10};
  EXPECT_EQ(run(phantom().inputs(), params, {}).iterations.size(), 2U);
}

TEST(Normalization, RefusesBadInput) {
  const Case& c = phantom();
  anatomy::testing::expect_bad_images_refused(c.moving, [&](const Volume& image) {
    (void)run({image, c.moving_mask, c.brain, c.mask, c.moving_to_template}, quick(), {});
  });
  const Mask empty(c.moving.grid);
  expect_error(ErrorKind::input, "brain mask", [&] {
    (void)run({c.moving, empty, c.brain, c.mask, c.moving_to_template}, quick(), {});
  });
  Affine away = Affine::Identity();
  away(0, 3) = 1000.0;
  expect_error(ErrorKind::input, "overlap", [&] {
    (void)run({c.moving, c.moving_mask, c.brain, c.mask, away}, quick(), {});
  });
  Params params = quick();
  params.iterations = {5};
  expect_error(ErrorKind::usage, "one of each per level",
               [&] { (void)run(c.inputs(), params, {}); });
  params = quick();
  params.level_spacing_mm = {4.0, 8.0};
  expect_error(ErrorKind::usage, "must fall", [&] { (void)run(c.inputs(), params, {}); });
  params = quick();
  params.method = "elastic";
  expect_error(ErrorKind::usage, "elastic", [&] { (void)run(c.inputs(), params, {}); });
}

TEST(Normalization, MemoryGrowsWithTheResolution) {
  Params fine;
  fine.level_spacing_mm = {8.0, 4.0, 1.0};
  fine.iterations = {1, 1, 1};
  EXPECT_GT(peak_bytes({}, fine), 4 * peak_bytes({}, Params{}));
}

} // namespace
} // namespace boldmill::normalization
