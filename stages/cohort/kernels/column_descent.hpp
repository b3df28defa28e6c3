// The elastic net on a set of columns that can grow: Newton steps about the current fit on the
// cross-products of the columns, each solved by coordinate descent (a = 0: by Cholesky). The
// weights behind the cross-products are kept while they still describe the loss, so that a fit that
// moves little along a path costs two products with X and no new cross-products.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/cohort/kernels/elastic_net.hpp"

namespace boldmill::cohort {

class ColumnDescent {
public:
  ColumnDescent(const Eigen::VectorXd& y, Family family);

  // Adds columns of x, coefficients 0.
  void append(const Eigen::MatrixXd& x, const std::vector<Eigen::Index>& columns);
  void append_all(const Eigen::MatrixXd& x);
  // Continues from the current coefficients. `small`: decrease of the objective that may remain.
  bool solve(double lambda, double small, const ElasticNetSettings& settings);
  // Gaussian ridge for all penalties from one eigendecomposition.
  [[nodiscard]] std::vector<ElasticNetFit> ridge(const std::vector<double>& lambdas);

  [[nodiscard]] Eigen::Index size() const { return size_; }
  [[nodiscard]] Eigen::VectorXd beta() const { return beta_.head(size_); }
  [[nodiscard]] double intercept() const; // for x as given
  void restart(const Eigen::VectorXd& beta, double intercept);
  // Minus the slope of the mean loss with respect to eta: X' of it is the pull on coefficients.
  [[nodiscard]] Eigen::VectorXd pull_by_row() const;

private:
  void reserve(Eigen::Index size);
  void renew_products(const Eigen::VectorXd& weight);
  void add_products(Eigen::Index first);
  [[nodiscard]] Eigen::VectorXd eta() const;
  bool solve_gaussian(double lambda, double small, const ElasticNetSettings& settings);
  bool solve_newton(double lambda, double small, const ElasticNetSettings& settings);
  void quadratic_step(double lambda, double small, const ElasticNetSettings& settings);

  const Eigen::VectorXd& y_;
  Family family_;
  Eigen::Index size_ = 0;
  Eigen::MatrixXd x_;             // n x capacity, columns centred
  Eigen::MatrixXd products_;      // capacity x capacity, weighted and centred
  Eigen::VectorXd mean_, center_; // of the columns as given; weighted, of x_
  Eigen::VectorXd pull_;          // minus the gradient of the quadratic model, kept up to date
  Eigen::VectorXd beta_;
  Eigen::VectorXd weight_;
  double total_weight_ = 1.0;
  double intercept_ = 0.0; // for x_
};

} // namespace boldmill::cohort
