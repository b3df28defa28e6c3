#include "stages/cohort/biotype_test.hpp"
#include "stages/cohort/biotypes.hpp"
#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/group_statistics.hpp"
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/longitudinal_combat.hpp"
#include "stages/cohort/normative_model.hpp"
#include "stages/cohort/penalised_regression.hpp"
#include "stages/cohort/standardisation.hpp"
#include "stages/cohort/treatment.hpp"
#include "stages/core/random.hpp"
#include "tests/memory/declared.hpp"

namespace boldmill::memory_test {
namespace {

// People by measures, three sites, age and sex.
struct Table {
  Eigen::Index n, p;
  cohort::Rows rows;
  Table(Eigen::Index n_people, Eigen::Index n_measures) : n(n_people), p(n_measures) {
    Random random(9);
    rows.x.resize(n, p);
    for (double& x : rows.x.reshaped()) x = random.normal();
    rows.covariates.resize(n, 2);
    rows.covariate_names = {"age", "sex"};
    for (Eigen::Index i = 0; i < n; ++i) {
      rows.batch.push_back(static_cast<int>(i % 3));
      rows.covariates.row(i) << 20.0 + 50.0 * random.uniform(), static_cast<double>(i % 2);
    }
    for (Eigen::Index c = 0; c < p; ++c) rows.names.push_back("measure" + std::to_string(c));
  }
  [[nodiscard]] std::size_t n_rows() const { return static_cast<std::size_t>(n); }
  [[nodiscard]] std::size_t n_columns() const { return static_cast<std::size_t>(p); }
  [[nodiscard]] std::string shape() const { return std::to_string(n) + " x " + std::to_string(p); }
};

class CohortMemory : public ::testing::TestWithParam<bool> {
protected:
  const Table wide_{GetParam() ? 400 : 120,
                    GetParam() ? 400 : 150};                        // measures, no loops over folds
  const Table small_{GetParam() ? 300 : 120, GetParam() ? 60 : 24}; // what is resampled
};

TEST_P(CohortMemory, Combat) {
  const Table& t = wide_;
  const combat::Inputs inputs{.x = {t.rows.x.data(), t.n, t.p},
                              .batch = t.rows.batch,
                              .covariates = t.rows.covariates,
                              .covariate_names = {"age", "sex"}};
  for (const char* method : {"parametric", "non_parametric"}) {
    const combat::Params params{.method = method};
    expect_declared("combat " + t.shape() + " " + method, 8,
                    combat::peak_bytes({t.n_rows(), t.n_columns(), 3}, params), [&] {
                      auto model = combat::fit(inputs, params, {});
                      auto rows = combat::apply(model, inputs, {});
                      return std::pair(std::move(model), std::move(rows));
                    });
  }
}

TEST_P(CohortMemory, LongitudinalCombat) {
  const Table& t = wide_;
  longitudinal_combat::Inputs inputs{t.rows.x, {}, {}, t.rows.covariates};
  for (int i = 0; i < static_cast<int>(t.n); ++i) {
    inputs.person.push_back(i / 2);
    inputs.batch.push_back(i % 3);
  }
  expect_declared("longitudinal_combat " + t.shape(), 8,
                  longitudinal_combat::peak_bytes({t.n_rows(), t.n_columns(), 3, 2}, {}), [&] {
                    auto model = longitudinal_combat::fit(inputs, {}, {});
                    auto rows = longitudinal_combat::apply(model, inputs);
                    return std::pair(std::move(model), std::move(rows));
                  });
}

TEST_P(CohortMemory, Imputation) {
  Table t = wide_;
  for (Eigen::Index i = 0; i < t.n; i += 7) t.rows.x(i, i % t.p) = std::nan("");
  const imputation::Params median;
  expect_declared("imputation " + t.shape(), 8,
                  imputation::peak_bytes({t.n_rows(), t.n_columns()}, median),
                  [&] { return imputation::apply(imputation::fit(t.rows.x, median), t.rows.x); });
  Table few = small_;
  for (Eigen::Index i = 0; i < few.n; i += 7) few.rows.x(i, i % few.p) = std::nan("");
  for (const int imputations : {1, 3}) {
    const chained_imputation::Params params{.imputations = imputations, .iterations = 2};
    expect_declared("chained_imputation " + few.shape() + " x " + std::to_string(imputations), 8,
                    chained_imputation::peak_bytes({few.n_rows(), few.n_columns()}, params), [&] {
                      auto model = chained_imputation::fit(few.rows.x, few.rows.batch, params);
                      auto rows = chained_imputation::apply(model, few.rows.x, few.rows.batch);
                      return std::pair(std::move(model), std::move(rows));
                    });
  }
}

TEST_P(CohortMemory, Standardisation) {
  const Table& t = wide_;
  expect_declared("standardisation " + t.shape(), 8,
                  standardisation::peak_bytes({t.n_rows(), t.n_columns()}, {}), [&] {
                    return standardisation::apply(standardisation::fit(t.rows.x, {}, {}), t.rows.x);
                  });
}

TEST_P(CohortMemory, NormativeModel) {
  const Table& t = small_;
  const normative_model::Inputs inputs{.x = t.rows.x,
                                       .names = t.rows.names,
                                       .covariates = t.rows.covariates,
                                       .covariate_names = t.rows.covariate_names,
                                       .batch = t.rows.batch};
  for (const int threads : {1, 8}) {
    expect_declared("normative_model " + t.shape(), threads,
                    normative_model::peak_bytes({t.n_rows(), t.n_columns(), 2, 3}, {}), [&] {
                      auto model = normative_model::fit(inputs, {}, {});
                      auto out = normative_model::apply(model, inputs, {});
                      return std::pair(std::move(model), std::move(out));
                    });
  }
}

TEST_P(CohortMemory, GroupStatistics) {
  const Table& t = small_;
  group_statistics::Inputs inputs{.y = t.rows.x, .names = t.rows.names};
  inputs.covariates = t.rows.covariates;
  inputs.site = t.rows.batch;
  group_statistics::Term term;
  term.name = "score";
  term.x = t.rows.covariates.col(0).array().sin();
  inputs.terms = {term};
  const group_statistics::Params params{.n_permutations = 99};
  for (const int threads : {1, 8}) {
    expect_declared("group_statistics " + t.shape(), threads,
                    group_statistics::peak_bytes({t.n_rows(), t.n_columns(), 1, 2}, params),
                    [&] { return group_statistics::run(inputs, params, {}); });
  }
}

TEST_P(CohortMemory, Biotypes) {
  const Table& t = small_;
  const biotypes::Inputs inputs{t.rows.x, t.rows.names, {}, t.rows.batch};
  const biotypes::Params params{.k_max = 8,
                                .repetitions = 20,
                                .resamplings = 20,
                                .stability_nulls = 5,
                                .stability_people = 10,
                                .stability_resamplings = 10};
  for (const int threads : {1, 8}) {
    expect_declared("biotypes " + t.shape(), threads,
                    biotypes::peak_bytes({t.n_rows(), t.n_columns()}, params),
                    [&] { return biotypes::run(inputs, params, {}); });
  }
}

TEST_P(CohortMemory, BiotypeTest) {
  const Table& t = small_;
  biotype_test::Inputs inputs;
  inputs.rows = t.rows;
  inputs.rows.is_reference.assign(t.n_rows(), 0);
  inputs.chains = {{imputation::step({}), standardisation::step({})}};
  const biotype_test::Params params{.k_max = 5,
                                    .repetitions = 9,
                                    .permutations = 9,
                                    .stability_nulls = 5,
                                    .stability_people = 5,
                                    .resamplings = 5,
                                    .max_factors = 6,
                                    .bootstraps = 10};
  for (const int threads : {1, 8}) {
    expect_declared("biotype_test " + t.shape(), threads,
                    biotype_test::peak_bytes({t.n_rows(), t.n_columns()}, params),
                    [&] { return biotype_test::run(inputs, params, {}); });
  }
}

TEST_P(CohortMemory, PenalisedRegression) {
  const Table& t = GetParam() ? wide_ : small_;
  penalised_regression::Inputs inputs;
  inputs.rows = t.rows;
  inputs.target = t.rows.x.col(0) - t.rows.x.col(1);
  for (const char* model : {"elastic_net", "ridge"}) {
    penalised_regression::Params params;
    params.model = model;
    params.n_folds = 4;
    params.n_repeats = 2; // eight folds, one a thread
    params.n_inner_folds = 3;
    params.alphas = {0.5};
    params.n_lambdas = 4;
    params.n_permutations = 0;
    expect_declared("penalised_regression " + t.shape() + " " + model, 8,
                    penalised_regression::peak_bytes({t.n_rows(), t.n_columns()}, params),
                    [&] { return penalised_regression::run(inputs, params, {}); });
  }
}

TEST_P(CohortMemory, Treatment) {
  const Table& t = small_;
  treatment::Inputs inputs;
  inputs.rows = t.rows;
  inputs.baseline = 20.0 + t.rows.x.col(0).array();
  inputs.outcome = 12.0 + t.rows.x.col(1).array() + 0.5 * t.rows.x.col(0).array();
  inputs.covariates.resize(t.n, 0);
  inputs.tested = t.rows.x.leftCols(3);
  inputs.tested_name = {"a", "b", "c"};
  for (Eigen::Index i = 0; i < t.n; ++i) {
    inputs.arm.push_back(static_cast<int>(i % 2));
    inputs.study.push_back(0);
  }
  inputs.study_name = {"one"};
  inputs.arm_name = {"drug", "talk"};
  inputs.randomised = {1};
  for (const int threads : {1, 8}) {
    expect_declared("treatment " + t.shape(), threads,
                    treatment::peak_bytes({t.n_rows(), t.n_columns()}, {}),
                    [&] { return treatment::run(inputs, {}, {}); });
  }
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, CohortMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
