#include "stages/cohort/kernels/multiple_imputation.hpp"

#include <cmath>
#include <limits>

#include "stages/cohort/kernels/hierarchy.hpp"

namespace boldmill::cohort {

PooledEstimate pool_estimates(const Eigen::VectorXd& estimates, const Eigen::VectorXd& variances,
                              double complete_df) {
  const auto m = static_cast<double>(estimates.size());
  PooledEstimate out;
  out.estimate = estimates.mean();
  out.within = variances.mean();
  out.between = (estimates.array() - out.estimate).square().sum() / (m - 1.0);
  out.total = out.within + (1.0 + 1.0 / m) * out.between;
  const double lambda = (1.0 + 1.0 / m) * out.between / out.total;
  out.due_to_missing = lambda;
  const double old =
      lambda > 0.0 ? (m - 1.0) / (lambda * lambda) : std::numeric_limits<double>::infinity();
  const double observed = std::isinf(complete_df) ? std::numeric_limits<double>::infinity()
                                                  : (complete_df + 1.0) / (complete_df + 3.0) *
                                                        complete_df * (1.0 - lambda);
  out.degrees_of_freedom = 1.0 / (1.0 / old + 1.0 / observed);
  return out;
}

CoAssignment co_assignment(const Eigen::MatrixXi& labels, int k) {
  std::vector<Eigen::Index> people;
  for (Eigen::Index i = 0; i < labels.rows(); ++i) {
    if ((labels.row(i).array() >= 0).all()) people.push_back(i);
  }
  const auto n = static_cast<Eigen::Index>(people.size());
  Eigen::MatrixXd share = Eigen::MatrixXd::Zero(n, n);
  for (Eigen::Index m = 0; m < labels.cols(); ++m) {
    const Eigen::VectorXi label = labels(people, m);
    for (Eigen::Index i = 0; i < n; ++i) {
      share.col(i).array() += (label.array() == label[i]).cast<double>();
    }
  }
  share /= static_cast<double>(labels.cols());
  const std::vector<int> label =
      cut(average_linkage(Eigen::MatrixXd::Ones(n, n) - share), k).labels(k);
  CoAssignment out{
      std::vector<int>(static_cast<std::size_t>(labels.rows()), -1),
      Eigen::VectorXd::Constant(labels.rows(), std::numeric_limits<double>::quiet_NaN())};
  for (Eigen::Index i = 0; i < n; ++i) {
    double sum = 0.0;
    double others = 0.0;
    for (Eigen::Index j = 0; j < n; ++j) {
      if (j == i || label[static_cast<std::size_t>(j)] != label[static_cast<std::size_t>(i)])
        continue;
      sum += share(i, j);
      others += 1.0;
    }
    out.label[static_cast<std::size_t>(people[static_cast<std::size_t>(i)])] =
        label[static_cast<std::size_t>(i)];
    if (others > 0.0) out.support[people[static_cast<std::size_t>(i)]] = sum / others;
  }
  return out;
}

} // namespace boldmill::cohort
