#include <gtest/gtest.h>

#include <cmath>

#include "stages/circuits/intrinsic_measures.hpp"
#include "stages/circuits/kernels/run_mean.hpp"
#include "stages/circuits/scores.hpp"
#include "stages/circuits/taxonomy.hpp"
#include "stages/core/pattern.hpp"
#include "stages/core/random.hpp"

namespace boldmill {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

taxonomy::Region region(const std::string& code, const std::string& mask) {
  taxonomy::Region out;
  out.code = code;
  out.mask = mask;
  return out;
}

taxonomy::Measure measure(const std::string& code, taxonomy::MeasureKind kind, const std::string& a,
                          const std::string& b, const std::string& feature) {
  taxonomy::Measure out;
  out.code = code;
  out.kind = kind;
  out.task = kind == taxonomy::MeasureKind::intrinsic ? "rest" : "faces";
  out.contrast = kind == taxonomy::MeasureKind::intrinsic ? "" : "fear_vs_neutral";
  out.region_a = a;
  out.region_b = b;
  out.feature = feature;
  return out;
}

// Two edges, one activation and a pair of interactions; regions A and A2 are the same voxels.
taxonomy::Taxonomy small() {
  using enum taxonomy::MeasureKind;
  taxonomy::Taxonomy t;
  t.name = "small";
  t.tasks["rest"].description = "rest";
  t.tasks["faces"] = {.description = "faces",
                      .labels = {"faces", "emo*"},
                      .conditions = {{"fear", {"fear"}}, {"neutral", {"neutral", "calm"}}},
                      .modulators = {},
                      .contrasts = {{"fear_vs_neutral", {{"fear", 1.0}, {"neutral", -1.0}}}}};
  t.regions = {region("A", "1"), region("B", "2"), region("C", "3"), region("A2", "1")};
  t.measures = {measure("AB", intrinsic, "A", "B", "AB"),
                measure("CA2", intrinsic, "C", "A2", "CA2"), measure("A", activation, "A", "", "A"),
                measure("ABa", ppi, "A", "B", "PAB"), measure("BAb", ppi, "B", "A", "PAB")};
  t.features = {{"AB", {"AB"}}, {"CA2", {"CA2"}}, {"A", {"A"}}, {"PAB", {"ABa", "BAb"}}};
  t.scores = {{"I", "", "", "", {"AB", "CA2"}, {-1.0, 1.0}}, {"T", "", "", "", {"A", "PAB"}, {}}};
  return t;
}

TEST(TaxonomyRules, NamesAreSaidInWords) {
  auto t = small();
  t.regions[0].name = "amygdala";
  t.regions[0].hemisphere = "L";
  t.regions[1].name = "precuneus";
  t.regions[1].hemisphere = "M";
  EXPECT_EQ(in_words(t, t.measures[0]), "connectivity of left amygdala and precuneus; task-free");
  EXPECT_EQ(in_words(t, t.measures[1]), "connectivity of C and A2; task-free"); // no names
  EXPECT_EQ(in_words(t, t.measures[2]),
            "activation of left amygdala; faces, contrast fear_vs_neutral");
  EXPECT_EQ(in_words(t, t.measures[3]), "interaction (PPI) of seed left amygdala with precuneus; "
                                        "faces, contrast fear_vs_neutral");
  EXPECT_EQ(in_words(t, t.features[0]), in_words(t, t.measures[0]));
  EXPECT_EQ(in_words(t, t.features[3]), "mean of ABa, BAb");
  t.scores[0].circuit = "Salience";
  t.scores[0].kind = "connectivity";
  EXPECT_EQ(in_words(t.scores[0]), "Salience, connectivity: mean of -1 * AB, CA2");
}

TEST(TaxonomyRules, SmallOneIsRightAndSharesRegions) {
  const auto t = small();
  EXPECT_TRUE(taxonomy::problems(t).empty());
  EXPECT_EQ(taxonomy::distinct_regions(t).size(), 3U);
  EXPECT_EQ(taxonomy::region_positions(t).at("A2"), 0U);
}

TEST(TaxonomyRules, EveryBrokenPartitionIsNamed) {
  const auto count_after = [](const auto& change) {
    auto t = small();
    change(t);
    return taxonomy::problems(t).size();
  };
  EXPECT_GT(count_after([](auto& t) { t.features.pop_back(); }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.scores.pop_back(); }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.measures[1].code = "AB"; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.measures[2].region_b = "B"; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.measures[0].region_b = ""; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.measures[0].feature = "CA2"; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.regions[0].code = "B"; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.scores[0].members.clear(); }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.measures[2].contrast = "anger_vs_neutral"; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.measures[2].task = "words"; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.tasks["faces"].contrasts[0].weights["joy"] = 1; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.tasks["faces"].contrasts[0].weights["fear"] = kNaN; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.tasks["faces"].conditions[0].trial_types = {}; }), 0U);
  EXPECT_GT(count_after([](auto& t) { t.tasks["faces"].conditions[0].name = "neutral"; }), 0U);
  EXPECT_GT(count_after([](auto& t) {
              t.tasks["faces"].conditions.push_back({"a=b", {"c"}});
            }),
            0U);
  EXPECT_THROW((void)taxonomy::measure_kind("tonic"), Error);
}

