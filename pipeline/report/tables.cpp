#include <algorithm>
#include <cmath>

#include "pipeline/report/report.hpp"
#include "pipeline/report/table_file.hpp"

namespace boldmill::report {
namespace fs = std::filesystem;
namespace {

using Text = std::vector<std::string>;

void add_scores(TableFile& table, const store::ScoreTable& scores, const Text& names,
                const std::string& what) {
  for (std::size_t n = 0; n < names.size(); ++n) {
    const auto c = static_cast<Eigen::Index>(n);
    table.numbers(names[n], column(scores.value, c), what);
    if (scores.se.size() > 0)
      table.numbers(names[n] + "_se", column(scores.se, c),
                    "standard error of " + names[n] + " as far as it is known from within a run");
    if (scores.se_run.size() > 0)
      table.numbers(names[n] + "_se_run", column(scores.se_run, c),
                    "the same without the error of the healthy reference");
    if (scores.coverage.size() > 0)
      table.numbers(names[n] + "_coverage", column(scores.coverage, c), "coverage of " + names[n]);
    if (scores.reason.empty()) continue;
    Text reason;
    for (const Text& row : scores.reason) reason.push_back(row[n]);
    table.text(names[n] + "_reason", reason, "why " + names[n] + " is missing");
  }
}

void write_runs(const fs::path& out, const store::CohortReader& cohort,
                const store::ParticipantsTable& people, std::vector<fs::path>& written) {
  const store::RunTable runs = cohort.runs();
  Text participant, session;
  for (const auto row : runs.row) {
    participant.push_back(people.participant_id.at(static_cast<std::size_t>(row)));
    session.push_back(people.session_id.at(static_cast<std::size_t>(row)));
  }
  TableFile table;
  const auto text = [&](const char* name, std::string store::RunRecord::*field, const char* what) {
    Text values;
    for (const store::RunRecord& run : runs.run) values.push_back(run.*field);
    table.text(name, values, what);
  };
  const auto number = [&](const char* name, auto store::RunRecord::*field, const char* what,
                          const char* unit = "") {
    std::vector<double> values;
    for (const store::RunRecord& run : runs.run) values.push_back(run.*field);
    table.numbers(name, values, what, unit);
  };
  using Run = store::RunRecord;
  table.text("participant_id", participant, "participant").text("session_id", session, "session");
  text("run_id", &Run::run_id, "run");
  text("task", &Run::task, "task label");
  text("status", &Run::status, "ok, warning, excluded from the measures, or failed");
  text("reason", &Run::reason, "why not ok, and notes");
  text("distortion", &Run::distortion,
       "method of the susceptibility distortion correction, or none");
  number("tr_s", &Run::tr_s, "repetition time", "s");
  number("n_volumes", &Run::n_volumes, "volumes");
  number("n_kept", &Run::n_kept, "volumes left after dummies and censoring");
  number("mean_fd_mm", &Run::mean_fd_mm, "mean framewise displacement", "mm");
  number("fd_above_threshold", &Run::fd_above_threshold,
         "share of volumes above gates.fd_exclusion_mm");
  number("mean_std_dvars", &Run::mean_std_dvars, "mean standardised DVARS");
  number("slice_reference_s", &Run::slice_reference_s,
         "moment of the volume that slices were brought to; n/a: not corrected", "s");
  number("tsnr", &Run::tsnr, "median temporal SNR in the brain");
  number("coreg_dice", &Run::coreg_dice,
         "overlap of BOLD and T1w brain masks in the BOLD field of view");
  number("coreg_displacement_mm", &Run::coreg_displacement_mm,
         "how far BOLD and T1w lie from where their headers say, RMS over an 80 mm sphere", "mm");
  number("mirror_gain", &Run::mirror_gain,
         "mutual information gained by exchanging left and right; positive: suspicious");
  number("template_coverage", &Run::template_coverage,
         "share of the template's brain in the field of view");
  number("dropout", &Run::dropout, "share of the T1w's brain in the field of view without signal");
  number("fwhm_mm", &Run::fwhm_mm, "smoothness of the noise before interpolation, FWHM", "mm");
  number("t1w_mirror_gain", &Run::t1w_mirror_gain,
         "correlation of the T1w with the template gained by exchanging left and right: evidence "
         "only, see METHOD.md of affine");
  number("norm_dice", &Run::norm_dice, "overlap of T1w and template brain masks");
  number("norm_correlation", &Run::norm_correlation,
         "correlation of the warped T1w with the template");
  number("norm_min_jacobian", &Run::norm_min_jacobian, "smallest Jacobian determinant of the warp");
  number("norm_max_jacobian", &Run::norm_max_jacobian, "largest Jacobian determinant of the warp");
  number("dof_left", &Run::dof_left, "degrees of freedom left after nuisance regression");
  text("qc_decision", &Run::qc_decision, "a person's decision");
  text("qc_rater", &Run::qc_rater, "who decided");
  table.write(out, "runs", written);
}

// Run, task and status stand in runs.tsv; here one column for each value of /quality.
void write_quality(const fs::path& out, const store::CohortReader& cohort,
                   std::vector<fs::path>& written) {
  const store::RunTable runs = cohort.runs();
  if (runs.run.empty() || runs.run.front().quality.empty()) return;
  Text id;
  for (const store::RunRecord& run : runs.run) id.push_back(run.run_id);
  TableFile table;
  table.text("run_id", id, "run");
  for (const auto& [name, unused] : runs.run.front().quality) { // all runs of a file have the same
    std::vector<double> values;
    for (const store::RunRecord& run : runs.run) values.push_back(run.quality.at(name));
    const char* origin = name.starts_with("afni_") ? "as in AFNI's review" : "as in XCP-D or MRIQC";
    table.numbers(name, values, std::string(origin) + ", see METHOD.md of stages/denoise");
  }
  table.write(out, "quality", written);
}

void write_qc_fc(const fs::path& out, const store::CohortReader& cohort,
                 std::vector<fs::path>& written) {
  const auto records = cohort.qc_fc();
  if (records.empty()) return;
  Text source, atlas, kind, statistic;
  std::vector<double> n_people, value, p;
  for (const store::QcFcRecord& record : records) {
    for (const store::MetricRecord& metric : record.summary) {
      source.push_back(record.source);
      atlas.push_back(record.atlas);
      kind.push_back(record.kind);
      n_people.push_back(record.n_people);
      statistic.push_back(metric.name);
      value.push_back(metric.value);
      p.push_back(metric.p_permutation);
    }
  }
  TableFile table;
  table.text("source", source, "task").text("atlas", atlas, "atlas").text("kind", kind, "of edges");
  table.numbers("n_people", n_people, "people in the correlations");
  table.text("statistic", statistic,
             "median |r| of edges and mean framewise displacement over people; share of edges with "
             "p below qc_fc.alpha; Spearman's correlation of r and the distance of the regions");
  table.numbers("value", value, "of the statistic")
      .numbers("p_permutation", p, "with motion permuted over people");
  table.write(out, "qc_fc", written);
}

void write_reliability(const fs::path& out, const store::CohortReader& cohort,
                       std::vector<fs::path>& written) {
  const auto record = cohort.reliability();
  if (!record) return;
  TableFile table;
  table.text("measure", cohort.header().measure, "circuit measure");
  for (const store::ReliabilityColumn& column : store::reliability_columns()) {
    if (column.is_text) {
      table.text(column.name, record->texts.at(column.name), column.what);
    } else {
      table.numbers(column.name, record->numbers.at(column.name), column.what);
    }
  }
  table.write(out, "reliability", written);
}

std::string alphanumeric(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) out += c;
  }
  return out;
}

