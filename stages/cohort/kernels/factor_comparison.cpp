#include "stages/cohort/kernels/factor_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/cohort/kernels/assignment.hpp"
#include "stages/cohort/kernels/correlation_clustering.hpp"
#include "stages/cohort/kernels/factor_model.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

struct Fold {
  Eigen::MatrixXd training, test; // complete people, after the chain
};

Eigen::MatrixXd clustered_people(const Rows& rows) {
  std::vector<Eigen::Index> used;
  const Eigen::MatrixXd units = unit_rows(rows.x);
  for (Eigen::Index i = 0; i < rows.x.rows(); ++i) {
    const bool control =
        !rows.is_reference.empty() && rows.is_reference[static_cast<std::size_t>(i)] != 0;
    if (!control && units.row(i).allFinite()) used.push_back(i);
  }
  return rows.x(used, Eigen::all);
}

// People of every site are dealt to folds in turn, so that no site is new in a test part.
std::vector<int> deal(const Rows& rows, const ComparisonOptions& options) {
  const auto n = static_cast<std::size_t>(rows.x.rows());
  std::vector<std::size_t> order = Random(options.seed).permutation(n);
  if (!rows.batch.empty()) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return rows.batch[a] < rows.batch[b]; });
  }
  std::vector<int> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    out[order[i]] = static_cast<int>(i % static_cast<std::size_t>(options.folds));
  }
  return out;
}

std::vector<Fold> folds_of(const Rows& rows, const std::vector<LearningStep>& chain,
                           const ComparisonOptions& options) {
  const std::vector<int> dealt = deal(rows, options);
  std::vector<Fold> out;
  for (int f = 0; f < options.folds; ++f) {
    std::vector<Eigen::Index> training, test;
    for (std::size_t i = 0; i < dealt.size(); ++i) {
      (dealt[i] == f ? test : training).push_back(static_cast<Eigen::Index>(i));
    }
    const Rows part = rows.select(training);
    const FittedSteps steps = fit_steps(chain, part);
    out.push_back({clustered_people(apply_steps(steps, part)),
                   clustered_people(apply_steps(steps, rows.select(test)))});
  }
  return out;
}

// Of test people under clusters of the training people: weights, centres, and factors of what is
// left inside clusters.
Eigen::VectorXd cluster_density(const Fold& fold, int clusters, int factors) {
  const auto labels = cut(correlation_linkage(unit_rows(fold.training)), clusters).labels(clusters);
  const Eigen::MatrixXd centre = cluster_means(fold.training, labels, clusters);
  Eigen::MatrixXd inside = fold.training;
  Eigen::VectorXd weight = Eigen::VectorXd::Zero(clusters);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    inside.row(static_cast<Eigen::Index>(i)) -= centre.row(labels[i]);
    weight[labels[i]] += 1.0 / static_cast<double>(labels.size());
  }
  const FactorModel model = fit_factors(inside, factors);
  Eigen::MatrixXd each(fold.test.rows(), clusters);
  for (int c = 0; c < clusters; ++c) {
    each.col(c) = model.log_density(fold.test, centre.row(c)).array() + std::log(weight[c]);
  }
  const Eigen::VectorXd most = each.rowwise().maxCoeff();
  return most.array() + (each.colwise() - most).array().exp().rowwise().sum().log();
}

} // namespace

FactorComparison compare_factors(const Rows& rows, const std::vector<LearningStep>& chain,
                                 const ComparisonOptions& options) {
  FactorComparison out{Eigen::VectorXd::Zero(options.max_factors + 1)};
  const std::vector<Fold> folds = folds_of(rows, chain, options);
  double people = 0.0;
  Eigen::Index fewest = folds.front().training.cols();
  for (const Fold& fold : folds) fewest = std::min(fewest, fold.training.cols());
  for (const Fold& fold : folds) {
    people += static_cast<double>(fold.test.rows());
    for (int q = 0; q <= options.max_factors; ++q) {
      if (q >= fewest) {
        out.log_density[q] = -std::numeric_limits<double>::infinity();
        continue;
      }
      out.log_density[q] += fit_factors(fold.training, q).log_density(fold.test).sum();
    }
  }
  out.log_density /= people;
  Eigen::Index best = 0;
  out.log_density.maxCoeff(&best);
  out.factors = static_cast<int>(best);
  double sum = 0.0;
  double squares = 0.0;
  for (const Fold& fold : folds) {
    const Eigen::VectorXd gain = cluster_density(fold, options.clusters, out.factors) -
                                 fit_factors(fold.training, out.factors).log_density(fold.test);
    sum += gain.sum();
    squares += gain.squaredNorm();
  }
  out.clusters_gain = sum / people;
  out.clusters_gain_se =
      std::sqrt(std::max(0.0, squares / people - out.clusters_gain * out.clusters_gain) / people);
  return out;
}

} // namespace boldmill::cohort
