// A made-up study for tests and benchmarks of the pages: shards and cohort.h5 of N people under
// OUT, hostile labels among them, with scores, predictions and one bad scan. Values from a seed.
//   example_study OUT N
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "pipeline/store/example_cohort.hpp"
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
    if (i != kBadScan) continue;
    run.tsnr = 14.0;
    run.mean_fd_mm = 1.4;
    run.mean_std_dvars = 2.2;
    run.coreg_dice = 0.71;
    run.status = "warning";
    run.reason = "mean FD 1.4 mm";
  }
  return person;
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
    store::write_shard(shards.back(), header, person);
  }
  const fs::path part = out / "cohort.h5.part";
  (void)store::merge_shards(shards, part, {"boldmill bids out group", {}}, {});
  store::write_cohort_results(part, study_results(static_cast<std::size_t>(n), header));
  store::publish(part, out / "cohort.h5");
  std::printf("%d people in %s, the bad scan is number %d\n", n, out.c_str(), kBadScan);
  return 0;
}