TEST(TaxonomyRules, LabelsAreMatchedByPatternAndContrastsFoundByName) {
  const auto t = small();
  const auto& faces = t.tasks.at("faces");
  EXPECT_TRUE(taxonomy::is_labelled(faces, "faces"));
  EXPECT_TRUE(taxonomy::is_labelled(faces, "emotion"));
  EXPECT_FALSE(taxonomy::is_labelled(faces, "Faces"));
  EXPECT_FALSE(taxonomy::is_labelled(t.tasks.at("rest"), "rest")); // told by input.rest_tasks
  ASSERT_NE(taxonomy::find_contrast(faces, "fear_vs_neutral"), nullptr);
  EXPECT_EQ(taxonomy::find_contrast(faces, "fear"), nullptr);
}

TEST(Pattern, StarsStandForAnyText) {
  EXPECT_TRUE(matches_pattern("a*c", "abcbc"));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("", ""));
  EXPECT_FALSE(matches_pattern("", "a"));
  EXPECT_TRUE(matches_pattern("*b*d*", "abcde"));
  EXPECT_FALSE(matches_pattern("*b*d", "abcde"));
  EXPECT_FALSE(matches_pattern("a*a", "a"));
  EXPECT_TRUE(matches_pattern(std::string(50, '*') + "z", std::string(5000, 'a') + "z"));
}

TEST(RunMean, FixedEffectsOfRunsAndTheirWeights) {
  using circuits::RunEstimate;
  const std::vector<RunEstimate> runs{{"1", 1.0, 0.1, 30, 0.9, ""},
                                      {"2", kNaN, kNaN, kNaN, kNaN, "no event"},
                                      {"3", 2.0, 0.2, 40, 0.7, ""}};
  const auto mean = circuits::run_mean(runs, true); // weights 100 and 25
  EXPECT_DOUBLE_EQ(mean.value, 1.2);
  EXPECT_DOUBLE_EQ(mean.se, 1 / std::sqrt(125.0));
  EXPECT_EQ(mean.dof, 70.0);
  EXPECT_EQ(mean.coverage, 0.7);
  EXPECT_TRUE(mean.reason.empty());
  EXPECT_DOUBLE_EQ(mean.weights[0], 0.8);
  EXPECT_EQ(mean.weights[1], 0.0);
  const auto equal = circuits::run_mean(runs, false);
  EXPECT_DOUBLE_EQ(equal.value, 1.5);
  EXPECT_DOUBLE_EQ(equal.se, std::sqrt(0.01 + 0.04) / 2);
  const auto none = circuits::run_mean(std::span(runs).subspan(1, 1), true);
  EXPECT_TRUE(std::isnan(none.value));
  EXPECT_EQ(none.reason, "2: no event");
}

