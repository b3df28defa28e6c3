#include <gtest/gtest.h>

#include <complex>

#include "stages/denoise/kernels/butterworth.hpp"
#include "stages/denoise/kernels/cosine_basis.hpp"
#include "stages/denoise/kernels/interpolate_censored.hpp"
#include "stages/denoise/test_data.hpp"

namespace boldmill {
namespace {

Eigen::VectorXd voxel(int v) {
  const Series series = test_data::small_series();
  Eigen::VectorXd out(series.n_volumes);
  for (int t = 0; t < series.n_volumes; ++t) out[t] = static_cast<double>(series.volume(t)[v]);
  return out;
}

TEST(Butterworth, AgreesWithScipy) {
  const Eigen::MatrixXd expected = test_data::reference("butterworth.tsv");
  struct Case {
    int order;
    double low, high;
  };
  Eigen::VectorXd x = voxel(2);
  x.array() -= x.mean();
  Eigen::Index column = 0;
  for (const Case& c : {Case{2, 0.01, 0.08}, Case{5, 0.01, 0.08}, Case{3, 0.02, 0.0},
                        Case{3, 0.0, 0.1}, Case{3, 0.002, 0.24}}) {
    for (const Padding padding : {Padding::constant, Padding::odd}) {
      const auto y = filter_forward_backward(butterworth(c.order, c.low, c.high, 2.0), x, padding);
      EXPECT_LT(test_data::relative_error(y, expected.col(column)), 1e-9) << column;
      ++column;
    }
  }
}

TEST(Butterworth, HalvesThePowerAtItsEdges) {
  const auto response = [](const std::vector<Biquad>& sections, double hz) {
    const std::complex<double> z = std::polar(1.0, -2 * std::numbers::pi * hz * 0.8);
    std::complex<double> h = 1.0;
    for (const Biquad& s : sections) {
      h *= (s.b0 + s.b1 * z + s.b2 * z * z) / (1.0 + s.a1 * z + s.a2 * z * z);
    }
    return std::norm(h);
  };
  const auto band = butterworth(4, 0.02, 0.1, 0.8);
  EXPECT_NEAR(response(band, 0.02), 0.5, 1e-9);
  EXPECT_NEAR(response(band, 0.1), 0.5, 1e-9);
  EXPECT_NEAR(response(band, 0.045), 1.0, 1e-3);
  EXPECT_LT(response(band, 0.001), 1e-8);
  EXPECT_NEAR(response(butterworth(3, 0.05, 0.0, 0.8), 0.05), 0.5, 1e-9);
  EXPECT_NEAR(response(butterworth(3, 0.0, 0.05, 0.8), 0.0), 1.0, 1e-9);
}

TEST(CosineBasis, IsOrthonormalAndStopsAtTheFrequency) {
  const Eigen::MatrixXd basis = cosine_basis(50, 1, 49);
  EXPECT_LT((basis.transpose() * basis - Eigen::MatrixXd::Identity(49, 49)).norm(), 1e-12);
  EXPECT_EQ(cosine_order(150, 2.0, 0.008), 4); // 4.8 half periods
  EXPECT_EQ(cosine_order(150, 2.0, 0.01), 6);  // exactly 6
  EXPECT_EQ(cosine_order(10, 2.0, 0.25), 9);
  EXPECT_EQ(cosine_basis(10, 1, 0).cols(), 0);
}

std::vector<std::uint8_t> keep_without(std::size_t n, const std::vector<std::size_t>& dropped) {
  std::vector<std::uint8_t> keep(n, 1);
  for (const std::size_t t : dropped) keep[t] = 0;
  return keep;
}

TEST(InterpolateCensored, AgreesWithScipyAndHoldsTheEnds) {
  const auto keep = keep_without(60, {0, 1, 9, 10, 11, 12, 30, 44, 58, 59});
  Eigen::VectorXd x = voxel(1);
  for (std::size_t t = 0; t < keep.size(); ++t) {
    if (keep[t] == 0) x[static_cast<Eigen::Index>(t)] = NAN; // what was there must not matter
  }
  interpolate_censored(x, keep);
  EXPECT_LT(test_data::relative_error(x, test_data::reference("spline.tsv")), 1e-10);
}

TEST(InterpolateCensored, ReproducesACubicAndIsLinearOnFewSamples) {
  Eigen::VectorXd x(20), expected(20);
  for (int t = 0; t < 20; ++t) expected[t] = 2 + t * (0.5 + t * (-0.3 + 0.01 * t));
  x = expected;
  x[5] = x[6] = x[11] = 0;
  interpolate_censored(x, keep_without(20, {5, 6, 11}));
  EXPECT_LT((x - expected).cwiseAbs().maxCoeff(), 1e-11);
  Eigen::VectorXd few(4);
  few << 1, 0, 3, 7;
  interpolate_censored(few, keep_without(4, {1}));
  EXPECT_DOUBLE_EQ(few[1], 2.0);
}

} // namespace
} // namespace boldmill
