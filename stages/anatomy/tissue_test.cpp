#include "stages/anatomy/tissue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "stages/anatomy/testing/expect.hpp"
#include "stages/anatomy/testing/phantom.hpp"
#include "stages/core/random.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::tissue {
namespace {

using anatomy::testing::cube_grid;
using anatomy::testing::expect_error;
using anatomy::testing::Point;

// Nested shells of three known intensities with known noise.
struct Shells {
  Volume image{cube_grid(40, 3.0)};
  Mask mask{image.grid};
  LabelImage truth{image.grid}; // 1 CSF, 2 grey, 3 white

  Shells() {
    Random random(7);
    constexpr double kMean[4] = {0.0, 300.0, 700.0, 1000.0};
    for (std::size_t v = 0; v < image.data.size(); ++v) {
      const auto [i, j, k] = image.grid.coordinates(v);
      const double r = image.grid.to_mm(Point(i, j, k)).norm();
      truth.data[v] = r > 55.0 ? 0 : r > 50.0 || r < 8.0 ? 1 : r > 35.0 ? 2 : 3;
      mask.data[v] = truth.data[v] != 0 ? 1 : 0;
      image.data[v] = static_cast<float>(kMean[truth.data[v]] + 80.0 * random.normal());
    }
  }
};

const Shells& shells() {
  static const Shells value;
  return value;
}

double share_right(const Outputs& out) {
  std::size_t right = 0;
  for (const std::size_t v : indices_of(shells().mask)) {
    const float p[3] = {out.csf.data[v], out.gm.data[v], out.wm.data[v]};
    const auto best = std::max_element(p, p + 3) - p;
    right += best + 1 == shells().truth.data[v] ? 1U : 0U;
  }
  return static_cast<double>(right) / static_cast<double>(count(shells().mask));
}

TEST(Tissue, RecoversKnownMeansSpreadsAndPlaces) {
  const auto out = run({shells().image, shells().mask}, {}, {});
  EXPECT_NEAR(out.class_mean[0], 300.0, 10.0);
  EXPECT_NEAR(out.class_mean[1], 700.0, 10.0);
  EXPECT_NEAR(out.class_mean[2], 1000.0, 10.0);
  for (const double sd : out.class_sd) EXPECT_NEAR(sd, 80.0, 8.0);
  EXPECT_GT(share_right(out), 0.985);
  EXPECT_TRUE(out.converged);
}

TEST(Tissue, NeighboursHelpAgainstNoise) {
  Params alone;
  alone.smoothness = 0.0;
  const double without = share_right(run({shells().image, shells().mask}, alone, {}));
  EXPECT_GT(share_right(run({shells().image, shells().mask}, {}, {})), without + 0.01);
}

TEST(Tissue, ProbabilitiesAddUpInsideAndVanishOutside) {
  const auto out = run({shells().image, shells().mask}, {}, {});
  double volume = 0.0;
  for (std::size_t v = 0; v < shells().mask.data.size(); ++v) {
    const float sum = out.csf.data[v] + out.gm.data[v] + out.wm.data[v];
    ASSERT_NEAR(sum, shells().mask.data[v] != 0 ? 1.0F : 0.0F, 1e-5F);
  }
  for (const double ml : out.volume_ml) volume += ml;
  EXPECT_NEAR(volume, static_cast<double>(count(shells().mask)) * 0.027, 1e-2);
}

// A lesion of a fourth intensity in a fifth of the white matter.
TEST(Tissue, AMaskedLesionBelongsToNoClassAndMovesNone) {
  std::array<Volume, 2> with{shells().image, shells().image};
  Mask lesion(shells().image.grid, 0);
  for (std::size_t v = 0; v < lesion.data.size(); ++v) {
    const auto [i, j, k] = lesion.grid.coordinates(v);
    if ((lesion.grid.to_mm(Point(i, j, k)) - Point(22, 0, 0)).norm() > 20.0) continue;
    lesion.data[v] = 1;
    with[0].data[v] = 480.0F + 0.5F * (shells().image.data[v] - 1000.0F);
    with[1].data[v] = 1500.0F;
  }
  const auto fit = [&](const Volume& image, const Mask* left_out) {
    return run({image, shells().mask, nullptr, left_out}, {}, {});
  };
  const Outputs dark = fit(with[0], &lesion);
  EXPECT_EQ(dark.wm.data, fit(with[1], &lesion).wm.data);
  EXPECT_NEAR(dark.class_mean[0], 300.0, 10.0);
  EXPECT_NEAR(dark.class_mean[1], 700.0, 10.0);
  EXPECT_NEAR(dark.class_mean[2], 1000.0, 10.0);
  for (const std::size_t v : indices_of(lesion)) {
    ASSERT_EQ(dark.csf.data[v] + dark.gm.data[v] + dark.wm.data[v], 0.0F);
  }
  const Outputs pulled = fit(with[0], nullptr);
  EXPECT_GT(std::abs(pulled.class_mean[0] - 300.0), 20.0)
      << "the lesion must matter for this test to mean something";
  const Mask all(lesion.grid, 1);
  expect_error(ErrorKind::input, "lesion mask", [&] { (void)fit(with[0], &all); });
}

// Tissues so alike that the histogram has one hump; priors from the truth, moved by 3 mm and
// blurred.
struct Faint {
  Volume image = shells().image;
  Priors priors{Volume(image.grid), Volume(image.grid), Volume(image.grid)};