intrinsic_measures::RunEdges run_edges() {
  return {"run-1", {0.1, 0.2, 0.3}, {0.05, 0.05, 0.05}, {0.9, 0.8, 1.0}}; // AB, AC, BC
}

std::vector<intrinsic_measures::Measure>
measures_of(const std::vector<intrinsic_measures::RunEdges>& runs) {
  const auto t = small();
  const intrinsic_measures::Inputs inputs{&t, {"A", "B", "C"}, runs, ""};
  return intrinsic_measures::run(inputs, {}, {}).measures;
}

TEST(IntrinsicMeasures, PicksEdgesByRegionAndNamesWhatIsMissing) {
  const auto m = measures_of({run_edges()});
  ASSERT_EQ(m.size(), 5U);
  EXPECT_EQ(m[0].value, 0.1);
  EXPECT_EQ(m[0].coverage, 0.8);
  EXPECT_EQ(m[1].value, 0.2); // C to A2 is C to A
  EXPECT_DOUBLE_EQ(m[1].se, 0.05);
  EXPECT_TRUE(std::isnan(m[2].value));
  EXPECT_EQ(m[2].reason, "task faces absent");
  EXPECT_EQ(measures_of({})[0].reason, "no task-free run");
}

TEST(IntrinsicMeasures, LowCoverageAndSilentRegionsAreMissingWithTheReason) {
  auto low = run_edges();
  low.coverage[1] = 0.2;
  EXPECT_TRUE(std::isnan(measures_of({low})[0].value));
  EXPECT_NE(measures_of({low})[0].reason.find("region B has coverage 0.20"), std::string::npos);
  EXPECT_EQ(measures_of({low})[1].value, 0.2);
  auto silent = run_edges();
  silent.fisher_z[0] = silent.fisher_z_se[0] = kNaN;
  EXPECT_NE(measures_of({silent})[0].reason.find("no correlation of A and B"), std::string::npos);
  silent.coverage[0] = kNaN;
  EXPECT_TRUE(std::isnan(measures_of({silent})[0].value));
}

TEST(IntrinsicMeasures, RunsAreWeightedByTheirPrecision) {
  auto second = run_edges();
  second.run_id = "run-2";
  second.fisher_z[0] = 0.4;
  second.fisher_z_se[0] = 0.1; // weights 400 and 100
  const auto m = measures_of({run_edges(), second});
  EXPECT_NEAR(m[0].value, (400 * 0.1 + 100 * 0.4) / 500, 1e-15);
  EXPECT_NEAR(m[0].se, 1 / std::sqrt(500.0), 1e-15);
  second.coverage[1] = 0.1; // then the first run alone counts, and says nothing
  EXPECT_EQ(measures_of({run_edges(), second})[0].value, 0.1);
  EXPECT_TRUE(measures_of({run_edges(), second})[0].reason.empty());
  second.coverage[1] = 1.0;
  second.fisher_z_se[0] = kNaN;
  EXPECT_NEAR(measures_of({run_edges(), second})[0].value, 0.25, 1e-15);
  EXPECT_TRUE(std::isnan(measures_of({run_edges(), second})[0].se));
  second.fisher_z.pop_back();
  EXPECT_THROW((void)measures_of({second}), Error);
}

struct Cohort {
  taxonomy::Taxonomy t = small();
  Eigen::MatrixXd controls, people, se;
  Cohort() : controls(12, 5), people(3, 5), se(Eigen::MatrixXd::Constant(3, 5, 0.2)) {
    Random random(1);
    for (double& v : controls.reshaped()) v = 3 + 2 * random.normal();
    for (double& v : people.reshaped()) v = 3 + 2 * random.normal();
  }
  [[nodiscard]] scores::Outputs apply(const scores::Params& params = {}) const {
    return scores::apply(scores::fit(controls, params), {&t, people, se, {}}, params);
  }
};

