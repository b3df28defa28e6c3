#include "stages/cohort/kernels/treatment_tables.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "stages/cohort/kernels/association.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using RowsOf = std::vector<std::size_t>;

// 1 reached, 0 not, -1 unknown.
struct Reached {
  std::vector<int> response, remission;
};

Reached reached(const PublishedInputs& in) {
  Reached out;
  for (Eigen::Index i = 0; i < in.outcome.size(); ++i) {
    const double y = in.outcome[i];
    const double b = in.baseline.size() > 0 ? in.baseline[i] : kNaN;
    const bool known = !std::isnan(y) && b > 0.0;
    out.response.push_back(!known ? -1 : (y - b) / b < in.response_change ? 1 : 0);
    out.remission.push_back(std::isnan(y) || in.remission_at < 0.0 ? -1
                            : y <= in.remission_at                 ? 1
                                                                   : 0);
  }
  return out;
}

Rate rate_of(const std::vector<int>& flag, const RowsOf& own, const RowsOf& others,
             double confidence) {
  const auto count = [&](const RowsOf& rows, int value) {
    int n = 0;
    for (const std::size_t row : rows) n += flag[row] == value ? 1 : 0;
    return n;
  };
  Rate out;
  out.n_reached = count(own, 1);
  out.n = out.n_reached + count(own, 0);
  out.share = out.n > 0 ? static_cast<double>(out.n_reached) / out.n : kNaN;
  out.bounds = wilson_bounds(out.n_reached, out.n, confidence);
  out.beside = two_by_two(out.n_reached, out.n - out.n_reached, count(others, 1), count(others, 0));
  return out;
}

std::vector<double> present(const Eigen::VectorXd& values, const RowsOf& rows) {
  std::vector<double> out;
  for (const std::size_t row : rows) {
    const double value = values[static_cast<Eigen::Index>(row)];
    if (!std::isnan(value)) out.push_back(value);
  }
  return out;
}

// Of one arm over its biotypes; as R's chisq.test, Yates' correction for two biotypes only.
std::pair<double, double> over_biotypes(const std::vector<int>& flag, const std::vector<int>& type,
                                        const RowsOf& arm) {
  std::vector<int> group, label;
  std::map<int, int> number;
  int n[2][2] = {{0, 0}, {0, 0}};
  for (const std::size_t row : arm) {
    if (flag[row] < 0 || type[row] < 0) continue;
    const int k = number.try_emplace(type[row], static_cast<int>(number.size())).first->second;
    group.push_back(k);
    label.push_back(flag[row]);
    if (k < 2) ++n[k][flag[row]];
  }
  if (number.size() == 2) {
    const TwoByTwo table = two_by_two(n[0][0], n[0][1], n[1][0], n[1][1]);
    return {table.statistic, table.p_value};
  }
  const Association table = group_class(group, label);
  return {table.statistic, table.p_value};
}

} // namespace

std::vector<PublishedRow> published_tables(const PublishedInputs& in) {
  const Reached flags = reached(in);
  std::map<std::pair<int, int>, RowsOf> arms;
  for (std::size_t row = 0; row < in.arm.size(); ++row) {
    if (in.arm[row] >= 0 && in.study[row] >= 0) arms[{in.study[row], in.arm[row]}].push_back(row);
  }
  std::vector<PublishedRow> out;
  for (const auto& [key, arm] : arms) {
    std::set<int> types{-1};
    for (const std::size_t row : arm) types.insert(in.biotype.empty() ? -1 : in.biotype[row]);
    for (const int type : types) {
      RowsOf own, others;
      for (const std::size_t row : arm) {
        const int label = in.biotype.empty() ? -1 : in.biotype[row];
        if (type < 0 || label == type) {
          own.push_back(row);
        } else if (label >= 0) {
          others.push_back(row);
        }
      }
      const std::vector<double> values = present(in.outcome, own);
      const std::vector<double> beside = present(in.outcome, others);
      PublishedRow row{key.first, key.second, type, static_cast<int>(values.size())};
      row.median = median(values);
      row.median_others = median(beside);
      row.outcome = signed_rank(values, row.median_others, in.confidence);
      if (beside.empty()) {
        row.outcome = {.n_present = row.n,
                       .statistic = kNaN,
                       .p_value = kNaN,
                       .z = kNaN,
                       .r = kNaN,
                       .hodges_lehmann = kNaN,
                       .lower = kNaN,
                       .upper = kNaN};
      }
      row.response = rate_of(flags.response, own, others, in.confidence);
      row.remission = rate_of(flags.remission, own, others, in.confidence);
      const bool whole = type < 0 && !in.biotype.empty();
      row.response_chi_square = row.response_p = row.remission_chi_square = row.remission_p = kNaN;
      if (whole) {
        std::tie(row.response_chi_square, row.response_p) =
            over_biotypes(flags.response, in.biotype, arm);
        std::tie(row.remission_chi_square, row.remission_p) =
            over_biotypes(flags.remission, in.biotype, arm);
      }
      out.push_back(row);
    }
  }
  return out;
}

} // namespace boldmill::cohort
