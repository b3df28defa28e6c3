#include "pipeline/graph/cohort_chain.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/graph/cohort.hpp"
#include "pipeline/graph/cohort_biotypes.hpp"
#include "pipeline/graph/example_taxonomy.hpp"
#include "pipeline/graph/frozen_model.hpp"
#include "pipeline/graph/session_harmonisation.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"
#include "stages/cohort/longitudinal_combat.hpp"
#include "stages/core/random.hpp"

namespace boldmill::graph {
namespace {

namespace fs = std::filesystem;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kMeasures = 6;

// Six measures that are features and scores themselves.
taxonomy::Taxonomy six_measures() { return plain_measures(kMeasures); }

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
      request.shards.push_back(request.out / (one.participant_id + one.session_id + ".h5"));
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
    ASSERT_EQ(steps.steps.size(), 4U); // covariates, imputation, ComBat, standardisation
    const auto own = rows.select(training);
    by_steps.push_back(cohort::fit_apply_steps(steps.steps, own).rows.x);
    const LearnedChain chain = learn_in_fold(own, steps.choice, config_);
    by_chain.push_back(apply_chain(chain, own).x);
    const LearnedChain all = learn_in_fold(rows.select(everybody), steps.choice, config_);
    leaky.push_back(apply_chain(all, own).x);
  }
  expect_same(by_steps[0], by_steps[1]);
  expect_same(by_chain[0], by_chain[1]);
  EXPECT_FALSE(leaky[0].isApprox(leaky[1], 1e-6));
  // The frozen chain and the steps are the same fit.
  const auto scale = standardisation::fit(by_chain[0], {}, config_.standardisation);
  expect_same(standardisation::apply(scale, by_chain[0]), by_steps[0]);
}

// Who lacks a covariate gets the training rows' centre, alone as among others.
TEST_F(CohortChain, CentresOfCovariatesTravelInTheChain) {
  config_.cohort.targets = {"outcome"};
  config_.cohort.harmonization = "combat";
  (void)group("out", people(0, 80));
  const store::CohortReader reader(file("out"));
  cohort::Rows rows;
  rows.x = reader.measures().table.value;
  rows.names = header_.measure;
  const ChainTable table = chain_table(reader, rows.x, config_);
  const auto steps = prediction_steps(table, reader, config_, rows);
  std::vector<Eigen::Index> training;
  for (Eigen::Index i = 0; i < 60; ++i) training.push_back(i);
  const LearnedChain chain = learn_in_fold(rows.select(training), steps.choice, config_);
  double age = 0.0, n = 0.0;
  for (Eigen::Index i = 0; i < 60; ++i) {
    if (i % 11 == 5) continue;
    age += 20.0 + static_cast<double>(i * 7 % 40);
    n += 1.0;
  }
  EXPECT_NEAR(chain.harmonization->covariates.centre[0], age / n, 1e-12);
  const Eigen::MatrixXd together = apply_chain(chain, rows).x;
  ASSERT_TRUE(std::isnan(rows.covariates(71, 0)));
  expect_same(apply_chain(chain, rows.select({71})).x, together.row(71));
}

// ComBat by name where a fold's training rows have one person of a scanner: nothing is predicted,
// and the reason names the fold.
TEST_F(CohortChain, AFoldTooSmallForHarmonisationIsNamed) {
  config_.cohort.targets = {"outcome"};
  config_.cohort.harmonization = "combat";
  config_.combat.single_member = "error";
  auto few = people(0, 24, 1e9, "a");
  for (std::size_t i = 22; i < 24; ++i) few[i].columns["site"] = "b";
  const auto summary = group("out", few);
  ASSERT_FALSE(is_done(summary, "predictions/outcome"));
  for (const auto& item : summary.not_done) {
    if (item.analysis != "predictions/outcome") continue;
    EXPECT_NE(item.reason.find("outer fold "), std::string::npos) << item.reason;
    EXPECT_NE(item.reason.find("training rows): combat: 1 of 2 batches hold one person"),
              std::string::npos)
        << item.reason;
  }
  config_.combat.single_member = "location"; // the declared way out, and the default
  config_.cohort.harmonization_covariates = {};
  EXPECT_TRUE(is_done(group("adjusted", few), "predictions/outcome"));
}

// Ten people of two sites: four are left in an inner fold, too few for the priors of two sites.
TEST_F(CohortChain, AFoldTooSmallForPriorsIsNamed) {
  config_.cohort.targets = {"outcome"};
  config_.cohort.harmonization = "combat";
  config_.prediction.min_people = 6;
  config_.prediction.n_folds = 3;
  const auto summary = group("out", people(0, 10));
  ASSERT_FALSE(is_done(summary, "predictions/outcome"));
  for (const auto& item : summary.not_done) {
    if (item.analysis != "predictions/outcome") continue;
    EXPECT_NE(
        item.reason.find("inner fold 1 of 5 (4 training rows): combat: the columns of a batch"),
        std::string::npos)
        << item.reason;
  }
}

