#include "pipeline/graph/cohort_chain.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/graph/cohort.hpp"
#include "pipeline/graph/cohort_biotypes.hpp"
#include "pipeline/graph/frozen_model.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"
#include "stages/core/random.hpp"

namespace boldmill::graph {
namespace {

namespace fs = std::filesystem;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kMeasures = 6;

// Six measures that are features and scores themselves.
taxonomy::Taxonomy six_measures() {
  taxonomy::Taxonomy t;
  for (int m = 0; m < kMeasures; ++m) {
    const std::string code = "m" + std::to_string(m);
    taxonomy::Measure measure;
    measure.code = measure.feature = code;
    measure.kind = taxonomy::MeasureKind::activation;
    t.measures.push_back(measure);
    t.features.push_back({code, {code}});
    t.scores.push_back({code, "", "", "", {code}, {}});
  }
  return t;
}

// People of two sites, every second a control; site b is shifted by 3 and twice as wide.
store::PersonRecord person(int p, const std::string& site, double extra) {
  Random random(stream_seed(5, "person", std::to_string(p)));
  store::PersonRecord record;
  record.participant_id = "sub-" +
                          std::string(p < 10    ? "00"
                                      : p < 100 ? "0"
                                                : "") +
                          std::to_string(p);
  record.source = "rest";
  double sum = 0.0;
  for (int m = 0; m < kMeasures; ++m) {
    double value = random.normal();
    sum += value;
    if (site == "b") value = 3.0 + 2.0 * value;
    const bool missing = p % 9 == 4 && m == 2;
    record.measures.push_back({missing ? kNaN : value + extra, 0.05, 0.9, missing ? "absent" : ""});
  }
  record.error_correlation = Eigen::MatrixXf::Identity(kMeasures, kMeasures);
  record.columns["group"] = p / 2 % 2 == 0 ? "control" : "patient";
  record.columns["site"] = site;
  record.columns["age"] = p % 11 == 5 ? "" : std::to_string(20 + p * 7 % 40);
  record.columns["sex"] = p % 3 == 0 ? "F" : "M";
  record.columns["outcome"] = std::to_string(sum + extra + random.normal());
  return record;
}

class CohortChain : public testing::Test {
protected:
  CohortChain() {
    header_ = store::example::header();
    header_.measure = header_.feature = header_.score = taxonomy::measure_names(six_measures());
    header_.participant_columns = {"group", "site", "age", "sex", "outcome"};
    config_.chained_imputation.imputations = 2;
    config_.biotype_test.k_max = 4;
    config_.biotype_test.repetitions = 19;
    config_.biotype_test.stability_nulls = 3;
    config_.biotype_test.permutations = 9;
    config_.biotype_test.max_factors = 2;
    config_.biotype_test.bootstraps = 9;
    config_.prediction.n_permutations = 0;
    config_.prediction.n_repeats = 1;
    config_.prediction.n_folds = 4;
    config_.prediction.alphas = {0.0};
    config_.prediction.n_lambdas = 4;
  }
  // A folder with the shards of these people, and what the group stage makes of it.
  CohortSummary group(const std::string& name, const std::vector<store::PersonRecord>& people) {
    header_.config_json = config::to_json(config_).dump();
    CohortRequest request;
    request.out = folder_.path() / name;
    fs::create_directories(request.out);
    for (const auto& one : people) {
      request.shards.push_back(request.out / (one.participant_id + ".h5"));
      store::write_shard(request.shards.back(), header_, one);
    }
    return run_cohort(request, config_, six_measures(), {});
  }
  [[nodiscard]] fs::path file(const std::string& name) const {
    return folder_.path() / name / "cohort.h5";
  }
  static std::vector<store::PersonRecord> people(int from, int to, double extra_from = 1e9,
                                                 const std::string& site = "") {
    std::vector<store::PersonRecord> out;
    for (int p = from; p < to; ++p) {
      const std::string own = !site.empty() ? site : p % 2 == 0 ? "a" : "b";
      out.push_back(person(p, own, p >= extra_from ? 5.0 : 0.0));
    }
    return out;
  }
  static bool is_done(const CohortSummary& summary, const std::string& analysis) {
    return std::none_of(summary.not_done.begin(), summary.not_done.end(),
                        [&](const auto& item) { return item.analysis == analysis; });
  }

