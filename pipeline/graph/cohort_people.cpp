#include "pipeline/graph/cohort_people.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kMeanFd = "mean_fd";
using Text = std::vector<std::string>;

bool is_numeric(const Text& values) {
  const std::vector<double> numbers = store::as_numbers(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].empty() && std::isnan(numbers[i])) return false;
  }
  return true;
}

Eigen::VectorXd to_eigen(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

// A number, mean_fd, or 1 where the text is `level`; NaN missing.
Eigen::VectorXd coded(const std::string& name, const std::string& level,
                      const std::set<std::string>& known, const store::ParticipantsTable& people,
                      const Eigen::VectorXd& mean_fd) {
  const auto n = static_cast<Eigen::Index>(people.participant_id.size());
  const Text* column = column_of(people, name);
  if (column == nullptr) {
    return name == kMeanFd ? mean_fd : Eigen::VectorXd(Eigen::VectorXd::Constant(n, kNaN));
  }
  if (level.empty()) return to_eigen(store::as_numbers(*column));
  Eigen::VectorXd out(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const std::string& value = (*column)[static_cast<std::size_t>(i)];
    out[i] = value.empty() || (!known.empty() && !known.contains(value)) ? kNaN
             : value == level                                            ? 1.0
                                                                         : 0.0;
  }
  return out;
}

// Levels that have an indicator, and the one that has none.
std::set<std::string> known_levels(const Coding& coding, const std::string& name) {
  std::set<std::string> out;
  for (std::size_t q = 0; q < coding.column.size(); ++q) {
    if (coding.column[q] == name) out.insert({coding.level[q], coding.other[q]});
  }
  return out;
}

// Appends the column if it is present often enough and varies.
void add_column(const Coding& one, const Eigen::VectorXd& values, const CodingRequest& request,
                const std::vector<Eigen::Index>& rows, Coding& out) {
  double sum = 0.0;
  std::size_t n = 0;
  std::set<double> distinct;
  for (const Eigen::Index row : rows) {
    if (std::isnan(values[row])) continue;
    sum += values[row];
    distinct.insert(values[row]);
    ++n;
  }
  const auto missing = static_cast<double>(rows.size() - n);
  if (distinct.size() < 2 || missing > request.max_missing * static_cast<double>(rows.size())) {
    return;
  }
  out.column.push_back(one.column[0]);
  out.level.push_back(one.level[0]);
  out.other.push_back(one.other[0]);
  out.centre.push_back(sum / static_cast<double>(n));
}

} // namespace

const Text* column_of(const store::ParticipantsTable& people, const std::string& name) {
  const auto found = people.columns.find(name);
  return name.empty() || found == people.columns.end() ? nullptr : &found->second;
}

Levels levels_of(const Text& values) {
  std::set<std::string> distinct(values.begin(), values.end());
  distinct.erase("");
  Levels out;
  out.names.assign(distinct.begin(), distinct.end());
  out.number = numbers_among(values, out.names);
  return out;
}

std::vector<int> numbers_among(const Text& values, const Text& known) {
  std::vector<int> out;
  for (const std::string& value : values) {
    const auto at = value.empty() ? known.end() : std::find(known.begin(), known.end(), value);
    out.push_back(at == known.end() ? -1 : static_cast<int>(at - known.begin()));
  }
  return out;
}

Eigen::VectorXd mean_fd_of_rows(const store::CohortReader& reader) {
  const auto n = static_cast<Eigen::Index>(reader.n_rows());
  const store::RunTable runs = reader.runs();
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(n);
  Eigen::VectorXd used = Eigen::VectorXd::Zero(n);
  for (std::size_t m = 0; m < runs.run.size(); ++m) {
    if (std::isnan(runs.run[m].mean_fd_mm)) continue;
    sum[runs.row[m]] += runs.run[m].mean_fd_mm;
    used[runs.row[m]] += 1.0;
  }
  for (Eigen::Index i = 0; i < n; ++i) sum[i] = used[i] > 0.0 ? sum[i] / used[i] : kNaN;
  return sum;
}

std::vector<Eigen::Index> one_row_each(const store::ParticipantsTable& people,
                                       const Eigen::MatrixXd& measures) {
  std::set<std::string> seen;
  std::vector<Eigen::Index> out;
  for (Eigen::Index row = 0; row < measures.rows(); ++row) {
    if (measures.row(row).array().isNaN().all()) continue;
    if (seen.insert(people.participant_id[static_cast<std::size_t>(row)]).second) {
      out.push_back(row);
    }
  }
  return out;
}

Text Coding::names() const {
  Text out;
  for (std::size_t q = 0; q < column.size(); ++q) {
    out.push_back(level[q].empty() ? column[q] : column[q] + "=" + level[q]);
  }
  return out;
}

Coding coding_of(const CodingRequest& request, const store::ParticipantsTable& people,
                 const Eigen::VectorXd& mean_fd, const std::vector<Eigen::Index>& rows) {
  Coding out;
  for (const std::string& name : request.wanted) {
    const auto& excluded = request.excluded;
    if (std::find(excluded.begin(), excluded.end(), name) != excluded.end()) continue;
    const Text* column = column_of(people, name);
    if (column == nullptr || is_numeric(*column)) {
      add_column({{name}, {""}, {""}, {}}, coded(name, "", {}, people, mean_fd), request, rows,
                 out);
      continue;
    }
    Text own;
    for (const Eigen::Index row : rows) own.push_back((*column)[static_cast<std::size_t>(row)]);
    const Levels levels = levels_of(own);
    for (std::size_t l = 1; l < levels.names.size(); ++l) {
      add_column({{name}, {levels.names[l]}, {levels.names[0]}, {}},
                 coded(name, levels.names[l], {}, people, mean_fd), request, rows, out);
    }
  }
  return out;
}

Eigen::MatrixXd encode(const Coding& coding, const store::ParticipantsTable& people,
                       const Eigen::VectorXd& mean_fd, bool fill) {
  Eigen::MatrixXd out(static_cast<Eigen::Index>(people.participant_id.size()),
                      static_cast<Eigen::Index>(coding.column.size()));
  for (std::size_t q = 0; q < coding.column.size(); ++q) {
    auto column = out.col(static_cast<Eigen::Index>(q));
    column = coded(coding.column[q], coding.level[q], known_levels(coding, coding.column[q]),
                   people, mean_fd);
    if (!fill) continue;
    for (double& value : column) {
      if (std::isnan(value)) value = coding.centre[q];
    }
  }
  return out;
}

} // namespace boldmill::graph
