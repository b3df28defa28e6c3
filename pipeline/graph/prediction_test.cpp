#include "pipeline/graph/prediction.hpp"

#include <gtest/gtest.h>

#include <set>

#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"

namespace boldmill::graph {
namespace {

namespace fs = std::filesystem;

// 40 people with age, sex, two sites and a score; measures from a seed.
store::CohortResults predicted(const std::string& target) {
  const store::TestFolder folder;
  store::CohortHeader header = store::example::header();
  header.participant_columns = {"age", "sex", "site", "score"};
  std::vector<fs::path> shards;
  for (int i = 0; i < 50; ++i) {
    store::PersonRecord person = store::example::person(i, header);
    if (person.runs.empty()) continue;
    person.columns = {{"age", std::to_string(20 + i * 7 % 30)},
                      {"sex", i % 3 == 0 ? "f" : "m"},
                      {"site", i % 2 == 0 ? "a" : "b"},
                      {"score", std::to_string(i * 13 % 17)}};
    shards.push_back(folder.path() / (std::to_string(i) + ".h5"));
    store::write_shard(shards.back(), header, person);
  }
  const fs::path cohort = folder.path() / "cohort.h5";
  (void)store::merge_shards(shards, cohort, {"", header}, {});
  config::Config config;
  config.cohort.targets = {target};
  config.prediction.n_permutations = 0;
  config.prediction.n_repeats = 1;
  config.prediction.n_folds = 4;
  config.prediction.alphas = {0.0};
  config.prediction.n_lambdas = 4;
  store::CohortResults results;
  const store::CohortReader reader(cohort);
  add_predictions(reader, reader.measures().table.value, config, {}, results, {});
  return results;
}

std::set<std::string> baselines_of(const std::string& target) {
  const store::CohortResults results = predicted(target);
  std::set<std::string> names;
  if (results.predictions.empty()) return names;
  for (const auto& metric : results.predictions[0].metrics) {
    const std::size_t at = metric.name.find("_baseline_");
    if (at != std::string::npos) names.insert(metric.name.substr(at + 10));
  }
  return names;
}

using Names = std::set<std::string>;

TEST(Predictions, ABaselineNeverHoldsTheTarget) {
  EXPECT_EQ(baselines_of("score"), (Names{"mean", "age_sex", "site", "mean_fd", "joint"}));
  EXPECT_EQ(baselines_of("age"), (Names{"mean", "sex", "site", "mean_fd", "joint"}));
  EXPECT_EQ(baselines_of("sex"), (Names{"mean", "age", "site", "mean_fd", "joint"}));
  EXPECT_EQ(baselines_of("site"), (Names{"mean", "age_sex", "mean_fd", "joint"}));
}

TEST(Predictions, AnUnknownTargetIsNotDoneWithTheReason) {
  const store::CohortResults results = predicted("nothing");
  EXPECT_TRUE(results.predictions.empty());
  ASSERT_EQ(results.not_done.size(), 1U);
  EXPECT_NE(results.not_done[0].reason.find("no column nothing"), std::string::npos);
}

TEST(HealthyReference, CountsAPersonOnceHoweverOftenSeen) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  store::ParticipantsTable people;
  people.participant_id = {"sub-1", "sub-1", "sub-2", "sub-3", "sub-3"};
  people.columns["group"] = {"control", "control", "patient", "control", "control"};
  Eigen::MatrixXd measures(5, 2);
  measures << 1, kNaN, 2, 20, 3, 30, 4, 40, 5, 50;
  const Eigen::MatrixXd reference = healthy_reference(people, measures, config::Config{});
  Eigen::MatrixXd expected(2, 2);
  expected << 1, 20, 4, 40;
  EXPECT_EQ(reference, expected);
}

} // namespace
} // namespace boldmill::graph
