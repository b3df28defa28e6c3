#include "stages/connectivity/tangent.hpp"

#include <gtest/gtest.h>

#include "stages/connectivity/connectivity_matrix.hpp"
#include "stages/connectivity/test_data.hpp"

namespace boldmill::tangent {
namespace {

using test_data::kind_of;
using test_data::max_difference;
using test_data::reference;
using test_data::series;

std::vector<Eigen::MatrixXf> ten_people() {
  std::vector<Eigen::MatrixXf> out;
  for (std::uint64_t k = 0; k < 9; ++k) {
    out.push_back(series(40 + 3 * static_cast<Eigen::Index>(k), 10, 10 + k));
  }
  out.push_back(series(8, 10, 30)); // fewer volumes than regions
  return out;
}

People people_of(const std::vector<Eigen::MatrixXf>& list, std::size_t n) {
  return {n, [&list](std::size_t k, Person& person) { person.series = list[k]; }};
}

const Params kParams{.min_volumes = 5};

// nilearn 0.14.1: fitted on the first 7 people, applied to all.
TEST(Tangent, AgreesWithNilearn) {
  const auto list = ten_people();
  for (const std::string estimator : {"ledoit_wolf", "sample"}) {
    Params params = kParams;
    params.estimator = estimator;
    const Model model = fit(people_of(list, 7), params, {});
    EXPECT_TRUE(model.converged);
    EXPECT_LT(max_difference(model.mean, reference("tangent_mean_" + estimator + ".tsv")), 1e-10);
    const Eigen::MatrixXd expected = reference("tangent_" + estimator + ".tsv");
    for (Eigen::Index k = 0; k < expected.rows(); ++k) {
      const Eigen::MatrixXd d = apply(model, {list[static_cast<std::size_t>(k)], {}, {}}, params);
      EXPECT_LT(max_difference(vectorize(d), expected.row(k).transpose()), 1e-9) << estimator << k;
    }
  }
}

// 70 regions: the first steps are in single precision. Diagonals only are stored.
TEST(Tangent, AgreesWithNilearnWhereSinglePrecisionHelps) {
  std::vector<Eigen::MatrixXf> list;
  for (std::uint64_t k = 0; k < 6; ++k) list.push_back(series(50, 70, 60 + k));
  const Model model = fit(people_of(list, 6), kParams, {});
  const Eigen::MatrixXd expected = reference("tangent_large.tsv");
  EXPECT_LT(max_difference(model.mean.diagonal().transpose(), expected.row(0)), 1e-7);
  for (Eigen::Index k = 0; k < 6; ++k) {
    const Eigen::MatrixXd d = apply(model, {list[static_cast<std::size_t>(k)], {}, {}}, kParams);
    EXPECT_LT(max_difference(d.diagonal().transpose(), expected.row(1 + k)), 1e-6);
    EXPECT_NEAR(d.norm(), expected(7, k), 1e-6);
  }
}

// Matrices that commute: the geometric mean is that of the eigenvalues.
TEST(Tangent, MeanOfCommutingMatricesIsTheMeanOfTheirLogarithms) {
  const Eigen::MatrixXd q =
      Eigen::MatrixXd(series(6, 6, 3).cast<double>()).householderQr().householderQ();
  std::vector<Eigen::MatrixXd> list;
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(6);
  for (int k = 0; k < 5; ++k) {
    Eigen::VectorXd log_values(6);
    for (int i = 0; i < 6; ++i) log_values(i) = std::sin(3.0 * k + i);
    sum += log_values;
    list.push_back(q * log_values.array().exp().matrix().asDiagonal() * q.transpose());
  }
  const People people{5, [&](std::size_t k, Person& person) { person.covariance = list[k]; }};
  Params params = kParams;
  params.tolerance = 1e-14;
  const Model model = fit(people, params, {});
  const Eigen::VectorXd mean = (sum / 5).array().exp();
  EXPECT_LT(max_difference(model.mean, q * mean.asDiagonal() * q.transpose()), 1e-12);
  EXPECT_TRUE(model.converged);
}

TEST(Tangent, DisplacementsOfTheTrainingPeopleSumToZero) {
  const auto list = ten_people();
  Params params = kParams;
  params.tolerance = 1e-14;
  const Model model = fit(people_of(list, 10), params, {});
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(10, 10);
  for (const auto& x : list) sum += apply(model, {x, {}, {}}, params);
  EXPECT_LT(sum.cwiseAbs().maxCoeff(), 1e-10);
}

// Seen through an invertible mixture of the regions, the group has the same distances.
TEST(Tangent, LengthsAreTheSameInAnyUnitsOfTheRegions) {
  const auto list = ten_people();
  std::vector<Eigen::MatrixXf> scaled = list;
  for (auto& x : scaled) {
    for (Eigen::Index r = 0; r < 10; ++r) x.col(r) *= static_cast<float>(1 << (r % 4));
  }
  Params params = kParams;
  params.estimator = "sample";
  params.tolerance = 1e-14;
  const Model a = fit(people_of(list, 9), params, {});
  const Model b = fit(people_of(scaled, 9), params, {});
  for (std::size_t k = 0; k < 9; ++k) {
    EXPECT_NEAR(apply(a, {list[k], {}, {}}, params).norm(),
                apply(b, {scaled[k], {}, {}}, params).norm(), 1e-8);
  }
}

TEST(Tangent, CovarianceComesBackAndCovariancesMayBeGiven) {
  const auto list = ten_people();
  const Model model = fit(people_of(list, 10), kParams, {});
  const auto matrix = [&](std::size_t k) {
    connectivity_matrix::Params params;
    params.kind = "ledoit_wolf_covariance";
    params.min_volumes = 5;
    return connectivity_matrix::run({{list[k].data(), list[k].rows(), 10}, {}}, params, {}).matrix;
  };
  for (const std::size_t k : {0U, 9U}) {
    const Eigen::MatrixXd d = apply(model, {list[k], {}, {}}, kParams);
    EXPECT_LT(max_difference(covariance_of(model, d), matrix(k)), 1e-11);
    EXPECT_LT(max_difference(apply(model, {{}, {}, matrix(k)}, kParams), d), 1e-10);
    EXPECT_LT(max_difference(unvectorize(vectorize(d)), d), 1e-14);
  }
  const People covariances{10,
                           [&](std::size_t k, Person& person) { person.covariance = matrix(k); }};
  EXPECT_LT(max_difference(fit(covariances, kParams, {}).mean, model.mean), 1e-11);
}

TEST(Tangent, RegionsMissingInOnePersonAreLeftOut) {
  auto list = ten_people();
  list[2].col(4).setConstant(NAN);
  list[5].col(7).setConstant(1.0F);
  const Model model = fit(people_of(list, 7), kParams, {});
  EXPECT_EQ(model.regions, (std::vector<Eigen::Index>{0, 1, 2, 3, 5, 6, 8, 9}));
  auto reduced = ten_people();
  for (auto& x : reduced) x = x(Eigen::all, model.regions).eval();
  const Model other = fit(people_of(reduced, 7), kParams, {});
  EXPECT_LT(max_difference(model.mean, other.mean), 1e-14);
  list[8].col(0).setConstant(NAN);
  EXPECT_TRUE(apply(model, {list[8], {}, {}}, kParams).array().isNaN().all());
  EXPECT_TRUE(apply(model, {list[2], {}, {}}, kParams).allFinite());
}

TEST(Tangent, SameBitsAtAnyThreadCountAndOneByOne) {
  std::vector<Eigen::MatrixXf> list;
  for (std::uint64_t k = 0; k < 40; ++k) list.push_back(series(20, 77, k));
  const auto work = [&] { return fit(people_of(list, 40), kParams, {}); };
  const Model one = test_data::with_threads(1, work);
  const Model eight = test_data::with_threads(8, work);
  EXPECT_TRUE(one.mean == eight.mean);
  std::vector<Eigen::MatrixXd> all(40);
  test_data::with_threads(8, [&] {
    apply(one, people_of(list, 40), kParams,
          [&](std::size_t k, const Eigen::MatrixXd& d) { all[k] = d; }, {});
    return 0;
  });
  for (std::size_t k = 0; k < 40; ++k) {
    EXPECT_TRUE(all[k] == apply(one, {list[k], {}, {}}, kParams));
  }
}

TEST(Tangent, StopsAtTheGivenNumberOfSteps) {
  const auto list = ten_people();
  Params params = kParams;
  params.max_iterations = 1;
  const Model model = fit(people_of(list, 10), params, {});
  EXPECT_EQ(model.iterations, 1);
  EXPECT_FALSE(model.converged);
  EXPECT_GT(model.gradient, params.tolerance);
}

TEST(Tangent, RefusesWhatHasNoAnswer) {
  auto list = ten_people();
  EXPECT_EQ(kind_of([&] { (void)fit({0, {}}, kParams, {}); }), ErrorKind::input);
  Params sample = kParams;
  sample.estimator = "sample"; // the last person has fewer volumes than regions
  EXPECT_EQ(kind_of([&] { (void)fit(people_of(list, 10), sample, {}); }), ErrorKind::input);
  const Model model = fit(people_of(list, 9), sample, {});
  EXPECT_EQ(kind_of([&] { (void)apply(model, {list[9], {}, {}}, sample); }), ErrorKind::input);
  EXPECT_EQ(kind_of([&] {
              (void)apply(model, {series(40, 9, 1), {}, {}}, sample);
            }),
            ErrorKind::input);
  list[3] = series(4, 10, 1);
  EXPECT_EQ(kind_of([&] { (void)fit(people_of(list, 9), kParams, {}); }), ErrorKind::gate);
  list[3] = series(40, 9, 1);
  EXPECT_EQ(kind_of([&] { (void)fit(people_of(list, 9), kParams, {}); }), ErrorKind::input);
  EXPECT_EQ(kind_of([&] { (void)unvectorize(Eigen::VectorXd::Zero(5)); }), ErrorKind::input);
}

} // namespace
} // namespace boldmill::tangent
