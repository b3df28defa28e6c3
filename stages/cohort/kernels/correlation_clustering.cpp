#include "stages/cohort/kernels/correlation_clustering.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace boldmill::cohort {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Silhouette widths from sums of dot products: g(i, c) = sum over members j of c of <u_i, u_j>.
void widths(const Eigen::MatrixXd& g, const std::vector<double>& size, const std::vector<int>& own,
            const std::vector<int>& clusters, Eigen::VectorXd& out) {
  const Eigen::Index n = g.rows();
  Eigen::ArrayXd nearest = Eigen::ArrayXd::Constant(n, kInfinity);
  for (const int c : clusters) {
    const double inverse = 1.0 / size[static_cast<std::size_t>(c)];
    for (Eigen::Index i = 0; i < n; ++i) {
      const double d = own[static_cast<std::size_t>(i)] == c ? kInfinity : 1.0 - g(i, c) * inverse;
      nearest[i] = std::min(nearest[i], d);
    }
  }
  for (Eigen::Index i = 0; i < n; ++i) {
    const int c = own[static_cast<std::size_t>(i)];
    const double members = size[static_cast<std::size_t>(c)];
    const double a = (members - g(i, c)) / (members - 1.0);
    const double b = nearest[i];
    out[i] = members > 1.0 && a != b ? (b - a) / std::max(a, b) : 0.0;
  }
}

} // namespace

Eigen::MatrixXd unit_rows(const Eigen::MatrixXd& x) {
  Eigen::MatrixXd out = x.colwise() - x.rowwise().mean();
  const Eigen::ArrayXd norm = out.rowwise().norm();
  const Eigen::ArrayXd floor = 1e-12 * x.rowwise().norm().array();
  const Eigen::ArrayXd scale =
      (norm > floor).select(1.0 / norm, std::numeric_limits<double>::quiet_NaN());
  return scale.matrix().asDiagonal() * out;
}

Eigen::MatrixXd correlation_distance(const Eigen::MatrixXd& units) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Ones(units.rows(), units.rows());
  out.noalias() -= units * units.transpose();
  out.diagonal().setZero();
  return out;
}

CutQuality cut_quality(const Eigen::MatrixXd& units, const Cuts& cuts, int k_min) {
  const int k_max = cuts.k_max;
  std::vector<double> size(static_cast<std::size_t>(k_max), 0.0);
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(k_max, units.cols());
  for (std::size_t i = 0; i < cuts.finest.size(); ++i) {
    size[static_cast<std::size_t>(cuts.finest[i])] += 1.0;
    sum.row(cuts.finest[i]) += units.row(static_cast<Eigen::Index>(i));
  }
  Eigen::MatrixXd g = units * sum.transpose();
  std::vector<int> own = cuts.finest;
  std::vector<int> clusters(static_cast<std::size_t>(k_max));
  std::iota(clusters.begin(), clusters.end(), 0);
  CutQuality out{Eigen::VectorXd::Zero(k_max - k_min + 1),
                 Eigen::VectorXd::Zero(k_max - k_min + 1)};
  Eigen::VectorXd width(units.rows());
  for (int k = k_max; k >= k_min; --k) {
    widths(g, size, own, clusters, width);
    out.silhouette[k - k_min] = width.mean();
    for (const int c : clusters) {
      const double n = size[static_cast<std::size_t>(c)];
      out.within_sum[k - k_min] += 0.5 * (n * n - sum.row(c).squaredNorm());
    }
    if (k == k_min) break;
    const auto& join = cuts.joins[static_cast<std::size_t>(k_max - k)];
    g.col(join.into) += g.col(join.from);
    sum.row(join.into) += sum.row(join.from);
    size[static_cast<std::size_t>(join.into)] += size[static_cast<std::size_t>(join.from)];
    std::replace(own.begin(), own.end(), join.from, join.into);
    std::erase(clusters, join.from);
  }
  return out;
}

Eigen::VectorXd silhouette_widths(const Eigen::MatrixXd& units, const std::vector<int>& labels) {
  const int k = *std::max_element(labels.begin(), labels.end()) + 1;
  std::vector<double> size(static_cast<std::size_t>(k), 0.0);
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(k, units.cols());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    size[static_cast<std::size_t>(labels[i])] += 1.0;
    sum.row(labels[i]) += units.row(static_cast<Eigen::Index>(i));
  }
  std::vector<int> clusters(static_cast<std::size_t>(k));
  std::iota(clusters.begin(), clusters.end(), 0);
  Eigen::VectorXd out(units.rows());
  widths(units * sum.transpose(), size, labels, clusters, out);
  return out;
}

} // namespace boldmill::cohort
