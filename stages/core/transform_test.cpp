#include "stages/core/transform.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "stages/core/random.hpp"

namespace boldmill {
namespace {

TEST(Rigid, ParametersAndMatrixAreInverseOfEachOther) {
  Random random(11);
  const Eigen::Vector3d center(3, -20, 11);
  for (int n = 0; n < 50; ++n) {
    RigidParameters p;
    for (int axis = 0; axis < 3; ++axis) {
      p.translation_mm[axis] = random.uniform(-30, 30);
      p.rotation_rad[axis] = random.uniform(-1.2, 1.2);
    }
    const RigidParameters back = rigid_parameters(rigid_matrix(p, center), center);
    EXPECT_LT((back.translation_mm - p.translation_mm).norm(), 1e-10);
    EXPECT_LT((back.rotation_rad - p.rotation_rad).norm(), 1e-10);
  }
}

TEST(Rigid, TheCentreMovesByTheTranslationOnly) {
  const Eigen::Vector3d center(10, 20, 30);
  const Affine m = rigid_matrix({{1, 2, 3}, {0.3, -0.2, 0.1}}, center);
  EXPECT_LT(((m.topLeftCorner<3, 3>() * center + m.topRightCorner<3, 1>()) -
             (center + Eigen::Vector3d(1, 2, 3)))
                .norm(),
            1e-12);
}

TEST(DisplacementField, MovesAMissingPointToAMissingPoint) {
  DisplacementField field;
  field.grid.shape = {3, 3, 3};
  field.mm.assign(81, 0.5F);
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const Eigen::Vector3d& point :
       {Eigen::Vector3d(kNaN, 1, 1), Eigen::Vector3d(1, kNaN, kNaN)}) {
    const Eigen::Vector3d moved = point + field.displacement(point);
    for (int axis = 0; axis < 3; ++axis)
      EXPECT_EQ(std::isnan(moved[axis]), std::isnan(point[axis]));
  }
}

TEST(RmsDisplacement, EqualsTheMeanOverASphereOfPoints) {
  const Eigen::Vector3d center(2, -3, 8);
  const Affine a = rigid_matrix({{0.4, -0.1, 0.2}, {0.01, 0.02, -0.015}}, Eigen::Vector3d::Zero());
  Random random(2);
  double sum = 0.0;
  int n = 0;
  while (n < 400000) {
    const Eigen::Vector3d p(random.uniform(-80, 80), random.uniform(-80, 80),
                            random.uniform(-80, 80));
    if (p.norm() > 80.0) continue;
    const Eigen::Vector3d x = center + p;
    sum += (a.topLeftCorner<3, 3>() * x + a.topRightCorner<3, 1>() - x).squaredNorm();
    ++n;
  }
  EXPECT_NEAR(rms_displacement_mm(a, Affine::Identity(), center, 80.0), std::sqrt(sum / n), 3e-3);
}

TEST(DisplacementField, IsLinearInsideAndConstantBeyondTheEdge) {
  auto field = std::make_shared<DisplacementField>();
  field->grid.shape = {5, 5, 5};
  field->grid.affine.diagonal() << -4, 4, 4, 1;
  field->mm.resize(3 * 125);
  for (std::size_t v = 0; v < 125; ++v) {
    const auto [i, j, k] = field->grid.coordinates(v);
    const Eigen::Vector3d mm = field->grid.to_mm(Eigen::Vector3d(i, j, k));
    field->mm[3 * v] = static_cast<float>(0.5 * mm[0]);
    field->mm[3 * v + 1] = static_cast<float>(0.25 * mm[1]);
    field->mm[3 * v + 2] = 1.0F;
  }
  PointMap map;
  map.then(std::shared_ptr<const DisplacementField>(field));
  EXPECT_LT((map({-6, 7, 3}) - Eigen::Vector3d(-9, 8.75, 4)).norm(), 1e-5);
  EXPECT_LT((map({-100, 7, 3}) - Eigen::Vector3d(-108, 8.75, 4)).norm(), 1e-5);
}

} // namespace
} // namespace boldmill
