#include "stages/cohort/kernels/rank_tests.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "stages/cohort/kernels/distributions.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kExactBelow = 50;

struct Ranks {
  std::vector<double> rank; // averaged over ties
  double tie_sum = 0.0;     // sum of t^3 - t
  bool ties = false;
};

Ranks ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
  Ranks out{std::vector<double>(values.size())};
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && values[order[last + 1]] == values[order[first]]) ++last;
    const double t = static_cast<double>(last - first + 1);
    const double rank = 0.5 * static_cast<double>(first + last) + 1.0;
    for (std::size_t i = first; i <= last; ++i) out.rank[order[i]] = rank;
    out.tie_sum += t * t * t - t;
    out.ties = out.ties || last > first;
    first = last + 1;
  }
  return out;
}

// P(V <= v), v = 0, 1, ..., n (n + 1) / 2, when every sign has probability 1/2.
std::vector<double> signed_rank_distribution(int n) {
  const std::size_t size = static_cast<std::size_t>(n) * static_cast<std::size_t>(n + 1) / 2 + 1;
  std::vector<double> out(size, 0.0);
  out[0] = 1.0;
  for (std::size_t rank = 1; rank <= static_cast<std::size_t>(n); ++rank) {
    for (std::size_t v = size; v-- > 0;) {
      out[v] = 0.5 * (out[v] + (v >= rank ? out[v - rank] : 0.0));
    }
  }
  std::partial_sum(out.begin(), out.end(), out.begin());
  return out;
}

std::vector<double> walsh_averages(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  std::vector<double> out;
  out.reserve(x.size() * (x.size() + 1) / 2);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = i; j < x.size(); ++j) out.push_back(0.5 * (x[i] + x[j]));
  }
  std::sort(out.begin(), out.end());
  return out;
}

double middle(const std::vector<double>& sorted) {
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : 0.5 * (sorted[half - 1] + sorted[half]);
}

// How many Walsh averages lie outside the interval on each side.
std::size_t outside(double alpha, const std::vector<double>& distribution, double sigma, double n,
                    bool exact) {
  if (exact) { // R: the alpha/2 quantile, at least 1, less one
    std::size_t quantile = 0;
    while (distribution[quantile] < 0.5 * alpha) ++quantile;
    return std::max<std::size_t>(quantile, 1) - 1;
  }
  // The fewest averages below a value that the corrected test does not reject, less one.
  const double mean = 0.25 * n * (n + 1.0);
  const auto p = [&](double v) { return 2.0 * normal_tail((mean - v - 0.5) / sigma); };
  std::size_t count = 0;
  while (p(static_cast<double>(count)) < alpha && static_cast<double>(count) < mean) ++count;
  return std::max<std::size_t>(count, 1) - 1;
}

double normal_p(double statistic, double mean, double sigma) {
  const double distance = statistic - mean;
  const double correction = distance > 0.0 ? 0.5 : (distance < 0.0 ? -0.5 : 0.0);
  const double z = (distance - correction) / sigma;
  return 2.0 * std::min(normal_tail(z), normal_tail(-z));
}

} // namespace

SignedRank signed_rank(std::span<const double> values, double mu, double confidence) {
  SignedRank out{.statistic = kNaN,
                 .z = kNaN,
                 .r = kNaN,
                 .hodges_lehmann = kNaN,
                 .lower = kNaN,
                 .upper = kNaN};
  std::vector<double> kept, size;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    ++out.n_present;
    if (value == mu) continue;
    kept.push_back(value);
    size.push_back(std::abs(value - mu));
  }
  out.n = static_cast<int>(kept.size());
  if (out.n == 0) return out;
  const Ranks ranks = ranks_of(size);
  out.statistic = 0.0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] > mu) out.statistic += ranks.rank[i];
  }
  const double n = out.n;
  const double mean = 0.25 * n * (n + 1.0);
  const double sigma = std::sqrt(n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ranks.tie_sum / 48.0);
  out.z = (out.statistic - mean) / sigma;
  out.r = out.z / std::sqrt(static_cast<double>(out.n_present));
  out.exact = out.n < kExactBelow && !ranks.ties && out.n == out.n_present;
  std::vector<double> distribution;
  if (out.exact) {
    distribution = signed_rank_distribution(out.n);
    // The distribution is symmetric: the upper tail is the lower one of the mirror image.
    const double low = std::min(out.statistic, 2.0 * mean - out.statistic);
    out.p_value = std::min(1.0, 2.0 * distribution[static_cast<std::size_t>(low)]);
  } else {
    out.p_value = normal_p(out.statistic, mean, sigma);
  }
  const std::vector<double> walsh = walsh_averages(kept);
  out.hodges_lehmann = middle(walsh);
  const std::size_t cut = outside(1.0 - confidence, distribution, sigma, n, out.exact);
  if (2 * cut < walsh.size()) {
    out.lower = walsh[cut];
    out.upper = walsh[walsh.size() - 1 - cut];
  }
  return out;
}

TwoByTwo two_by_two(double a, double b, double c, double d) {
  const double n = a + b + c + d;
  const double rows[2] = {a + b, c + d};
  const double columns[2] = {a + c, b + d};
  const double observed[2][2] = {{a, b}, {c, d}};
  TwoByTwo out{0.0, kNaN, a * d / (b * c)};
  if (!(rows[0] * rows[1] * columns[0] * columns[1] > 0.0)) return {kNaN, kNaN, kNaN};
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const double expected = rows[i] * columns[j] / n;
      const double difference = std::abs(observed[i][j] - expected);
      const double corrected = difference - std::min(0.5, difference);
      out.statistic += corrected * corrected / expected;
    }
  }
  out.p_value = chi_square_tail(out.statistic, 1.0);
  return out;
}

} // namespace boldmill::cohort
