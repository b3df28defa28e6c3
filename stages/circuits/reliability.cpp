#include "stages/circuits/reliability.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "stages/core/parallel.hpp"
#include "stages/core/pattern.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::reliability {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double square(double x) { return x * x; }

double variance(const std::vector<double>& x) { return square(standard_deviation(x)); }

// Equal values that were computed may differ in the last digits.
bool has_spread(const std::vector<double>& x) {
  return standard_deviation(x) > 1e-12 * std::abs(mean(x));
}

Estimate missing(std::string reason) { return {kNaN, kNaN, kNaN, std::move(reason)}; }

// One person's contribution to a statistic: value and se, the two halves, or all sessions.
using Item = std::vector<double>;
using Items = std::vector<const Item*>;

double within_run(const Items& items) {
  std::vector<double> y;
  double error = 0.0;
  for (const Item* item : items) {
    y.push_back((*item)[0]);
    error += square((*item)[1]);
  }
  if (!has_spread(y)) return kNaN;
  return std::max(0.0, 1.0 - error / static_cast<double>(items.size()) / variance(y));
}

double half_correlation(const Items& items) {
  std::vector<double> a, b;
  for (const Item* item : items) {
    a.push_back((*item)[0] + 0.5 * (*item)[1]);
    b.push_back((*item)[0] - 0.5 * (*item)[1]);
  }
  return has_spread(a) && has_spread(b) ? pearson(a, b) : kNaN;
}

// Beyond r <= 0 the formula is no reliability: it runs to minus infinity at r = -1.
double spearman_brown(double r) { return r <= 0.0 ? 0.0 : 2.0 * r / (1.0 + r); }

// Of the correlation of the halves; the formula is monotone, so quantiles carry over.
Estimate split_half_of(const Estimate& r) {
  Estimate out{spearman_brown(r.value), spearman_brown(r.low), spearman_brown(r.high), r.reason};
  if (r.value <= 0.0 && out.reason.empty()) {
    out.reason = "the halves do not correlate: no variance in common";
  }
  return out;
}

struct Squares {
  double between = 0.0, within = 0.0, sessions = 0.0; // mean squares, effective sessions a person
};

Squares mean_squares(const Items& items) {
  double n = 0.0, total = 0.0, square_counts = 0.0;
  for (const Item* item : items) {
    const auto k = static_cast<double>(item->size());
    n += k;
    square_counts += k * k;
    total += mean(*item) * k;
  }
  const auto people = static_cast<double>(items.size());
  Squares out;
  for (const Item* item : items) {
    const double own = mean(*item);
    out.between += static_cast<double>(item->size()) * square(own - total / n);
    for (const double y : *item) out.within += square(y - own);
  }
  out.between /= people - 1.0;
  out.within /= n - people;
  out.sessions = (n - square_counts / n) / (people - 1.0);
  return out;
}

double icc_of(const Items& items) {
  const Squares s = mean_squares(items);
  const double sum = s.between + (s.sessions - 1.0) * s.within;
  return sum > 0.0 ? (s.between - s.within) / sum : kNaN;
}

// The statistic with its percentile interval over resampled people.
template <class Statistic>
Estimate bootstrapped(const std::vector<Item>& people, const Params& params,
                      const std::string& stream, Statistic&& statistic) {
  Items items;
  for (const Item& item : people) items.push_back(&item);
  Estimate out{statistic(items), kNaN, kNaN, {}};
  if (std::isnan(out.value)) return missing("no spread between people");
  Random random(stream_seed(static_cast<std::uint64_t>(params.random_seed), "reliability", stream));
  std::vector<double> resampled;
  for (int b = 0; b < params.resamples; ++b) {
    for (const Item*& item : items) item = &people[random.below(people.size())];
    const double value = statistic(items);
    if (!std::isnan(value)) resampled.push_back(value);
  }
  if (2 * resampled.size() < static_cast<std::size_t>(params.resamples)) {
    out.reason = "no interval: most samples of people have no spread";
    return out;
  }
  out.low = quantile(resampled, 0.025);
  out.high = quantile(resampled, 0.975);
  return out;
}

struct Column {
  const Inputs& inputs;
  const Params& params;
  Eigen::Index m;
  std::vector<std::vector<Eigen::Index>> rows; // with a value, of each person with any

  [[nodiscard]] std::string stream(const char* what) const {
    return std::to_string(m) + "/" + what;
  }
  // Value and what `beside` holds of each person's first row, people without it left out.
  [[nodiscard]] std::vector<Item> first_with(const Eigen::MatrixXd& beside) const {
    std::vector<Item> out;
    for (const auto& own : rows) {
      const double other = beside.size() > 0 ? beside(own[0], m) : kNaN;
      if (!std::isnan(other)) out.push_back({inputs.values(own[0], m), other});
    }
    return out;
  }
  [[nodiscard]] std::string too_few(std::size_t n, const char* what) const {
    return std::to_string(n) + " people with " + what + ", expected at least " +
           std::to_string(params.min_people);
  }
  [[nodiscard]] bool enough(std::size_t n) const {
    return n >= static_cast<std::size_t>(params.min_people);
  }
};

Column column_of(const Inputs& inputs, const Params& params, Eigen::Index m) {
  Column out{inputs, params, m, {}};
  std::map<std::size_t, std::size_t> place;
  for (Eigen::Index row = 0; row < inputs.values.rows(); ++row) {
    if (std::isnan(inputs.values(row, m))) continue;
    const auto r = static_cast<std::size_t>(row);
    const std::size_t person = inputs.person.empty() ? r : inputs.person[r];
    const auto [found, is_new] = place.try_emplace(person, out.rows.size());
    if (is_new) out.rows.emplace_back();
    out.rows[found->second].push_back(row);
  }
  return out;
}

