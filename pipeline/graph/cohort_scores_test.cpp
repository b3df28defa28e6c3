#include "pipeline/graph/cohort_scores.hpp"

#include <gtest/gtest.h>

#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// One edge, two activations of one task.
taxonomy::Taxonomy small_definition() {
  using enum taxonomy::MeasureKind;
  taxonomy::Taxonomy t;
  const auto add = [&](const char* code, taxonomy::MeasureKind kind) {
    taxonomy::Measure measure;
    measure.code = measure.feature = code;
    measure.kind = kind;
    t.measures.push_back(measure);
    t.features.push_back({code, {code}});
  };
  add("E", intrinsic);
  add("A", activation);
  add("B", activation);
  t.scores = {{"edge", "", "", "", {"E"}, {}}, {"task", "", "", "", {"A", "B"}, {}}};
  return t;
}

class CohortScores : public testing::Test {
protected:
  CohortScores() {
    header_ = store::example::header();
    header_.measure = header_.feature = {"E", "A", "B"};
    header_.score = {"edge", "task"};
    header_.participant_columns = {"group"};
    config_.scores.min_reference = 3;
    for (int p = 0; p < 7; ++p) {
      store::PersonRecord person;
      person.participant_id = "sub-" + std::to_string(p);
      person.columns["group"] = p < 4 ? "control" : "patient";
      person.source = p == 3 || p == 5 ? "residual" : "rest";
      for (int m = 0; m < 3; ++m) person.measures.push_back({0.1 * p * (m + 1), 0.05, 0.9, ""});
      person.error_correlation = Eigen::MatrixXf::Identity(3, 3);
      people_.push_back(person);
    }
  }
  [[nodiscard]] store::CohortResults scored() {
    std::vector<std::filesystem::path> shards;
    for (const store::PersonRecord& person : people_) {
      shards.push_back(folder_.path() / (person.participant_id + ".h5"));
      store::write_shard(shards.back(), header_, person);
    }
    const auto file = folder_.path() / "cohort.h5";
    (void)store::merge_shards(shards, file, {"test", {}}, {});
    const store::CohortReader reader(file);
    store::CohortResults results;
    add_scores(reader, config_, small_definition(), results);
    return results;
  }

  store::TestFolder folder_;
  store::CohortHeader header_;
  config::Config config_;
  std::vector<store::PersonRecord> people_;
};

TEST_F(CohortScores, TaskFreeMeasuresOfAnotherSourceAreNotCompared) {
  const auto made = scored();
  EXPECT_EQ(made.reference.source, "rest"); // of three controls; one has residuals
  EXPECT_EQ(made.reference.n, (std::vector<std::int32_t>{3, 4, 4}));
  EXPECT_NEAR(made.reference.mean[0], 0.1, 1e-12); // 0, 0.1 and 0.2
  EXPECT_FALSE(std::isnan(made.scores.value(4, 0)));
  EXPECT_TRUE(std::isnan(made.scores.value(5, 0)));
  EXPECT_EQ(made.scores.reason[5][0], "from residual, the healthy reference's is from rest");
  EXPECT_FALSE(std::isnan(made.scores.value(5, 1))); // a task is a task
  EXPECT_EQ(made.scores.reason[5][1], "");
}

TEST_F(CohortScores, WithAsManyControlsOfEitherSourceRestIsTheReference) {
  people_[2].source = "residual";
  config_.scores.min_reference = 2;
  EXPECT_EQ(scored().reference.source, "rest");
}

TEST_F(CohortScores, MissingScoresNameTheReasonsOfTheirMembers) {
  for (int m : {1, 2})
    people_[6].measures[static_cast<std::size_t>(m)] = {kNaN, kNaN, kNaN, "task con absent"};
  people_[4].measures[1] = {kNaN, kNaN, kNaN, "no signal"};
  people_[4].measures[2] = {kNaN, kNaN, kNaN, "no event"};
  const auto made = scored();
  EXPECT_EQ(made.scores.reason[6][1], "task con absent");
  EXPECT_EQ(made.scores.reason[4][1], "A: no signal; B: no event");
  config_.scores.min_reference = 4; // the edge has three controls with rest
  const auto few = scored();
  EXPECT_EQ(few.scores.reason[0][0], "3 healthy people have it, expected at least 4");
}

} // namespace
} // namespace boldmill::graph