  Faint() {
    constexpr double kMean[4] = {0.0, 480.0, 620.0, 740.0};
    Random random(11);
    Volume* maps[3] = {&priors.csf, &priors.gm, &priors.wm};
    for (std::size_t v = 0; v < image.data.size(); ++v) {
      const auto [i, j, k] = image.grid.coordinates(v);
      image.data[v] = static_cast<float>(kMean[shells().truth.data[v]] + 70.0 * random.normal());
      const int from = i > 0 ? shells().truth.at(i - 1, j, k) : 0;
      if (from > 0) maps[from - 1]->data[v] = 1.0F;
    }
    for (Volume* map : maps) *map = gaussian_smooth(std::move(*map), 3.0, {});
  }
};

TEST(Tissue, PriorsFindTissuesThatTheHistogramDoesNotShow) {
  const Faint faint;
  const auto out = run({faint.image, shells().mask, &faint.priors}, {}, {});
  EXPECT_NEAR(out.class_mean[0], 480.0, 70.0 / 3.0);
  EXPECT_NEAR(out.class_mean[1], 620.0, 70.0 / 3.0);
  EXPECT_NEAR(out.class_mean[2], 740.0, 70.0 / 3.0);
  const double with = share_right(out);
  EXPECT_GT(with, 0.9);
  EXPECT_GT(with, share_right(run({faint.image, shells().mask}, {}, {})) + 0.1);
}

TEST(Tissue, PriorsThatKnowNothingChangeLittle) {
  Priors flat{Volume(shells().image.grid), Volume(shells().image.grid),
              Volume(shells().image.grid)};
  for (Volume* map : {&flat.csf, &flat.gm, &flat.wm}) {
    std::fill(map->data.begin(), map->data.end(), 1.0F);
  }
  EXPECT_GT(share_right(run({shells().image, shells().mask, &flat}, {}, {})), 0.98);
}

// The weights of the classes are estimated beside the priors, so priors that are the same
// everywhere cancel whatever their values; counted beside shares of the volume, they would not.
TEST(Tissue, PriorsThatAreTheSameEverywhereCancel) {
  Priors same{Volume(shells().image.grid), Volume(shells().image.grid),
              Volume(shells().image.grid)};
  std::fill(same.csf.data.begin(), same.csf.data.end(), 0.1F);
  std::fill(same.gm.data.begin(), same.gm.data.end(), 0.7F);
  std::fill(same.wm.data.begin(), same.wm.data.end(), 0.2F);
  Params to_the_end;
  to_the_end.iterations = 200;
  to_the_end.convergence = 1e-12;
  const auto with = run({shells().image, shells().mask, &same}, to_the_end, {});
  const auto without = run({shells().image, shells().mask}, to_the_end, {});
  for (const std::size_t v : indices_of(shells().mask)) {
    ASSERT_NEAR(with.csf.data[v], without.csf.data[v], 1e-4F);
    ASSERT_NEAR(with.wm.data[v], without.wm.data[v], 1e-4F);
  }
}

TEST(Tissue, VolumesWithPriorsAreThoseOfTheTruth) {
  const Faint faint;
  const auto out = run({faint.image, shells().mask, &faint.priors}, {}, {});
  std::array<double, 3> truth{};
  for (const std::size_t v : indices_of(shells().mask)) {
    truth[static_cast<std::size_t>(shells().truth.data[v] - 1)] += 0.027;
  }
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(out.volume_ml[c], truth[c], 0.1 * truth[c]);
}

TEST(Tissue, PriorsArePlacedThroughTheMap) {
  const Faint faint;
  Eigen::Matrix4d shift = Eigen::Matrix4d::Identity();
  shift(0, 3) = 3.0; // point x of the image is point x + 3 mm of the template
  const Priors moved = priors_on(shells().mask, faint.priors, PointMap().then(Affine(shift)), {});
  for (const std::size_t v : indices_of(shells().mask)) {
    const auto [i, j, k] = shells().mask.grid.coordinates(v);
    ASSERT_NEAR(moved.gm.data[v], faint.priors.gm.at(i + 1, j, k), 1e-5F);
  }
}

TEST(Tissue, PriorsOnAnotherGridAreRefused) {
  const Priors coarse{Volume(cube_grid(20, 6.0)), Volume(cube_grid(20, 6.0)),
                      Volume(cube_grid(20, 6.0))};
  expect_error(ErrorKind::input, "another grid", [&] {
    (void)run({shells().image, shells().mask, &coarse}, {}, {});
  });
}

TEST(Tissue, ThreadsAndScaleDoNotMatter) {
  const auto at = [&](int threads, const Volume& image) {
    return anatomy::testing::with_threads(threads, [&] {
      return run({image, shells().mask}, {}, {});
    });
  };
  const auto one = at(1, shells().image);
  EXPECT_EQ(one.gm.data, at(8, shells().image).gm.data);
  Volume scaled = shells().image;
  for (float& value : scaled.data) value *= 0.25F;
  const auto quarter = at(2, scaled);
  for (std::size_t v = 0; v < one.gm.data.size(); ++v) {
    ASSERT_NEAR(one.gm.data[v], quarter.gm.data[v], 1e-4F);
  }
}

TEST(Tissue, RefusesBadInput) {
  const Shells& s = shells();
  anatomy::testing::expect_bad_images_refused(s.image, [&](const Volume& image) {
    (void)run({image, s.mask}, {}, {});
  });
  const Mask empty(s.image.grid);
  expect_error(ErrorKind::input, "brain mask", [&] { (void)run({s.image, empty}, {}, {}); });
  Volume flat = s.image;
  for (const std::size_t v : indices_of(s.mask)) flat.data[v] = 10.0F;
  expect_error(ErrorKind::input, "constant inside", [&] { (void)run({flat, s.mask}, {}, {}); });
}

} // namespace
} // namespace boldmill::tissue
