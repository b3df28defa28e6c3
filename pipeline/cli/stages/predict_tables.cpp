#include "pipeline/cli/stages/predict_tables.hpp"

#include <limits>
#include <span>
#include <string>
#include <vector>

namespace boldmill::cli {
namespace {

namespace prediction = penalised_regression;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::span<const double> view(const Eigen::VectorXd& values) {
  return {values.data(), static_cast<std::size_t>(values.size())};
}

void write_predictions(const std::filesystem::path& file, const bids::Table& table,
                       const prediction::Outputs& out) {
  bids::TableWriter writer;
  if (table.has("participant_id")) writer.text("participant_id", table.text("participant_id"));
  writer.numbers("y", view(out.y))
      .numbers(out.binary ? "probability" : "prediction", view(out.prediction));
  const auto n = static_cast<Eigen::Index>(out.abstain.size());
  if (out.binary) {
    for (int label = 0; label < 2; ++label) {
      std::vector<std::int64_t> inside;
      for (Eigen::Index i = 0; i < n; ++i) inside.push_back(out.set(i, label));
      writer.integers("set_" + std::to_string(label), inside);
    }
  } else {
    writer.numbers("lower", view(out.lower)).numbers("upper", view(out.upper));
  }
  writer.numbers("relative_distance", view(out.distance));
  const std::vector<std::int64_t> abstain(out.abstain.begin(), out.abstain.end());
  writer.integers("abstain", abstain);
  for (Eigen::Index r = 0; r < out.fold.rows(); ++r) {
    const Eigen::VectorXi row = out.fold.row(r);
    const std::vector<std::int64_t> fold(row.begin(), row.end());
    writer.integers("fold_" + std::to_string(r), fold);
  }
  writer.write(file);
}

void write_metrics(const std::filesystem::path& file, const prediction::Outputs& out) {
  std::vector<std::string> names, methods, kinds;
  std::vector<double> value, lower, upper, p;
  std::vector<std::vector<double>> baseline(out.baseline_names.size());
  for (const auto& metric : out.metrics) {
    const bool primary = names.empty();
    names.push_back(metric.name);
    value.push_back(metric.value);
    lower.push_back(metric.lower);
    upper.push_back(metric.upper);
    methods.push_back(out.interval_method);
    p.push_back(primary ? out.p_value : kNaN);
    kinds.push_back(primary ? out.permutation_kind : "");
    for (std::size_t b = 0; b < baseline.size(); ++b) baseline[b].push_back(metric.baseline[b]);
  }
  const auto add_line = [&](const char* name, double v) {
    names.emplace_back(name);
    value.push_back(v);
    methods.emplace_back();
    kinds.emplace_back();
    for (auto* column : {&lower, &upper, &p}) column->push_back(kNaN);
    for (auto& column : baseline) column.push_back(kNaN);
  };
  add_line("calibration_slope", out.calibration.slope);
  add_line("calibration_intercept", out.calibration.intercept);
  bids::TableWriter writer;
  writer.text("metric", names).numbers("value", value).numbers("lower", lower);
  writer.numbers("upper", upper).numbers("p_permutation", p).text("permutation", kinds);
  for (std::size_t b = 0; b < baseline.size(); ++b) {
    writer.numbers("baseline_" + out.baseline_names[b], baseline[b]);
  }
  writer.text("interval", methods).write(file);
}

void write_coefficients(const std::filesystem::path& file, const prediction::Outputs& out) {
  bids::TableWriter writer;
  writer.text("feature", out.feature_names).numbers("coefficient", view(out.coefficient));
  writer.numbers("fold_mean", view(out.coefficient_fold_mean));
  writer.numbers("fold_sd", view(out.coefficient_fold_sd)).write(file);
}

void write_increment(const std::filesystem::path& file, const prediction::Outputs& out) {
  const prediction::Increment& increment = out.increment;
  if (increment.over.empty()) return;
  bids::TableWriter writer;
  writer.text("metric", {out.metrics[0].name}).text("over", {increment.over});
  writer.numbers("baseline", std::vector{increment.baseline});
  writer.numbers("baseline_and_model", std::vector{increment.together});
  writer.numbers("increment", std::vector{increment.difference});
  writer.numbers("p_permutation", std::vector{increment.p_value});
  writer.text("permutation", {out.permutation_kind}).write(file);
}

// By group, then over sites.
void write_groups(const std::filesystem::path& file, const prediction::Outputs& out) {
  std::vector<std::string> grouping, level;
  std::vector<std::int64_t> n;
  std::vector<double> value, lower, upper, i2, p;
  const auto add = [&](const std::string& g, const std::string& l, int count, double v, double low,
                       double high, double share, double q_p) {
    grouping.push_back(g);
    level.push_back(l);
    n.push_back(count);
    value.push_back(v);
    lower.push_back(low);
    upper.push_back(high);
    i2.push_back(share);
    p.push_back(q_p);
  };
  for (const auto& g : out.groups) {
    add(g.grouping, g.level, g.metric.n, g.metric.value, g.metric.lower, g.metric.upper, kNaN,
        kNaN);
  }
  const auto& pooled = out.pooled_sites;
  if (pooled.n_groups > 1) {
    add("site", "pooled over sites", pooled.n_groups, pooled.value, pooled.lower, pooled.upper,
        pooled.i2, pooled.q_p);
  }
  bids::TableWriter writer;
  writer.text("grouping", grouping).text("level", level).integers("n", n);
  writer.numbers(out.metrics[0].name, value).numbers("lower", lower).numbers("upper", upper);
  writer.numbers("i2", i2).numbers("p_heterogeneity", p).write(file);
}

void write_calibration(const std::filesystem::path& file, const prediction::Outputs& out) {
  std::vector<std::int64_t> n;
  std::vector<double> predicted, observed;
  for (const auto& bin : out.calibration_curve) {
    n.push_back(bin.n);
    predicted.push_back(bin.predicted);
    observed.push_back(bin.observed);
  }
  bids::TableWriter()
      .integers("n", n)
      .numbers("predicted", predicted)
      .numbers("observed", observed)
      .write(file);
}

void write_decision_curve(const std::filesystem::path& file, const prediction::Outputs& out) {
  std::vector<double> threshold, model, all;
  for (const auto& point : out.decision_curve) {
    threshold.push_back(point.threshold);
    model.push_back(point.model);
    all.push_back(point.all);
  }
  bids::TableWriter()
      .numbers("threshold", threshold)
      .numbers("net_benefit", model)
      .numbers("net_benefit_all", all)
      .write(file);
}

void write_contributions(const std::filesystem::path& file, const bids::Table& table,
                         const prediction::Outputs& out) {
  bids::TableWriter writer;
  if (table.has("participant_id")) writer.text("participant_id", table.text("participant_id"));
  for (std::size_t c = 0; c < out.contribution_names.size(); ++c) {
    const Eigen::VectorXd column = out.contribution.col(static_cast<Eigen::Index>(c));
    writer.numbers(out.contribution_names[c], view(column));
  }
  writer.write(file);
}

} // namespace

void write_prediction_tables(const std::filesystem::path& folder, const bids::Table& table,
                             const prediction::Outputs& out) {
  write_predictions(folder / "predictions.tsv", table, out);
  write_metrics(folder / "metrics.tsv", out);
  write_increment(folder / "increment.tsv", out);
  write_coefficients(folder / "coefficients.tsv", out);
  if (!out.groups.empty()) write_groups(folder / "groups.tsv", out);
  write_calibration(folder / "calibration.tsv", out);
  if (out.binary) write_decision_curve(folder / "decision_curve.tsv", out);
  if (!out.contribution_names.empty()) {
    write_contributions(folder / "contributions.tsv", table, out);
  }
  if (out.null.empty()) return;
  bids::TableWriter null;
  null.numbers(out.metrics[0].name, out.null);
  if (!out.increment.null.empty()) null.numbers("increment", out.increment.null);
  null.write(folder / "permutation_null.tsv");
}

} // namespace boldmill::cli