// A table of people by regions for each measure, and one of the numbers of whole graphs.
void write_regional(const fs::path& out, const store::CohortReader& cohort,
                    const store::ParticipantsTable& people, std::vector<fs::path>& written) {
  TableFile whole = people_table(people);
  bool any = false;
  for (const store::RegionalTable& measure : cohort.regional()) {
    const std::string where = measure.source + ", atlas " + measure.atlas;
    if (!measure.per_region) {
      any = true;
      whole.numbers(measure.source + "_" + measure.atlas + "_" + measure.name,
                    column(measure.values, 0), measure.name + ", " + where);
      continue;
    }
    const auto& atlases = cohort.header().atlases;
    const auto atlas = std::find_if(atlases.begin(), atlases.end(), [&](const auto& candidate) {
      return candidate.name == measure.atlas;
    });
    if (atlas == atlases.end()) continue;
    TableFile table = people_table(people);
    for (Eigen::Index r = 0; r < measure.values.cols(); ++r) {
      table.numbers(atlas->label.at(static_cast<std::size_t>(r)), column(measure.values, r),
                    measure.name + ", " + where);
    }
    table.write(out,
                bids::safe_component("task-" + alphanumeric(measure.source) + "_atlas-" +
                                     alphanumeric(measure.atlas) + "_stat-" +
                                     alphanumeric(measure.name) + "_bold"),
                written);
  }
  if (any) whole.write(out, "graphs", written);
}

