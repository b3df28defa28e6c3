#include "pipeline/graph/cohort_scores.hpp"

#include <gtest/gtest.h>

#include "pipeline/graph/cohort_reliability.hpp"
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
  // Shards, merged; what `add` makes of the file.
  template <class Add>
  [[nodiscard]] store::CohortResults made_by(Add&& add) {
    std::vector<std::filesystem::path> shards;
    for (const store::PersonRecord& person : people_) {
      shards.push_back(folder_.path() / (person.participant_id + person.session_id + ".h5"));
      store::write_shard(shards.back(), header_, person);
    }
    const auto file = folder_.path() / "cohort.h5";
    (void)store::merge_shards(shards, file, {"test", {}}, {});
    const store::CohortReader reader(file);
    store::CohortResults results;
    add(reader, comparable_measures(reader, config_, small_definition()), results);
    return results;
  }
  [[nodiscard]] store::CohortResults scored() {
    return made_by([this](const auto& reader, const auto& comparable, auto& results) {
      add_scores(reader, comparable, config_, small_definition(), results);
    });
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

// A model must not learn from one source and be asked about another.
TEST_F(CohortScores, PredictionsStartFromOneSourceToo) {
  const auto hidden = [this] {
    Eigen::MatrixXd measures;
    (void)made_by([&](const auto& reader, const auto& comparable, auto&) {
      measures = predictor_measures(reader, comparable, small_definition());
    });
    std::vector<int> rows; // without the edge
    for (Eigen::Index row = 0; row < measures.rows(); ++row) {
      if (std::isnan(measures(row, 0))) rows.push_back(static_cast<int>(row));
      EXPECT_FALSE(std::isnan(measures(row, 1))) << "activations have no such source";
    }
    return rows;
  };
  EXPECT_EQ(hidden(), (std::vector<int>{3, 5}));
  for (auto& person : people_) person.columns["group"] = "patient"; // nobody is healthy
  EXPECT_EQ(hidden(), (std::vector<int>{3, 5})) << "most people have rest";
  for (int p : {0, 1, 2}) people_[static_cast<std::size_t>(p)].source = "residual";
  EXPECT_EQ(hidden(), (std::vector<int>{4, 6})) << "most people have residuals";
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

// Sessions at y - 1 and y + 1: the mean square within people is 2.
TEST_F(CohortScores, RepeatedSessionsGiveTheErrorOfOneAndReliableChanges) {
  const auto first = people_;
  people_.clear();
  for (const store::PersonRecord& person : first) {
    for (const double shift : {-1.0, 1.0}) {
      people_.push_back(person);
      people_.back().source = "rest";
      people_.back().session_id = shift < 0.0 ? "ses-1" : "ses-2";
      people_.back().measures[0].value = 10.0 * person.measures[0].value + shift;
    }
  }
  config_.reliability.min_people = 5;
  config_.reliability.icc = {"A=0.75"};
  const auto made = made_by([this](const auto& reader, const auto& comparable, auto& results) {
    add_reliability(reader, comparable, config_, small_definition(), results, {});
  });
  const store::ReliabilityRecord& r = *made.reliability;
  EXPECT_EQ(r.numbers.at("n_people")[0], 7.0);
  EXPECT_EQ(r.texts.at("session_error")[0], "repeated sessions");
  EXPECT_NEAR(r.numbers.at("session_sd")[0], std::sqrt(2.0), 1e-12);
  EXPECT_TRUE(std::isnan(r.reliable_change(0, 0)));
  EXPECT_NEAR(r.reliable_change(1, 0), 1.0, 1e-12); // 2 over sqrt(2) sqrt(2)
  // Equal sessions have no error; a given ICC is not used where there are repeats.
  EXPECT_EQ(r.numbers.at("session_sd")[1], 0.0);
  EXPECT_TRUE(std::isnan(r.reliable_change(1, 1)));
}

TEST_F(CohortScores, WithoutRepeatsAGivenIccStandsInAndElseThereIsNone) {
  config_.reliability.min_people = 5;
  config_.reliability.icc = {"A=0.75"};
  const auto made = made_by([this](const auto& reader, const auto& comparable, auto& results) {
    add_reliability(reader, comparable, config_, small_definition(), results, {});
  });
  const store::ReliabilityRecord& r = *made.reliability;
  EXPECT_EQ(r.texts.at("session_error")[1], "given ICC");
  // 0, 0.2 .. 1.2 has the variance 0.04 * 14 / 3.
  EXPECT_NEAR(r.numbers.at("session_sd")[1], std::sqrt(0.25 * 0.04 * 14.0 / 3.0), 1e-9);
  EXPECT_EQ(r.texts.at("session_error")[2], "not available");
  EXPECT_TRUE(std::isnan(r.numbers.at("session_sd")[2]));
  // Of the edge, two of seven people have residuals where the reference has rest.
  EXPECT_EQ(r.numbers.at("n_people")[0], 5.0);
}

} // namespace
} // namespace boldmill::graph
