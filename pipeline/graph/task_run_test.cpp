#include "pipeline/graph/task_run.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/graph/task_free.hpp"
#include "stages/core/random.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kVolumes = 200;
constexpr double kTr = 2.0;

taxonomy::Taxonomy small_definition() {
  using enum taxonomy::MeasureKind;
  taxonomy::Taxonomy t;
  t.name = "small";
  t.tasks["faces"] = {.description = "faces",
                      .labels = {"faces"},
                      .conditions = {{"fear", {"fear*"}}, {"calm", {"neutral"}}},
                      .modulators = {},
                      .contrasts = {{"fear_vs_calm", {{"fear", 1.0}, {"calm", -1.0}}}}};
  for (const char* code : {"A", "B", "C"}) {
    taxonomy::Region region;
    region.code = region.mask = code;
    t.regions.push_back(region);
  }
  const auto add = [&](const char* code, taxonomy::MeasureKind kind, const char* a, const char* b) {
    taxonomy::Measure measure;
    measure.code = measure.feature = code;
    measure.kind = kind;
    measure.task = kind == intrinsic ? "rest" : "faces";
    measure.contrast = kind == intrinsic ? "" : "fear_vs_calm";
    measure.region_a = a;
    measure.region_b = b;
    t.measures.push_back(measure);
  };
  add("AB", intrinsic, "A", "B");
  add("A", activation, "A", "");
  add("B", activation, "B", "");
  add("ABp", ppi, "A", "B");
  add("BAp", ppi, "B", "A");
  add("CAp", ppi, "C", "A");
  return t;
}

// Blocks of 20 s, one after another: fear, neutral, nothing.
std::vector<bids::Event> blocks(double until_s = kTr * kVolumes) {
  std::vector<bids::Event> events;
  const char* types[] = {"fear", "neutral"};
  for (int i = 0; 60.0 * i / 2 + 20.0 <= until_s; ++i) {
    events.push_back({30.0 * i, 20.0, types[i % 2], kNaN, 1.0, {}});
  }
  return events;
}

class TaskRunTest : public testing::Test {
protected:
  TaskRunTest() {
    config_.nuisance_regression.strategy = "custom";
    config_.nuisance_regression.columns = {"trans_x"};
    config_.nuisance_regression.min_dof = 10;
    run_.n_volumes = kVolumes;
    run_.tr_s = kTr;
    run_.slice_reference_s = kNaN;
    run_.confound_names = {"trans_x", "framewise_displacement"};
    Random random(3);
    run_.confounds = Eigen::MatrixXd::NullaryExpr(kVolumes, 2, [&] { return random.normal(); });
    run_.confounds.col(1).setConstant(0.1);
    run_.coverage = {{1.0, 0.9, 0.6}};
    series_ = Eigen::MatrixXd::NullaryExpr(kVolumes, 3, [&] { return random.normal(); });
    keep_.assign(kVolumes, 1);
    set(series_);
  }