void write_prediction(const fs::path& out, const store::PredictionRecord& p,
                      const store::ParticipantsTable& people, std::vector<fs::path>& written) {
  TableFile table = people_table(people);
  table.numbers("y", p.y, "the target " + p.target);
  if (!p.prediction.empty())
    table.numbers("prediction", p.prediction, "out-of-fold prediction, mean over repeats");
  for (std::size_t c = 0; c < p.class_name.size(); ++c) {
    table.numbers("probability_" + p.class_name[c],
                  column(p.probability, static_cast<Eigen::Index>(c)),
                  "out-of-fold probability of " + p.class_name[c]);
    if (p.set.size() > 0) {
      std::vector<double> in_set;
      for (Eigen::Index i = 0; i < p.set.rows(); ++i)
        in_set.push_back(p.set(i, static_cast<Eigen::Index>(c)));
      table.numbers("set_" + p.class_name[c], in_set,
                    "1 when " + p.class_name[c] + " is in the conformal set");
    }
  }
  if (!p.lower.empty()) {
    table.numbers("lower", p.lower, "lower end of the prediction interval");
    table.numbers("upper", p.upper, "upper end of the prediction interval");
  }
  table.numbers("abstain", {p.abstain.begin(), p.abstain.end()},
                "1 when the number is not to be used");
  if (!p.abstain_reason.empty()) table.text("abstain_reason", p.abstain_reason, "why");
  table.write(out, "predictions_" + bids::safe_component(p.target), written);

  TableFile metrics;
  Text name;
  std::vector<double> value, lower, upper, p_value;
  for (const auto& m : p.metrics) {
    name.push_back(m.name);
    value.push_back(m.value);
    lower.push_back(m.lower);
    upper.push_back(m.upper);
    p_value.push_back(m.p_permutation);
  }
  metrics.text("metric", name, "metric; _baseline_ names what a model without imaging reaches");
  metrics.numbers("value", value, "out of fold")
      .numbers("lower", lower, "95 % interval")
      .numbers("upper", upper, "95 % interval");
  metrics.numbers("p_permutation", p_value,
                  "p of the permutation of the imaging rows, whole procedure refitted");
  metrics.write(out, "metrics_" + bids::safe_component(p.target), written);
}

// "treatment/policies" becomes treatment_policies.tsv.
void write_result_table(const fs::path& out, const store::TableRecord& record,
                        const store::ParticipantsTable& people, std::vector<fs::path>& written) {
  TableFile table = record.axis == "row" ? people_table(people) : TableFile();
  for (const store::TableColumn& column : record.columns) {
    if (column.is_text) {
      table.text(column.name, column.text, column.what);
    } else {
      table.numbers(column.name, column.number, column.what);
    }
  }
  std::string name = record.path;
  for (char& c : name) c = c == '/' ? '_' : c;
  table.write(out, bids::safe_component(name), written);
}

} // namespace

std::vector<fs::path> write_scored_tables(const fs::path& out, const store::CohortReader& cohort,
                                          const store::CohortResults& results) {
  std::error_code code;
  fs::create_directories(out / "tables", code);
  std::vector<fs::path> written;
  const store::ParticipantsTable people = cohort.participants();
  TableFile table = people_table(people);
  add_scores(table, results.scores, cohort.header().score,
             "circuit score: mean of z-scores against the model's healthy group");
  table.write(out, "circuit_scores", written);
  for (const auto& one : results.tables) write_result_table(out, one, people, written);
  return written;
}

std::vector<fs::path> write_tables(const fs::path& out, const store::CohortReader& cohort) {
  std::error_code code;
  fs::create_directories(out / "tables", code);
  std::vector<fs::path> written;
  const store::ParticipantsTable people = cohort.participants();
  write_runs(out, cohort, people, written);
  write_quality(out, cohort, written);
  write_qc_fc(out, cohort, written);
  write_regional(out, cohort, people, written);

  store::MeasuresTable measures = cohort.measures();
  measures.table.reason = measures.reason;
  TableFile raw = people_table(people);
  raw.text("source", measures.source, "where the task-free measures come from");
  add_scores(raw, measures.table, cohort.header().measure,
             "raw circuit measure; task-free connectivity is Fisher z, activation and interaction "
             "contrasts of the first level");
  raw.write(out, "circuit_measures", written);

  if (const auto scores = cohort.scores()) {
    TableFile table = people_table(people);
    add_scores(
        table, *scores, cohort.header().score,
        "circuit score: mean of z-scores against the cohort's healthy group, positive is more");
    table.write(out, "circuit_scores", written);
  }
  write_reliability(out, cohort, written);
  write_norms(out, cohort, people, written);
  write_biotypes(out, cohort, people, written);
  for (const auto& prediction : cohort.predictions())
    write_prediction(out, prediction, people, written);
  for (const auto& table : cohort.result_tables()) write_result_table(out, table, people, written);
  return written;
}

} // namespace boldmill::report
