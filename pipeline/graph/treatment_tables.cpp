// What treatment found, as columns.
#include <cmath>
#include <limits>

#include "pipeline/graph/cohort_terms.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using treatment::Inputs;
using treatment::Outputs;

std::string name_of(const std::vector<std::string>& names, int i) {
  return i < 0 ? "" : names.at(static_cast<std::size_t>(i));
}

// Columns of one list of results.
template <class Row>
class Columns {
public:
  explicit Columns(const std::vector<Row>& rows) : rows_(rows) {}
  template <class Of>
  void text(const std::string& name, const std::string& what, Of&& of) {
    store::TableColumn column{name, what, true, {}, {}};
    for (const Row& row : rows_) column.text.push_back(of(row));
    table_.push_back(std::move(column));
  }
  template <class Of>
  void number(const std::string& name, const std::string& what, Of&& of) {
    store::TableColumn column{name, what, false, {}, {}};
    for (const Row& row : rows_) column.number.push_back(static_cast<double>(of(row)));
    table_.push_back(std::move(column));
  }
  // Of: Row -> Estimate.
  template <class Of>
  void estimate(const std::string& name, const std::string& what, Of&& of) {
    number(name, what, [&](const Row& row) { return of(row).value; });
    number(name + "_lower", "its interval", [&](const Row& row) { return of(row).bounds.lower; });
    number(name + "_upper", "its interval", [&](const Row& row) { return of(row).bounds.upper; });
  }
  std::vector<store::TableColumn> take() { return std::move(table_); }

private:
  const std::vector<Row>& rows_;
  std::vector<store::TableColumn> table_;
};

store::TableRecord published(const Inputs& in, const Outputs& out) {
  using Row = cohort::PublishedRow;
  Columns<Row> c(out.published);
  c.text("study", "study", [&](const Row& r) { return name_of(in.study_name, r.study); });
  c.text("arm", "treatment", [&](const Row& r) { return name_of(in.arm_name, r.arm); });
  c.text("biotype", "n/a: all of the arm",
         [&](const Row& r) { return name_of(in.biotype_name, r.biotype); });
  c.number("n", "people with an outcome", [](const Row& r) { return r.n; });
  c.number("median", "outcome", [](const Row& r) { return r.median; });
  c.number("median_others", "of the other biotypes of the arm",
           [](const Row& r) { return r.median_others; });
  c.number("v", "signed ranks against that median, taken as known",
           [](const Row& r) { return r.outcome.statistic; });
  c.number("p", "of v", [](const Row& r) { return r.outcome.p_value; });
  c.number("z", "of v, without continuity correction", [](const Row& r) { return r.outcome.z; });
  c.number("r", "z / sqrt(n)", [](const Row& r) { return r.outcome.r; });
  c.number("hodges_lehmann", "median of pairs",
           [](const Row& r) { return r.outcome.hodges_lehmann; });
  const auto rate = [&](const std::string& name, const char* what, cohort::Rate Row::*field) {
    c.number(name + "_n", "people whose " + name + " is known",
             [=](const Row& r) { return (r.*field).n; });
    c.number(name, what, [=](const Row& r) { return (r.*field).share; });
    c.number(name + "_lower", "its interval",
             [=](const Row& r) { return (r.*field).bounds.lower; });
    c.number(name + "_upper", "its interval",
             [=](const Row& r) { return (r.*field).bounds.upper; });
    c.number(name + "_odds_ratio", "against the other biotypes",
             [=](const Row& r) { return (r.*field).beside.odds_ratio; });
    c.number(name + "_p", "of that, chi-square with Yates' correction",
             [=](const Row& r) { return (r.*field).beside.p_value; });
  };
  rate("response", "share", &Row::response);
  rate("remission", "share", &Row::remission);
  c.number("response_chi_square", "over the biotypes of the arm",
           [](const Row& r) { return r.response_chi_square; });
  c.number("response_chi_square_p", "of that", [](const Row& r) { return r.response_p; });
  c.number("remission_chi_square", "over the biotypes of the arm",
           [](const Row& r) { return r.remission_chi_square; });
  c.number("remission_chi_square_p", "of that", [](const Row& r) { return r.remission_p; });
  return {"treatment/published", "cell",
          "as published: no baseline, no interaction, no correction for many tests", "", c.take()};
}

