// A made-up study for tests and benchmarks of the pages: shards and cohort.h5 of N people under
// OUT, hostile labels among them, with scores, predictions and one bad scan. Values from a seed.
//   example_study OUT N
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/figures.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/shard.hpp"

namespace {

using namespace boldmill;
namespace fs = std::filesystem;
constexpr store::example::Sizes kSizes{.regions = 28, .volumes = 150, .runs = 1};
constexpr int kBadScan = 17;

store::CohortHeader study_header() {
  auto header = store::example::header(kSizes);
  header.config_json = R"({"input":{"group_column":"group","control_values":["control"]}})";
  header.participant_columns.push_back("group");
  const auto named = [](const char* stem, int n) {
    std::vector<std::string> out;
    for (int i = 1; i <= n; ++i) out.push_back(stem + std::to_string(i));
    return out;
  };
  header.measure = named("measure.", 51);
  header.feature = named("feature.", 41);
  header.score = {"DMN_C", "SAL_C", "ATT_C", "NEG_A", "NEG_C", "POS_A",
                  "POS_C", "COG_A", "COG_C", "S10",   "S11",   "</script>"};
  return header;
}

// The same run with a task of two conditions.
store::RunRecord task_run(store::RunRecord run) {
  run.run_id.replace(run.run_id.find("task-rest"), 9, "task-faces");
  run.task = "faces";
  run.design = {{"happy", "sad <b>"}, Eigen::MatrixXf::Zero(run.n_volumes, 2)};
  for (int t = 0; t < run.n_volumes; ++t) {
    run.design.values(t, t / 10 % 2) = static_cast<float>(std::sin(0.314 * (t % 10)));
  }
  return run;
}

// Stages one after the other, a run after the anatomy.
void add_resources(store::PersonRecord& person) {
  if (person.runs.empty()) return;
  std::string session = person.participant_id;
  if (!person.session_id.empty()) session += "_" + person.session_id;
  person.resources.clear();
  double start_s = 1.7e9;
  const auto add = [&](const char* stage, const std::string& item, double wall_s, double mb) {
    person.resources.push_back({stage, item, wall_s, 0.8 * wall_s, 1e6 * mb, start_s, 1.9});
    start_s += wall_s;
  };
  add("bias_field", session, 12.0, 410);
  add("normalization", session, 30.0, 620);
  for (const char* stage : {"head_motion", "coregistration", "confounds", "extraction"}) {
    add(stage, person.runs.front().run_id, 9.0, 900);
  }
}

store::PersonRecord study_person(int i, const store::CohortHeader& header) {
  auto person = store::example::person(i, header, kSizes);
  Random random(stream_seed(11, "study", person.participant_id));
  person.columns["group"] = i % 2 == 0 ? "control" : "patient <b>";
  for (auto& run : person.runs) {
    run.status = "ok";
    run.reason = "";
    run.mean_fd_mm = 0.08 + 0.08 * std::abs(random.normal());
    run.fd_above_threshold = 0.02 * std::abs(random.normal());
    run.mean_std_dvars = 1.1 + 0.05 * random.normal();
    run.tsnr = 60.0 + 6.0 * random.normal();
    run.coreg_dice = 0.93 + 0.01 * random.normal();
    run.norm_dice = 0.96 + 0.006 * random.normal();
    run.dropout = 0.03 + 0.008 * std::abs(random.normal());
    run.template_coverage = 0.98 + 0.004 * random.normal();
    run.fwhm_mm = 5.0 + 0.3 * random.normal();
    run.dof_left = 80.0 + 5.0 * random.normal();
    run.reason = "distortion not corrected";
    if (i != kBadScan) continue;
    run.tsnr = 14.0;
    run.mean_fd_mm = 1.4;
    run.mean_std_dvars = 2.2;
    run.coreg_dice = 0.71;
    run.status = "warning";
    run.reason = "mean FD 1.4 mm";
  }
  if (i == 2) person.runs.push_back(task_run(person.runs.front()));
  add_resources(person);
  return person;
}

// A ball of 30 mm, brighter to the right, and its right half as the first region.
store::ShardFigures study_volumes(const store::PersonRecord& person) {
  store::VolumeRecord ball{.name = "template", .space = "ball", .shape = {28, 28, 28}};
  ball.affine.diagonal().head<3>().setConstant(2.5);
  ball.affine.col(3).head<3>().setConstant(-33.75);
  store::VolumeRecord regions = ball;
  regions.name = "circuits";
  for (int v = 0; v < 28 * 28 * 28; ++v) {
    const double x = v % 28 - 13.5, y = v / 28 % 28 - 13.5, z = v / 784 - 13.5;
    const bool inside = x * x + y * y + z * z < 144.0;
    ball.grey.push_back(inside ? static_cast<std::uint8_t>(123.0 + 8.0 * x) : 0);
    regions.region.push_back(inside && x > 2.0 ? 1 : 0);
  }
  store::VolumeRecord t1w = ball, bold = ball;
  t1w.name = "t1w";
  bold.name = "bold";
  store::ShardFigures out;
  out.volumes = {{store::kTemplateFigures, {ball, regions}}, {store::kAnatomyFigures, {t1w}}};
  for (const auto& run : person.runs) out.volumes[run.run_id] = {bold};
  return out;
}

// A norm that the healthy people made, whose z the others leave by half an SD.
store::GroupRecord study_norms(std::size_t n, std::size_t n_measures, Random& random) {
  store::GroupRecord out{.path = "norms", .what = "made up", .fitted_on = "whole_cohort"};
  const std::vector<std::string> axes{"row", "measure"};
  store::NamedArray z{.name = "z", .what = "deviation", .axes = axes};
  store::NamedArray centile{.name = "centile", .what = "share below", .axes = axes};
  store::NamedArray se{.name = "z_se", .what = "error", .axes = axes};
  store::NamedArray expected{.name = "expected", .what = "median", .axes = axes};
  store::NamedArray in{.name = "in_reference", .axes = {"row"}, .is_integer = true};
  store::NamedArray age{.name = "age_outside", .axes = {"row"}, .is_integer = true};
  for (std::size_t row = 0; row < n; ++row) {
    const bool healthy = row % 2 == 1;
    in.integer.push_back(healthy);
    age.integer.push_back(row % 11 == 4);
    for (std::size_t m = 0; m < n_measures; ++m) {
      const double value = m == 7 ? NAN : random.normal() + (healthy ? 0.0 : 0.5);
      z.number.push_back(value);
      centile.number.push_back(0.5 * std::erfc(-value / std::sqrt(2.0)));
      se.number.push_back(0.15);
      expected.number.push_back(0.2);
    }
  }
  store::NamedArray spread{.name = "spread", .axes = {"measure"}};
  spread.number.assign(n_measures, 1.0);
  spread.number[7] = NAN;
  out.arrays = {z, centile, se, expected, in, age, spread};
  return out;
}

store::GroupRecord study_sites(const std::vector<std::string>& measures, Random& random) {
  store::GroupRecord out{.path = "harmonization", .what = "made up"};
  out.settings = {{"batch_column", "site"}};
  const std::vector<std::string> sites{"Aachen", "site <b>b</b>", "Cork"};
  out.axes = {{"column", measures.size(), measures, {}}, {"batch", sites.size(), sites, {}}};
  const std::vector<std::string> axes{"batch", "column"};
  store::NamedArray location{.name = "location", .axes = axes},
      scale{.name = "scale", .axes = axes};
  store::NamedArray raw{.name = "location_unshrunk", .axes = axes};
  store::NamedArray raw_scale{.name = "scale_unshrunk", .axes = axes};
  for (std::size_t b = 0; b < sites.size(); ++b) {
    for (std::size_t c = 0; c < measures.size(); ++c) {
      raw.number.push_back(static_cast<double>(b) - 1.0 + 0.4 * random.normal());
      location.number.push_back(0.9 * raw.number.back());
      raw_scale.number.push_back(1.0 + 0.3 * static_cast<double>(b));
      scale.number.push_back(1.0 + 0.25 * static_cast<double>(b));
    }
  }
  store::NamedArray sd{.name = "pooled_sd", .axes = {"column"}};
  sd.number.assign(measures.size(), 0.3);
  store::NamedArray people{.name = "n_rows", .axes = {"batch"}};
  people.number = {10, 8, 6};
  out.arrays = {location, scale, raw, raw_scale, sd, people};
  return out;
}

store::GroupRecord study_biotypes(std::size_t n, Random& random) {
  store::GroupRecord out{.path = "biotypes", .what = "made up", .fitted_on = "whole_cohort"};
  out.axes = {{"k_tested", 3, {}, {2, 3, 4}}, {"cluster", 2, {}, {}}, {"repetition", 99, {}, {}}};
  store::NamedArray label{.name = "label", .what = "cluster", .axes = {"row"}, .is_integer = true};
  store::NamedArray margin{.name = "margin", .what = "best minus second", .axes = {"row"}};
  store::NamedArray null{.name = "null_largest", .what = "of the null", .axes = {"repetition"}};
  for (std::size_t row = 0; row < n; ++row) {
    label.integer.push_back(row % 2 == 1 ? -1 : static_cast<std::int32_t>(row / 2 % 2));
    margin.number.push_back(std::abs(random.normal()));
  }
  store::NamedArray assigned = label;
  assigned.name = "assigned";
  for (int i = 0; i < 99; ++i) null.number.push_back(1.0 + 0.5 * random.normal());
  out.arrays = {label, assigned, margin, null};
  for (const char* name : {"stability", "co_assignment"}) {
    out.arrays.push_back({.name = name, .what = "share", .axes = {"row"}, .number = margin.number});
  }
  out.arrays.push_back(
      {.name = "silhouette_standardised", .axes = {"k_tested"}, .number = {0.8, 1.1, 0.2}});
  out.arrays.push_back({.name = "p", .number = {0.41}});
  out.arrays.push_back({.name = "n_people", .number = {12}});
  const auto text = [&out](const char* name, std::vector<std::string> axes,
                           std::vector<std::string> values) {
    out.arrays.push_back(
        {.name = name, .axes = std::move(axes), .text = std::move(values), .is_text = true});
  };
  text("verdict", {}, {"continuum"});
  text("verdict_in_words", {}, {"one continuum: no clusters beyond it"});
  text("profile_name", {"cluster"}, {"DMN_C", "<i>none</i>"});
  return out;
}

store::PredictionRecord classes_of(std::size_t n, Random& random) {
  store::PredictionRecord out;
  out.target = "group";
  out.model = "logistic";
  out.cv = "k_fold";
  out.class_name = {"control", "patient <b>"};
  out.probability.resize(static_cast<Eigen::Index>(n), 2);
  for (std::size_t row = 0; row < n; ++row) {
    const double y = row % 2 == 0 ? 1.0 : 0.0;
    const auto r = static_cast<Eigen::Index>(row);
    out.y.push_back(y);
    out.probability(r, 1) = 1.0 / (1.0 + std::exp(-(1.2 * (y - 0.5) + random.normal())));
    out.probability(r, 0) = 1.0 - out.probability(r, 1);
    out.abstain.push_back(row % 29 == 3);
  }
  out.contribution_name = {"DMN", "</script>", "SAL"};
  out.contribution = Eigen::MatrixXd(static_cast<Eigen::Index>(n), 3);
  for (double& value : out.contribution.reshaped()) value = 0.4 * random.normal();
  out.metrics = {{"AUC", 0.71, 0.6, 0.8, 0.01}, {"Brier", 0.21, 0.18, 0.25, NAN}};
  out.null_metric = "AUC";
  for (int i = 0; i < 200; ++i) out.permutation_null.push_back(0.5 + 0.05 * random.normal());
  out.model_card =
      R"({"target":"group","performance":{"metrics":[{"name":"AUC","value":0.71,"baseline_motion":0.55}]},
    "subgroups":[{"column":"site","group":"<img src=x onerror=alert(1)>","rows":40,"AUC":0.7}]})";
  return out;
}

