#include "stages/denoise/nuisance_regression.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include "stages/core/random.hpp"
#include "stages/denoise/nuisance_phantom.hpp"

namespace boldmill::nuisance_regression {
namespace {

// Tolerances: the series are float32.
TEST(NuisanceRegression, CosineModelAgreesWithNilearn) {
  Phantom p;
  EXPECT_LT(test_data::relative_error(p.denoised(custom()).cast<double>(),
                                      test_data::reference("clean_cosine_all.tsv")),
            1e-6);
}

TEST(NuisanceRegression, ButterworthAgreesWithNilearn) {
  Phantom p;
  Params params = custom();
  params.filter = "butterworth";
  params.high_pass_hz = 0.01;
  params.low_pass_hz = 0.08;
  params.butterworth_order = 5;
  params.min_dof = 1;
  EXPECT_LT(test_data::relative_error(p.denoised(params).cast<double>(),
                                      test_data::reference("clean_butter_constant.tsv")),
            1e-6);
  p.censor_reference_volumes();
  params.padding = "odd";
  EXPECT_LT(test_data::relative_error(kept(p.denoised(params), p.design(params).keep),
                                      test_data::reference("clean_butter_odd.tsv")),
            1e-6);
}

// Without a trend: nilearn's runs over the volumes kept as if there were no gaps.
TEST(NuisanceRegression, CensoredCosineModelAgreesWithNilearn) {
  Phantom p;
  p.censor_reference_volumes();
  Params params = custom();
  params.detrend = false;
  const Design design = p.design(params);
  EXPECT_EQ(design.n_kept, 112);
  EXPECT_LT(test_data::relative_error(kept(p.denoised(params), design.keep),
                                      test_data::reference("clean_cosine.tsv")),
            1e-6);
}

TEST(NuisanceRegression, ResidualIsOrthogonalToEveryRegressor) {
  Phantom p;
  p.censor_reference_volumes();
  p.n_dummy = 2;
  const Design design = p.design(custom());
  const Eigen::MatrixXf out = p.denoised(custom());
  const Eigen::MatrixXd y = kept(out, design.keep);
  const std::vector<std::uint8_t> steady(design.keep.begin() + 2, design.keep.end());
  const Eigen::MatrixXd x = kept(design.regressors.cast<float>(), steady);
  EXPECT_LT((x.transpose() * y).cwiseAbs().maxCoeff() / x.norm(), 1e-4);
  EXPECT_NEAR(y.col(3).squaredNorm() / (design.n_kept - 1), 1.0, 1e-5);
  EXPECT_TRUE(std::isnan(out(0, 0)) && std::isnan(out(1, 5)) && std::isnan(out(40, 2)));
}

TEST(NuisanceRegression, RegressingMeansGivesMeansOfTheRegressed) {
  Phantom p;
  p.censor_reference_volumes();
  for (const char* filter : {"cosine", "butterworth"}) {
    Params params = custom();
    params.filter = filter;
    params.standardize = false;
    const Design design = p.design(params);
    const Eigen::VectorXd mean_after = kept(p.denoised(params), design.keep).rowwise().mean();
    Phantom averaged = p;
    averaged.series.col(0) = p.series.rowwise().mean();
    const Eigen::VectorXd after_mean = kept(averaged.denoised(params), design.keep).col(0);
    EXPECT_LT((mean_after - after_mean).cwiseAbs().maxCoeff(), 2e-4) << filter;
  }
}

TEST(NuisanceRegression, CountsDegreesOfFreedomExactly) {
  Phantom p;
  const Design all = p.design(custom());
  EXPECT_EQ(all.n_kept, 120);
  EXPECT_EQ(all.rank, 2 + 5 + 3); // intercept, trend, confounds, 2 * 240 s * 0.008 Hz = 3.8
  EXPECT_EQ(all.dof_left, 110);
  EXPECT_EQ(all.n_regressed, 5);
  EXPECT_TRUE(all.warning.empty());
  p.confounds.col(3) = p.confounds.col(0) * 2 - p.confounds.col(2);
  const Design deficient = p.design(custom());
  EXPECT_EQ(deficient.dof_left, 111);
  EXPECT_EQ(deficient.dropped.size(), 1U);
  Params filtered = custom();
  filtered.filter = "butterworth";
  EXPECT_EQ(p.design(filtered).dof_left, 111);
}

// 0.01 to 0.08 Hz over 300 s at TR 2: 150 volumes, pass-band cosines 7..48, so 42 are left; 36P
// over intercept, trend and stop band leaves 6.
TEST(NuisanceRegression, RefusesMoreThanTheRunCanBear) {
  constexpr int kVolumes = 150;
  std::vector<std::string> names{"trans_x", "trans_y",       "trans_z", "rot_x",       "rot_y",
                                 "rot_z",   "global_signal", "csf",     "white_matter"};
  for (int base = 0; base < 9; ++base) {
    for (const char* suffix : {"_derivative1", "_power2", "_derivative1_power2"}) {
      names.push_back(names[static_cast<std::size_t>(base)] + suffix);
    }
  }
  names.emplace_back("framewise_displacement");
  Eigen::MatrixXd values = test_data::lcg(kVolumes * 37, 9).reshaped(kVolumes, 37).array() - 0.5;
  values.col(36).setConstant(0.1);
  DesignInputs inputs{.confound_names = &names};
  new (&inputs.confounds) Eigen::Map<const Eigen::MatrixXd>(values.data(), kVolumes, 37);
  inputs.tr_s = 2.0;
  for (const char* filter : {"cosine", "butterworth"}) {
    Params params;
    params.strategy = "36P";
    params.high_pass_hz = 0.01;
    params.low_pass_hz = 0.08;
    params.filter = filter;
    try {
      (void)make_design(inputs, params);
      ADD_FAILURE() << "not refused: " << filter;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::gate);
      EXPECT_NE(std::string(error.what()).find("36P"), std::string::npos) << error.what();
    }
    params.min_dof = 1;
    const int with_trend = make_design(inputs, params).dof_left;
    params.detrend = false;
    EXPECT_EQ(make_design(inputs, params).dof_left, 6) << filter;
    EXPECT_EQ(with_trend, 5) << filter; // the trend is not inside the stop band
    params.strategy = "none";
    EXPECT_EQ(make_design(inputs, params).dof_left, 42) << filter;
    EXPECT_FALSE(make_design(inputs, params).warning.empty());
  }
}

TEST(NuisanceRegression, SameBitsAtAnyThreadCountAndColumnOrder) {
  Phantom p;
  Random random(2);
  Eigen::MatrixXf many(Phantom::kVolumes, 300);
  for (float& value : many.reshaped()) value = static_cast<float>(100 + random.normal());
  p.series = many;
  const auto with_threads = [&](int n) {
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
    tbb::task_arena arena(n);
    return arena.execute([&] { return p.denoised(custom()); });
  };
  const Eigen::MatrixXf one = with_threads(1);
  EXPECT_EQ(one, with_threads(8));
}

TEST(NuisanceRegression, ConstantAndMissingColumnsAreMissing) {
  Phantom p;
  p.series.col(1).setConstant(700.3F);
  p.series(50, 2) = NAN;
  const Eigen::MatrixXf out = p.denoised(custom());
  EXPECT_TRUE(out.col(1).array().isNaN().all());
  EXPECT_TRUE(out.col(2).array().isNaN().all());
  EXPECT_FALSE(out.col(0).array().isNaN().any());
}

TEST(NuisanceRegression, RefusesWithTheRightKind) {
  const auto kind_of = [](const Phantom& p, const Params& params) {
    try {
      (void)p.design(params);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  Phantom p;
  Params params = custom();
  params.high_pass_hz = 0.3;
  EXPECT_EQ(kind_of(p, params), ErrorKind::input);
  params = custom();
  params.low_pass_hz = 0.005;
  EXPECT_EQ(kind_of(p, params), ErrorKind::input);
  params = custom();
  params.columns = {"motion_outlier00"}; // not every run has one
  EXPECT_EQ(kind_of(p, params), ErrorKind::input);
  p.confounds.col(5).setConstant(2.0);
  EXPECT_EQ(kind_of(p, custom()), ErrorKind::gate); // nothing kept
  p = Phantom();
  p.confounds.col(2).setConstant(NAN);
  EXPECT_EQ(kind_of(p, custom()), ErrorKind::input);
  p = Phantom();
  p.names[5] = "fd";
  EXPECT_EQ(kind_of(p, custom()), ErrorKind::input);
  p = Phantom();
  p.n_dummy = 120;
  EXPECT_EQ(kind_of(p, custom()), ErrorKind::input);
  p = Phantom();
  const Design design = p.design(custom());
  const Eigen::MatrixXf other = Eigen::MatrixXf::Zero(5, 2);
  EXPECT_THROW((void)run({{other.data(), 5, 2}, &design}, custom(), {}), Error);
}

} // namespace
} // namespace boldmill::nuisance_regression