store::TableRecord missingness(const Inputs& in, const Outputs& out) {
  using Row = treatment::Missingness;
  Columns<Row> c(out.missingness);
  c.text("study", "study", [&](const Row& r) { return name_of(in.study_name, r.study); });
  c.text("arm", "treatment", [&](const Row& r) { return name_of(in.arm_name, r.arm); });
  c.number("n", "people", [](const Row& r) { return r.n; });
  c.number("n_observed", "with an outcome", [](const Row& r) { return r.n_observed; });
  c.number("share_missing", "without", [](const Row& r) { return 1.0 - 1.0 * r.n_observed / r.n; });
  c.number("outcome_mean", "of complete cases", [](const Row& r) { return r.outcome_mean; });
  c.number("outcome_mean_weighted", "by 1 / P(present), fitted in the training folds",
           [](const Row& r) { return r.weighted_mean; });
  return {"treatment/missingness", "study_arm", "outcomes that are missing", "", c.take()};
}

template <class Row>
void add_contrast(const Inputs& in, Columns<Row>& c) {
  c.text("study", "study", [&](const Row& r) { return name_of(in.study_name, r.study); });
  c.text("arm_a", "treatment", [&](const Row& r) { return name_of(in.arm_name, r.arm_a); });
  c.text("arm_b", "the other one", [&](const Row& r) { return name_of(in.arm_name, r.arm_b); });
}

store::TableRecord interactions(const Inputs& in, const Outputs& out) {
  using Row = treatment::Interaction;
  Columns<Row> c(out.interactions);
  add_contrast(in, c);
  c.text("predictor", "times the arm", [](const Row& r) { return r.predictor; });
  c.text("analysis", "complete_case, or weighted by 1 / P(present)",
         [](const Row& r) { return r.analysis; });
  c.number("n", "people", [](const Row& r) { return r.n; });
  c.number("beta", "how much more arm_b changes the outcome per unit of the predictor",
           [](const Row& r) { return r.beta; });
  c.number("se", "its standard error", [](const Row& r) { return r.se; });
  c.number("beta_lower", "its interval", [](const Row& r) { return r.bounds.lower; });
  c.number("beta_upper", "its interval", [](const Row& r) { return r.bounds.upper; });
  c.number("f", "Wald", [](const Row& r) { return r.f; });
  c.number("df1", "of f", [](const Row& r) { return r.df1; });
  c.number("df2", "of f", [](const Row& r) { return r.df2; });
  c.number("p", "of f", [](const Row& r) { return r.p; });
  c.number("q", "false discovery rate over the predictors", [](const Row& r) { return r.q; });
  return {"treatment/interactions", "model",
          "outcome after baseline: does the predictor tell arms "
          "apart",
          "", c.take()};
}

store::TableRecord policies(const Inputs& in, const Outputs& out) {
  using Row = treatment::Policy;
  Columns<Row> c(out.policies);
  add_contrast(in, c);
  c.text("reason", "why no rule is evaluated", [](const Row& r) { return r.reason; });
  c.text("propensity", "where the probability of the arm comes from",
         [](const Row& r) { return r.propensity; });
  const auto known = [](const Row& r, double value) { return r.reason.empty() ? value : kNaN; };
  c.number("n", "people", [](const Row& r) { return r.value.n; });
  c.number("share_b", "whom the rule gives arm_b",
           [=](const Row& r) { return known(r, r.value.share_b); });
  const auto estimate = [&](const std::string& name, const char* what, auto&& of) {
    c.estimate(name, what, [=](const Row& r) {
      return r.reason.empty() ? of(r) : cohort::Estimate{kNaN, kNaN, {kNaN, kNaN}};
    });
  };
  estimate("rule", "mean outcome under the rule", [](const Row& r) { return r.value.rule; });
  estimate("all_a", "when all get arm_a", [](const Row& r) { return r.value.all_a; });
  estimate("all_b", "when all get arm_b", [](const Row& r) { return r.value.all_b; });
  estimate("gain_over_a", "of the rule, positive is better",
           [](const Row& r) { return r.value.gain_over_a; });
  estimate("gain_over_b", "of the rule, positive is better",
           [](const Row& r) { return r.value.gain_over_b; });
  estimate("effect_b", "of arm_b against arm_a, positive is better",
           [](const Row& r) { return r.value.effect_b; });
  estimate("calibration_intercept", "observed on predicted benefit: 0 when calibrated",
           [](const Row& r) { return r.calibration.intercept; });
  estimate("calibration_slope", "1 when calibrated",
           [](const Row& r) { return r.calibration.slope; });
  return {"treatment/policies", "policy", "what giving each the better predicted arm is worth", "",
          c.take()};
}