TEST(Scores, AreMeansOfFeaturesWhichAreMeansOfZ) {
  const Cohort c;
  const auto model = scores::fit(c.controls, {});
  const auto out = c.apply();
  const Eigen::MatrixXd z = (c.people.rowwise() - model.mean.transpose()).array().rowwise() /
                            model.sd.transpose().array();
  EXPECT_LT((out.z - z).norm(), 1e-12);
  EXPECT_NEAR(out.features(1, 3), 0.5 * (z(1, 3) + z(1, 4)), 1e-12);
  EXPECT_NEAR(out.scores(2, 0), 0.5 * (z(2, 0) + z(2, 1)), 1e-12);
  EXPECT_NEAR(out.scores(2, 1), 0.5 * (z(2, 2) + 0.5 * (z(2, 3) + z(2, 4))), 1e-12);
  EXPECT_NEAR(out.features_se_run(0, 3), 0.5 * std::hypot(0.2 / model.sd[3], 0.2 / model.sd[4]),
              1e-12);
  EXPECT_NEAR(out.scores_se_run(0, 0), 0.5 * std::hypot(0.2 / model.sd[0], 0.2 / model.sd[1]),
              1e-12);
  EXPECT_EQ(out.scores_coverage(0, 1), 1.0);
  EXPECT_TRUE(std::isnan(out.features_coverage(0, 0)));
  EXPECT_NEAR(c.apply({.use_orientation = true}).scores(0, 0), 0.5 * (z(0, 1) - z(0, 0)), 1e-12);
}

// var((a + b) / 2) = (va + vb + 2 r sqrt(va vb)) / 4; each row is asked for once, an empty matrix
// is independence.
TEST(Scores, ErrorsEnterWithTheCorrelationOfTheirRow) {
  const Cohort c;
  const auto model = scores::fit(c.controls, {});
  std::vector<Eigen::Index> asked;
  scores::Inputs inputs{&c.t, c.people, c.se, {}};
  inputs.error_correlation = [&asked](Eigen::Index row) -> Eigen::MatrixXd {
    asked.push_back(row);
    if (row == 2) return {};
    Eigen::MatrixXd r = Eigen::MatrixXd::Identity(5, 5);
    r(3, 4) = r(4, 3) = row == 0 ? 0.6 : -0.6;
    return r;
  };
  const auto out = scores::apply(model, inputs, {});
  EXPECT_EQ(asked, (std::vector<Eigen::Index>{0, 1, 2}));
  const double a = 0.2 / model.sd[3];
  const double b = 0.2 / model.sd[4];
  for (const auto& [row, r] : {std::pair{0, 0.6}, {1, -0.6}, {2, 0.0}}) {
    EXPECT_NEAR(out.features_se_run(row, 3), 0.5 * std::sqrt(a * a + b * b + 2 * r * a * b), 1e-12);
  }
  inputs.error_correlation = [](Eigen::Index) { return Eigen::MatrixXd::Identity(4, 4).eval(); };
  EXPECT_THROW((void)scores::apply(model, inputs, {}), Error);
}

TEST(Scores, ControlsScoreZeroWithSpreadOne) {
  const Cohort c;
  const auto model = scores::fit(c.controls, {});
  const auto out = scores::apply(model, {&c.t, c.controls, {}, {}}, {});
  EXPECT_LT(out.z.colwise().mean().norm(), 1e-12);
  EXPECT_NEAR(out.z.col(2).squaredNorm() / 11, 1.0, 1e-12);
  EXPECT_TRUE(std::isnan(out.scores_se(0, 0))); // unknown, not zero
}

