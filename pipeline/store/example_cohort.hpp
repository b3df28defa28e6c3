// A made-up cohort for tests of the store and of what reads it: every kind of content, names that
// are hostile to files and browsers, missing values, a person without a run. Values from a seed.
#pragma once

#include <limits>
#include <string>

#include "pipeline/store/records.hpp"
#include "stages/core/random.hpp"

namespace boldmill::store::example {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Sizes {
  int regions = 5; // of the first atlas; the second has three more
  int volumes = 12;
  int runs = 2;
};

inline AtlasRecord atlas(const std::string& name, int n) {
  AtlasRecord record;
  record.name = name;
  record.space = "MNI152";
  record.description = "warped <b>\"&'";
  for (int r = 0; r < n; ++r) {
    record.label.push_back(r == 1 ? "Gyrus é ../ <script>" : "Region_" + std::to_string(r));
    record.index.push_back(2 * r + 1);
    record.x_mm.push_back(-10.0 + r);
    record.y_mm.push_back(0.25 * r);
    record.z_mm.push_back(30.0);
    record.n_voxels.push_back(100 + r);
  }
  return record;
}

inline CohortHeader header(const Sizes& sizes = {}) {
  CohortHeader out{.created_by = "boldmill 0.1.0",
                   .build = "build-1",
                   .cpu_level = "x86-64-v3",
                   .config_json = R"({"denoise":{"strategy":"36P","high_pass_hz":0.008}})",
                   .config_sha256 = std::string(64, 'a'),
                   .taxonomy_sha256 = std::string(64, 'b'),
                   .cohort_id = "cohort-1",
                   .command = "boldmill bids out all",
                   .measure = {"ic.D1D2", "ic.S1S2", "act.NT1"},
                   .feature = {"D1D2", "S1S2", "NT1"},
                   .score = {"DMN-C", "SAL-C"},
                   .participant_columns = {"age", "site", "weird <b>/é", "empty"},
                   .atlases = {}};
  out.atlases = {atlas("circuits", sizes.regions), atlas("AAL ../x", sizes.regions + 3)};
  return out;
}

inline RunRecord run(const std::string& id, const Sizes& sizes, Random& random) {
  RunRecord out;
  out.run_id = id;
  out.task = "rest";
  out.tr_s = 2.5;
  out.n_volumes = sizes.volumes;
  out.n_kept = sizes.volumes - 1;
  out.mean_fd_mm = random.uniform(0.0, 0.4);
  out.tsnr = random.uniform(30.0, 80.0);
  out.norm_dice = kNaN;
  out.status = "warning";
  out.reason = "few volumes: <i>" + std::to_string(sizes.volumes) + "</i>";
  out.confound_names = {"csf", "white_matter", "framewise_displacement"};
  out.confounds = Eigen::MatrixXd(sizes.volumes, 3);
  for (double& value : out.confounds.reshaped()) value = random.normal();
  out.confounds(0, 2) = kNaN;
  out.kept.assign(static_cast<std::size_t>(sizes.volumes), 1);
  out.kept[0] = 0;
  const std::pair<std::string, int> atlases[] = {{"circuits", sizes.regions},
                                                 {"AAL ../x", sizes.regions + 3}};
  for (const auto& [name, n] : atlases) {
    ParcelSeries& series = out.series[name];
    series.values = Eigen::MatrixXf(sizes.volumes, n);
    for (float& value : series.values.reshaped()) value = static_cast<float>(random.normal());
    series.values.col(0).setConstant(std::numeric_limits<float>::quiet_NaN());
    series.denoised = 0.5F * series.values;
    series.denoised.row(0).setConstant(std::numeric_limits<float>::quiet_NaN());
    series.coverage.assign(static_cast<std::size_t>(n), 0.875);
  }
  return out;
}

// Person `number`; the fourth of every five has no run and no measures.
inline PersonRecord person(int number, const CohortHeader& head, const Sizes& sizes = {}) {
  Random random(stream_seed(7, "person", std::to_string(number)));
  PersonRecord out;
  std::string label = std::to_string(number);
  label.insert(0, 4 - std::min<std::size_t>(4, label.size()), '0');
  out.participant_id = "sub-" + label;
  out.session_id = number % 2 == 0 ? "" : "ses-a";
  out.columns = {{"age", std::to_string(20 + number) + ".5"},
                 {"site", number % 3 == 0 ? "" : "site <b>é</b>"},
                 {"weird <b>/é", "x\ty"},
                 {"empty", ""}};
  const bool empty = number % 5 == 3;
  const std::string prefix = out.participant_id + (out.session_id.empty() ? "" : "_ses-a");
  for (int r = 0; r < sizes.runs && !empty; ++r) {
    out.runs.push_back(run(prefix + "_task-rest_run-" + std::to_string(r + 1), sizes, random));
  }
  out.source = empty ? "" : "rest";
  for (std::size_t m = 0; m < head.measure.size(); ++m) {
    const bool missing = empty || m == 2;
    out.measures.push_back({missing ? kNaN : random.normal(), missing ? kNaN : 0.1,
                            missing ? 0.0 : 0.9, missing ? "no run of task faces" : "",
                            missing ? kNaN : 30.5, missing ? kNaN : random.normal()});
  }
  if (!empty) { // not symmetric, so that rows and columns are told apart
    const auto n = static_cast<Eigen::Index>(head.measure.size());
    out.error_correlation = Eigen::MatrixXf::NullaryExpr(
        n, n, [](Eigen::Index i, Eigen::Index j) { return static_cast<float>(10 * i + j); });
  }
  for (const AtlasRecord& region : head.atlases) {
    for (const char* kind : {"correlation", "fisher_z"}) {
      if (empty) break;
      ConnectivityRecord record{"rest", region.name, kind, {}, 2 * sizes.volumes - 2};
      const std::size_t n = region.label.size();
      for (std::size_t e = 0; e < n * (n - 1) / 2; ++e) record.edges.push_back(random.normal());
      out.connectivity.push_back(record);
    }
  }
  for (const AtlasRecord& region : head.atlases) {
    if (empty) break;
    RegionalRecord alff{"rest", region.name, "alff", true, {}};
    for (std::size_t r = 0; r < region.label.size(); ++r) alff.values.push_back(random.normal());
    out.regional.push_back(alff);
    out.regional.push_back({"rest", region.name, "modularity_q", false, {random.uniform()}});
  }
  out.stages = {{"denoise", 1, std::string(64, 'c')}, {"head_motion", 2, label}};
  out.inputs = {{"participants.tsv", 123, std::string(64, 'd')},
                {out.participant_id + "/func/bold.nii.gz", 5'000'000'000ULL, std::string(64, 'e')}};
  out.resources = {{"denoise", prefix, random.uniform(), random.uniform(), 1e6}};
  return out;
}

inline CohortResults results(std::size_t n_rows, const CohortHeader& head) {
  const auto n = static_cast<Eigen::Index>(n_rows);
  const auto n_scores = static_cast<Eigen::Index>(head.score.size());
  const auto n_features = static_cast<Eigen::Index>(head.feature.size());
  CohortResults out;
  out.features = {Eigen::MatrixXd::Constant(n, n_features, 0.5),
                  Eigen::MatrixXd::Constant(n, n_features, 0.1),
                  {}};
  out.scores = {Eigen::MatrixXd::Constant(n, n_scores, -1.25),
                Eigen::MatrixXd::Constant(n, n_scores, 0.2),
                Eigen::MatrixXd::Constant(n, n_scores, 0.9)};
  out.scores.value(0, 0) = kNaN;
  out.reference = {"measure", {0.1, 0.2, kNaN}, {1.0, 2.0, kNaN}, {10, 10, 0}};
  const auto n_regions = static_cast<Eigen::Index>(head.atlases[0].label.size());
  const auto n_edges = n_regions * (n_regions - 1) / 2;
  TangentRecord tangent;
  tangent.source = "rest";
  tangent.atlas = head.atlases[0].name;
  tangent.n_people = static_cast<std::int32_t>(n_rows);
  tangent.edges = TangentRecord::Rows::Constant(n, n_edges, 0.25);
  tangent.edges(0, 1) = kNaN;
  tangent.diagonal = TangentRecord::Rows::Constant(n, n_regions, -0.5);
  tangent.mean = Eigen::MatrixXd::Identity(n_regions, n_regions);
  out.tangents.push_back(tangent);
  QcFcRecord motion{"rest", head.atlases[0].name, "fisher_z", {}, {}, {}, {}, {"age", "sex"}, 4};
  motion.r.assign(static_cast<std::size_t>(n_edges), 0.125);
  motion.p.assign(static_cast<std::size_t>(n_edges), 0.5);
  motion.summary = {{"median_absolute_r", 0.125, kNaN, kNaN, 0.25},
                    {"distance_dependence", kNaN, kNaN, kNaN, kNaN}};
  motion.null = {{"median_absolute_r", {0.1, 0.2, 0.3}}};
  out.qc_fc.push_back(motion);
  ReliabilityRecord& reliability = out.reliability.emplace();
  for (const ReliabilityColumn& column : reliability_columns()) {
    if (column.is_text) {
      reliability.texts[column.name].assign(head.measure.size(), "");
      reliability.texts[column.name][0] = "2 people with repeated sessions";
    } else {
      reliability.numbers[column.name].assign(head.measure.size(), 0.5);
      reliability.numbers[column.name][1] = kNaN;
    }
  }
  reliability.reliable_change =
      Eigen::MatrixXd::Constant(n, static_cast<Eigen::Index>(head.measure.size()), 1.5);
  PredictionRecord regression;
  regression.target = "age <b>";
  regression.model = "elastic_net";
  regression.cv = "leave_site_out";
  regression.y.assign(n_rows, 30.0);
  regression.prediction.assign(n_rows, 31.5);
  regression.lower.assign(n_rows, 20.0);
  regression.upper.assign(n_rows, 40.0);
  regression.interval_level = 0.9;
  regression.abstain.assign(n_rows, 0);
  regression.abstain.back() = 1;
  regression.abstain_reason.assign(n_rows, "");
  regression.abstain_reason.back() = "no measure is <present>";
  regression.fold = Eigen::MatrixXi::Constant(3, n, -1);
  regression.coefficient_name = {"intercept", "ic.D1D2"};
  regression.coefficient = {30.0, 0.5};
  regression.fold_coefficient = Eigen::MatrixXd::Constant(2, 2, 1.0);
  regression.metrics = {{"r2", 0.1, -0.1, 0.3, 0.04}, {"mae", 5.0, kNaN, kNaN, kNaN}};
  regression.null_metric = "r2";
  regression.permutation_null = {0.0, 0.05, -0.1};
  regression.model_card = R"({"intended_use":"research <use> only"})";
  PredictionRecord classes;
  classes.target = "group";
  classes.model = "logistic";
  classes.cv = "k_fold";
  classes.y.assign(n_rows, 1.0);
  classes.class_name = {"control", "patient é"};
  classes.probability = Eigen::MatrixXd::Constant(n, 2, 0.5);
  classes.set = FlagMatrix::Constant(n, 2, 1);
  classes.arm = {"drug", "placebo"};
  classes.by_arm = Eigen::MatrixXd::Constant(n, 2, 0.25);
  out.predictions = {classes, regression};
  out.not_done = {{"biotypes", "4 people, expected at least 30"}};
  return out;
}

} // namespace boldmill::store::example