store::TableRecord benefit_groups(const Inputs& in, const Outputs& out) {
  struct Row {
    int study, arm_a, arm_b, group;
    cohort::BenefitGroup of;
  };
  std::vector<Row> rows;
  for (const auto& policy : out.policies) {
    int group = 1;
    for (const auto& one : policy.calibration.groups) {
      rows.push_back({policy.study, policy.arm_a, policy.arm_b, group++, one});
    }
  }
  Columns<Row> c(rows);
  add_contrast(in, c);
  c.number("group", "by predicted benefit of arm_b, 1 the least",
           [](const Row& r) { return r.group; });
  c.number("n", "people", [](const Row& r) { return r.of.n; });
  c.number("predicted", "mean benefit", [](const Row& r) { return r.of.predicted; });
  c.estimate("observed", "mean of the doubly robust benefit",
             [](const Row& r) { return r.of.observed; });
  return {"treatment/benefit_groups", "benefit_group", "calibration for benefit", "", c.take()};
}

store::TableRecord people(const Inputs& in, const Outputs& out) {
  store::TableRecord table{"treatment/people",
                           "row",
                           "out-of-fold predictions; the interval is for the arm received",
                           "",
                           {}};
  const auto vector = [](const auto& v) { return std::vector<double>(v.begin(), v.end()); };
  std::vector<std::string> received, recommended;
  std::vector<double> fold;
  for (std::size_t i = 0; i < in.arm.size(); ++i) {
    received.push_back(name_of(in.arm_name, in.arm[i]));
    recommended.push_back(name_of(in.arm_name, out.recommended[i]));
    fold.push_back(out.fold[i] < 0 ? kNaN : out.fold[i]);
  }
  table.columns = {{"left_out", "why the row takes no part", true, out.left_out, {}},
                   {"arm", "received", true, received, {}},
                   {"fold", "that the person was held out in", false, {}, fold},
                   {"outcome", "at follow-up", false, {}, vector(in.outcome)}};
  for (std::size_t a = 0; a < in.arm_name.size(); ++a) {
    const Eigen::VectorXd column = out.by_arm.col(static_cast<Eigen::Index>(a));
    table.columns.push_back(
        {"predicted_" + in.arm_name[a], "outcome under this arm", false, {}, vector(column)});
  }
  table.columns.push_back(
      {"lower", "interval under the arm received", false, {}, vector(out.lower)});
  table.columns.push_back(
      {"upper", "interval under the arm received", false, {}, vector(out.upper)});
  table.columns.push_back({"rule",
                           "arm with the better prediction: research only, see policies for "
                           "what the rule is worth",
                           true,
                           recommended,
                           {}});
  return table;
}

} // namespace

std::vector<store::TableRecord> treatment_tables(const Inputs& in, const Outputs& out) {
  std::vector<store::TableRecord> tables{published(in, out),      missingness(in, out),
                                         interactions(in, out),   policies(in, out),
                                         benefit_groups(in, out), people(in, out)};
  std::erase_if(tables, [](const store::TableRecord& table) {
    const store::TableColumn& first = table.columns.front();
    return first.text.empty() && first.number.empty();
  });
  return tables;
}

} // namespace boldmill::graph