TEST(Scores, DoNotDependOnTheUnitOfAMeasure) {
  Cohort c;
  const auto before = c.apply();
  c.controls.col(0) = c.controls.col(0) * 7.0 + Eigen::VectorXd::Constant(12, 5.0);
  c.people.col(0) = c.people.col(0) * 7.0 + Eigen::VectorXd::Constant(3, 5.0);
  c.se.col(0) *= 7.0;
  EXPECT_LT((c.apply().scores - before.scores).norm(), 1e-12);
  EXPECT_LT((c.apply().scores_se - before.scores_se).norm(), 1e-12);
}

TEST(Scores, OnePersonScoresTheSameAloneAndInABatch) {
  Cohort c;
  const auto all = c.apply();
  c.people = c.people.row(1).eval();
  c.se = c.se.row(1).eval();
  EXPECT_EQ(c.apply().scores.row(0), all.scores.row(1));
}

TEST(Scores, MissingFollowsTheRule) {
  Cohort c;
  c.people(0, 3) = kNaN;                  // one direction of the interaction
  c.people(1, 0) = kNaN;                  // one of two edges
  c.people(2, 2) = c.people(2, 3) = kNaN; // all of score T
  const auto out = c.apply();
  EXPECT_TRUE(std::isnan(out.features(0, 3)));
  EXPECT_EQ(out.scores(0, 1), out.features(0, 2));
  EXPECT_EQ(out.scores_coverage(0, 1), 0.5);
  EXPECT_EQ(out.scores(1, 0), out.features(1, 1));
  EXPECT_TRUE(std::isnan(out.scores(2, 1)));
  EXPECT_EQ(out.scores_coverage(2, 1), 0.0);
  const auto half = c.apply({.min_measure_share = 0.5});
  EXPECT_EQ(half.features(0, 3), half.z(0, 4));
  EXPECT_TRUE(std::isnan(c.apply({.min_feature_share = 1.0}).scores(1, 0)));
}

TEST(Scores, TooFewOrConstantControlsGiveNoScale) {
  Cohort c;
  c.controls.col(0).setConstant(2.0);
  c.controls.col(1).head(9).setConstant(kNaN);
  const auto model = scores::fit(c.controls, {});
  EXPECT_TRUE(std::isnan(model.sd[0]) && std::isnan(model.mean[1]));
  EXPECT_EQ(model.n[1], 3.0);
  EXPECT_TRUE(std::isnan(c.apply().scores(0, 0)));
  const auto empty = scores::fit(Eigen::MatrixXd(0, 5), {});
  EXPECT_EQ(empty.n.sum(), 0.0);
  EXPECT_THROW(
      (void)scores::apply(scores::fit(c.controls.leftCols(4), {}), {&c.t, c.people, {}, {}}, {}),
      Error);
}

TEST(Scores, RestandardisedMeansHaveUnitSpreadAmongControls) {
  const auto t = small();
  Random random(9);
  Eigen::MatrixXd controls =
      Eigen::MatrixXd::NullaryExpr(40, 5, [&] { return 2.0 + random.normal(); });
  controls.col(4) += 0.8 * controls.col(3); // the two directions go together
  const auto spread = [&](const scores::Params& params, bool of_scores) {
    const auto model = scores::fit(controls, params);
    const auto out = scores::apply(model, {&t, controls, {}, {}}, params);
    Eigen::VectorXd sd;
    const Eigen::MatrixXd& table = of_scores ? out.scores : out.features;
    sd = ((table.rowwise() - table.colwise().mean()).colwise().squaredNorm() / 39.0)
             .cwiseSqrt()
             .transpose();
    return sd;
  };
  EXPECT_LT(spread({}, false)[3], 0.99); // the pair
  EXPECT_NEAR(spread({}, false)[0], 1.0, 1e-12);
  const scores::Params features{.restandardise = "features"};
  EXPECT_LT((spread(features, false).array() - 1.0).abs().maxCoeff(), 1e-12);
  EXPECT_LT(spread(features, true).maxCoeff(), 0.99);
  const scores::Params all{.restandardise = "all"};
  EXPECT_LT((spread(all, true).array() - 1.0).abs().maxCoeff(), 1e-12);
}

} // namespace
} // namespace boldmill