  // Percent around a mean of 500.
  void set(const Eigen::MatrixXd& percent) {
    run_.series = {(5.0 * percent.array() + 500.0).matrix().cast<float>()};
  }
  [[nodiscard]] TaskRun model() const {
    TaskRunInputs inputs;
    inputs.taxonomy = &taxonomy_;
    inputs.task = "faces";
    inputs.run_id = "run-1";
    inputs.events = &events_;
    inputs.run = &run_;
    inputs.regions = &regions_;
    inputs.keep = keep_;
    return {inputs, config_, {}};
  }
  [[nodiscard]] circuits::RunEstimate estimate(const std::string& code) const {
    return find(model().estimate(keep_, false), code).estimate;
  }
  [[nodiscard]] const MeasureOfRun& find(const std::vector<MeasureOfRun>& all,
                                         const std::string& code) const {
    for (const MeasureOfRun& each : all) {
      if (taxonomy_.measures[each.measure].code == code) return each;
    }
    throw Error(ErrorKind::internal, "no measure " + code);
  }
  // The design's own column of a condition.
  [[nodiscard]] Eigen::VectorXd response(const std::string& condition) const {
    const auto made = model();
    const auto& design = made.design();
    for (std::size_t c = 0; c < design.columns.size(); ++c) {
      if (design.columns[c].name == condition) {
        return design.matrix.col(static_cast<Eigen::Index>(c));
      }
    }
    throw Error(ErrorKind::internal, "no column " + condition);
  }
  [[nodiscard]] std::string refusal() const {
    try {
      (void)model();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  taxonomy::Taxonomy taxonomy_ = small_definition();
  std::vector<std::string> regions_{"A", "B", "C"};
  config::Config config_;
  RunResult run_;
  Eigen::MatrixXd series_;
  std::vector<bids::Event> events_ = blocks();
  std::vector<std::uint8_t> keep_;
};

TEST_F(TaskRunTest, ActivationAddsUpToWhatWasPutInInPercent) {
  const auto before = estimate("A");
  const Eigen::VectorXd added =
      1.5 * response("fear") + 0.25 * response("calm") + 3.0 * run_.confounds.col(0);
  Eigen::MatrixXd more = series_;
  more.col(0) += added;
  set(more);
  const auto after = estimate("A");
  // The mean moves by about 0.7 %, and percent with it; noise weights may move a step.
  EXPECT_NEAR(after.value - before.value, 1.25, 0.03);
  EXPECT_NEAR(after.se, before.se, 0.2 * before.se);
  EXPECT_GT(before.se, 0.0);
  EXPECT_LT(std::abs(before.value), 4.0 * before.se);
  EXPECT_EQ(before.coverage, 1.0);
  config_.glm.percent_signal = false; // five units of the image to the percent
  config_.glm.noise = "ols";
  const auto raw = estimate("A");
  set(series_);
  EXPECT_NEAR(raw.value - estimate("A").value, 5.0 * 1.25, 1e-3); // float series around 500
}

TEST_F(TaskRunTest, InteractionFollowsTheConditionsCouplingInBothDirections) {
  // B follows A during fear alone: what it has of A is a product on the volumes' grid.
  config_.ppi.deconvolution = "none";
  Eigen::MatrixXd coupled = series_;
  const Eigen::VectorXd fear = response("fear");
  coupled.col(1) += (0.8 * fear.array() * series_.col(0).array()).matrix();
  set(coupled);
  const auto made = model().estimate(keep_, true);
  const auto& seed_a = find(made, "ABp");
  const auto& seed_b = find(made, "BAp");
  EXPECT_NEAR(seed_a.estimate.value, 0.8, 4 * seed_a.estimate.se);
  EXPECT_GT(seed_a.estimate.value, 4 * seed_a.estimate.se);
  EXPECT_GT(seed_b.estimate.value, 3 * seed_b.estimate.se);
  EXPECT_LT(std::abs(find(made, "CAp").estimate.value), 4 * find(made, "CAp").estimate.se);
  EXPECT_EQ(seed_a.estimate.coverage, 0.9); // the smaller of the two
  EXPECT_EQ(seed_a.influence.size(), kVolumes);
  // Influences of a fit add up to nothing, and their size is that of the standard error.
  EXPECT_NEAR(seed_a.influence.norm() / seed_a.estimate.se, 1.0, 0.3);
}

TEST_F(TaskRunTest, TheStandardErrorIsTheSpreadOverRuns) {
  double sum = 0.0, squares = 0.0, variance = 0.0;
  constexpr int kRuns = 60;
  for (int i = 0; i < kRuns; ++i) {
    Random random(static_cast<std::uint64_t>(100 + i));
    set(Eigen::MatrixXd::NullaryExpr(kVolumes, 3, [&] { return random.normal(); }));
    const auto made = estimate("ABp");
    sum += made.value;
    squares += made.value * made.value;
    variance += made.se * made.se / kRuns;
  }
  const double spread = squares / kRuns - std::pow(sum / kRuns, 2);
  EXPECT_NEAR(spread / variance, 1.0, 0.6); // 3 standard errors of a variance over 60 runs: 0.55
  EXPECT_LT(std::abs(sum / kRuns), 4 * std::sqrt(variance / kRuns));
}

TEST_F(TaskRunTest, OnsetsCountFromTheFirstStoredVolumeWhateverIsDropped) {
  Eigen::MatrixXd with = series_;
  with.col(0) += 2.0 * response("fear");
  set(with);
  const double all = estimate("A").value;
  run_.n_dummies = 4;
  for (int t = 0; t < 4; ++t) keep_[static_cast<std::size_t>(t)] = 0;
  run_.series[0].topRows(4).setConstant(9000.0F); // before the steady state
  EXPECT_NEAR(estimate("A").value, all, 0.15);    // 4 of 200 volumes
}

TEST_F(TaskRunTest, SlicesBroughtToTheStartMoveTheDesign) {
  const Eigen::VectorXd middle = response("fear"); // not corrected: task_model.slice_time_ref
  run_.slice_reference_s = 0.5 * kTr;
  EXPECT_EQ((response("fear") - middle).norm(), 0.0);
  run_.slice_reference_s = 0.0;
  EXPECT_GT((response("fear") - middle).norm(), 0.02 * middle.norm());
}

TEST_F(TaskRunTest, HalvesAreFittedOnTheirOwnVolumes) {
  const auto made = model();
  const auto first = find(made.estimate(half_of(keep_, false), false), "A").estimate;
  const auto second = find(made.estimate(half_of(keep_, true), false), "A").estimate;
  const auto whole = estimate("A");
  EXPECT_GT(first.se, whole.se);
  EXPECT_GT(second.se, whole.se);
  EXPECT_NEAR(0.5 * (first.value + second.value), whole.value, whole.se);
  const auto a = half_of(keep_, false);
  const auto b = half_of(keep_, true);
  for (std::size_t t = 0; t < a.size(); ++t) EXPECT_EQ(a[t] + b[t], 1);
}

TEST_F(TaskRunTest, ResidualsHoldNothingOfTheTask) {
  Eigen::MatrixXd with = series_;
  with.col(0) += 3.0 * response("fear");
  with.col(1) += 3.0 * response("fear");
  set(with);
  const auto made = model();
  const auto free = residual_run(run_, 0, keep_, made.task_columns(), config_, {});
  const auto nuisance = residual_run(run_, 0, keep_, Eigen::MatrixXd(kVolumes, 0), config_, {});
  const Eigen::VectorXd fear = response("fear");
  const auto with_task = [&](const Eigen::MatrixXf& series) {
    const Eigen::VectorXd x = series.col(0).cast<double>();
    return std::abs(x.dot(fear)) / (x.norm() * fear.norm());
  };
  EXPECT_LT(with_task(free.series), 1e-5); // float32
  EXPECT_GT(with_task(nuisance.series), 0.2);
  EXPECT_EQ(free.n_regressed, nuisance.n_regressed + 2);
}

TEST_F(TaskRunTest, ConditionsWithoutEventsMakeTheirContrastsMissing) {
  for (bids::Event& event : events_) {
    if (event.trial_type == "neutral") event.trial_type = "joy";
  }
  const auto made = model();
  EXPECT_EQ(estimate("A").reason, "condition calm: no event of it in this run");
  EXPECT_TRUE(std::isnan(estimate("ABp").value));
  EXPECT_EQ(made.design().conditions.back().name, "joy"); // modelled on its own
  config_.task_model.unlisted = "leave_out";
  const auto without = model();
  ASSERT_FALSE(without.notes().empty());
  EXPECT_NE(without.notes()[0].find("trial type 'joy' belongs to no condition"), std::string::npos);
  EXPECT_EQ(without.figures().at("task_faces_unmodelled_events"), 6.0);
}

TEST_F(TaskRunTest, BadEventsAreRefusedWithTheReason) {
  for (bids::Event& event : events_) event.trial_type.clear();
  EXPECT_EQ(refusal(), "its events have no entry in column 'trial_type'");
  events_ = blocks();
  taxonomy_.tasks["faces"].column = "stimulus";
  EXPECT_EQ(refusal(), "its events have no entry in column 'stimulus'");
  for (bids::Event& event : events_) event.other["stimulus"] = event.trial_type;
  EXPECT_EQ(refusal(), "");
  taxonomy_.tasks["faces"].column = "trial_type";
  for (bids::Event& event : events_) event.onset_s += 300.0;
  EXPECT_NE(refusal().find("events lie outside the run of 400"), std::string::npos);
  events_ = blocks();
  events_[0].duration_s = kNaN;
  EXPECT_NE(refusal().find("has no duration"), std::string::npos);
  events_[0].trial_type = "fixation"; // of no condition: left out and said
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(model().notes()[0], "1 events 'fixation' have no duration, not modelled");
  events_ = blocks();
  config_.task_model.unlisted = "refuse";
  events_[0].trial_type = "joy";
  EXPECT_EQ(refusal(), "trial type 'joy' belongs to no condition");
  config_.task_model.unlisted = "own_column";
  config_.task_model.min_volumes = 1000;
  EXPECT_NE(refusal().find("200 volumes are kept, task_model.min_volumes is 1000"),
            std::string::npos);
}

TEST_F(TaskRunTest, OverlappingBlocksAreModelledAndSaid) {
  events_[0].duration_s = 80.0; // runs into the next block of fear
  const auto made = model();
  ASSERT_FALSE(made.notes().empty());
  EXPECT_NE(made.notes()[0].find("begins before the one before it ends"), std::string::npos);
  EXPECT_TRUE(estimate("A").reason.empty());
}

TEST_F(TaskRunTest, RegionsWithoutCoverageOrSignalAreMissingAlone) {
  run_.coverage[0][0] = 0.3;
  EXPECT_EQ(estimate("A").reason, "region A has coverage 0.30, below 0.50");
  EXPECT_EQ(estimate("BAp").reason, "region A has coverage 0.30, below 0.50");
  EXPECT_TRUE(estimate("B").reason.empty());
  taxonomy_.regions[0].min_coverage = 0.2; // its own limit
  EXPECT_TRUE(estimate("A").reason.empty());
  run_.series[0].col(0).setConstant(std::nanf(""));
  EXPECT_EQ(estimate("ABp").reason, "region A has no finite, varying series");
  EXPECT_TRUE(estimate("B").reason.empty());
  run_.series[0].col(1).array() -= 600.0F;
  EXPECT_NE(estimate("B").reason.find("percent signal needs a positive one"), std::string::npos);
  regions_ = {"A", "X", "C"};
  EXPECT_EQ(estimate("B").reason, "region B was not extracted");
}

TEST_F(TaskRunTest, ConditionsThatCannotBeToldApartAreMissing) {
  // Every event of fear is one of calm at the same time.
  std::vector<bids::Event> both;
  for (const bids::Event& event : events_) {
    if (event.trial_type != "fear") continue;
    both.push_back(event);
    both.push_back(event);
    both.back().trial_type = "neutral";
  }
  events_ = both;
  EXPECT_EQ(estimate("A").reason,
            "contrast fear_vs_calm: not estimable: other columns of the design explain what it "
            "compares");
  EXPECT_NE(estimate("ABp").reason.find("cannot tell its interactions apart"), std::string::npos);
}

TEST_F(TaskRunTest, TooFewDegreesOfFreedomAreAReason) {
  config_.glm.min_dof = 195;
  EXPECT_NE(estimate("A").reason.find("degrees of freedom"), std::string::npos);
}

} // namespace
} // namespace boldmill::graph
