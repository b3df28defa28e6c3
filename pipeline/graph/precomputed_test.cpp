#include "pipeline/graph/precomputed.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "pipeline/image_io/itk_transform.hpp"
#include "pipeline/image_io/nifti.hpp"

namespace boldmill::graph {
namespace {

namespace fs = std::filesystem;

// A head of 70 mm radius (1437 ml), and an affine that leads from the T1w to the template.
class PrecomputedTest : public testing::Test {
protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("boldmill_precomputed_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    brain_ = ball({0.0, 0.0, 0.0});
    study_.target.mask = brain_;
    shift_ = rigid_matrix({{12.0, -9.0, 4.0}, {0.05, 0.1, -0.08}}, Eigen::Vector3d::Zero());
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Mask ball(const Eigen::Vector3d& center) {
    Mask mask;
    mask.grid.shape = {50, 50, 50};
    mask.grid.affine = Eigen::Vector4d(-4.0, 4.0, 4.0, 1.0).asDiagonal(); // left-handed
    mask.grid.affine.topRightCorner<3, 1>() = Eigen::Vector3d(98.0, -98.0, -98.0);
    mask.data.resize(mask.grid.n_voxels());
    for (std::size_t v = 0; v < mask.data.size(); ++v) {
      const auto [i, j, k] = mask.grid.coordinates(v);
      mask.data[v] = (mask.grid.to_mm(Eigen::Vector3d(i, j, k)) - center).norm() < 70.0 ? 1 : 0;
    }
    return mask;
  }
  PrecomputedFile file(const std::string& name) const {
    return {folder_ / name, {"derivatives:x/" + name, 0, ""}};
  }
  static std::string refusal(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      return error.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
  }

  fs::path folder_;
  Study study_;
  Mask brain_;
  Affine shift_;
};

TEST_F(PrecomputedTest, AMaskComesOntoTheT1wOrIsRefused) {
  image_io::write_mask(folder_ / "mask.nii.gz", brain_);
  EXPECT_EQ(precomputed_mask(file("mask.nii.gz"), brain_.grid, {}).data, brain_.data);
  const Grid finer = regular_grid_over(brain_.grid, 2.0);
  const Mask on_finer = precomputed_mask(file("mask.nii.gz"), finer, {});
  EXPECT_NEAR(static_cast<double>(count(on_finer)) / static_cast<double>(count(brain_)), 8.0,
              0.4); // the surface is drawn anew
  Grid elsewhere = brain_.grid;
  elsewhere.affine(0, 3) += 60.0;
  EXPECT_NE(refusal([&] {
              (void)precomputed_mask(file("mask.nii.gz"), elsewhere, {});
            }).find("is it of this T1w"),
            std::string::npos);
  image_io::write_mask(folder_ / "empty.nii.gz", Mask(brain_.grid));
  refusal([&] { (void)precomputed_mask(file("empty.nii.gz"), brain_.grid, {}); });
}

TEST_F(PrecomputedTest, AWarpIsMeasured) {
  image_io::write_composite_xfm(folder_ / "a.h5", PointMap{{Affine(shift_.inverse())}});
  image_io::write_composite_xfm(folder_ / "b.h5", PointMap{{shift_}});
  const Precomputed files{std::nullopt, file("a.h5"), file("b.h5"), {}};
  const Mask t1w = ball(shift_.inverse().topRightCorner<3, 1>());
  const PrecomputedNormalization out = precomputed_normalization(study_, files, t1w, {});
  EXPECT_GT(out.normalization.dice, 0.95); // two lattices of 4 mm over the same ball
  EXPECT_LT(out.normalization.inverse_error_mm, 1e-4);
  EXPECT_NEAR(out.normalization.min_jacobian, 1.0, 1e-4);
  EXPECT_NEAR(out.normalization.max_jacobian, 1.0, 1e-4);
  EXPECT_LT(rms_displacement_mm(out.affine.t1w_to_template, shift_, Eigen::Vector3d::Zero()), 1e-4);
}

TEST_F(PrecomputedTest, TransformsThatAreNoPairAreRefused) {
  image_io::write_composite_xfm(folder_ / "a.h5", PointMap{{shift_}});
  const Precomputed files{std::nullopt, file("a.h5"), file("a.h5"), {}};
  EXPECT_NE(refusal([&] {
              (void)precomputed_normalization(study_, files, brain_, {});
            }).find("misses by"),
            std::string::npos);
}

} // namespace
} // namespace boldmill::graph
