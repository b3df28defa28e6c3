#include "pipeline/graph/cohort_terms.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "pipeline/bids/text.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Text = std::vector<std::string>;

Eigen::VectorXd numbers_of(const Text& values) {
  const std::vector<double> numbers = store::as_numbers(values);
  return Eigen::Map<const Eigen::VectorXd>(numbers.data(),
                                           static_cast<Eigen::Index>(numbers.size()));
}

bool is_numeric(const Text& values) {
  const std::vector<double> numbers = store::as_numbers(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].empty() && std::isnan(numbers[i])) return false;
  }
  return true;
}

} // namespace

std::vector<group_statistics::Term> group_terms(const std::string& column, const Text& values,
                                                const Text& given) {
  std::set<std::string> levels(values.begin(), values.end());
  levels.erase("");
  Text reference;
  for (const std::string& one : given) {
    if (levels.contains(one)) reference.push_back(one);
  }
  if (reference.empty() && given.size() == 1 && !given.front().empty()) {
    throw Error(ErrorKind::usage, "column " + bids::display(column) + " has no " +
                                      bids::display(given.front()) + ", expected a value of it");
  }
  const bool chosen =
      std::any_of(given.begin(), given.end(), [](const std::string& one) { return !one.empty(); });
  if (reference.empty() && !chosen && !levels.empty()) reference = {*levels.begin()};
  std::vector<group_statistics::Term> terms;
  if (reference.empty()) return terms;
  const auto is_reference = [&](const std::string& value) {
    return std::find(reference.begin(), reference.end(), value) != reference.end();
  };
  for (const std::string& level : levels) {
    if (is_reference(level)) continue;
    Eigen::VectorXd x(static_cast<Eigen::Index>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      x[static_cast<Eigen::Index>(i)] = values[i] == level        ? 1.0
                                        : is_reference(values[i]) ? 0.0
                                                                  : kNaN;
    }
    terms.push_back({column + ": " + level + " - " + reference.front(), true, std::move(x)});
  }
  return terms;
}

CovariateMatrix covariates_of(const Text& names, const std::vector<Text>& columns) {
  CovariateMatrix out;
  std::vector<Eigen::VectorXd> x;
  for (std::size_t c = 0; c < names.size(); ++c) {
    std::set<std::string> levels(columns[c].begin(), columns[c].end());
    levels.erase("");
    if (levels.size() < 2) continue;
    if (is_numeric(columns[c])) {
      x.push_back(numbers_of(columns[c]));
      out.names.push_back(names[c]);
      continue;
    }
    levels.erase(levels.begin());
    for (const std::string& level : levels) {
      Eigen::VectorXd indicator(static_cast<Eigen::Index>(columns[c].size()));
      for (std::size_t i = 0; i < columns[c].size(); ++i) {
        const std::string& value = columns[c][i];
        indicator[static_cast<Eigen::Index>(i)] = value.empty() ? kNaN : value == level ? 1.0 : 0.0;
      }
      x.push_back(std::move(indicator));
      out.names.push_back(names[c] + "=" + level);
    }
  }
  const auto n = static_cast<Eigen::Index>(columns.empty() ? 0 : columns.front().size());
  out.x.resize(n, static_cast<Eigen::Index>(x.size()));
  for (std::size_t c = 0; c < x.size(); ++c) out.x.col(static_cast<Eigen::Index>(c)) = x[c];
  return out;
}

std::vector<store::TableColumn>
statistics_columns(const std::vector<group_statistics::Result>& results) {
  using Result = group_statistics::Result;
  std::vector<store::TableColumn> out;
  const auto text = [&](const char* name, std::string Result::*field, const char* what) {
    store::TableColumn column{name, what, true, {}, {}};
    for (const Result& r : results) column.text.push_back(r.*field);
    out.push_back(std::move(column));
  };
  const auto number = [&](const std::string& name, const char* what, auto&& of) {
    store::TableColumn column{name, what, false, {}, {}};
    for (const Result& r : results) column.number.push_back(of(r));
    out.push_back(std::move(column));
  };
  const auto bounds = [&](const std::string& name, cohort::Bounds Result::*field) {
    number(name + "_lower", "its interval", [=](const Result& r) { return (r.*field).lower; });
    number(name + "_upper", "its interval", [=](const Result& r) { return (r.*field).upper; });
  };
  const auto plain = [&](const char* name, auto Result::*field, const char* what) {
    number(name, what, [=](const Result& r) { return static_cast<double>(r.*field); });
  };
  text("term", &Result::term, "group or symptom");
  text("column", &Result::column, "what is tested");
  plain("n", &Result::n, "complete people");
  plain("n_0", &Result::n_0, "of them in the reference group; 0 for symptoms");
  plain("n_1", &Result::n_1, "of them in the other group; 0 for symptoms");
  plain("beta", &Result::beta, "slope, or adjusted difference of the groups");
  plain("se", &Result::se, "its standard error");
  bounds("beta", &Result::beta_bounds);
  plain("t", &Result::t, "beta / se");
  plain("df", &Result::degrees_of_freedom, "of t");
  plain("p", &Result::p, "two-sided, Student");
  plain("q", &Result::q, "false discovery rate of p, Benjamini-Hochberg");
  plain("p_permutation", &Result::p_permutation, "Freedman-Lane, inside sites");
  plain("q_permutation", &Result::q_permutation, "false discovery rate of it");
  plain("p_fwe", &Result::p_fwe, "the same against the largest |t| of the term");
  plain("standardised_beta", &Result::standardised_beta, "beta SD(x) / SD(y)");
  bounds("standardised_beta", &Result::standardised_bounds);
  plain("partial_r", &Result::partial_r, "correlation after covariates");
  bounds("partial_r", &Result::r_bounds);
  plain("cohens_d", &Result::cohens_d, "adjusted difference / residual SD; groups only");
  bounds("cohens_d", &Result::d_bounds);
  plain("hedges_g", &Result::hedges_g, "d with the small-sample factor");
  bounds("hedges_g", &Result::g_bounds);
  text("reason", &Result::reason, "why it was not tested");
  return out;
}

} // namespace boldmill::graph
