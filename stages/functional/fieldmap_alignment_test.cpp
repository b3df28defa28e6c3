#include "stages/functional/fieldmap_alignment.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/core/error.hpp"
#include "stages/functional/kernels/head_phantom.hpp"
#include "stages/functional/kernels/shift_map.hpp"

namespace boldmill::fieldmap_alignment {
namespace {

const Grid kBold = phantom::scanner_grid({34, 42, 28}, {5.0, 5.0, 5.0});
const distortion::PhaseEncoding kEncoding = distortion::phase_encoding("j-", 0.03);

double field_hz(const Eigen::Vector3d& p) {
  return 120.0 * std::exp(-(p - Eigen::Vector3d(0, 45, -25)).squaredNorm() / (2 * 18.0 * 18.0));
}

struct Case {
  Volume boldref, field, reference;
  Mask mask;
  Affine truth; // undistorted BOLD -> field
};

// The field map in one pose, the BOLD with the same head elsewhere and distorted by its own field.
Case make(const Affine& truth) {
  Case c;
  c.truth = truth;
  c.field = Volume(kBold);
  c.reference = Volume(kBold);
  Volume still(kBold);
  Volume own(kBold);
  c.mask = Mask(kBold);
  Random random(2);
  for (std::size_t v = 0; v < still.data.size(); ++v) {
    const auto [i, j, k] = kBold.coordinates(v);
    const Eigen::Vector3d x = kBold.to_mm(Eigen::Vector3d(i, j, k));
    const Eigen::Vector3d there = truth.topLeftCorner<3, 3>() * x + truth.topRightCorner<3, 1>();
    c.field.data[v] = static_cast<float>(field_hz(x));
    // Another contrast than the BOLD's.
    c.reference.data[v] = static_cast<float>(std::sqrt(phantom::head_signal(x)) + 1.0);
    still.data[v] = static_cast<float>(phantom::head_signal(there) + 5.0 * random.normal());
    own.data[v] = static_cast<float>(field_hz(there));
    c.mask.data[v] = phantom::head_signal(there) > 300.0 ? 1 : 0;
  }
  const auto shift = distortion::from_field(own, kBold, kEncoding, Affine::Identity(), {});
  c.boldref = distortion::warp(still, shift, {});
  return c;
}

TEST(FieldmapAlignment, FindsThePoseBesideTheDistortion) {
  const Affine truth = rigid_matrix({{2.0, -3.0, 1.5}, {0.03, -0.02, 0.04}}, {0.0, 0.0, 0.0});
  const Case c = make(truth);
  const Outputs out = run({&c.boldref, &c.mask, &c.field, &c.reference, kEncoding}, {}, {});
  EXPECT_GT(rms_displacement_mm(Affine::Identity(), truth, Eigen::Vector3d::Zero()), 3.0);
  EXPECT_LT(rms_displacement_mm(out.bold_to_field, truth, Eigen::Vector3d::Zero()), 0.6);
  EXPECT_GT(out.similarity, out.similarity_before);
  EXPECT_FALSE(out.doubtful);
  Params strict;
  strict.max_movement_mm = 1.0;
  EXPECT_TRUE(run({&c.boldref, &c.mask, &c.field, &c.reference, kEncoding}, strict, {}).doubtful);
}

TEST(FieldmapAlignment, RefusesBadInput) {
  const Case c = make(Affine::Identity());
  EXPECT_THROW((void)run({&c.boldref, &c.mask, nullptr, &c.reference, kEncoding}, {}, {}), Error);
  const Mask empty(kBold);
  EXPECT_THROW((void)run({&c.boldref, &empty, &c.field, &c.reference, kEncoding}, {}, {}), Error);
  const Volume flat(kBold);
  EXPECT_THROW((void)run({&c.boldref, &c.mask, &c.field, &flat, kEncoding}, {}, {}), Error);
}

} // namespace
} // namespace boldmill::fieldmap_alignment
