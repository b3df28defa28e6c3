// How much of the spread between people is theirs, per measure of a cohort, and what a change of
// one person must exceed. Over people with the measure (the first row of each):
//   within-run reliability = max(0, 1 - mean(se^2) / s^2), s^2 the variance between people (n - 1):
//     var_true / (var_true + mean se^2) with var_true = s^2 - mean se^2. The se are the errors of
//     the runs' own models: what differs between sessions (head, mood, scanner) is not in them.
//   half_correlation r: over people, of the two halves y + d/2 and y - d/2, d their difference and
//   y
//     the whole. split-half reliability = 2 r / (1 + r) (Spearman-Brown), 0 where r <= 0: the
//     formula is that of halves that share a true part, whose variance is then estimated as none.
//   between-session error: root of the mean square within people over repeated sessions, and
//     ICC(1) = (MS_between - MS_within) / (MS_between + (k0 - 1) MS_within); without repeats
//     s sqrt(1 - ICC) with a given ICC; without either there is none, and no reliable change.
// Intervals: percentiles of a bootstrap over people, 95 %, seeded. Missing (NaN) with a reason:
// fewer than min_people people, no spread, no standard errors. Sources: Shrout 1979,
// doi:10.1037/0033-2909.86.2.420; Jacobson 1991, doi:10.1037/0022-006X.59.1.12. Cost O(M B N).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::reliability {

inline constexpr std::array<std::string_view, 2> kReferences{
    "Shrout 1979, Psychological Bulletin, doi:10.1037/0033-2909.86.2.420",
    "Jacobson 1991, Journal of Consulting and Clinical Psychology, "
    "doi:10.1037/0022-006X.59.1.12"};
inline constexpr StageInfo kStage{.name = "reliability",
                                  .version = 2,
                                  .summary = "reliability of measures over a cohort",
                                  .references = kReferences};

struct Params {
  int min_people = 8;
  int resamples = 2000;
  int random_seed = 1;
  std::vector<std::string> icc{};
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [min_people, resamples, random_seed, icc] = params;
  visit("min_people", min_people, "people", "fewer people with the measure give no reliability",
        Limits::between(3, 1e6));
  visit("resamples", resamples, "", "bootstrap samples of people behind the intervals",
        Limits::between(100, 1e6));
  visit("random_seed", random_seed, "", "same seed, same intervals", Limits::at_least(0));
  visit(
      "icc", icc, "",
      "between-session ICC of measures without repeated sessions, MEASURE=ICC each; a * in MEASURE "
      "stands for any text, the first that fits holds",
      Limits{});
}

// Per measure the ICC that `params.icc` gives, NaN without one. Throws usage with every problem: no
// number in [0, 1), a name that fits no measure.
[[nodiscard]] std::vector<double> given_icc(const Params& params,
                                            const std::vector<std::string>& measures);

struct Inputs {
  Eigen::MatrixXd values;          // N x M, NaN missing; a person's rows in the order of sessions
  Eigen::MatrixXd se;              // N x M within-run standard errors, or empty: unknown
  Eigen::MatrixXd difference;      // N x M first half minus second half, or empty: unknown
  std::vector<std::size_t> person; // N: which person a row belongs to, or empty: all different
  std::vector<double> icc;         // M between-session ICC given by the user, NaN none; or empty
};

struct Estimate {
  double value = 0.0, low = 0.0, high = 0.0; // NaN when missing
  std::string reason;                        // why `value` or the interval is missing or not free
};
enum class SessionError { none, repeats, given_icc };
struct Measure {
  int n_people = 0;
  double variance = 0.0;        // between people; NaN below two people
  double mean_squared_se = 0.0; // NaN unknown
  Estimate within_run, half_correlation, split_half;
  SessionError source = SessionError::none;
  double session_sd = 0.0; // error of one session; NaN without source
  Estimate icc;            // from repeats, or the given one without an interval
};
struct Outputs {
  std::vector<Measure> measures;
};
// Throws internal: sizes that differ; usage: a given ICC outside [0, 1).
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// (second - first) / (sqrt(2) session_sd): beyond +-1.96 is more than session error makes of no
// change in 95 %. NaN without a between-session error.
[[nodiscard]] double reliable_change(double first, double second, const Measure& measure);

[[nodiscard]] std::string to_string(SessionError source); // "not available" for none

struct Shape {
  std::size_t n_rows = 0, n_measures = 0, n_threads = 1;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::reliability
