#include "stages/denoise/framewise_displacement.hpp"

#include <gtest/gtest.h>

#include "stages/denoise/test_data.hpp"

namespace boldmill::framewise_displacement {
namespace {

Outputs of(const Eigen::MatrixXd& motion, double radius = 50.0) {
  const Inputs inputs{{motion.data(), motion.rows(), motion.cols()}};
  return run(inputs, {.head_radius_mm = radius}, {});
}

TEST(FramewiseDisplacement, AgreesWithNipype) {
  // The reference script draws row by row.
  Eigen::MatrixXd motion(60, 6);
  motion << test_data::lcg(180, 11).reshaped<Eigen::RowMajor>(60, 3),
      0.01 * test_data::lcg(180, 12).reshaped<Eigen::RowMajor>(60, 3);
  const Eigen::VectorXd fd = of(motion).fd_mm;
  EXPECT_TRUE(std::isnan(fd[0]));
  EXPECT_LT(test_data::relative_error(fd.tail(59), test_data::reference("fd.tsv")), 1e-7);
}

TEST(FramewiseDisplacement, CountsKnownSteps) {
  Eigen::MatrixXd motion = Eigen::MatrixXd::Zero(4, 6);
  motion(1, 0) = 0.3;    // there and back: 0.3 twice
  motion(3, 4) = -0.002; // 0.002 rad on 50 mm
  const Outputs out = of(motion);
  EXPECT_DOUBLE_EQ(out.fd_mm[1], 0.3);
  EXPECT_DOUBLE_EQ(out.fd_mm[2], 0.3);
  EXPECT_NEAR(out.fd_mm[3], 0.1, 1e-15);
  EXPECT_NEAR(out.mean_fd_mm, 0.7 / 3, 1e-15);
  EXPECT_NEAR(of(motion, 80.0).fd_mm[3], 0.16, 1e-15);
  motion.array() += 5.0; // a constant pose does not count
  EXPECT_NEAR(of(motion).mean_fd_mm, out.mean_fd_mm, 1e-13);
}

TEST(FramewiseDisplacement, MissingStaysMissing) {
  Eigen::MatrixXd motion = Eigen::MatrixXd::Zero(4, 6);
  motion(1, 3) = NAN;
  const Outputs out = of(motion);
  EXPECT_TRUE(std::isnan(out.fd_mm[1]) && std::isnan(out.fd_mm[2]));
  EXPECT_EQ(out.fd_mm[3], 0.0);
  EXPECT_TRUE(std::isnan(of(Eigen::MatrixXd::Zero(1, 6)).mean_fd_mm));
}

TEST(FramewiseDisplacement, RefusesAnotherShape) {
  EXPECT_THROW((void)of(Eigen::MatrixXd::Zero(4, 5)), Error);
  EXPECT_THROW((void)of(Eigen::MatrixXd::Zero(0, 6)), Error);
}

} // namespace
} // namespace boldmill::framewise_displacement
