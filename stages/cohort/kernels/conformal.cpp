#include "stages/cohort/kernels/conformal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace boldmill::cohort {
namespace {

// Quantile of the values without one of them (NaN: without none), from the sorted whole.
double quantile_without(const std::vector<double>& sorted, double left_out, double alpha) {
  const bool leave = !std::isnan(left_out);
  const auto n = static_cast<double>(sorted.size()) - (leave ? 1.0 : 0.0);
  const double rank = std::ceil((1.0 - alpha) * (n + 1.0) - 1e-12);
  if (rank > n) return std::numeric_limits<double>::infinity();
  auto position = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  if (leave && left_out <= sorted[position]) ++position;
  return sorted[position];
}

std::vector<double> sorted_present(const Eigen::VectorXd& values) {
  std::vector<double> out;
  for (const double value : values) {
    if (!std::isnan(value)) out.push_back(value);
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Quantile of the other sites' values, each site with the same total weight and one such weight at
// infinity.
double quantile_of_other_sites(const std::map<int, std::vector<double>>& by_site, int own,
                               double alpha) {
  std::vector<std::pair<double, double>> weighted;
  const auto n_sites = static_cast<double>(by_site.size() - by_site.count(own));
  for (const auto& [site, values] : by_site) {
    if (site == own) continue;
    const double weight = 1.0 / ((n_sites + 1.0) * static_cast<double>(values.size()));
    for (const double value : values) weighted.emplace_back(value, weight);
  }
  std::sort(weighted.begin(), weighted.end());
  double sum = 0.0;
  for (const auto& [value, weight] : weighted) {
    sum += weight;
    if (sum >= 1.0 - alpha - 1e-12) return value;
  }
  return std::numeric_limits<double>::infinity();
}

// Per row the quantile of the values of the other sites; NaN values do not calibrate.
Eigen::VectorXd quantiles_by_site(const Eigen::VectorXd& values, const std::vector<int>& site,
                                  double alpha) {
  std::map<int, std::vector<double>> by_site;
  std::map<int, double> quantile;
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    const int s = site[static_cast<std::size_t>(i)];
    if (s >= 0 && !std::isnan(values[i])) by_site[s].push_back(values[i]);
  }
  Eigen::VectorXd out(values.size());
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    const int s = site[static_cast<std::size_t>(i)];
    const auto [at, added] = quantile.try_emplace(s, 0.0);
    if (added) at->second = quantile_of_other_sites(by_site, s, alpha);
    out[i] = at->second;
  }
  return out;
}

// 1 - P(label), and the same with NaN for the rows of the other label.
std::pair<Eigen::VectorXd, Eigen::VectorXd> strangeness_of(int label, const Eigen::VectorXd& y,
                                                           const Eigen::VectorXd& probability) {
  const Eigen::VectorXd all = label == 1 ? Eigen::VectorXd(1.0 - probability.array()) : probability;
  Eigen::VectorXd own = all;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (std::isnan(y[i]) || (y[i] > 0.5) != (label == 1)) {
      own[i] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  return {all, own};
}

} // namespace

double conformal_quantile(std::vector<double> values, double alpha) {
  std::sort(values.begin(), values.end());
  return quantile_without(values, std::numeric_limits<double>::quiet_NaN(), alpha);
}

Interval conformal_interval(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction,
                            double alpha) {
  const Eigen::VectorXd residual = (y - prediction).cwiseAbs();
  const std::vector<double> sorted = sorted_present(residual);
  Interval out{prediction, prediction};
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    const double half = quantile_without(sorted, residual[i], alpha);
    out.lower[i] -= half;
    out.upper[i] += half;
  }
  return out;
}

Eigen::Array<std::uint8_t, Eigen::Dynamic, 2>
conformal_set(const Eigen::VectorXd& y, const Eigen::VectorXd& probability, double alpha) {
  Eigen::Array<std::uint8_t, Eigen::Dynamic, 2> out(y.size(), 2);
  for (int label = 0; label < 2; ++label) {
    const auto [strangeness, own] = strangeness_of(label, y, probability);
    const std::vector<double> sorted = sorted_present(own);
    for (Eigen::Index i = 0; i < y.size(); ++i) {
      out(i, label) = strangeness[i] <= quantile_without(sorted, own[i], alpha) ? 1 : 0;
    }
  }
  return out;
}

Interval conformal_interval_by_site(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction,
                                    const std::vector<int>& site, double alpha) {
  const Eigen::VectorXd half = quantiles_by_site((y - prediction).cwiseAbs(), site, alpha);
  return {prediction - half, prediction + half};
}

Eigen::Array<std::uint8_t, Eigen::Dynamic, 2>
conformal_set_by_site(const Eigen::VectorXd& y, const Eigen::VectorXd& probability,
                      const std::vector<int>& site, double alpha) {
  Eigen::Array<std::uint8_t, Eigen::Dynamic, 2> out(y.size(), 2);
  for (int label = 0; label < 2; ++label) {
    const auto [strangeness, own] = strangeness_of(label, y, probability);
    const Eigen::VectorXd limit = quantiles_by_site(own, site, alpha);
    for (Eigen::Index i = 0; i < y.size(); ++i) out(i, label) = strangeness[i] <= limit[i] ? 1 : 0;
  }
  return out;
}

int sites_needed(double alpha) { return static_cast<int>(std::ceil(1.0 / alpha - 1.0 - 1e-9)); }

} // namespace boldmill::cohort
