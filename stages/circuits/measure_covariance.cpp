#include "stages/circuits/measure_covariance.hpp"

#include <cmath>
#include <limits>

namespace boldmill::measure_covariance {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double parzen(double x) {
  if (x >= 1.0) return 0.0;
  if (x <= 0.5) return 1.0 - 6.0 * x * x * (1.0 - x);
  const double rest = 1.0 - x;
  return 2.0 * rest * rest * rest;
}

void check(const Inputs& inputs) {
  for (const Run& run : inputs.runs) {
    const bool fits = run.influence.cols() == inputs.se.size();
    if (fits && run.influence.allFinite() && run.tr_s > 0.0) continue;
    throw Error(ErrorKind::internal,
                "measure_covariance: influences of " + run.run_id + ": found " +
                    std::to_string(run.influence.cols()) + " columns, repetition time " +
                    std::to_string(run.tr_s) + " s, expected finite values in " +
                    std::to_string(inputs.se.size()) + " columns and more than 0 s");
  }
}

// U' W U with W the windowed lags: the sum of a run's influence products.
Eigen::MatrixXd products(const Run& run, double window_s) {
  const Eigen::MatrixXd& u = run.influence;
  const Eigen::Index n = u.rows();
  Eigen::MatrixXd smooth = u;
  for (Eigen::Index k = 1; k < n; ++k) {
    const double w = window_s > 0.0 ? parzen(static_cast<double>(k) * run.tr_s / window_s) : 0.0;
    if (!(w > 0.0)) break;
    smooth.topRows(n - k) += w * u.bottomRows(n - k);
    smooth.bottomRows(n - k) += w * u.topRows(n - k);
  }
  return u.transpose() * smooth;
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  const Eigen::Index n = inputs.se.size();
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(n, n);
  for (const Run& run : inputs.runs) {
    context.check_stop();
    sum += products(run, params.window_s);
  }
  sum = (0.5 * (sum + sum.transpose())).eval();
  Outputs out;
  out.correlation = Eigen::MatrixXd::Identity(n, n);
  const Eigen::VectorXd size = sum.diagonal().cwiseMax(0.0).cwiseSqrt();
  for (Eigen::Index j = 0; j < n; ++j) {
    for (Eigen::Index i = 0; i < n; ++i) {
      if (i != j && size[i] > 0.0 && size[j] > 0.0) {
        out.correlation(i, j) = sum(i, j) / (size[i] * size[j]);
      }
      if (std::isnan(inputs.se[i]) || std::isnan(inputs.se[j])) out.correlation(i, j) = kNaN;
    }
    if (!std::isnan(inputs.se[j]) && !(size[j] > 0.0)) {
      out.without_influence.push_back(static_cast<std::size_t>(j));
    }
  }
  out.covariance = inputs.se.asDiagonal() * out.correlation * inputs.se.asDiagonal();
  return out;
}

Eigen::VectorXd over_all_volumes(const Eigen::VectorXd& influence,
                                 const std::vector<Eigen::Index>& kept, Eigen::Index n_volumes) {
  if (influence.size() != static_cast<Eigen::Index>(kept.size())) {
    throw Error(ErrorKind::internal, "measure_covariance: " + std::to_string(influence.size()) +
                                         " influences of " + std::to_string(kept.size()) +
                                         " volumes kept");
  }
  Eigen::VectorXd out = Eigen::VectorXd::Zero(n_volumes);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    out[kept[i]] = influence[static_cast<Eigen::Index>(i)];
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return (2 * shape.n_volumes * shape.n_measures * (shape.n_runs + 1) +
          4 * shape.n_measures * shape.n_measures) *
         sizeof(double);
}

} // namespace boldmill::measure_covariance
