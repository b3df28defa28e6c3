#include "stages/cohort/kernels/association.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "stages/cohort/kernels/distributions.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Sum {
  double n = 0.0, total = 0.0;
};

} // namespace

Association group_outcome(const std::vector<int>& group, const Eigen::VectorXd& y) {
  Association out{.measure = "eta_squared", .value = kNaN, .statistic = kNaN, .p_value = kNaN};
  std::map<int, Sum> sums;
  Sum all;
  const auto counts = [&](std::size_t row) {
    return group[row] >= 0 && !std::isnan(y[static_cast<Eigen::Index>(row)]);
  };
  for (std::size_t row = 0; row < group.size(); ++row) {
    if (!counts(row)) continue;
    const double value = y[static_cast<Eigen::Index>(row)];
    Sum& own = sums[group[row]];
    own.n += 1.0;
    own.total += value;
    all.n += 1.0;
    all.total += value;
  }
  out.n = static_cast<int>(all.n);
  if (sums.size() < 2) return out;
  double between = 0.0;
  double within = 0.0;
  for (std::size_t row = 0; row < group.size(); ++row) {
    if (!counts(row)) continue;
    const Sum& own = sums[group[row]];
    const double mean = own.total / own.n;
    const double value = y[static_cast<Eigen::Index>(row)];
    between += (mean - all.total / all.n) * (mean - all.total / all.n);
    within += (value - mean) * (value - mean);
  }
  if (!(between + within > 0.0)) return out;
  out.value = between / (between + within);
  out.df1 = static_cast<double>(sums.size()) - 1.0;
  out.df2 = all.n - static_cast<double>(sums.size());
  if (out.df2 < 1.0) return out;
  out.statistic = (between / out.df1) / (within / out.df2);
  out.p_value = f_tail(out.statistic, out.df1, out.df2);
  return out;
}

Association group_class(const std::vector<int>& group, const std::vector<int>& label) {
  Association out{.measure = "cramers_v", .value = kNaN, .statistic = kNaN, .p_value = kNaN};
  std::map<int, double> groups;
  std::map<int, double> labels;
  std::map<std::pair<int, int>, double> cells;
  double n = 0.0;
  for (std::size_t row = 0; row < group.size(); ++row) {
    if (group[row] < 0 || label[row] < 0) continue;
    groups[group[row]] += 1.0;
    labels[label[row]] += 1.0;
    cells[{group[row], label[row]}] += 1.0;
    n += 1.0;
  }
  out.n = static_cast<int>(n);
  if (groups.size() < 2 || labels.size() < 2) return out;
  out.statistic = 0.0;
  out.smallest_expected = n;
  for (const auto& [g, in_group] : groups) {
    for (const auto& [l, in_class] : labels) {
      const double expected = in_group * in_class / n;
      const auto found = cells.find({g, l});
      const double difference = (found == cells.end() ? 0.0 : found->second) - expected;
      out.statistic += difference * difference / expected;
      out.smallest_expected = std::min(out.smallest_expected, expected);
    }
  }
  const auto rows = static_cast<double>(groups.size()) - 1.0;
  const auto columns = static_cast<double>(labels.size()) - 1.0;
  out.df1 = rows * columns;
  out.value = std::sqrt(out.statistic / (n * std::min(rows, columns)));
  out.p_value = chi_square_tail(out.statistic, out.df1);
  return out;
}

} // namespace boldmill::cohort
