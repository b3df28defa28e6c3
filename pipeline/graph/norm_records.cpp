// The normative model as arrays over measures.
#include <limits>

#include "pipeline/graph/record_parts.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using store::GroupRecord;

// One number a measure, NaN where there is no norm.
template <class Get>
store::NamedArray each(const char* name, const char* what, const normative_model::Model& m,
                       Get&& get) {
  std::vector<double> values;
  for (const normative_model::Measure& one : m.measures) {
    values.push_back(one.scale > 0.0 ? static_cast<double>(get(one)) : kNaN);
  }
  return list_of(name, what, "measure", values);
}

// A vector a measure.
template <class Get>
void add_rows(const char* name, const char* what, const char* axis, const normative_model::Model& m,
              Get&& get, GroupRecord& out) {
  Eigen::Index width = 0;
  for (const normative_model::Measure& one : m.measures) {
    if (one.scale > 0.0) width = get(one).size();
  }
  if (width == 0) return;
  Eigen::MatrixXd values =
      Eigen::MatrixXd::Constant(static_cast<Eigen::Index>(m.measures.size()), width, kNaN);
  for (std::size_t i = 0; i < m.measures.size(); ++i) {
    if (m.measures[i].scale > 0.0) {
      values.row(static_cast<Eigen::Index>(i)) = get(m.measures[i]).reshaped().transpose();
    }
  }
  out.axes.push_back({axis, static_cast<std::size_t>(width), {}, {}});
  out.arrays.push_back(array_of(name, what, {"measure", axis}, values));
}

void add_list(const char* name, const char* what, const char* axis, const Eigen::VectorXd& values,
              GroupRecord& out) {
  if (values.size() == 0) return;
  out.axes.push_back({axis, static_cast<std::size_t>(values.size()), {}, {}});
  out.arrays.push_back(array_of(name, what, {axis}, values));
}

Eigen::VectorXd optional_vector(const GroupRecord& record, const char* name) {
  return record.has(name) ? vector_from(record, name) : Eigen::VectorXd{};
}

} // namespace

GroupRecord record_of(const Norms& learned, const std::string& path) {
  const normative_model::Model& m = learned.model;
  GroupRecord out{.path = path,
                  .what = "normative model of the healthy people; equations: "
                          "METHOD.md of stages/cohort, normative_model"};
  out.settings = {stage_setting(normative_model::kStage),
                  parameters(m.params),
                  {"batch_column", learned.column},
                  {"age_covariate", std::to_string(m.age)}};
  const Coding& coding = learned.covariates;
  if (!coding.column.empty()) {
    out.axes.push_back({"covariate", coding.column.size(), coding.names(), {}});
    out.arrays.push_back(
        text_of("covariate_column", "of participants.tsv", {"covariate"}, coding.column));
    out.arrays.push_back(text_of("covariate_level", "1 for this text; empty: a number",
                                 {"covariate"}, coding.level));
    out.arrays.push_back(
        text_of("covariate_other", "the level without an indicator", {"covariate"}, coding.other));
    out.arrays.push_back(
        list_of("covariate_centre", "mean of the reference people", "covariate", coding.centre));
  }
  if (!m.batches.empty()) {
    std::vector<std::string> batch;
    for (const int id : m.batches) batch.push_back(learned.batch[static_cast<std::size_t>(id)]);
    out.axes.push_back({"batch", batch.size(), batch, {}});
  }
  add_list("knots", "of the spline of age", "knot", m.spline.knots, out);
  add_list("variance_knots", "of the log variance", "variance_knot", m.variance_spline.knots, out);
  add_list("linear_mean", "of covariates but age", "linear_covariate", m.linear_mean, out);
  if (m.linear_sd.size() > 0) {
    out.arrays.push_back(
        array_of("linear_sd", "of covariates but age", {"linear_covariate"}, m.linear_sd));
  }
  std::vector<std::int32_t> n;
  for (const auto& one : m.measures) n.push_back(one.n);
  out.arrays.push_back(integers_of("n", "reference people with the measure", {"measure"}, n));
  using Measure = normative_model::Measure;
  out.arrays.push_back(each("centre", "of u = (x - centre) / spread; missing: no norm", m,
                            [](const Measure& one) { return one.centre; }));
  out.arrays.push_back(each("spread", "of u", m, [](const Measure& one) { return one.scale; }));
  out.arrays.push_back(
      each("warp_a", "skewness", m, [](const Measure& one) { return one.fitted.hyper.warp.a; }));
  out.arrays.push_back(each("warp_log_b", "log of tails", m,
                            [](const Measure& one) { return one.fitted.hyper.warp.log_b; }));
  out.arrays.push_back(each("log_evidence", "", m,
                            [](const Measure& one) { return one.fitted.posterior.log_evidence; }));
  out.arrays.push_back(each("converged", "1: yes", m,
                            [](const Measure& one) { return one.fitted.converged ? 1.0 : 0.0; }));
  add_rows(
      "log_precision", "of priors: age and covariates, sites", "block", m,
      [](const Measure& one) { return one.fitted.hyper.log_precision; }, out);
  add_rows(
      "log_variance", "weights of the log variance", "variance_term", m,
      [](const Measure& one) { return one.fitted.hyper.variance; }, out);
  add_rows(
      "weights", "posterior mean", "term", m,
      [](const Measure& one) { return one.fitted.posterior.weights; }, out);
  add_rows(
      "covariance", "posterior covariance of the weights, row by row", "term_pair", m,
      [](const Measure& one) { return one.fitted.posterior.covariance.reshaped().eval(); }, out);
  return out;
}

