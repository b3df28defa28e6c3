// What the cohort stages add to a merged file.
#include <algorithm>
#include <tuple>

#include "pipeline/store/group_record.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/reasons.hpp"
#include "pipeline/store/reliability.hpp"
#include "pipeline/store/result_tables.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::store {
namespace {

std::vector<double> metric_column(const PredictionRecord& record, double MetricRecord::*field) {
  std::vector<double> values;
  for (const MetricRecord& metric : record.metrics) values.push_back(metric.*field);
  return values;
}

void expect(std::size_t found, hsize_t expected, const std::string& what) {
  if (found == expected) return;
  throw Error(ErrorKind::internal, what + ": found " + std::to_string(found) +
                                       " values, expected " + std::to_string(expected));
}

// A vector or matrix that may be absent.
void write_vector(const Group& group, const std::string& name, const Dimension& dimension,
                  const std::vector<double>& values, const Attributes& attributes = {}) {
  if (values.empty()) return;
  expect(values.size(), dimension.size, group.path_of(name));
  group.write(name, {dimension}, Values(values), attributes);
}

void write_score_table(const Group& circuits, const std::string& name, const Dimensions& dimensions,
                       const ScoreTable& table, const std::string& fitted_on) {
  const auto write = [&](const std::string& suffix, const Eigen::MatrixXd& values) {
    if (values.size() == 0) return;
    circuits.write(name + suffix, dimensions, values, {{"fitted_on", fitted_on}});
  };
  write("", table.value);
  write("_se", table.se);
  write("_coverage", table.coverage);
  write("_se_run", table.se_run);
  if (!table.reason.empty()) write_reasons(circuits, name + "_", dimensions, table.reason);
}

void write_reference(const Group& circuits, const Group& root, const CohortResults& results) {
  const ReferenceRecord& reference = results.reference;
  if (reference.mean.empty()) return;
  const Group group = circuits.create("reference");
  group.attribute("axis", reference.axis);
  group.attribute("fitted_on", results.fitted_on);
  group.attribute("task_free_source", reference.source);
  const Dimension axis = root.existing_dimension(reference.axis);
  write_vector(group, "mean", axis, reference.mean);
  write_vector(group, "sd", axis, reference.sd);
  expect(reference.n.size(), axis.size, "circuits/reference/n");
  group.write("n", {axis}, Values(reference.n));
}

// Measures without holes, an axis `imputation` where there are several.
void write_completed(const Group& circuits, const Dimension& row, const Dimension& measure,
                     const CohortResults& results) {
  const auto rows = static_cast<hsize_t>(results.completed.rows());
  if (rows == 0) return;
  const hsize_t tables = rows / row.size;
  expect(static_cast<std::size_t>(results.completed.size()), tables * row.size * measure.size,
         "circuits/completed");
  const std::vector<double> values = row_major(results.completed);
  const Attributes attributes{
      {"fitted_on", results.fitted_on},
      {"long_name", "measures after imputation and harmonisation; `imputed` says which were "
                    "missing"}};
  if (tables == 1) {
    circuits.write("completed", {row, measure}, Values(values), attributes);
    return;
  }
  const Dimension imputation = circuits.dimension("imputation", static_cast<std::size_t>(tables));
  circuits.write("completed", {imputation, row, measure}, Values(values), attributes);
}

void write_outcomes(const Group& group, const Dimension& row, const PredictionRecord& record) {
  write_vector(group, "y", row, record.y);
  write_vector(group, "prediction", row, record.prediction);
  write_vector(group, "lower", row, record.lower);
  write_vector(group, "upper", row, record.upper);
  if (!record.class_name.empty()) {
    const Dimension classes = group.dimension("class", record.class_name);
    if (record.probability.size() > 0)
      group.write("probability", {row, classes}, record.probability);
    if (record.set.size() > 0) {
      expect(static_cast<std::size_t>(record.set.size()), row.size * classes.size,
             group.path_of("set"));
      group.write_flags("set", {row, classes}, row_major(record.set), "excluded included");
    }
  }
  if (!record.arm.empty()) {
    const Dimension arm = group.dimension("arm", record.arm);
    if (record.by_arm.size() > 0) group.write("by_arm", {row, arm}, record.by_arm);
  }
  if (!record.contribution_name.empty()) {
    const Dimension circuit = group.dimension("circuit", record.contribution_name);
    group.write("contribution", {row, circuit}, record.contribution);
  }
  if (!record.abstain.empty()) {
    expect(record.abstain.size(), row.size, group.path_of("abstain"));
    group.write_flags("abstain", {row}, record.abstain, "predicted abstained");
  }
  if (!record.abstain_reason.empty()) {
    expect(record.abstain_reason.size(), row.size, group.path_of("abstain_reason"));
    group.write("abstain_reason", {row}, record.abstain_reason);
  }
  if (record.fold.size() > 0) {
    expect(static_cast<std::size_t>(record.fold.cols()), row.size, group.path_of("fold"));
    const Dimension repeat =
        group.dimension("repeat", static_cast<std::size_t>(record.fold.rows()));
    group.write("fold", {repeat, row}, Values(row_major(record.fold)),
                {{"long_name", "test fold of a row, -1 when it took no part"}});
  }
}

void write_model(const Group& group, const PredictionRecord& record) {
  if (!record.coefficient_name.empty()) {
    const Dimension term = group.dimension("term", record.coefficient_name);
    write_vector(group, "coefficient", term, record.coefficient);
    if (record.fold_coefficient.size() > 0) {
      const Dimension model =
          group.dimension("fold_model", static_cast<std::size_t>(record.fold_coefficient.rows()));
      group.write("fold_coefficient", {model, term}, record.fold_coefficient);
    }
  }
  if (!record.metrics.empty()) {
    std::vector<std::string> names;
    for (const MetricRecord& metric : record.metrics) names.push_back(metric.name);
    const Dimension metric = group.dimension("metric", names);
    write_vector(group, "metric_value", metric, metric_column(record, &MetricRecord::value));
    write_vector(group, "metric_lower", metric, metric_column(record, &MetricRecord::lower));
    write_vector(group, "metric_upper", metric, metric_column(record, &MetricRecord::upper));
    write_vector(group, "metric_p_permutation", metric,
                 metric_column(record, &MetricRecord::p_permutation));
  }
  if (!record.permutation_null.empty()) {
    const Dimension permutation = group.dimension("permutation", record.permutation_null.size());
    write_vector(group, "permutation_null", permutation, record.permutation_null,
                 {{"metric", record.null_metric}});
  }
  if (!record.model_card.empty()) group.scalar("model_card", record.model_card);
}

void write_predictions(const Group& root, const Dimension& row,
                       const std::vector<PredictionRecord>& predictions) {
  std::vector<const PredictionRecord*> sorted;
  for (const PredictionRecord& record : predictions) sorted.push_back(&record);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return std::tie(a->target, a->model, a->cv) < std::tie(b->target, b->model, b->cv);
  });
  for (const PredictionRecord* record : sorted) {
    const Group group = root.open_or_create("cohort")
                            .open_or_create("predictions")
                            .open_or_create(record->target)
                            .open_or_create(record->model)
                            .create(record->cv);
    group.attribute("target", record->target);
    group.attribute("model", record->model);
    group.attribute("cv", record->cv);
    group.attribute("interval_level", record->interval_level);
    write_outcomes(group, row, *record);
    write_model(group, *record);
  }
}

