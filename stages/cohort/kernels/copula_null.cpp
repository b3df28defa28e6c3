#include "stages/cohort/kernels/copula_null.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>

#include "stages/cohort/kernels/normal_scores.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Moments {
  double mean = 0.0, sd = 0.0;
};

// Of the present values of every group; sd 0 where a group has no spread.
std::vector<Moments> group_moments(const Eigen::VectorXd& values, const std::vector<int>& group) {
  const auto groups = static_cast<std::size_t>(*std::max_element(group.begin(), group.end()) + 1);
  std::vector<double> n(groups), sum(groups), squares(groups);
  const auto id = [&](Eigen::Index i) {
    return static_cast<std::size_t>(group[static_cast<std::size_t>(i)]);
  };
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    n[id(i)] += 1.0;
    sum[id(i)] += values[i];
  }
  std::vector<Moments> out(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    if (n[g] > 0.0) out[g].mean = sum[g] / n[g];
  }
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) squares[id(i)] += std::pow(values[i] - out[id(i)].mean, 2);
  }
  for (std::size_t g = 0; g < groups; ++g) {
    const double sd = n[g] > 1.0 ? std::sqrt(squares[g] / (n[g] - 1.0)) : 0.0;
    if (sd > 1e-12 * std::abs(out[g].mean)) out[g].sd = sd;
  }
  return out;
}

void standardise_groups(Eigen::VectorXd& values, const std::vector<int>& group) {
  const auto moments = group_moments(values, group);
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    const Moments& m = moments[static_cast<std::size_t>(group[static_cast<std::size_t>(i)])];
    values[i] = (values[i] - m.mean) / (m.sd > 0.0 ? m.sd : 1.0);
  }
}

// Correlations over pairs of present values; 0 where fewer than 3 people have both.
Eigen::MatrixXd pairwise_correlation(const Eigen::MatrixXd& z) {
  const Eigen::MatrixXd present = (!z.array().isNaN()).cast<double>();
  const Eigen::MatrixXd filled = z.array().isNaN().select(0.0, z);
  const Eigen::MatrixXd squares = filled.cwiseAbs2();
  const Eigen::MatrixXd n = present.transpose() * present;
  const Eigen::MatrixXd sum = filled.transpose() * present; // of the row's column
  const Eigen::MatrixXd square = squares.transpose() * present;
  const Eigen::MatrixXd cross = filled.transpose() * filled;
  Eigen::MatrixXd out = Eigen::MatrixXd::Identity(z.cols(), z.cols());
  for (Eigen::Index a = 0; a < z.cols(); ++a) {
    for (Eigen::Index b = 0; b < a; ++b) {
      const double m = n(a, b);
      const double va = square(a, b) - sum(a, b) * sum(a, b) / m;
      const double vb = square(b, a) - sum(b, a) * sum(b, a) / m;
      const double c = cross(a, b) - sum(a, b) * sum(b, a) / m;
      const bool known = m >= 3.0 && va > 1e-12 && vb > 1e-12;
      out(a, b) = out(b, a) = known ? c / std::sqrt(va * vb) : 0.0;
    }
  }
  return out;
}

// rank x p with factor' factor = products, directions without variance left out.
Eigen::MatrixXd root(const Eigen::MatrixXd& products, bool unit_diagonal) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(products);
  const Eigen::VectorXd& values = eigen.eigenvalues();
  const double floor = 1e-10 * std::max(values.maxCoeff(), 0.0);
  const Eigen::Index rank = (values.array() > floor).count();
  Eigen::MatrixXd out =
      values.tail(rank).cwiseSqrt().asDiagonal() * eigen.eigenvectors().rightCols(rank).transpose();
  if (unit_diagonal) { // pairs need not fit together: negative eigenvalues were dropped
    for (Eigen::Index c = 0; c < out.cols(); ++c) {
      const double norm = out.col(c).norm();
      if (norm > 0.0) out.col(c) /= norm;
    }
  }
  return out;
}

// Random orthonormal columns, without a mean in any group (Haar measure, by Cholesky).
Eigen::MatrixXd random_frame(const std::vector<int>& group, Eigen::Index rank, Random& random) {
  const auto n = static_cast<Eigen::Index>(group.size());
  Eigen::MatrixXd out(n, rank);
  for (double& value : out.reshaped()) value = random.normal();
  const int groups = *std::max_element(group.begin(), group.end()) + 1;
  Eigen::MatrixXd mean = Eigen::MatrixXd::Zero(groups, rank);
  Eigen::VectorXd size = Eigen::VectorXd::Zero(groups);
  for (Eigen::Index i = 0; i < n; ++i) {
    const int g = group[static_cast<std::size_t>(i)];
    mean.row(g) += out.row(i);
    size[g] += 1.0;
  }
  for (Eigen::Index i = 0; i < n; ++i) {
    const int g = group[static_cast<std::size_t>(i)];
    out.row(i) -= mean.row(g) / size[g];
  }
  const Eigen::MatrixXd gram = out.transpose() * out;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(gram);
  cholesky.matrixU().solveInPlace<Eigen::OnTheRight>(out);
  return out;
}

} // namespace

