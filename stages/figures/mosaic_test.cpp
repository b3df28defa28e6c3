// A known shape at a known place and side; what lies outside the mask never shows.
#include "stages/figures/mosaic.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace boldmill::mosaic {
namespace {

// A head in RAS millimetres seen by voxels of any shape and order: a bright box on the person's
// right, front, top; a brain that is an ellipsoid; a face in front of and below it.
struct Head {
  Volume image;
  Mask mask;
};

constexpr double kBrain = 100.0;
constexpr double kMark = 400.0;

Head head_on(const Grid& grid, bool with_face) {
  Head head{Volume(grid), Mask(grid, 0)};
  for (std::size_t v = 0; v < grid.n_voxels(); ++v) {
    const auto at = grid.coordinates(v);
    const Eigen::Vector3d mm = grid.to_mm(Eigen::Vector3d(at[0], at[1], at[2]));
    const bool brain = (mm.array() / Eigen::Array3d(60, 80, 50)).matrix().norm() <= 1.0;
    const bool mark =
        mm.x() > 15 && mm.x() < 35 && mm.y() > 30 && mm.y() < 50 && mm.z() > 10 && mm.z() < 25;
    const bool face = mm.y() > 60 && mm.z() < 0;
    head.mask.data[v] = brain ? 1 : 0;
    head.image.data[v] = static_cast<float>(mark                ? kMark
                                            : brain             ? kBrain
                                            : with_face && face ? 3000.0
                                                                : 0.0);
  }
  return head;
}

Grid grid_of(const Eigen::Matrix3d& axes, std::array<int, 3> shape) {
  Grid grid;
  grid.shape = shape;
  grid.affine.topLeftCorner<3, 3>() = axes;
  const Eigen::Vector3d middle = 0.5 * Eigen::Vector3d(shape[0] - 1, shape[1] - 1, shape[2] - 1);
  grid.affine.topRightCorner<3, 1>() = -(axes * middle);
  return grid;
}

// RAS, thick slices; LAS; voxels stored as (z, -x, -y); oblique.
std::vector<Grid> grids() {
  Eigen::Matrix3d ras = Eigen::Vector3d(2, 2, 5).asDiagonal();
  Eigen::Matrix3d las = Eigen::Vector3d(-2, 2, 2).asDiagonal();
  Eigen::Matrix3d sideways = Eigen::Matrix3d::Zero();
  sideways(2, 0) = 2.5;
  sideways(0, 1) = -2.0;
  sideways(1, 2) = -3.0;
  const Eigen::Matrix3d oblique =
      Eigen::AngleAxisd(0.3, Eigen::Vector3d::UnitX()).toRotationMatrix() * 2.0;
  return {grid_of(ras, {80, 100, 30}), grid_of(las, {80, 100, 70}), grid_of(sideways, {60, 80, 70}),
          grid_of(oblique, {80, 110, 90})};
}

Picture made(const Head& head, const Layout& layout, const Params& params) {
  return picture_of({&head.image, &head.mask, nullptr}, layout, PointMap{}, params, Context{});
}

std::uint8_t at(const Picture& picture, const Layout& layout, int x, int y) {
  return picture.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(layout.width) +
                        static_cast<std::size_t>(x)];
}

// Middle of the pixels with the mark, as shares of the tile's width and height; NaN without.
Eigen::Vector2d mark_in(const Picture& picture, const Layout& layout, const Tile& tile) {
  Eigen::Vector2d sum = Eigen::Vector2d::Zero();
  double n = 0.0;
  for (int j = 0; j < tile.grid.shape[1]; ++j) {
    for (int i = 0; i < tile.grid.shape[0]; ++i) {
      if (at(picture, layout, tile.left + i, tile.top + j) < 200) continue;
      sum += Eigen::Vector2d(i + 0.5, j + 0.5);
      n += 1.0;
    }
  }
  return sum.cwiseQuotient(n * Eigen::Vector2d(tile.grid.shape[0], tile.grid.shape[1]));
}

