#include "stages/cohort/kernels/biotype_membership.hpp"

#include "stages/cohort/kernels/correlation_clustering.hpp"

namespace boldmill::cohort {
namespace {

constexpr Eigen::Index kFewestColumns = 3;

// k x p, the mean unit row of each cluster.
Eigen::MatrixXd centers_of(const Eigen::MatrixXd& x, int k) {
  if (x.cols() < kFewestColumns || x.rows() < k) return {};
  const Eigen::MatrixXd all = unit_rows(x);
  std::vector<Eigen::Index> rows;
  for (Eigen::Index i = 0; i < all.rows(); ++i) {
    if (!all.row(i).array().isNaN().any()) rows.push_back(i);
  }
  if (static_cast<int>(rows.size()) < k) return {};
  const Eigen::MatrixXd units = all(rows, Eigen::all);
  const std::vector<int> label = cut(correlation_linkage(units), k).labels(k);
  Eigen::MatrixXd centers = Eigen::MatrixXd::Zero(k, x.cols());
  Eigen::VectorXd size = Eigen::VectorXd::Zero(k);
  for (Eigen::Index i = 0; i < units.rows(); ++i) {
    centers.row(label[static_cast<std::size_t>(i)]) += units.row(i);
    ++size[label[static_cast<std::size_t>(i)]];
  }
  return size.cwiseInverse().asDiagonal() * centers;
}

} // namespace

LearningStep biotype_membership(int k) {
  return {"biotype_membership", [k](const Rows& training) {
            const Eigen::MatrixXd centers = centers_of(training.x, k);
            return [centers](const Rows& rows) {
              Rows out = rows;
              out.x = Eigen::MatrixXd::Zero(rows.x.rows(), centers.rows());
              out.names.clear();
              for (Eigen::Index c = 0; c < centers.rows(); ++c) {
                out.names.push_back("biotype_" + std::to_string(c + 1));
              }
              if (centers.rows() == 0) return out;
              const Eigen::MatrixXd likeness = unit_rows(rows.x) * centers.transpose();
              for (Eigen::Index i = 0; i < likeness.rows(); ++i) {
                if (likeness.row(i).array().isNaN().any()) continue;
                Eigen::Index best = 0;
                likeness.row(i).maxCoeff(&best);
                out.x(i, best) = 1.0;
              }
              return out;
            };
          }};
}

} // namespace boldmill::cohort