// The edges are a kind of connectivity; what they were fitted with stands apart.
void write_tangents(const File& file, const Group& root, const Dimension& row,
                    const std::vector<TangentRecord>& tangents, const std::string& fitted_on) {
  const Attributes fitted{{"fitted_on", fitted_on}};
  for (const TangentRecord& record : tangents) {
    const Group edges = Group::open(file, "/connectivity/" + safe_name(record.source) + "/" +
                                              safe_name(record.atlas));
    const Dimension edge = edges.existing_dimension("edge");
    expect(static_cast<std::size_t>(record.edges.size()), row.size * edge.size, "tangent");
    edges.write("tangent", {row, edge}, Values(record.edges.data()), fitted);
    const Group group = root.open_or_create("cohort")
                            .open_or_create("tangent")
                            .open_or_create(record.source)
                            .create(record.atlas);
    group.attribute("n_people", record.n_people);
    const auto n_regions = static_cast<std::size_t>(record.mean.rows());
    expect(static_cast<std::size_t>(record.diagonal.size()), row.size * n_regions,
           "tangent, diagonal");
    const Dimension region = group.dimension("region", n_regions);
    const Dimension other = group.dimension("other_region", n_regions);
    group.write("mean", {region, other}, record.mean, fitted);
    group.write("diagonal", {row, region}, Values(record.diagonal.data()), fitted);
  }
}