  store::TestFolder folder_;
  store::CohortHeader header_;
  config::Config config_;
};

void expect_same(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.cols(), b.cols());
  for (Eigen::Index i = 0; i < a.size(); ++i) {
    const double x = a.reshaped()[i], y = b.reshaped()[i];
    EXPECT_TRUE(x == y || (std::isnan(x) && std::isnan(y))) << i << ": " << x << " and " << y;
  }
}

const store::TableColumn& column(const std::vector<store::TableRecord>& tables,
                                 const std::string& path, const std::string& name) {
  for (const auto& table : tables) {
    if (table.path != path) continue;
    for (const auto& one : table.columns) {
      if (one.name == name) return one;
    }
  }
  throw std::runtime_error(path + " " + name);
}

TEST_F(CohortChain, TheGroupStageHarmonisesNormsAndClustersAndTheModelSaysTheSame) {
  config_.cohort.targets = {"outcome"};
  config_.cohort.imputation = "chained";
  config_.cohort.harmonization = "combat";
  const auto summary = group("out", people(0, 160));
  for (const char* each : {"harmonization", "imputation", "norms", "biotypes",
                           "predictions/outcome", "model/outcome"}) {
    EXPECT_TRUE(is_done(summary, each)) << each;
  }
  const store::CohortReader reader(file("out"));
  const auto combat = reader.group("harmonization");
  ASSERT_TRUE(combat);
  EXPECT_EQ(combat->fitted_on, "whole_cohort");
  EXPECT_EQ(combat->array("batch").text, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(combat->array("covariate").text, (std::vector<std::string>{"age", "sex=M"}));
  EXPECT_TRUE(reader.has_completed());
  // The scores of both sites have the same centre and width; raw measures do not.
  const auto scores = reader.scores();
  ASSERT_TRUE(scores);
  double mean[2] = {0.0, 0.0};
  for (Eigen::Index i = 0; i < 160; ++i) mean[i % 2] += scores->value(i, 0) / 80.0;
  EXPECT_NEAR(mean[0], mean[1], 0.47); // 3 SE of chance between 80 and 80; raw sites: 1.9
  EXPECT_NEAR(scores->se_run(0, 0) / scores->se_run(1, 0), 2.0, 0.4); // site b is twice as wide
  // Label: patients only. Everybody has a margin.
  const auto biotypes = reader.group("biotypes");
  ASSERT_TRUE(biotypes);
  EXPECT_EQ(biotypes->fitted_on, "whole_cohort");
  for (std::size_t i = 0; i < 160; ++i) {
    EXPECT_EQ(biotypes->array("label").number[i] < 0, i / 2 % 2 == 0) << i;
    EXPECT_FALSE(std::isnan(biotypes->array("margin").number[i])) << i;
  }
  EXPECT_EQ(biotypes->array("silhouette").number.size(), 3U);
  EXPECT_EQ(biotypes->array("verdict").text[0], "continuum"); // one cloud
  EXPECT_TRUE(fs::exists(folder_.path() / "out" / "tables" / "biotypes.tsv"));
  // Through the model file.
  const auto model = store::read_model(folder_.path() / "out" / "model.h5");
  const auto scored = scored_by(model, reader, config_, six_measures());
  expect_same(scored.scores.value, scores->value);
  expect_same(scored.scores.se, scores->se);
  const auto norms = reader.group("norms");
  ASSERT_TRUE(norms);
  const auto& z = norms->array("z").number;
  const auto& frozen_z = column(scored.tables, "scored/norms", "m1_z").number;
  int present = 0;
  for (std::size_t i = 0; i < 160; ++i) {
    if (std::isnan(frozen_z[i])) continue;
    ++present;
    EXPECT_EQ(frozen_z[i], z[i * kMeasures + 1]) << i;
  }
  EXPECT_GT(present, 130); // people without age have no norm
  const auto& label = column(scored.tables, "scored/biotypes", "label").text;
  const auto& margin = column(scored.tables, "scored/biotypes", "margin").number;
  for (std::size_t i = 0; i < 160; ++i) {
    const double own = biotypes->array("assigned").number[i];
    EXPECT_EQ(label[i], own < 0 ? "unclassified" : std::to_string(static_cast<int>(own))) << i;
    EXPECT_EQ(margin[i], biotypes->array("margin").number[i]) << i;
  }
}

TEST_F(CohortChain, ANewScannerIsFlaggedOrRefusedAsDeclared) {
  config_.cohort.targets = {"outcome"};
  config_.cohort.harmonization = "combat";
  config_.cohort.biotypes = "none";
  for (const char* unseen : {"unchanged", "error"}) {
    config_.combat.unseen = unseen;
    const std::string name = std::string("learn_") + unseen;
    (void)group(name, people(0, 80));
    const auto model = store::read_model(folder_.path() / name / "model.h5");
    (void)group(std::string("new_") + unseen, people(80, 90, 1e9, "north"));
    const store::CohortReader reader(file(std::string("new_") + unseen));
    const auto scored = scored_by(model, reader, config_, six_measures());
    const bool refused = std::string(unseen) == "error";
    EXPECT_EQ(std::isnan(scored.scores.value(0, 0)), refused);
    EXPECT_EQ(scored.scores.reason[0][0].find("not among those") != std::string::npos, refused);
    const auto& why = column(scored.tables, "scored/outcome", "abstain_reason").text;
    EXPECT_EQ(why[0] == "harmonisation has not learned the site", refused) << why[0];
    EXPECT_EQ(column(scored.tables, "scored/outcome", "new_place").text[0], "new site north");
  }
}

// Held-out people, measures and outcomes alike, change nothing that a fold learns; a chain learned
// on everybody is found by the same comparison.
TEST_F(CohortChain, WhatAFoldLearnsComesFromItsTrainingRows) {
  config_.cohort.targets = {"outcome"};
  config_.cohort.imputation = "chained";
  config_.cohort.harmonization = "combat";
  (void)group("one", people(0, 80));
  (void)group("other", people(0, 80, 60)); // the last 20 differ
  std::vector<Eigen::Index> training(60), everybody(80);
  for (Eigen::Index i = 0; i < 80; ++i)
    (i < 60 ? training : everybody)[static_cast<std::size_t>(i)] = i;
  for (Eigen::Index i = 0; i < 60; ++i) everybody[static_cast<std::size_t>(i)] = i;
  std::vector<Eigen::MatrixXd> by_steps, by_chain, leaky;
  for (const char* name : {"one", "other"}) {
    const store::CohortReader reader(file(name));
    cohort::Rows rows;
    rows.x = reader.measures().table.value;
    rows.names = header_.measure;
    const ChainTable table = chain_table(reader, rows.x, config_);
    EXPECT_EQ(table.why_not, "");
    const auto steps = prediction_steps(table, reader, config_, rows);
    ASSERT_EQ(steps.steps.size(), 4U); // batches, imputation, ComBat, standardisation
    const auto own = rows.select(training);
    by_steps.push_back(cohort::fit_apply_steps(steps.steps, own).rows.x);
    const LearnedChain chain = learn_in_fold(own, steps.choice, config_);
    by_chain.push_back(apply_in_fold(chain, own, steps.choice).x);
    const LearnedChain all = learn_in_fold(rows.select(everybody), steps.choice, config_);
    leaky.push_back(apply_in_fold(all, own, steps.choice).x);
  }
  expect_same(by_steps[0], by_steps[1]);
  expect_same(by_chain[0], by_chain[1]);
  EXPECT_FALSE(leaky[0].isApprox(leaky[1], 1e-6));
  // The frozen chain and the steps are the same fit.
  const auto scale = standardisation::fit(by_chain[0], {}, config_.standardisation);
  expect_same(standardisation::apply(scale, by_chain[0]), by_steps[0]);
}

TEST_F(CohortChain, ATargetIsNeverACovariateOfHarmonisation) {
  (void)group("out", people(0, 60));
  const store::CohortReader reader(file("out"));
  const Eigen::MatrixXd x = reader.measures().table.value;
  const auto names = [&] { return chain_table(reader, x, config_).covariates.names(); };
  EXPECT_EQ(names(), (std::vector<std::string>{"age", "sex=M"}));
  config_.cohort.targets = {"age"};
  EXPECT_EQ(names(), (std::vector<std::string>{"sex=M"}));
  config_.trial.outcome = "sex";
  EXPECT_TRUE(names().empty());
  config_.cohort.targets = {"site"};
  EXPECT_NE(chain_table(reader, x, config_).why_not.find("is a target"), std::string::npos);
}

TEST_F(CohortChain, AFewPeopleGetReasonsAndNothingElse) {
  const auto summary = group("out", people(0, 8));
  for (const char* each : {"harmonization", "norms", "biotypes"}) {
    EXPECT_FALSE(is_done(summary, each)) << each;
  }
  const store::CohortReader reader(file("out"));
  EXPECT_FALSE(reader.group("biotypes"));
  EXPECT_FALSE(reader.group("norms"));
  const auto model = store::read_model(folder_.path() / "out" / "model.h5");
  EXPECT_TRUE(model.learned.empty());
}

TEST_F(CohortChain, ThePublishedChainStandsBesideTheCorrectedOne) {
  config_.cohort.published_chain = true;
  config_.associations.symptoms = {"outcome"};
  (void)group("out", people(0, 90));
  const store::CohortReader reader(file("out"));
  const auto tables = reader.result_tables();
  const auto& k = column(tables, "published_chain/statistics", "k").number;
  EXPECT_EQ(k.size(), 14U);
  EXPECT_EQ(column(tables, "published_chain/beside", "what").text.size(), 11U);
  const auto& label = column(tables, "published_chain/people", "label").text;
  for (std::size_t i = 0; i < label.size(); ++i) EXPECT_EQ(label[i].empty(), i / 2 % 2 == 0) << i;
  EXPECT_EQ(column(tables, "published_chain/symptoms", "p").number.size(), 6U);
}

} // namespace
} // namespace boldmill::graph
