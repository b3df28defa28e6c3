#include "stages/cohort/kernels/cross_validated_auc.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "stages/cohort/kernels/metrics.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kZ975 = 1.959963984540054;

double mean_over_folds(const Eigen::VectorXd& y, const Eigen::MatrixXd& score,
                       const std::vector<Split>& splits) {
  double sum = 0.0;
  double n = 0.0;
  for (std::size_t r = 0; r < splits.size(); ++r) {
    const Eigen::VectorXd own = score.col(static_cast<Eigen::Index>(r));
    for (int fold = 0; fold < splits[r].n_folds; ++fold) {
      const std::vector<Eigen::Index> test = rows_of(splits[r], fold).test;
      const double value = auc(y(test), own(test));
      if (std::isnan(value)) continue;
      sum += value;
      n += 1.0;
    }
  }
  return n > 0.0 ? sum / n : kNaN;
}

// Sum over people of their squared influence on the AUC of the scores, at least that of one
// discordant pair.
double placement_variance(const Eigen::VectorXd& y, const Eigen::VectorXd& score,
                          const std::vector<int>& person) {
  std::vector<double> of_class[2];
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (!std::isnan(score[i])) of_class[y[i] > 0.5 ? 1 : 0].push_back(score[i]);
  }
  for (auto& scores : of_class) std::sort(scores.begin(), scores.end());
  const double pairs = static_cast<double>(of_class[0].size() * of_class[1].size());
  const double value = auc(y, score);
  std::map<int, double> influence;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (std::isnan(score[i])) continue;
    const int own = y[i] > 0.5 ? 1 : 0;
    const auto& other = of_class[1 - own];
    const auto [low, high] = std::equal_range(other.begin(), other.end(), score[i]);
    const double below =
        static_cast<double>(low - other.begin()) + 0.5 * static_cast<double>(high - low);
    const double share = below / static_cast<double>(other.size());
    const double placement = own == 1 ? share : 1.0 - share;
    influence[person.empty() ? static_cast<int>(i) : person[static_cast<std::size_t>(i)]] +=
        (placement - value) / static_cast<double>(of_class[own].size());
  }
  double sum = 0.0;
  for (const auto& [id, own] : influence) sum += own * own;
  const auto n = static_cast<double>(influence.size());
  return std::max(sum * n / (n - 1.0), 0.25 / (pairs * pairs));
}

// Mean correlation, about 0, of the scores of two repeats.
double agreement_of_repeats(const Eigen::MatrixXd& score) {
  const Eigen::MatrixXd known = score.array().isNaN().select(0.0, score);
  const Eigen::MatrixXd products = known.transpose() * known;
  double sum = 0.0;
  double n = 0.0;
  for (Eigen::Index a = 0; a < products.rows(); ++a) {
    for (Eigen::Index b = 0; b < a; ++b) {
      const double size = std::sqrt(products(a, a) * products(b, b));
      if (!(size > 0.0)) continue;
      sum += products(a, b) / size;
      n += 1.0;
    }
  }
  return n > 0.0 ? sum / n : 1.0; // constant scores: no direction that could move
}

} // namespace

CrossValidatedAuc cross_validated_auc(const Eigen::VectorXd& y, const Eigen::MatrixXd& score,
                                      const std::vector<Split>& splits,
                                      const std::vector<int>& person) {
  CrossValidatedAuc out{mean_over_folds(y, score, splits), kNaN, kNaN, kNaN, kNaN};
  if (std::isnan(out.value)) return out;
  const auto k = static_cast<double>(splits.front().n_folds);
  const auto repeats = static_cast<double>(splits.size());
  out.direct = placement_variance(y, score.rowwise().mean(), person);
  out.noise = std::clamp(k * (1.0 - agreement_of_repeats(score)), 0.0, k - 1.0);
  const double variance = out.direct * (1.0 + out.noise * (1.0 - (1.0 - 1.0 / repeats) / k));
  const double edge = std::clamp(out.value, 1e-12, 1.0 - 1e-12);
  const double half = kZ975 * std::sqrt(variance) / (edge * (1.0 - edge));
  const double centre = std::log(edge / (1.0 - edge));
  out.lower = 1.0 / (1.0 + std::exp(half - centre));
  out.upper = 1.0 / (1.0 + std::exp(-half - centre));
  return out;
}

} // namespace boldmill::cohort