// Two sessions of each person, the second at the other site: batches go, people stay as they are
// apart, and the model file says the same of them.
TEST_F(CohortChain, SessionsAreHarmonisedWithAnInterceptOfEachPerson) {
  config_.cohort.harmonization = "longitudinal";
  config_.cohort.harmonization_covariates = {};
  config_.cohort.biotypes = "none";
  std::vector<store::PersonRecord> sessions;
  for (int p = 0; p < 40; ++p) {
    Random random(stream_seed(8, "person", std::to_string(p)));
    std::vector<double> own;
    for (int m = 0; m < kMeasures; ++m) own.push_back(2.0 * random.normal());
    for (int s = 0; s < 2; ++s) {
      const bool b = (p + s) % 2 == 1;
      auto one = person(p, b ? "b" : "a", 0.0);
      one.session_id = s == 0 ? "ses-1" : "ses-2";
      for (std::size_t m = 0; m < kMeasures; ++m) {
        const double value = own[m] + 0.5 * random.normal();
        one.measures[m].value = b ? 6.0 + value + 0.5 * random.normal() : value;
      }
      sessions.push_back(std::move(one));
    }
  }
  const auto summary = group("out", sessions);
  EXPECT_TRUE(is_done(summary, kSessionHarmonisation));
  const store::CohortReader reader(file("out"));
  const auto learned = reader.group(kSessionHarmonisation);
  ASSERT_TRUE(learned);
  EXPECT_EQ(learned->fitted_on, "whole_cohort");
  // The stage on the same table, by itself.
  longitudinal_combat::Inputs in;
  const auto table = reader.participants();
  in.x = reader.measures().table.value;
  in.batch = levels_of(*column_of(table, "site")).number;
  in.person = levels_of(table.participant_id).number;
  in.covariates.resize(80, 0);
  const auto model = longitudinal_combat::fit(in, {}, {});
  for (Eigen::Index m = 0; m < kMeasures; ++m) {
    EXPECT_EQ(learned->array("location").number[static_cast<std::size_t>(m)], model.location(m, 0));
    EXPECT_EQ(learned->array("between_people").number[static_cast<std::size_t>(m)], model.ratio[m]);
  }
  // Sites differ by 6 and people by SD 2 before; scores are in SD of the healthy people.
  const auto scores = reader.scores();
  ASSERT_TRUE(scores);
  double between_sites = 0.0, inside = 0.0;
  for (Eigen::Index i = 0; i < 80; i += 2) {
    const double change = scores->value(i + 1, 0) - scores->value(i, 0);
    between_sites += (in.batch[static_cast<std::size_t>(i)] == 0 ? change : -change) / 40.0;
    inside += change * change / 40.0;
  }
  EXPECT_NEAR(between_sites, 0.0, 0.1);
  EXPECT_LT(inside, 0.5); // of a variance of 1 between people, twice
  const auto frozen = store::read_model(folder_.path() / "out" / "model.h5");
  const auto scored = scored_by(frozen, reader, config_, six_measures());
  expect_same(scored.scores.value, scores->value);
  expect_same(scored.scores.se, scores->se);
  // A site it does not know is refused, row by row.
  (void)group("new", CohortChain::people(80, 84, 1e9, "north"));
  const store::CohortReader fresh(file("new"));
  const auto refused = scored_by(frozen, fresh, config_, six_measures());
  EXPECT_TRUE(std::isnan(refused.scores.value(0, 0)));
}

TEST_F(CohortChain, StudiesAreLeftOutByTheirColumn) {
  config_.cohort.targets = {"outcome"};
  config_.cohort.biotypes = "none";
  config_.prediction.cv = "leave_study_out";
  config_.trial.study = "site";
  const auto summary = group("out", people(0, 60));
  ASSERT_TRUE(is_done(summary, "predictions/outcome"));
  const auto found = store::CohortReader(file("out")).predictions();
  ASSERT_EQ(found.size(), 1U);
  for (Eigen::Index i = 0; i < 60; ++i) EXPECT_EQ(found[0].fold(0, i), i % 2) << i;
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
  config_.associations.symptoms = {"outcome", "late"};
  config_.trial.study = "site";
  header_.participant_columns.emplace_back("late");
  auto everybody = people(0, 90);
  for (std::size_t i = 0; i < 90; ++i) everybody[i].columns["late"] = i % 5 < 2 ? "1" : "0";
  (void)group("out", everybody);
  const store::CohortReader reader(file("out"));
  const auto tables = reader.result_tables();
  const auto& k = column(tables, "published_chain/statistics", "k").number;
  EXPECT_EQ(k.size(), 14U);
  EXPECT_EQ(column(tables, "published_chain/beside", "what").text.size(), 11U);
  const auto& label = column(tables, "published_chain/people", "label").text;
  for (std::size_t i = 0; i < label.size(); ++i) EXPECT_EQ(label[i].empty(), i / 2 % 2 == 0) << i;
  EXPECT_EQ(column(tables, "published_chain/symptoms", "p").number.size(), 6U);
  EXPECT_EQ(column(tables, "published_chain/two_valued", "p").number.size(), 6U);
  // A half and both studies, each with six clusters; people are those clustered.
  const auto& split = column(tables, "published_chain/splits", "split").text;
  ASSERT_EQ(split.size(), 18U);
  EXPECT_EQ(split[6], "without a");
  const auto& n_test = column(tables, "published_chain/splits", "n_test").number;
  double rest = 0.0, of_a = 0.0, patients = 0.0, in_a = 0.0;
  for (std::size_t c = 0; c < 6; ++c) {
    rest += n_test[c];
    of_a += n_test[6 + c];
  }
  for (std::size_t i = 0; i < label.size(); ++i) {
    if (label[i].empty()) continue;
    patients += 1.0;
    in_a += i % 2 == 0 ? 1.0 : 0.0;
  }
  EXPECT_EQ(rest, patients - std::nearbyint(0.5 * patients));
  EXPECT_EQ(of_a, in_a);
  // Sites are the studies here, so they stand once; controls are not among the people.
  const auto& category = column(tables, "published_chain/categories", "column").text;
  EXPECT_EQ(category, (std::vector<std::string>{"sex", "site"}));
  EXPECT_EQ(column(tables, "published_chain/categories", "n").number[0], patients);
}

} // namespace
} // namespace boldmill::graph