TEST(Mosaic, RightIsRightFrontIsUpAndSlicesLookRight) {
  Params params;
  params.high_quantile = 1.0;
  for (const Grid& grid : grids()) {
    const Head head = head_on(grid, false);
    const Layout layout = layout_of(head.mask, params);
    const Picture picture = made(head, layout, params);
    std::array<int, 3> seen{0, 0, 0};
    for (const Tile& tile : layout.tiles) {
      const Eigen::Vector2d where = mark_in(picture, layout, tile);
      const double mm = tile.position_mm;
      const bool inside = tile.plane == Plane::axial     ? mm > 11 && mm < 22
                          : tile.plane == Plane::coronal ? mm > 33 && mm < 47
                                                         : mm > 18 && mm < 32;
      if (!inside) continue;
      ++seen[static_cast<std::size_t>(tile.plane)];
      // The mark's middle is (25, 40, 17.5) mm in boxes of +-60, +-80, +-50 mm and a rim of 2.
      const Eigen::Vector2d expected =
          tile.plane == Plane::axial     ? Eigen::Vector2d(0.5 + 25.0 / 124, 0.5 - 40.0 / 164)
          : tile.plane == Plane::coronal ? Eigen::Vector2d(0.5 + 25.0 / 124, 0.5 - 17.5 / 104)
                                         : Eigen::Vector2d(0.5 + 40.0 / 164, 0.5 - 17.5 / 104);
      // A voxel of 5 mm is 0.05 of the smallest box.
      EXPECT_NEAR(where.x(), expected.x(), 0.03) << grid.orientation();
      EXPECT_NEAR(where.y(), expected.y(), 0.05) << grid.orientation();
    }
    EXPECT_GE(seen[0], 1) << grid.orientation();
    EXPECT_GE(seen[1], 1) << grid.orientation();
    EXPECT_GE(seen[2], 1) << grid.orientation();
  }
}

TEST(Mosaic, MillimetresAreSquareWhateverTheVoxels) {
  const Params params;
  for (const Grid& grid : grids()) {
    const Head head = head_on(grid, false);
    const Layout layout = layout_of(head.mask, params);
    ASSERT_EQ(layout.tiles.size(), 21U);
    const Tile& axial = layout.tiles[3]; // the middle one: an ellipse of 120 x 160 mm
    int columns = 0;
    int rows = 0;
    const Picture picture = made(head, layout, params);
    for (int i = 0; i < axial.grid.shape[0]; ++i) {
      columns +=
          at(picture, layout, axial.left + i, axial.top + axial.grid.shape[1] / 2) > 0 ? 1 : 0;
    }
    for (int j = 0; j < axial.grid.shape[1]; ++j) {
      rows += at(picture, layout, axial.left + axial.grid.shape[0] / 2, axial.top + j) > 0 ? 1 : 0;
    }
    EXPECT_NEAR(columns * params.pixel_mm, 120.0, 5.0) << grid.orientation();
    EXPECT_NEAR(rows * params.pixel_mm, 160.0, 5.0) << grid.orientation();
  }
}

TEST(Mosaic, NoSliceIsEmpty) {
  const Params params;
  const Head head = head_on(grids()[1], false);
  const Layout layout = layout_of(head.mask, params);
  const Picture picture = made(head, layout, params);
  for (const Tile& tile : layout.tiles) {
    int n = 0;
    for (int j = 0; j < tile.grid.shape[1]; ++j) {
      for (int i = 0; i < tile.grid.shape[0]; ++i) {
        n += at(picture, layout, tile.left + i, tile.top + j) > 0 ? 1 : 0;
      }
    }
    EXPECT_GT(n, tile.grid.shape[0] * tile.grid.shape[1] / 10);
  }
}

TEST(Mosaic, AFaceOutsideTheMaskNeverShows) {
  const Params params;
  for (const Grid& grid : grids()) {
    const Head with = head_on(grid, true);
    const Head without = head_on(grid, false);
    const Layout layout = layout_of(with.mask, params);
    const Picture picture = made(with, layout, params);
    // Not a grey value differs, at the rim neither: nothing leaked in by interpolation.
    EXPECT_EQ(picture.pixels, made(without, layout, params).pixels) << grid.orientation();
    const auto share = membership(with.mask, layout, PointMap{}, Context{});
    for (std::size_t p = 0; p < share.size(); ++p) {
      if (share[p] >= 0.5F) continue;
      EXPECT_EQ(picture.pixels[p], 0);
    }
  }
}

