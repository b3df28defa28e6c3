#include "stages/anatomy/affine.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <iostream>

#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/testing/expect.hpp"
#include "stages/anatomy/testing/phantom.hpp"

namespace boldmill::affine {
namespace {

using anatomy::testing::cube_grid;
using anatomy::testing::expect_error;
using anatomy::testing::Point;
using anatomy::testing::render;

struct Template {
  Volume brain = render(cube_grid(48, 4.0), anatomy::testing::brain);
  Mask mask = anatomy::testing::brain_truth(brain.grid);
};

const Template& phantom() {
  static const Template value;
  return value;
}

Params quick() {
  Params params;
  params.level_spacing_mm = {8.0, 4.0};
  return params;
}

Affine some_affine() {
  Affine map = rigid_matrix({Point(12, -18, 25), Point(0.3, -0.1, 0.15)}, Point::Zero());
  Eigen::Matrix3d stretch;
  stretch << 0.92, 0.03, 0.0, 0.0, 1.06, -0.02, 0.01, 0.0, 0.95;
  map.topLeftCorner<3, 3>() *= stretch;
  return map;
}

// The head as a person whose map to the template is `t1w_to_template`, on a grid of its own.
Volume person(const Affine& t1w_to_template, const anatomy::testing::Scene& scene) {
  Grid grid =
      cube_grid(64, 4.0, (t1w_to_template.inverse() * Point(0, 5, -20).homogeneous()).head<3>());
  return render(grid, scene, [&](const Point& p) -> Point {
    return (t1w_to_template * p.homogeneous()).head<3>();
  });
}

double error_mm(const Outputs& out, const Affine& truth) {
  const Affine left = out.t1w_to_template * truth.inverse();
  return rms_displacement_mm(left, Affine::Identity(), Point::Zero());
}

// The order of the pipeline: the head, its brain mask, then brain to brain.
TEST(Affine, RecoversAKnownMapOfAHeadWithSkullInTwoPasses) {
  const Affine truth = some_affine();
  const Volume t1w = person(truth, anatomy::testing::head);
  const auto head = run({t1w, phantom().brain, phantom().mask}, quick(), {});
  EXPECT_LT(error_mm(head, truth), 2.0); // half a voxel; scalp and neck have no counterpart
  EXPECT_GT(head.correlation, 0.75);
  EXPECT_GT(head.coarse_correlation, head.other_correlation + 0.1);
  EXPECT_TRUE(head.converged);
  const auto mask =
      brain_mask::run({t1w, phantom().brain, phantom().mask, head.t1w_to_template}, {}, {});
  const auto brain =
      run({t1w, phantom().brain, phantom().mask, &mask.mask, &head.t1w_to_template}, quick(), {});
  EXPECT_LT(error_mm(brain, truth), 1.0);
  EXPECT_GT(brain.correlation, head.correlation);
}

TEST(Affine, RecoversAKnownMapOfABrain) {
  const Affine truth = some_affine();
  const Volume t1w = person(truth, anatomy::testing::brain);
  const auto out = run({t1w, phantom().brain, phantom().mask}, quick(), {});
  EXPECT_LT(error_mm(out, truth), 0.4);
  EXPECT_GT(out.overlap, 0.99);
}

TEST(Affine, CorrectsAHeaderThatIsTurnedBy90Degrees) {
  Affine turned = Affine::Identity();
  turned.topLeftCorner<3, 3>() << 0, 0, 1, 1, 0, 0, 0, 1, 0;
  const Affine truth = some_affine() * turned;
  const Volume t1w = person(truth, anatomy::testing::head);
  const auto out = run({t1w, phantom().brain, phantom().mask}, quick(), {});
  EXPECT_LT(error_mm(out, truth), 2.0);
  EXPECT_GT(out.header_rotation_deg, 60.0);
}

// A lesion of 30 mm radius at the edge of the brain, without signal or bright: masked, its
// intensity has no say.
TEST(Affine, AMaskedLesionHasNoSay) {
  const Affine truth = some_affine();
  const Volume sound = person(truth, anatomy::testing::brain);
  Mask lesion(sound.grid, 0);
  std::array<Volume, 2> with{sound, sound};
  const Point center = (truth.inverse() * Point(-40, 10, 15).homogeneous()).head<3>();
  for (std::size_t v = 0; v < lesion.data.size(); ++v) {
    const auto [i, j, k] = lesion.grid.coordinates(v);
    if ((lesion.grid.to_mm(Point(i, j, k)) - center).norm() > 30.0) continue;
    lesion.data[v] = 1;
    with[0].data[v] = 0.0F;
    with[1].data[v] *= 3.0F;
  }
  const auto fit = [&](const Volume& image, const Mask* left_out) {
    return run({image, phantom().brain, phantom().mask, nullptr, nullptr, left_out}, quick(), {});
  };
  const auto dark = fit(with[0], &lesion);
  const auto bright = fit(with[1], &lesion);
  EXPECT_EQ(dark.t1w_to_template, bright.t1w_to_template);
  EXPECT_LT(dark.overlap, fit(sound, nullptr).overlap);
  const double unharmed = error_mm(fit(sound, nullptr), truth);
  const double pulled = error_mm(fit(with[0], nullptr), truth);
  std::cout << "affine error: no lesion " << unharmed << " mm, lesion " << pulled << " mm, masked "
            << error_mm(dark, truth) << " mm\n";
  EXPECT_GT(pulled, 2.0 * unharmed) << "the lesion must matter for this test to mean something";
  EXPECT_LT(error_mm(dark, truth), 0.5 * pulled);
  const Mask foreign(phantom().brain.grid, 1);
  expect_error(ErrorKind::input, "lesion mask", [&] { (void)fit(sound, &foreign); });
}

TEST(Affine, NeverReflects) {
  Affine mirror = Affine::Identity();
  mirror(0, 0) = -1.0;
  const Volume t1w = person(mirror, anatomy::testing::brain);
  const auto out = run({t1w, phantom().brain, phantom().mask}, quick(), {});
  const Eigen::Matrix3d linear = out.t1w_to_template.topLeftCorner<3, 3>();
  EXPECT_GT(linear.determinant(), 0.0);
}

TEST(Affine, AMirroredBrainIsNoticedAndARightOneIsNot) {
  const auto gain = [](const Affine& to_template) {
    const Volume t1w = person(to_template, anatomy::testing::brain);
    const Mask mask = anatomy::testing::brain_truth(t1w.grid, [&](const Point& p) -> Point {
      return (to_template * p.homogeneous()).head<3>();
    });
    const auto first = run({t1w, phantom().brain, phantom().mask}, quick(), {});
    EXPECT_TRUE(std::isnan(first.mirror_gain));
    const auto out =
        run({t1w, phantom().brain, phantom().mask, &mask, &first.t1w_to_template}, quick(), {});
    const Eigen::Matrix3d linear = out.t1w_to_template.topLeftCorner<3, 3>();
    EXPECT_GT(linear.determinant(), 0.0);
    return out.mirror_gain;
  };
  Affine mirror = Affine::Identity();
  mirror(0, 0) = -1.0;
  EXPECT_LT(gain(some_affine()), -0.05); // nothing in the phantom is symmetric
  EXPECT_GT(gain(Affine(mirror * some_affine())), 0.05);
}

TEST(Affine, BrightnessOfTheImageDoesNotMatterAndThreadsNeither) {
  const Volume t1w = person(some_affine(), anatomy::testing::head);
  Volume brighter = t1w;
  for (float& value : brighter.data) value = 1000.0F + 64.0F * value;
  const auto at = [&](int threads, const Volume& image) {
    return anatomy::testing::with_threads(threads, [&] {
      return run({image, phantom().brain, phantom().mask}, quick(), {});
    });
  };
  const auto one = at(1, t1w);
  const auto eight = at(8, t1w);
  EXPECT_EQ(one.t1w_to_template, eight.t1w_to_template);
  EXPECT_EQ(one.correlation, eight.correlation);
  const auto scaled = at(2, brighter);
  EXPECT_LT(rms_displacement_mm(one.t1w_to_template, scaled.t1w_to_template, Point::Zero()), 0.05);
}

TEST(Affine, RefusesBadInput) {
  const Volume t1w = person(Affine::Identity(), anatomy::testing::brain);
  anatomy::testing::expect_bad_images_refused(t1w, [](const Volume& image) {
    (void)run({image, phantom().brain, phantom().mask}, quick(), {});
  });
  const Mask empty(phantom().brain.grid);
  expect_error(ErrorKind::input, "template mask", [&] {
    (void)run({t1w, phantom().brain, empty}, quick(), {});
  });
  const Mask elsewhere(t1w.grid, 1);
  expect_error(ErrorKind::input, "template mask", [&] {
    (void)run({t1w, phantom().brain, elsewhere}, quick(), {});
  });
  Params params;
  params.level_spacing_mm = {2.0, 4.0};
  expect_error(ErrorKind::usage, "level_spacing_mm", [&] {
    (void)run({t1w, phantom().brain, phantom().mask}, params, {});
  });
}

TEST(Affine, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  Context context;
  context.stop = stop.get_token();
  const Volume t1w = person(Affine::Identity(), anatomy::testing::brain);
  expect_error(ErrorKind::interrupted, "interrupted", [&] {
    (void)run({t1w, phantom().brain, phantom().mask}, quick(), context);
  });
}

} // namespace
} // namespace boldmill::affine
