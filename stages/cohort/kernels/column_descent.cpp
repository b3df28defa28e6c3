#include "stages/cohort/kernels/column_descent.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "stages/cohort/kernels/elastic_net_loss.hpp"

namespace boldmill::cohort {
namespace {

constexpr int kMaxNewtonSteps = 200;
constexpr int kMaxHalvings = 30;
constexpr double kStale = 0.1; // share of the weights that may change before they are renewed

struct Descent {
  const Eigen::MatrixXd& products;
  Eigen::VectorXd& pull;
  Eigen::VectorXd& beta;
  Eigen::Index size;
  double lasso, ridge;

  double visit(Eigen::Index j) const {
    const double curvature = products(j, j);
    if (curvature <= 0.0) return 0.0;
    const double before = beta[j];
    const double after = soft_threshold(pull[j] + curvature * before, lasso) / (curvature + ridge);
    if (after == before) return 0.0;
    const double change = after - before;
    beta[j] = after;
    pull.head(size).noalias() -= change * products.col(j).head(size);
    return curvature * change * change;
  }
  [[nodiscard]] double sweep() const {
    double largest = 0.0;
    for (Eigen::Index j = 0; j < size; ++j) largest = std::max(largest, visit(j));
    return largest;
  }
  double sweep_active() const {
    double largest = 0.0;
    for (Eigen::Index j = 0; j < size; ++j) {
      if (beta[j] != 0.0) largest = std::max(largest, visit(j));
    }
    return largest;
  }
  // Non-zero coefficients are cycled until settled, then all are visited once more.
  [[nodiscard]] bool run(double small, int max_sweeps) const {
    for (int n = 0; n < max_sweeps; ++n) {
      if (sweep() < small) return true;
      while (sweep_active() >= small && n < max_sweeps) ++n;
    }
    return false;
  }
};

} // namespace

ColumnDescent::ColumnDescent(const Eigen::VectorXd& y, Family family)
    : y_(y), family_(family),
      weight_(Eigen::VectorXd::Constant(y.size(), 1.0 / static_cast<double>(y.size()))),
      intercept_(null_intercept(family, y)) {
  if (family != Family::gaussian) {
    weight_ = loss_slopes(family, Eigen::VectorXd::Constant(y.size(), intercept_), y).second;
    total_weight_ = weight_.sum();
  }
}

void ColumnDescent::reserve(Eigen::Index size) {
  if (size <= beta_.size()) return;
  const Eigen::Index capacity = beta_.size() == 0 ? size : std::max(size, 2 * beta_.size());
  x_.conservativeResize(y_.size(), capacity);
  products_.conservativeResize(capacity, capacity);
  for (Eigen::VectorXd* v : {&mean_, &center_, &pull_, &beta_}) v->conservativeResize(capacity);
}

void ColumnDescent::append(const Eigen::MatrixXd& x, const std::vector<Eigen::Index>& columns) {
  const Eigen::Index first = size_;
  reserve(size_ + static_cast<Eigen::Index>(columns.size()));
  for (const Eigen::Index c : columns) {
    mean_[size_] = x.col(c).mean();
    x_.col(size_).array() = x.col(c).array() - mean_[size_];
    beta_[size_++] = 0.0;
  }
  add_products(first);
}

void ColumnDescent::append_all(const Eigen::MatrixXd& x) {
  std::vector<Eigen::Index> all(static_cast<std::size_t>(x.cols()));
  std::iota(all.begin(), all.end(), Eigen::Index{0});
  append(x, all);
}

void ColumnDescent::add_products(Eigen::Index first) {
  const Eigen::Index added = size_ - first;
  if (added == 0) return;
  const auto old = x_.leftCols(first);
  const Eigen::MatrixXd weighted = x_.middleCols(first, added).array().colwise() * weight_.array();
  center_.segment(first, added) = weighted.colwise().sum().transpose() / total_weight_;
  auto corner = products_.block(first, first, added, added);
  corner.noalias() = x_.middleCols(first, added).transpose() * weighted;
  corner.noalias() -=
      total_weight_ * center_.segment(first, added) * center_.segment(first, added).transpose();
  if (first > 0) {
    auto side = products_.block(0, first, first, added);
    side.noalias() = old.transpose() * weighted;
    side.noalias() -=
        total_weight_ * center_.head(first) * center_.segment(first, added).transpose();
    products_.block(first, 0, added, first) = side.transpose();
  }
  if (family_ != Family::gaussian) return; // pulls are computed at every step
  const Eigen::VectorXd target = (y_.array() - y_.mean()) / static_cast<double>(y_.size());
  auto pull = pull_.segment(first, added);
  pull.noalias() = x_.middleCols(first, added).transpose() * target;
  pull.noalias() -= products_.block(first, 0, added, first) * beta_.head(first);
}

void ColumnDescent::renew_products(const Eigen::VectorXd& weight) {
  weight_ = weight;
  total_weight_ = std::max(weight.sum(), 1e-300);
  const auto x = x_.leftCols(size_);
  center_.head(size_).noalias() = x.transpose() * weight / total_weight_;
  const Eigen::MatrixXd scaled = x.array().colwise() * weight.array().sqrt();
  auto products = products_.topLeftCorner(size_, size_);
  products.setZero();
  products.selfadjointView<Eigen::Lower>().rankUpdate(scaled.transpose());
  products.selfadjointView<Eigen::Lower>().rankUpdate(center_.head(size_), -total_weight_);
  products.triangularView<Eigen::StrictlyUpper>() = products.transpose();
}

Eigen::VectorXd ColumnDescent::eta() const {
  Eigen::VectorXd out = Eigen::VectorXd::Constant(y_.size(), intercept_);
  out.noalias() += x_.leftCols(size_) * beta_.head(size_);
  return out;
}

double ColumnDescent::intercept() const {
  return intercept_ - mean_.head(size_).dot(beta_.head(size_));
}

void ColumnDescent::restart(const Eigen::VectorXd& beta, double intercept) {
  beta_.head(size_).setZero();
  beta_.head(beta.size()) = beta;
  intercept_ = intercept + mean_.head(size_).dot(beta_.head(size_));
  if (family_ != Family::gaussian) return;
  const Eigen::VectorXd target = (y_.array() - y_.mean()) / static_cast<double>(y_.size());
  pull_.head(size_).noalias() = x_.leftCols(size_).transpose() * target;
  pull_.head(size_).noalias() -= products_.topLeftCorner(size_, size_) * beta_.head(size_);
}

Eigen::VectorXd ColumnDescent::pull_by_row() const {
  return -loss_slopes(family_, eta(), y_).first;
}

bool ColumnDescent::solve(double lambda, double small, const ElasticNetSettings& settings) {
  return family_ == Family::gaussian ? solve_gaussian(lambda, small, settings)
                                     : solve_newton(lambda, small, settings);
}

bool ColumnDescent::solve_gaussian(double lambda, double small,
                                   const ElasticNetSettings& settings) {
  const Descent descent{
      products_, pull_, beta_, size_, lambda * settings.alpha, lambda * (1.0 - settings.alpha)};
  return descent.run(small, settings.max_sweeps);
}

// Moves beta and the intercept to the minimum of the quadratic model whose pull is in pull_.
void ColumnDescent::quadratic_step(double lambda, double small,
                                   const ElasticNetSettings& settings) {
  if (settings.alpha > 0.0) {
    const Descent descent{
        products_, pull_, beta_, size_, lambda * settings.alpha, lambda * (1.0 - settings.alpha)};
    (void)descent.run(0.1 * small, settings.max_sweeps);
    return;
  }
  Eigen::MatrixXd hessian = products_.topLeftCorner(size_, size_);
  hessian.diagonal().array() += lambda;
  beta_.head(size_) += hessian.ldlt().solve(pull_.head(size_) - lambda * beta_.head(size_));
}

bool ColumnDescent::solve_newton(double lambda, double small, const ElasticNetSettings& settings) {
  Eigen::VectorXd at = eta();
  double objective = mean_loss(family_, at, y_) + penalty(beta(), lambda, settings.alpha);
  const double stale = family_ == Family::squared_hinge ? 0.0 : kStale;
  for (int step = 0; step < kMaxNewtonSteps; ++step) {
    const LossSlopes slopes = loss_slopes(family_, at, y_);
    const double moved = (slopes.second - weight_).lpNorm<1>() / total_weight_;
    const bool fresh = moved <= 1e-3 * kStale;
    if (moved > stale) renew_products(slopes.second);
    // Weighted centring takes the intercept out of the quadratic problem.
    const double slope = slopes.first.sum();
    pull_.head(size_).noalias() = -(x_.leftCols(size_).transpose() * slopes.first);
    pull_.head(size_) += slope * center_.head(size_);
    const Eigen::VectorXd before_beta = beta();
    const double before_intercept = intercept_;
    const double before = objective;
    quadratic_step(lambda, small, settings);
    intercept_ -= slope / total_weight_ + center_.head(size_).dot(beta() - before_beta);
    for (int halving = 0; halving < kMaxHalvings; ++halving) {
      at = eta();
      objective = mean_loss(family_, at, y_) + penalty(beta(), lambda, settings.alpha);
      if (objective <= before + 1e-3 * small) break;
      beta_.head(size_) = 0.5 * (beta() + before_beta);
      intercept_ = 0.5 * (intercept_ + before_intercept);
    }
    // With old weights a step covers all but a tenth or so of the way.
    if (before - objective < (fresh || moved > stale ? small : 0.3 * small)) return true;
  }
  return false;
}

std::vector<ElasticNetFit> ColumnDescent::ridge(const std::vector<double>& lambdas) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(products_.topLeftCorner(size_, size_));
  const Eigen::VectorXd target = (y_.array() - y_.mean()) / static_cast<double>(y_.size());
  const Eigen::VectorXd rotated =
      eigen.eigenvectors().transpose() * (x_.leftCols(size_).transpose() * target);
  Eigen::MatrixXd shrunk(size_, static_cast<Eigen::Index>(lambdas.size()));
  for (Eigen::Index l = 0; l < shrunk.cols(); ++l) {
    const double lambda = lambdas[static_cast<std::size_t>(l)];
    shrunk.col(l) = rotated.array() / (eigen.eigenvalues().array().max(0.0) + lambda);
  }
  const Eigen::MatrixXd beta = eigen.eigenvectors() * shrunk;
  std::vector<ElasticNetFit> out;
  for (Eigen::Index l = 0; l < beta.cols(); ++l) {
    out.push_back({intercept_ - mean_.head(size_).dot(beta.col(l)), beta.col(l), true});
  }
  return out;
}

} // namespace boldmill::cohort
