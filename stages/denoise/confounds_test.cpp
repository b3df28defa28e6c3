#include "stages/denoise/confounds.hpp"

#include <gtest/gtest.h>

#include <set>

#include "stages/denoise/test_data.hpp"

namespace boldmill::confounds {
namespace {

struct RunPhantom {
  Eigen::MatrixXd motion = test_data::lcg(360, 5).reshaped(60, 6);
  Eigen::VectorXd signal = test_data::lcg(60, 6);
  Eigen::VectorXd fd = Eigen::VectorXd::Constant(60, 0.1);
  Eigen::VectorXd std_dvars = Eigen::VectorXd::Ones(60);
  int n_dummy = 0;

  [[nodiscard]] Outputs table(const Params& params = {}) const {
    Inputs inputs{.motion = {motion.data(), motion.rows(), motion.cols()}};
    inputs.framewise_displacement = fd;
    inputs.std_dvars = std_dvars;
    inputs.csf = signal;
    inputs.n_dummy = n_dummy;
    inputs.tr_s = 2.0;
    return run(inputs, params, {});
  }
};

Eigen::VectorXd column(const Outputs& table, const std::string& name) {
  const int c = column_index(table.names, name);
  EXPECT_GE(c, 0) << name;
  return c < 0 ? Eigen::VectorXd() : Eigen::VectorXd(table.values.col(c));
}

TEST(Confounds, HasThe24MotionColumnsAndExpansionsOfTissues) {
  const RunPhantom r;
  const Outputs table = r.table();
  for (const char* name : {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "csf"}) {
    const Eigen::VectorXd x = column(table, name);
    const Eigen::VectorXd d = column(table, std::string(name) + "_derivative1");
    EXPECT_TRUE(std::isnan(d[0]));
    EXPECT_EQ(d[7], x[7] - x[6]);
    EXPECT_EQ(column(table, std::string(name) + "_power2")[9], x[9] * x[9]);
    EXPECT_EQ(column(table, std::string(name) + "_derivative1_power2")[7], d[7] * d[7]);
  }
  EXPECT_EQ(std::set<std::string>(table.names.begin(), table.names.end()).size(),
            table.names.size());
  EXPECT_EQ(column_index(table.names, "dvars"), -1); // not given
  EXPECT_EQ(column_index(table.names, "motion_outlier00"), -1);
}

TEST(Confounds, CosinesAgreeWithNipype) {
  const Outputs table = RunPhantom().table({.cosine_cutoff_s = 40.0});
  const Eigen::MatrixXd expected = test_data::reference("cosine.tsv");
  Eigen::MatrixXd found(60, expected.cols());
  for (Eigen::Index k = 0; k < expected.cols(); ++k) {
    found.col(k) = column(table, "cosine0" + std::to_string(k));
  }
  EXPECT_LT(test_data::relative_error(found, expected), 1e-10);
  EXPECT_EQ(column_index(table.names, "cosine0" + std::to_string(expected.cols())), -1);
}

TEST(Confounds, DummiesAreMarkedAndLeftOutOfCosinesAndSpikes) {
  RunPhantom r;
  r.n_dummy = 3;
  r.fd[1] = 9;
  r.fd[40] = 0.51;
  r.std_dvars[50] = 1.51;
  r.std_dvars[51] = 1.5;
  const Outputs table = r.table({.cosine_cutoff_s = 40.0});
  EXPECT_EQ(column(table, "non_steady_state_outlier02"), Eigen::VectorXd::Unit(60, 2));
  EXPECT_EQ(column(table, "motion_outlier00"), Eigen::VectorXd::Unit(60, 40));
  EXPECT_EQ(column(table, "motion_outlier01"), Eigen::VectorXd::Unit(60, 50));
  EXPECT_EQ(table.n_motion_outliers, 2);
  const Eigen::VectorXd cosine = column(table, "cosine00");
  EXPECT_EQ(cosine.head(3), Eigen::VectorXd::Zero(3));
  EXPECT_NEAR(cosine.squaredNorm(), 1.0, 1e-12);
  EXPECT_NEAR(cosine.sum(), 0.0, 1e-12);
  EXPECT_NEAR(table.mean_fd_mm, (56 * 0.1 + 0.51) / 57, 1e-12);
}

TEST(Confounds, ShortRunsHaveNoCosine) {
  EXPECT_EQ(column_index(RunPhantom().table({.cosine_cutoff_s = 200.0}).names, "cosine00"), -1);
}

TEST(Confounds, ExpansionsAndSpikesAgreeWithNiworkflows) {
  RunPhantom r;
  r.fd = test_data::lcg(60, 41);
  r.std_dvars = test_data::lcg(60, 42).array() + 1.0;
  r.fd[0] = r.std_dvars[0] = NAN;
  const Outputs table = r.table({.fd_spike_threshold_mm = 0.9, .dvars_spike_threshold = 1.95});
  // The first row is missing in both.
  const Eigen::MatrixXd expected = test_data::reference("expansions.tsv");
  Eigen::MatrixXd found(59, 4);
  const std::array<const char*, 4> names{"csf", "csf_derivative1", "csf_power2",
                                         "csf_derivative1_power2"};
  for (std::size_t c = 0; c < 4; ++c) {
    found.col(static_cast<Eigen::Index>(c)) = column(table, names[c]).tail(59);
  }
  EXPECT_LT(test_data::relative_error(found, expected), 1e-11);
  const Eigen::MatrixXd spikes = test_data::reference("spikes.tsv");
  EXPECT_EQ(table.n_motion_outliers, spikes.rows());
  for (Eigen::Index n = 0; n < spikes.rows(); ++n) {
    EXPECT_EQ(column(table, "motion_outlier0" + std::to_string(n)),
              Eigen::VectorXd::Unit(60, static_cast<Eigen::Index>(spikes(n, 0))));
  }
}

TEST(Confounds, ListsComponentsAndDescribesThem) {
  const RunPhantom r;
  Inputs inputs{.motion = {r.motion.data(), 60, 6}};
  inputs.tr_s = 2.0;
  inputs.csf_wm = r.signal;
  inputs.tcompcor = r.fd;
  ComponentSet set{.prefix = "w_comp_cor_", .method = "aCompCor", .mask = "WM"};
  set.components = Eigen::MatrixXd::Random(60, 2);
  set.singular_value = (Eigen::VectorXd(2) << 9, 4).finished();
  set.variance_explained = (Eigen::VectorXd(2) << 0.4, 0.2).finished();
  set.cumulative_variance_explained = (Eigen::VectorXd(2) << 0.4, 0.6).finished();
  inputs.components = {set};
  const Outputs table = run(inputs, {}, {});
  EXPECT_EQ(column(table, "w_comp_cor_01"), set.components.col(1));
  EXPECT_EQ(column(table, "csf_wm"), r.signal);
  EXPECT_EQ(column_index(table.names, "csf_wm_derivative1"), -1); // not expanded
  ASSERT_EQ(table.metadata.size(), 2U + 2U + 6U);
  EXPECT_EQ(table.metadata[0].column, "csf_wm");
  EXPECT_EQ(table.metadata[0].method, "Mean");
  const ColumnMetadata& second = table.metadata[3];
  EXPECT_EQ(second.column, "w_comp_cor_01");
  EXPECT_EQ(second.mask, "WM");
  EXPECT_EQ(second.cumulative_variance_explained, 0.6);
  EXPECT_TRUE(second.is_component);
  EXPECT_EQ(table.metadata.back().units, "rad");
  inputs.components[0].components = Eigen::MatrixXd::Zero(59, 2);
  EXPECT_THROW((void)run(inputs, {}, {}), Error);
}

TEST(Confounds, RefusesWhatDoesNotFit) {
  RunPhantom r;
  r.n_dummy = 60;
  EXPECT_THROW((void)r.table(), Error);
  r = RunPhantom();
  r.fd = Eigen::VectorXd::Zero(59);
  EXPECT_THROW((void)r.table(), Error);
  r = RunPhantom();
  r.motion.resize(60, 5);
  EXPECT_THROW((void)r.table(), Error);
  const Eigen::MatrixXd motion = Eigen::MatrixXd::Zero(5, 6);
  const Inputs no_tr{.motion = {motion.data(), 5, 6}};
  EXPECT_THROW((void)run(no_tr, Params{}, {}), Error);
}

} // namespace
} // namespace boldmill::confounds