TEST(Mosaic, TheMapIsAppliedFromTileToImage) {
  Params params;
  params.high_quantile = 1.0;
  const Head head = head_on(grids()[1], false);
  const Layout layout = layout_of(head.mask, params);
  Affine shift = Affine::Identity();
  shift(0, 3) = 12.0; // the image is sampled 12 mm further right: things move to the left
  const Picture moved =
      picture_of({&head.image, &head.mask, nullptr}, layout, PointMap{{shift}}, params, Context{});
  const Tile& at_mark = layout.tiles[4]; // axial, at 12.5 mm
  const double before = mark_in(made(head, layout, params), layout, at_mark).x();
  const double after = mark_in(moved, layout, at_mark).x();
  EXPECT_NEAR((before - after) * at_mark.grid.shape[0] * params.pixel_mm, 12.0, 0.8);
}

TEST(Mosaic, WindowIsThatOfTheMask) {
  Params params;
  params.low_quantile = 0.25;
  params.high_quantile = 0.75;
  Grid grid;
  grid.shape = {5, 1, 1};
  Volume image(grid);
  Mask mask(grid, 1);
  for (int i = 0; i < 5; ++i) image.at(i, 0, 0) = static_cast<float>(10 * i);
  params.pixel_mm = 1.0;
  params.rim_mm = 0.0;
  params.slices = 1;
  const Layout layout = layout_of(mask, params);
  const Picture picture =
      picture_of({&image, &mask, nullptr}, layout, PointMap{}, params, Context{});
  EXPECT_DOUBLE_EQ(picture.low, 10.0);
  EXPECT_DOUBLE_EQ(picture.high, 30.0);
  const Tile& axial = layout.tiles.front();
  const std::vector<int> expected{3, 3, 131, 255, 255};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(at(picture, layout, axial.left + i, axial.top),
              expected[static_cast<std::size_t>(i)]);
  }
}

TEST(Mosaic, ConstantAndMissingValues) {
  const Params params;
  Head head = head_on(grids()[1], false);
  std::fill(head.image.data.begin(), head.image.data.end(), 7.0F);
  const Layout layout = layout_of(head.mask, params);
  const Picture flat = made(head, layout, params);
  for (const std::uint8_t byte : flat.pixels) EXPECT_TRUE(byte == 0 || byte == 131);
  std::fill(head.image.data.begin(), head.image.data.end(), std::nanf(""));
  const Picture nothing = made(head, layout, params);
  EXPECT_EQ(std::count(nothing.pixels.begin(), nothing.pixels.end(), 0),
            static_cast<std::ptrdiff_t>(nothing.pixels.size()));
  std::fill(head.mask.data.begin(), head.mask.data.end(), std::uint8_t{0});
  EXPECT_THROW((void)layout_of(head.mask, params), Error);
}

TEST(Mosaic, ContoursAreTheRimOfEachLabel) {
  Layout layout;
  layout.width = layout.height = 6;
  Tile tile;
  tile.grid.shape = {6, 6, 1};
  layout.tiles.push_back(tile);
  const Pixels labels{0, 0, 0, 0, 0, 0, //
                      0, 1, 1, 1, 0, 0, //
                      0, 1, 1, 1, 0, 0, //
                      0, 1, 1, 1, 2, 2, //
                      0, 0, 0, 0, 2, 2, //
                      0, 0, 0, 0, 2, 2};
  Pixels expected = labels;
  expected[2 * 6 + 2] = 0; // the only pixel with its own label all around
  EXPECT_EQ(contours(labels, layout), expected);
}

// 200,000 voxels with every value of 0 ... 199,999 once, in an order without rhythm.
TEST(Mosaic, TheWindowOfALargeMaskIsThatOfAPartOfIt) {
  Grid grid;
  grid.shape = {100, 100, 20};
  Volume image(grid);
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    image.data[v] = static_cast<float>(v * 77'317 % image.data.size());
  }
  const Mask mask(grid, 1);
  const Params params;
  const Picture picture =
      picture_of({&image, &mask, nullptr}, layout_of(mask, params), {}, params, {});
  EXPECT_NEAR(picture.low / 200'000.0, params.low_quantile, 0.001);
  EXPECT_NEAR(picture.high / 200'000.0, params.high_quantile, 0.001);
}

} // namespace
} // namespace boldmill::mosaic