Norms norms_of(const GroupRecord& record) {
  check_version(record, normative_model::kStage);
  Norms out;
  normative_model::Model& m = out.model;
  read_parameters(record, m.params);
  out.column = record.setting("batch_column");
  const std::string age = record.setting("age_covariate");
  m.age = age == "-1" ? -1 : static_cast<int>(whole_of(record, age));
  out.covariates = coding_of(record);
  if (!out.covariates.column.empty()) m.covariate_names = out.covariates.names();
  if (m.age >= static_cast<Eigen::Index>(out.covariates.column.size())) {
    throw Error(ErrorKind::input, record.path + ": no covariate for the age");
  }
  if (record.has("batch")) out.batch = record.array("batch").text;
  for (std::size_t b = 0; b < out.batch.size(); ++b) m.batches.push_back(static_cast<int>(b));
  m.spline.knots = optional_vector(record, "knots");
  m.variance_spline.knots = optional_vector(record, "variance_knots");
  m.linear_mean = optional_vector(record, "linear_mean");
  m.linear_sd = optional_vector(record, "linear_sd");
  const Eigen::VectorXd centre = vector_from(record, "centre");
  const Eigen::VectorXd spread = vector_from(record, "spread");
  const Eigen::VectorXd warp_a = vector_from(record, "warp_a");
  const Eigen::VectorXd warp_log_b = vector_from(record, "warp_log_b");
  const Eigen::VectorXd n = vector_from(record, "n");
  const Eigen::Index p = centre.size();
  const auto rows_of = [&](const char* name) -> Eigen::MatrixXd {
    if (!record.has(name) || p == 0) return Eigen::MatrixXd(p, 0);
    const auto size = static_cast<Eigen::Index>(record.array(name).number.size());
    return matrix_from(record, name, p, size / p);
  };
  const Eigen::MatrixXd precision = rows_of("log_precision"), variance = rows_of("log_variance");
  const Eigen::MatrixXd weights = rows_of("weights"), covariance = rows_of("covariance");
  const Eigen::Index width =
      1 + m.spline.size() + m.linear_mean.size() + static_cast<Eigen::Index>(m.batches.size());
  const bool any = (spread.array() > 0.0).any();
  if (spread.size() != p || n.size() != p || warp_a.size() != p || warp_log_b.size() != p ||
      m.linear_sd.size() != m.linear_mean.size() ||
      (any && (weights.cols() != width || covariance.cols() != width * width ||
               variance.cols() != 1 + m.variance_spline.size()))) {
    throw Error(ErrorKind::input, record.path + ": parts do not fit together");
  }
  for (Eigen::Index i = 0; i < p; ++i) {
    normative_model::Measure one;
    one.n = integer_of(record, n[i]);
    if (spread[i] > 0.0) {
      one.centre = centre[i];
      one.scale = spread[i];
      one.fitted.hyper = {precision.row(i), variance.row(i), {warp_a[i], warp_log_b[i]}};
      one.fitted.posterior.weights = weights.row(i);
      one.fitted.posterior.covariance = Eigen::VectorXd(covariance.row(i)).reshaped(width, width);
    }
    m.measures.push_back(std::move(one));
  }
  return out;
}

} // namespace boldmill::graph
