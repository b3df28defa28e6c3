#include "stages/denoise/qc_fc.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include "stages/denoise/kernels/student_t.hpp"
#include "stages/denoise/test_data.hpp"

namespace boldmill::qc_fc {
namespace {

// The cohort of make_quality.py: 40 people, 60 edges, 2 covariates.
struct Cohort {
  Eigen::MatrixXf edges{40, 60};
  Eigen::VectorXd motion = test_data::lcg(40, 71);
  Eigen::MatrixXd covariates = test_data::lcg(80, 72).reshaped<Eigen::RowMajor>(40, 2);
  Eigen::VectorXd distance = test_data::lcg(60, 73) * 100;

  Cohort() {
    motion += 0.5 * covariates.col(0);
    distance.array() += 20;
    const Eigen::MatrixXd noise = test_data::lcg(2400, 74).reshaped<Eigen::RowMajor>(40, 60);
    for (Eigen::Index i = 0; i < 40; ++i) {
      for (Eigen::Index e = 0; e < 60; ++e) {
        edges(i, e) = static_cast<float>(noise(i, e) - 0.5 + motion[i] * (0.8 - distance[e] / 120) +
                                         covariates(i, 1) * 0.3);
      }
    }
  }
  [[nodiscard]] Outputs out(bool with_covariates, const Params& params = {}) const {
    return run({{edges.data(), edges.rows(), edges.cols()},
                motion,
                with_covariates ? covariates : Eigen::MatrixXd(),
                distance},
               params, {});
  }
};

// float32 correlations of about 0.3.
TEST(QcFc, AgreesWithScipyAndPingouin) {
  const Cohort c;
  const Eigen::MatrixXd expected = test_data::reference("qc_fc.tsv");
  const Eigen::MatrixXd summary = test_data::reference("qc_fc_summary.tsv");
  for (const Eigen::Index covariates : {0, 1}) {
    const Outputs out = c.out(covariates == 1, {.permutations = 0});
    const Eigen::Index first = covariates == 1 ? 0 : 2;
    EXPECT_LT((out.r - expected.col(first)).cwiseAbs().maxCoeff(), 2e-6);
    EXPECT_LT(((out.p - expected.col(first + 1)).array() / expected.col(first + 1).array())
                  .abs()
                  .maxCoeff(),
              1e-4);
    EXPECT_NEAR(out.median_absolute_r.value, summary(0, first), 1e-6);
    EXPECT_NEAR(out.distance_dependence.value, summary(0, first + 1), 1e-9); // ten digits
    EXPECT_DOUBLE_EQ(out.share_significant.value,
                     static_cast<double>((expected.col(first + 1).array() < 0.05).count()) / 60);
    EXPECT_EQ(out.dof, covariates == 1 ? 36 : 38);
    EXPECT_TRUE(std::isnan(out.median_absolute_r.p));
  }
}

TEST(QcFc, PermutationsTellMotionFromNone) {
  Cohort c;
  const Outputs related = c.out(true);
  EXPECT_LT(related.median_absolute_r.p, 0.01);
  EXPECT_LT(related.distance_dependence.p, 0.01);
  EXPECT_LT(related.distance_dependence.value, -0.5);
  EXPECT_EQ(related.share_significant.null.size(), 1000);
  // Under the null a share of alpha of the edges is significant.
  EXPECT_NEAR(related.share_significant.null.mean(), 0.05, 0.01);
  EXPECT_NEAR(related.distance_dependence.null.mean(), 0.0, 0.05);
  c.motion = test_data::lcg(40, 99);
  EXPECT_GT(c.out(true).median_absolute_r.p, 0.05);
}

TEST(QcFc, UnitsCovariateScaleAndSeedOfMotionDoNotMatter) {
  const Cohort c;
  Cohort other = c;
  other.motion = 7.0 * c.motion.array() + 3.0;
  other.covariates = c.covariates * -100.0;
  const Outputs a = c.out(true, {.permutations = 20});
  const Outputs b = other.out(true, {.permutations = 20});
  EXPECT_LT((a.r - b.r).cwiseAbs().maxCoeff(), 1e-6);
  EXPECT_LT((a.median_absolute_r.null - b.median_absolute_r.null).cwiseAbs().maxCoeff(), 1e-6);
  const Outputs seeded = c.out(true, {.permutations = 20, .seed = 2});
  EXPECT_NE(seeded.median_absolute_r.null, a.median_absolute_r.null);
  EXPECT_EQ(seeded.r, a.r);
}

TEST(QcFc, MissingPeopleAndEdges) {
  Cohort c;
  Cohort fewer = c;
  fewer.edges = c.edges.topRows(37).eval();
  fewer.motion = c.motion.head(37).eval();
  fewer.covariates = c.covariates.topRows(37).eval();
  c.motion[37] = NAN;
  c.covariates(38, 1) = NAN;
  c.covariates(39, 0) = NAN;
  c.edges(38, 5) = NAN; // of one who is left out anyway
  const Outputs a = c.out(true, {.permutations = 10});
  EXPECT_EQ(a.n_people, 37);
  EXPECT_EQ(a.r, fewer.out(true, {.permutations = 0}).r);
  c.edges(3, 7) = NAN;
  c.edges.col(9).setConstant(0.25F);
  const Outputs b = c.out(true, {.permutations = 10});
  EXPECT_EQ(b.n_edges, 58U);
  EXPECT_TRUE(std::isnan(b.r[7]) && std::isnan(b.p[9]));
  EXPECT_EQ(b.r[5], a.r[5]);
}

TEST(QcFc, SameBitsAtAnyThreadCount) {
  const Cohort c;
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena one(1), eight(8);
  const auto null = [&] { return c.out(true, {.permutations = 70}).distance_dependence.null; };
  EXPECT_EQ(one.execute(null), eight.execute(null));
}

TEST(QcFc, RefusesWhatDoesNotFit) {
  Cohort c;
  c.motion = c.covariates.col(0) * 3;
  EXPECT_THROW((void)c.out(true), Error);
  c = Cohort();
  c.motion.tail(36).setConstant(NAN);
  EXPECT_THROW((void)c.out(true), Error);
  c = Cohort();
  c.edges.setConstant(NAN);
  EXPECT_THROW((void)c.out(true), Error);
  c = Cohort();
  c.distance.conservativeResize(59);
  EXPECT_THROW((void)c.out(true), Error);
}

TEST(StudentT, KnownValues) {
  EXPECT_NEAR(student_t_p(1.0, 1.0), 0.5, 1e-12);                    // Cauchy
  EXPECT_NEAR(student_t_p(2.0, 2.0), 1 - 2 / std::sqrt(6.0), 1e-12); // closed form
  EXPECT_NEAR(student_t_p(-1.959963984540054, 1e7), 0.05, 1e-7);
  EXPECT_EQ(student_t_p(0.0, 5.0), 1.0);
  EXPECT_EQ(student_t_p(INFINITY, 5.0), 0.0);
  EXPECT_TRUE(std::isnan(student_t_p(1.0, 0.0)) && std::isnan(student_t_p(NAN, 3.0)));
}

} // namespace
} // namespace boldmill::qc_fc
