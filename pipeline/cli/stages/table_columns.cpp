#include "pipeline/cli/stages/table_columns.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"

namespace boldmill::cli {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Eigen::VectorXd indicator(const std::vector<std::string>& values, const std::string& level) {
  Eigen::VectorXd out(static_cast<Eigen::Index>(values.size()));
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double one = values[row] == level ? 1.0 : 0.0;
    out[static_cast<Eigen::Index>(row)] = values[row].empty() ? kNaN : one;
  }
  return out;
}

Eigen::VectorXd numbers(const bids::Table& table, std::size_t column) {
  const std::vector<double> values = table.numbers(column);
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

Eigen::MatrixXd side_by_side(const std::vector<Eigen::VectorXd>& columns, std::size_t n_rows) {
  Eigen::MatrixXd out(static_cast<Eigen::Index>(n_rows), static_cast<Eigen::Index>(columns.size()));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    out.col(static_cast<Eigen::Index>(c)) = columns[c];
  }
  return out;
}

} // namespace

Levels levels_of(const std::vector<std::string>& values, const std::vector<std::string>& known) {
  Levels out{{}, known};
  std::map<std::string, int> id;
  for (std::size_t i = 0; i < known.size(); ++i) id[known[i]] = static_cast<int>(i);
  for (const std::string& value : values) {
    if (value.empty()) {
      out.id.push_back(-1);
      continue;
    }
    const auto [found, fresh] = id.try_emplace(value, static_cast<int>(out.names.size()));
    if (fresh) out.names.push_back(value);
    out.id.push_back(found->second);
  }
  return out;
}

CovariateColumns covariate_columns(const bids::Table& table,
                                   const std::vector<std::string>& columns) {
  CovariateColumns out;
  std::vector<Eigen::VectorXd> x;
  for (const std::string& name : columns) {
    const std::size_t column = table.require(name);
    if (table.is_numeric(column)) {
      x.push_back(numbers(table, column));
      out.names.push_back(name);
      continue;
    }
    const std::vector<std::string> values = table.text(name);
    std::set<std::string> levels(values.begin(), values.end());
    levels.erase("");
    if (levels.size() < 2) {
      throw Error(ErrorKind::input, table.source() + ": covariate " + name + " holds " +
                                        std::to_string(levels.size()) +
                                        " values, expected at least 2");
    }
    out.reference_level[name] = *levels.begin();
    levels.erase(levels.begin());
    for (const std::string& level : levels) {
      x.push_back(indicator(values, level));
      out.names.push_back(name + "=" + level);
    }
  }
  out.x = side_by_side(x, table.n_rows());
  return out;
}

Eigen::MatrixXd covariate_columns(const bids::Table& table, const std::vector<std::string>& terms,
                                  const std::map<std::string, std::string>& reference_level) {
  std::vector<Eigen::VectorXd> x;
  std::map<std::string, std::set<std::string>> known;
  for (const std::string& term : terms) {
    const auto text = std::find_if(reference_level.begin(), reference_level.end(),
                                   [&](const auto& e) { return term.starts_with(e.first + "="); });
    if (text == reference_level.end()) {
      x.push_back(numbers(table, table.require(term)));
      continue;
    }
    const std::string level = term.substr(text->first.size() + 1);
    (void)table.require(text->first);
    x.push_back(indicator(table.text(text->first), level));
    known[text->first].insert({level, text->second});
  }
  for (const auto& [column, levels] : known) {
    for (const std::string& value : table.text(column)) {
      if (value.empty() || levels.contains(value)) continue;
      throw Error(ErrorKind::input, table.source() + ": covariate " + column + " holds " +
                                        bids::display(value, 200) +
                                        ", which the model was not fitted on");
    }
  }
  return side_by_side(x, table.n_rows());
}

} // namespace boldmill::cli