void write_qc_fc(const Group& root, const std::vector<QcFcRecord>& records) {
  for (const QcFcRecord& record : records) {
    const Group group = root.open_or_create("cohort")
                            .open_or_create("qc_fc")
                            .open_or_create(record.source)
                            .create(record.atlas);
    group.attribute("kind", record.kind);
    group.attribute("n_people", record.n_people);
    std::string covariates;
    for (const std::string& name : record.covariates) {
      covariates += (covariates.empty() ? "" : ", ") + name;
    }
    group.attribute("covariates", covariates);
    const Dimension edge = group.dimension("edge", record.r.size());
    write_vector(group, "r", edge, record.r,
                 {{"long_name", "correlation over people with mean framewise displacement"}});
    write_vector(group, "p", edge, record.p);
    std::vector<std::string> names;
    std::vector<double> value, p;
    for (const MetricRecord& metric : record.summary) {
      names.push_back(metric.name);
      value.push_back(metric.value);
      p.push_back(metric.p_permutation);
    }
    const Dimension summary = group.dimension("summary", names);
    write_vector(group, "summary_value", summary, value);
    write_vector(group, "summary_p_permutation", summary, p);
    for (const auto& [name, values] : record.null) {
      if (values.empty()) continue;
      const Dimension permutation = group.dimension(name + "_permutation", values.size());
      write_vector(group, name + "_null", permutation, values);
    }
  }
}

void write_not_done(const Group& root, const std::vector<NotDone>& not_done) {
  if (not_done.empty()) return;
  std::vector<std::string> analysis, reason;
  for (const NotDone& entry : not_done) {
    analysis.push_back(entry.analysis);
    reason.push_back(entry.reason);
  }
  const Group group = root.open_or_create("cohort").create("not_done");
  const Dimension entry = group.dimension("entry", analysis.size());
  group.write("analysis", {entry}, analysis);
  group.write("reason", {entry}, reason);
}

} // namespace

void write_cohort_results(const std::filesystem::path& part, const CohortResults& results) {
  const Hdf5Lock lock;
  File file(part, File::Mode::modify);
  {
    const Group root = Group::root(file);
    const Dimension row = root.existing_dimension("row");
    const Dimension measure = root.existing_dimension("measure");
    const Group circuits = Group::open(file, "/circuits");
    write_score_table(circuits, "features", {row, root.existing_dimension("feature")},
                      results.features, results.fitted_on);
    write_score_table(circuits, "scores", {row, root.existing_dimension("score")}, results.scores,
                      results.fitted_on);
    write_reference(circuits, root, results);
    if (results.imputed.size() > 0) {
      expect(static_cast<std::size_t>(results.imputed.size()), row.size * measure.size,
             "circuits/imputed");
      circuits.overwrite("imputed", Values(row_major(results.imputed)));
    }
    write_completed(circuits, row, measure, results);
    write_predictions(root, row, results.predictions);
    write_tangents(file, root, row, results.tangents, results.fitted_on);
    write_qc_fc(root, results.qc_fc);
    if (results.reliability) write_reliability(root, *results.reliability, results.fitted_on);
    for (const TableRecord& table : results.tables) write_result_table(root, table);
    for (const GroupRecord& group : results.groups) {
      write_group(root, root.open_or_create("cohort"), group);
    }
    write_not_done(root, results.not_done);
  }
  file.close();
}

} // namespace boldmill::store