store::PredictionRecord number_of(std::size_t n, Random& random) {
  store::PredictionRecord out;
  out.target = "rumination";
  out.model = "elastic_net";
  out.cv = "leave_site_out";
  out.interval_level = 0.9;
  for (std::size_t row = 0; row < n; ++row) {
    out.y.push_back(row % 10 == 7 ? NAN : 30.0 + 5.0 * random.normal());
    out.prediction.push_back(30.0 + 0.3 * (std::isnan(out.y.back()) ? 0.0 : out.y.back() - 30.0) +
                             2.0 * random.normal());
    out.lower.push_back(out.prediction.back() - 8.0);
    out.upper.push_back(out.prediction.back() + 8.0);
    out.abstain.push_back(row % 31 == 5);
  }
  out.metrics = {{"r2", 0.12, 0.02, 0.2, 0.02}};
  out.null_metric = "r2";
  for (int i = 0; i < 200; ++i) out.permutation_null.push_back(-0.05 + 0.04 * random.normal());
  out.model_card = R"({"target":"rumination"})";
  return out;
}

store::CohortResults study_results(std::size_t n, const store::CohortHeader& header) {
  auto out = store::example::results(n, header);
  Random random(stream_seed(12, "results", "1"));
  for (double& value : out.scores.value.reshaped()) value = random.normal();
  for (double& value : out.features.value.reshaped()) value = random.normal();
  out.scores.value(0, 0) = NAN;
  const std::size_t n_measures = header.measure.size();
  out.reference.mean.assign(n_measures, 0.1);
  out.reference.sd.assign(n_measures, 1.0);
  out.reference.n.assign(n_measures, 10);
  for (double& r : out.qc_fc[0].r) r = 0.05 + 0.12 * random.normal();
  out.predictions = {classes_of(n, random), number_of(n, random)};
  out.groups = {study_norms(n, n_measures, random), study_sites(header.measure, random),
                study_biotypes(n, random)};
  out.not_done.clear();
  out.tables.push_back({"site_association",
                        "tested_column",
                        "what site alone explains",
                        "",
                        {{"column", "of participants.tsv", true, {"group", "age"}, {}},
                         {"value", "0 none, 1 complete", false, {}, {0.12, 0.31}}}});
  return out;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const fs::path out(argv[1]);
  const int n = std::atoi(argv[2]);
  const auto header = study_header();
  std::vector<fs::path> shards;
  for (int i = 1; i <= n; ++i) {
    const auto person = study_person(i, header);
    fs::path folder = out / person.participant_id;
    if (!person.session_id.empty()) folder /= person.session_id;
    const std::string session =
        person.participant_id + (person.session_id.empty() ? "" : "_" + person.session_id);
    fs::create_directories(folder);
    shards.push_back(folder / (session + ".h5"));
    store::write_shard(shards.back(), header, person, study_volumes(person));
  }
  const fs::path part = out / "cohort.h5.part";
  (void)store::merge_shards(shards, part, {"boldmill bids out group", {}}, {});
  store::write_cohort_results(part, study_results(static_cast<std::size_t>(n), header));
  store::publish(part, out / "cohort.h5");
  std::printf("%d people in %s, the bad scan is number %d\n", n, out.c_str(), kBadScan);
  return 0;
}