CopulaNull::CopulaNull(const Eigen::MatrixXd& x, const std::vector<int>& group, CopulaScope scope)
    : x_(x) {
  std::map<int, std::vector<Eigen::Index>> members;
  std::vector<int> number(static_cast<std::size_t>(x.rows()), 0);
  std::map<int, int> known;
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    const int id = group.empty() ? 0 : group[row];
    number[row] = known.try_emplace(id, static_cast<int>(known.size())).first->second;
    members[number[row]].push_back(i);
  }
  if (scope == CopulaScope::pooled) {
    std::vector<Eigen::Index> all(static_cast<std::size_t>(x.rows()));
    std::iota(all.begin(), all.end(), 0);
    parts_.push_back(part_of(all, number));
    return;
  }
  for (const auto& [id, rows] : members) {
    parts_.push_back(part_of(rows, std::vector<int>(rows.size(), 0)));
  }
}

CopulaNull::Part CopulaNull::part_of(const std::vector<Eigen::Index>& rows,
                                     const std::vector<int>& group) const {
  Part out{rows, group, {}, {}};
  Eigen::MatrixXd scores(static_cast<Eigen::Index>(rows.size()), x_.cols());
  bool complete = true;
  for (Eigen::Index c = 0; c < x_.cols(); ++c) {
    Eigen::VectorXd values = x_(rows, c);
    standardise_groups(values, group);
    std::vector<double> sorted;
    for (const double v : values) {
      if (!std::isnan(v)) sorted.push_back(v);
    }
    complete = complete && sorted.size() == rows.size();
    std::sort(sorted.begin(), sorted.end());
    out.sorted.push_back(std::move(sorted));
    Eigen::VectorXd score = normal_scores(values);
    standardise_groups(score, group);
    scores.col(c) = score;
  }
  if (complete) {
    out.factor = root(scores.transpose() * scores, false);
  } else {
    out.factor = root(pairwise_correlation(scores), true);
  }
  // No more directions than people minus groups.
  const int groups = *std::max_element(group.begin(), group.end()) + 1;
  const auto most = static_cast<Eigen::Index>(rows.size()) - groups;
  if (out.factor.rows() > most) {
    out.factor = Eigen::MatrixXd(out.factor.bottomRows(std::max<Eigen::Index>(most, 0)));
  }
  return out;
}

void CopulaNull::draw_part(const Part& part, std::uint64_t seed, Eigen::MatrixXd& out) const {
  if (part.factor.rows() == 0) { // nobody to exchange with
    for (const Eigen::Index row : part.rows) out.row(row) = x_.row(row);
    return;
  }
  Random random(seed);
  const Eigen::MatrixXd z = random_frame(part.group, part.factor.rows(), random) * part.factor;
  std::vector<Eigen::Index> order;
  for (Eigen::Index c = 0; c < x_.cols(); ++c) {
    const Eigen::VectorXd given = x_(part.rows, c);
    order.clear();
    for (Eigen::Index i = 0; i < given.size(); ++i) {
      if (!std::isnan(given[i])) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](Eigen::Index a, Eigen::Index b) { return z(a, c) < z(b, c); });
    Eigen::VectorXd values = Eigen::VectorXd::Constant(given.size(), kNaN);
    const std::vector<double>& sorted = part.sorted[static_cast<std::size_t>(c)];
    for (std::size_t r = 0; r < order.size(); ++r) values[order[r]] = sorted[r];
    standardise_groups(values, part.group); // every group has its own location and spread again
    const auto moments = group_moments(given, part.group);
    for (Eigen::Index i = 0; i < given.size(); ++i) {
      const auto row = static_cast<std::size_t>(i);
      const Moments& m = moments[static_cast<std::size_t>(part.group[row])];
      out(part.rows[row], c) = values[i] * m.sd + m.mean;
    }
  }
}

Eigen::MatrixXd CopulaNull::draw(std::uint64_t seed) const {
  Eigen::MatrixXd out(x_.rows(), x_.cols());
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    draw_part(parts_[part], stream_seed(seed, "copula", std::to_string(part)), out);
  }
  return out;
}

} // namespace boldmill::cohort
