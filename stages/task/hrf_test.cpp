#include "stages/task/hrf.hpp"

#include "stages/task/test_data.hpp"

namespace boldmill {
namespace {

using namespace test_data;

TEST(Hrf, SpmBasisIsThatOfItsFormulas) {
  const Eigen::MatrixXd expected = reference("hrf_spm.tsv"); // every 7th row of two of 800
  Eigen::MatrixXd both = Eigen::MatrixXd::Zero(1600, 3);
  const Eigen::MatrixXd slow = hrf::spm_basis("spm+derivative+dispersion", 2.0, 16);
  const Eigen::MatrixXd fast = hrf::spm_basis("spm+derivative+dispersion", 0.71, 16);
  both.topRows(slow.rows()) = slow;
  both.middleRows(800, fast.rows()) = fast;
  for (Eigen::Index i = 0; i < expected.rows(); ++i) {
    for (Eigen::Index c = 0; c < 3; ++c) EXPECT_NEAR(both(7 * i, c), expected(i, c), 1e-10);
  }
}

TEST(Hrf, CanonicalSumsToOneAndPeaksAtFiveSeconds) {
  const Eigen::VectorXd h = hrf::double_gamma(0.05);
  EXPECT_NEAR(h.sum(), 1.0, 1e-12);
  Eigen::Index peak = 0;
  h.maxCoeff(&peak);
  EXPECT_NEAR(0.05 * static_cast<double>(peak), 5.0, 0.05); // the mode of the gamma of shape 6
  EXPECT_LT(h.minCoeff(), 0.0);
}

TEST(Hrf, SpmColumnsAreOrthogonal) {
  for (const std::string_view model : {"spm+derivative+dispersion", "glover+derivative"}) {
    const Eigen::MatrixXd basis = hrf::spm_basis(model, 1.0, 16);
    Eigen::MatrixXd unit = basis;
    unit.colwise().normalize();
    const Eigen::MatrixXd gram = unit.transpose() * unit;
    EXPECT_LT((gram - Eigen::MatrixXd::Identity(gram.rows(), gram.rows())).norm(), 1e-10);
  }
}

TEST(Hrf, FirIsBoxesOfOneVolume) {
  const std::vector<int> delays{0, 3};
  const Eigen::MatrixXd basis = hrf::spm_basis("fir", 2.0, 4, delays);
  ASSERT_EQ(basis.rows(), 16);
  EXPECT_EQ(basis.col(0).head(4).sum(), 4.0);
  EXPECT_EQ(basis.col(1).tail(4).sum(), 4.0);
  EXPECT_EQ(basis.sum(), 8.0);
  EXPECT_EQ(hrf::suffixes("fir", delays)[1], "_delay_3");
}

TEST(Hrf, WrongModelsAreNamed) {
  expect_error(ErrorKind::usage, "'gamma'", [] { (void)hrf::spm_basis("gamma", 2.0, 16); });
  expect_error(ErrorKind::usage, "no delay", [] { (void)hrf::nilearn_basis("fir", 2.0, 50); });
  expect_error(ErrorKind::usage, "negative", [] {
    const std::vector<int> delays{-1};
    (void)hrf::spm_basis("fir", 2.0, 16, delays);
  });
  expect_error(ErrorKind::usage, "positive", [] { (void)hrf::spm_basis("spm", 0.0, 16); });
}

TEST(Hrf, OrthogonalisingADependentColumnLeavesZero) {
  Eigen::MatrixXd x(3, 2);
  x << 1, 2, 2, 4, 3, 6;
  const Eigen::MatrixXd out = hrf::orthogonalised(x);
  EXPECT_EQ(out.col(1).norm(), 0.0);
  EXPECT_EQ((out.col(0) - x.col(0)).norm(), 0.0);
}

} // namespace
} // namespace boldmill