void add_session_error(const Column& column, Measure& out) {
  std::vector<Item> repeated;
  for (const auto& own : column.rows) {
    if (own.size() < 2) continue;
    Item item;
    for (const Eigen::Index row : own) item.push_back(column.inputs.values(row, column.m));
    repeated.push_back(std::move(item));
  }
  out.session_sd = kNaN;
  const auto& given = column.inputs.icc;
  if (column.enough(repeated.size())) {
    Items items;
    for (const Item& item : repeated) items.push_back(&item);
    out.source = SessionError::repeats;
    out.session_sd = std::sqrt(mean_squares(items).within);
    out.icc = bootstrapped(repeated, column.params, column.stream("icc"), icc_of);
  } else if (!given.empty() && !std::isnan(given[static_cast<std::size_t>(column.m)])) {
    out.source = SessionError::given_icc;
    out.icc = {given[static_cast<std::size_t>(column.m)], kNaN, kNaN, "given, not estimated"};
    out.session_sd = std::sqrt(out.variance * (1.0 - out.icc.value));
  } else {
    out.icc = missing(column.too_few(repeated.size(), "repeated sessions") + ", and no ICC given");
  }
}

Measure measure_of(const Column& column) {
  Measure out;
  std::vector<double> y;
  for (const auto& own : column.rows) y.push_back(column.inputs.values(own[0], column.m));
  out.n_people = static_cast<int>(y.size());
  out.variance = y.size() > 1 ? variance(y) : kNaN;
  const std::vector<Item> with_se = column.first_with(column.inputs.se);
  out.mean_squared_se = kNaN;
  if (!with_se.empty()) {
    double sum = 0.0;
    for (const Item& item : with_se) sum += square(item[1]);
    out.mean_squared_se = sum / static_cast<double>(with_se.size());
  }
  out.within_run =
      column.enough(with_se.size())
          ? bootstrapped(with_se, column.params, column.stream("within_run"), within_run)
          : missing(column.too_few(with_se.size(), "the measure and its standard error"));
  const std::vector<Item> halves = column.first_with(column.inputs.difference);
  out.half_correlation =
      column.enough(halves.size())
          ? bootstrapped(halves, column.params, column.stream("split_half"), half_correlation)
          : missing(column.too_few(halves.size(), "both halves"));
  out.split_half = split_half_of(out.half_correlation);
  add_session_error(column, out);
  return out;
}

void check(const Inputs& inputs) {
  const auto fits = [&](const Eigen::MatrixXd& x) {
    return x.size() == 0 || (x.rows() == inputs.values.rows() && x.cols() == inputs.values.cols());
  };
  if (!fits(inputs.se) || !fits(inputs.difference) ||
      (!inputs.person.empty() &&
       static_cast<Eigen::Index>(inputs.person.size()) != inputs.values.rows()) ||
      (!inputs.icc.empty() &&
       static_cast<Eigen::Index>(inputs.icc.size()) != inputs.values.cols())) {
    throw Error(ErrorKind::internal, "reliability: sizes of the inputs differ");
  }
  for (const double icc : inputs.icc) {
    if (icc < 0.0 || icc >= 1.0) {
      throw Error(ErrorKind::usage,
                  "reliability: found ICC " + std::to_string(icc) + ", expected in [0, 1)");
    }
  }
}

} // namespace

std::vector<double> given_icc(const Params& params, const std::vector<std::string>& measures) {
  std::vector<double> out(measures.size(), kNaN);
  std::string problems;
  const auto refuse = [&problems](const std::string& entry, const std::string& why) {
    problems += (problems.empty() ? "" : "\n") + ("reliability.icc: found " + entry) + why;
  };
  for (const std::string& entry : params.icc) {
    const std::size_t equals = entry.rfind('=');
    const std::string number = equals == std::string::npos ? "" : entry.substr(equals + 1);
    double icc = kNaN;
    const char* last = number.data() + number.size();
    if (std::from_chars(number.data(), last, icc).ptr != last || !(icc >= 0.0 && icc < 1.0)) {
      refuse(entry, ", expected MEASURE=ICC with an ICC in [0, 1)");
      continue;
    }
    bool fits = false;
    for (std::size_t m = 0; m < measures.size(); ++m) {
      if (!matches_pattern(entry.substr(0, equals), measures[m])) continue;
      fits = true;
      if (std::isnan(out[m])) out[m] = icc;
    }
    if (!fits) refuse(entry, ", expected a measure of the circuit definition");
  }
  if (!problems.empty()) throw Error(ErrorKind::usage, problems);
  return out;
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  Outputs out;
  out.measures.resize(static_cast<std::size_t>(inputs.values.cols()));
  parallel_blocks(context, out.measures.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t m = begin; m < end; ++m) {
      out.measures[m] = measure_of(column_of(inputs, params, static_cast<Eigen::Index>(m)));
    }
  });
  return out;
}

double reliable_change(double first, double second, const Measure& measure) {
  if (!(measure.session_sd > 0.0)) return kNaN;
  return (second - first) / (std::sqrt(2.0) * measure.session_sd);
}

std::string to_string(SessionError source) {
  switch (source) {
  case SessionError::repeats: return "repeated sessions";
  case SessionError::given_icc: return "given ICC";
  case SessionError::none: break;
  }
  return "not available";
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  // Of each thread one measure's rows, people and samples.
  const std::size_t of_measure =
      16 * (shape.n_rows + static_cast<std::size_t>(params.resamples)) * sizeof(double);
  return shape.n_threads * of_measure + 2 * shape.n_measures * sizeof(Measure) + 65536;
}

} // namespace boldmill::reliability
