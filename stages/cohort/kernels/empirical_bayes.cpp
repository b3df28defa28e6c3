#include "stages/cohort/kernels/empirical_bayes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "stages/core/parallel.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kColumnsPerBlock = 4096;
constexpr std::size_t kPairedColumnsPerBlock = 16;

struct Moments {
  double mean = kNaN, variance = kNaN;
};

Moments moments(const Eigen::VectorXd& values) {
  double sum = 0.0;
  double n = 0.0;
  for (const double v : values) {
    if (std::isnan(v)) continue;
    sum += v;
    n += 1.0;
  }
  if (n < 2.0) return {};
  Moments out{sum / n, 0.0};
  for (const double v : values) {
    if (!std::isnan(v)) out.variance += (v - out.mean) * (v - out.mean) / (n - 1.0);
  }
  return out;
}

double relative_change(double now, double before, bool keep_sign) {
  const double change = std::abs(now - before);
  if (change == 0.0) return 0.0;
  return change / (keep_sign ? before : std::abs(before));
}

// One pass of location, then scale. Returns the largest relative change.
double update(const BatchStatistics& batch, const BatchPrior& prior, bool keep_sign, Eigen::Index c,
              BatchEffect& effect) {
  const double n = batch.count[c];
  const double old_location = effect.location[c];
  const double old_scale = effect.scale[c];
  const double weight = prior.location_variance * n;
  const double location =
      (weight * batch.location[c] + old_scale * prior.location_mean) / (weight + old_scale);
  const double shift = batch.location[c] - location;
  const double squares = batch.sum_of_squares[c] + n * shift * shift;
  const double scale = (0.5 * squares + prior.rate) / (0.5 * n + prior.shape - 1.0);
  effect.location[c] = location;
  effect.scale[c] = scale;
  return std::max(relative_change(location, old_location, keep_sign),
                  relative_change(scale, old_scale, keep_sign));
}

} // namespace

BatchPrior batch_prior(const BatchStatistics& batch) {
  const Moments location = moments(batch.location);
  const Moments scale = moments(batch.scale);
  const double m = scale.mean;
  const double v = scale.variance;
  return {location.mean, location.variance, (2.0 * v + m * m) / v, (m * v + m * m * m) / v};
}

BatchEffect shrink_parametric(const BatchStatistics& batch, const BatchPrior& prior,
                              const StoppingRule& rule, const Context& context) {
  BatchEffect out{batch.location, batch.scale};
  const auto p = static_cast<std::size_t>(batch.location.size());
  for (double& scale : out.scale) { // a column with one person starts from the prior
    if (std::isnan(scale)) scale = prior.rate / (prior.shape - 1.0);
  }
  std::vector<double> change((p + kColumnsPerBlock - 1) / kColumnsPerBlock);
  out.converged = false;
  while (!out.converged && out.iterations < rule.max_iterations) {
    parallel_blocks(context, p, kColumnsPerBlock, [&](std::size_t begin, std::size_t end) {
      double largest = 0.0;
      for (std::size_t c = begin; c < end; ++c) {
        const auto column = static_cast<Eigen::Index>(c);
        if (std::isnan(batch.location[column])) continue;
        largest = std::max(largest, update(batch, prior, rule.signed_denominators, column, out));
      }
      change[begin / kColumnsPerBlock] = largest;
    });
    ++out.iterations;
    out.converged = *std::max_element(change.begin(), change.end()) <= rule.tolerance;
  }
  out.scale = batch.location.array().isNaN().select(kNaN, out.scale);
  return out;
}

BatchEffect shrink_non_parametric(const BatchStatistics& batch, const Context& context) {
  // The columns that can serve as draws of the prior, packed.
  std::vector<Eigen::Index> donors;
  for (Eigen::Index c = 0; c < batch.location.size(); ++c) {
    if (!std::isnan(batch.location[c]) && !std::isnan(batch.scale[c])) donors.push_back(c);
  }
  const Eigen::ArrayXd location = batch.location(donors);
  const Eigen::ArrayXd scale = batch.scale(donors);
  const Eigen::ArrayXd log_scale = scale.log();
  const Eigen::ArrayXd half_precision = 0.5 / scale;
  const auto p = static_cast<std::size_t>(batch.location.size());
  BatchEffect out{Eigen::VectorXd::Constant(batch.location.size(), kNaN),
                  Eigen::VectorXd::Constant(batch.location.size(), kNaN)};
  parallel_blocks(context, p, kPairedColumnsPerBlock, [&](std::size_t begin, std::size_t end) {
    Eigen::ArrayXd weight(location.size());
    for (std::size_t i = begin; i < end; ++i) {
      const auto c = static_cast<Eigen::Index>(i);
      if (std::isnan(batch.location[c])) continue;
      const double n = batch.count[c];
      weight =
          -0.5 * n * log_scale -
          (batch.sum_of_squares[c] + n * (location - batch.location[c]).square()) * half_precision;
      const auto self = std::lower_bound(donors.begin(), donors.end(), c);
      if (self != donors.end() && *self == c) {
        weight[self - donors.begin()] = -std::numeric_limits<double>::infinity();
      }
      weight = (weight - weight.maxCoeff()).exp();
      const double total = weight.sum();
      out.location[c] = (weight * location).sum() / total;
      out.scale[c] = (weight * scale).sum() / total;
    }
  });
  return out;
}

BatchEffect shrink_location(const BatchStatistics& batch, const BatchPrior& prior) {
  const double v = prior.location_variance;
  BatchEffect out{(v * batch.location.array() + prior.location_mean) / (v + 1.0), {}};
  out.scale =
      batch.location.array().isNaN().select(kNaN, Eigen::VectorXd::Ones(out.location.size()));
  return out;
}

} // namespace boldmill::cohort
