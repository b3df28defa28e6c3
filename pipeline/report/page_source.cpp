#include "pipeline/report/page_source.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/store/healthy.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::report {
namespace {

using Run = store::RunRecord;

std::vector<std::string> texts(const Json& config, const char* pointer) {
  std::vector<std::string> out;
  const Json values = config.value(Json::json_pointer(pointer), Json::array());
  for (const Json& value : values) {
    if (value.is_string()) out.push_back(value);
  }
  return out;
}

} // namespace

const std::vector<QualityMetric>& quality_metrics() {
  static const std::vector<QualityMetric> list{
      {"mean_fd_mm", "mean FD", "mm",
       "framewise displacement (Power, 50 mm sphere), mean over volumes", -1, "%.3f",
       [](const Run& r) { return r.mean_fd_mm; }},
      {"fd_above_threshold", "volumes above FD threshold", "share",
       "share of volumes whose framewise displacement is above the threshold", -1, "%.3f",
       [](const Run& r) { return r.fd_above_threshold; }},
      {"mean_std_dvars", "std DVARS", "",
       "standardised DVARS, mean over volumes: about 1 without artefacts", -1, "%.3f",
       [](const Run& r) { return r.mean_std_dvars; }},
      {"tsnr", "tSNR", "", "median over the brain of mean / SD in time, before denoising", 1,
       "%.1f", [](const Run& r) { return r.tsnr; }},
      {"coreg_dice", "BOLD to T1w Dice", "",
       "overlap of the BOLD brain mask with that of the T1w after coregistration", 1, "%.3f",
       [](const Run& r) { return r.coreg_dice; }},
      {"norm_dice", "T1w to template Dice", "",
       "overlap of the T1w brain mask with that of the template after normalisation", 1, "%.3f",
       [](const Run& r) { return r.norm_dice; }},
      {"dropout", "signal dropout", "share",
       "share of the brain inside the field of view that has no BOLD signal", -1, "%.3f",
       [](const Run& r) { return r.dropout; }},
      {"template_coverage", "brain in field of view", "share",
       "share of the template's brain inside the BOLD field of view", 1, "%.3f",
       [](const Run& r) { return r.template_coverage; }},
      {"fwhm_mm", "smoothness", "mm FWHM", "smoothness of the noise, geometric mean of the axes",
       -1, "%.2f", [](const Run& r) { return r.fwhm_mm; }},
      {"n_kept", "volumes kept", "", "volumes left after dummies and censoring", 1, "%.0f",
       [](const Run& r) { return static_cast<double>(r.n_kept); }},
      {"dof_left", "degrees of freedom left", "",
       "of a region's series after nuisance regression, filters and censoring", 1, "%.0f",
       [](const Run& r) { return r.dof_left; }}};
  return list;
}

std::string said_of(const store::RunRecord& run) {
  return run.status == "ok" && !run.reason.empty() ? "note: " + run.reason : run.reason;
}

Spread spread_of(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  Spread out;
  out.n = values.size();
  if (values.empty()) return {NAN, NAN, NAN, NAN, NAN, 0};
  out.q1 = quantile(values, 0.25);
  out.median = median(values);
  out.q3 = quantile(values, 0.75);
  out.low = out.q1 - 1.5 * (out.q3 - out.q1);
  out.high = out.q3 + 1.5 * (out.q3 - out.q1);
  return out;
}

namespace {

std::map<std::pair<std::string, std::string>, std::string>
meanings_of(const std::vector<store::TableRecord>& tables) {
  std::map<std::pair<std::string, std::string>, std::string> out;
  for (const auto& table : tables) {
    if (table.path != kCircuitNames) continue;
    std::map<std::string, std::vector<std::string>> column;
    for (const auto& one : table.columns) column[one.name] = one.text;
    const auto &level = column["level"], &name = column["name"], &meaning = column["meaning"];
    const std::size_t n = std::min({level.size(), name.size(), meaning.size()});
    for (std::size_t i = 0; i < n; ++i) out[{level[i], name[i]}] = meaning[i];
  }
  return out;
}

std::vector<std::pair<double, double>> healthy_bands(const std::optional<store::ScoreTable>& table,
                                                     const std::vector<std::uint8_t>& healthy) {
  std::vector<std::pair<double, double>> out;
  if (!table) return out;
  for (Eigen::Index c = 0; c < table->value.cols(); ++c) {
    std::vector<double> own;
    for (std::size_t row = 0; row < healthy.size(); ++row) {
      const double v = table->value(static_cast<Eigen::Index>(row), c);
      if (healthy[row] != 0 && std::isfinite(v)) own.push_back(v);
    }
    const bool enough = own.size() >= 5;
    out.emplace_back(enough ? quantile(own, 0.05) : NAN, enough ? quantile(own, 0.95) : NAN);
  }
  return out;
}

} // namespace

Stored::Stored(const store::CohortReader& reader, const ReportInfo& about)
    : cohort(reader), info(about), people(reader.participants()), runs(reader.runs()),
      measures(reader.measures()), scores(reader.scores()), features(reader.features()),
      predictions(reader.predictions()), tables(reader.result_tables()),
      norms(reader.group("norms")), biotypes(reader.group("biotypes")),
      methods(methods_text(reader, about)), not_done(reader.not_done()),
      config(Json::parse(reader.header().config_json, nullptr, false)) {
  if (!config.is_object()) config = Json::object();
  for (const auto& prediction : predictions) {
    Json card = Json::parse(prediction.model_card, nullptr, false);
    cards.push_back(card.is_object() ? std::move(card) : Json::object());
  }
  meanings = meanings_of(tables);
  const auto group_column = config.value("/input/group_column"_json_pointer, std::string("group"));
  const auto column = people.columns.find(group_column);
  group = column == people.columns.end() ? std::vector<std::string>(people.participant_id.size())
                                         : column->second;
  healthy = store::healthy_rows(people, group_column, texts(config, "/input/control_values"));
  score_bands = healthy_bands(scores, healthy);
  feature_bands = healthy_bands(features, healthy);
  std::map<std::string, std::map<std::string, std::vector<double>>> values;
  for (const Run& run : runs.run) {
    for (const QualityMetric& metric : quality_metrics()) {
      values[run.task][metric.key].push_back(metric.of(run));
    }
  }
  for (auto& [task, metrics] : values) {
    for (auto& [key, list] : metrics) spread[task][key] = spread_of(std::move(list));
  }
}

std::string Stored::meaning(const std::string& level, const std::string& name) const {
  const auto found = meanings.find({level, name});
  return found == meanings.end() ? "" : found->second;
}

std::string Stored::session(std::size_t row) const {
  return people.participant_id[row] +
         (people.session_id[row].empty() ? "" : "_" + people.session_id[row]);
}

std::string Stored::why_not(const std::string& analysis) const {
  for (const auto& item : not_done) {
    if (item.analysis == analysis) return item.reason;
  }
  return "";
}

std::string Stored::page(std::size_t row) const {
  return bids::safe_component(people.participant_id[row]) + ".html";
}

std::vector<const QualityMetric*> Stored::outlying(const Run& run) const {
  std::vector<const QualityMetric*> out;
  const auto of_task = spread.find(run.task);
  if (of_task == spread.end()) return out;
  for (const QualityMetric& metric : quality_metrics()) {
    const Spread& s = of_task->second.at(metric.key);
    const double value = metric.of(run);
    if (s.n < kLeastForOutliers || !std::isfinite(value)) continue;
    if (metric.better < 0 ? value > s.high : value < s.low) out.push_back(&metric);
  }
  return out;
}

} // namespace boldmill::report
