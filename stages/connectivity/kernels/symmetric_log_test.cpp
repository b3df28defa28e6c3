#include "stages/connectivity/kernels/symmetric_log.hpp"

#include <gtest/gtest.h>

#include "stages/connectivity/test_data.hpp"

namespace boldmill::connectivity {
namespace {

struct Case {
  Eigen::MatrixXd matrix, log;
};

// Eigenvalues spread evenly in the logarithm over `kappa`, random eigenvectors.
Case spread(Eigen::Index n, double kappa) {
  const Eigen::MatrixXd q =
      Eigen::MatrixXd(test_data::series(n, n, 1).cast<double>()).householderQr().householderQ();
  const Eigen::VectorXd logs =
      Eigen::VectorXd::LinSpaced(n, -0.7 * std::log(kappa), 0.3 * std::log(kappa));
  return {q * logs.array().exp().matrix().asDiagonal() * q.transpose(),
          q * logs.asDiagonal() * q.transpose()};
}

TEST(SymmetricLog, InvertsTheExponential) {
  SymmetricLog<double> log;
  for (const Eigen::Index n : {1, 2, 3, 31, 32, 33, 34, 65, 97}) {
    for (const double kappa : {1.0, 10.0, 1e4, 1e8}) {
      const Case c = spread(n, kappa);
      Eigen::MatrixXd w = c.matrix.triangularView<Eigen::Lower>(); // nothing above the diagonal
      ASSERT_TRUE(log.in_place(w));
      const Eigen::MatrixXd full = w.selfadjointView<Eigen::Lower>();
      EXPECT_LT(test_data::max_difference(full, c.log), 2e-14 * kappa + 1e-12) << n << " " << kappa;
    }
  }
}

TEST(SymmetricLog, SinglePrecisionHasItsOwnRounding) {
  SymmetricLog<float> log;
  const Case c = spread(70, 100.0);
  Eigen::MatrixXf w = c.matrix.cast<float>();
  ASSERT_TRUE(log.in_place(w));
  const Eigen::MatrixXf full = w.selfadjointView<Eigen::Lower>();
  EXPECT_LT(test_data::max_difference(full.cast<double>(), c.log), 2e-5);
}

TEST(SymmetricLog, DiagonalMatricesAndTheIdentity) {
  SymmetricLog<double> log;
  Eigen::MatrixXd w = Eigen::VectorXd::LinSpaced(40, 1.0, 40.0).asDiagonal();
  ASSERT_TRUE(log.in_place(w));
  for (Eigen::Index i = 0; i < 40; ++i) {
    EXPECT_NEAR(w(i, i), std::log(static_cast<double>(i + 1)), 1e-14);
  }
  w.setIdentity();
  ASSERT_TRUE(log.in_place(w));
  EXPECT_LT(Eigen::MatrixXd(w.triangularView<Eigen::Lower>()).cwiseAbs().maxCoeff(), 1e-15);
}

TEST(SymmetricLog, RefusesWhatIsNotPositiveDefinite) {
  SymmetricLog<double> log;
  Eigen::MatrixXd w = -Eigen::MatrixXd::Identity(1, 1);
  EXPECT_FALSE(log.in_place(w));
  w = spread(40, 10.0).matrix;
  w -= 0.5 * Eigen::MatrixXd::Identity(40, 40);
  EXPECT_FALSE(log.in_place(w));
  w.setZero(40, 40);
  EXPECT_FALSE(log.in_place(w));
  w = spread(40, 10.0).matrix;
  w(20, 3) = std::nan("");
  EXPECT_FALSE(log.in_place(w));
}

} // namespace
} // namespace boldmill::connectivity
