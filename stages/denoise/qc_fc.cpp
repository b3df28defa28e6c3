#include "stages/denoise/qc_fc.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "stages/core/parallel.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"
#include "stages/denoise/kernels/ranks.hpp"
#include "stages/denoise/kernels/student_t.hpp"

namespace boldmill::qc_fc {
namespace {

constexpr std::size_t kEdgeGrain = 2048;
constexpr Eigen::Index kPermutationBlock = 64;
constexpr double kRankTolerance = 1e-10;

void check(const Inputs& inputs) {
  const auto n = inputs.edges.rows();
  const bool distances =
      inputs.distance_mm.size() == 0 || inputs.distance_mm.size() == inputs.edges.cols();
  if (inputs.motion.size() != n || !distances ||
      (inputs.covariates.cols() > 0 && inputs.covariates.rows() != n)) {
    throw Error(ErrorKind::input, "qc_fc: connectivity of " + std::to_string(n) + " people and " +
                                      std::to_string(inputs.edges.cols()) + " edges, motion of " +
                                      std::to_string(inputs.motion.size()) + ", covariates of " +
                                      std::to_string(inputs.covariates.rows()) + " people, " +
                                      std::to_string(inputs.distance_mm.size()) + " distances");
  }
}

std::vector<Eigen::Index> complete_people(const Inputs& inputs) {
  std::vector<Eigen::Index> out;
  for (Eigen::Index i = 0; i < inputs.motion.size(); ++i) {
    const bool covariates = inputs.covariates.cols() == 0 || inputs.covariates.row(i).allFinite();
    if (std::isfinite(inputs.motion[i]) && covariates) out.push_back(i);
  }
  return out;
}

// Constant and covariates, orthonormal.
Eigen::MatrixXd nuisance_basis(const Inputs& inputs, const std::vector<Eigen::Index>& people) {
  const auto n = static_cast<Eigen::Index>(people.size());
  Eigen::MatrixXd x(n, 1 + inputs.covariates.cols());
  x.col(0).setOnes();
  for (Eigen::Index c = 0; c < inputs.covariates.cols(); ++c) {
    const Eigen::VectorXd column = inputs.covariates.col(c)(people);
    x.col(c + 1) = column.array() - column.mean();
    const double norm = x.col(c + 1).norm();
    if (norm > 0.0) x.col(c + 1) /= norm;
  }
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(n, x.cols());
  qr.setThreshold(kRankTolerance);
  qr.compute(x);
  return qr.householderQ() * Eigen::MatrixXd::Identity(n, qr.rank());
}

struct Prepared {
  Eigen::MatrixXf unit; // people x edges used: residuals of length one
  std::vector<Eigen::Index> edges;
};

Prepared unit_residuals(const Inputs& inputs, const std::vector<Eigen::Index>& people,
                        const Eigen::MatrixXd& basis, const Context& context) {
  const auto n = static_cast<Eigen::Index>(people.size());
  const auto n_edges = static_cast<std::size_t>(inputs.edges.cols());
  Eigen::MatrixXf all(n, inputs.edges.cols());
  std::vector<std::uint8_t> usable(n_edges, 0);
  parallel_blocks(context, n_edges, kEdgeGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t e = begin; e < end; ++e) {
      const auto column = static_cast<Eigen::Index>(e);
      Eigen::VectorXd y = inputs.edges.col(column)(people).cast<double>();
      if (!y.allFinite()) continue;
      const double size = y.norm();
      y -= basis * (basis.transpose() * y).eval();
      const double norm = y.norm();
      if (!(norm > 1e-7 * size)) continue;
      all.col(column) = (y / norm).cast<float>();
      usable[e] = 1;
    }
  });
  Prepared out;
  for (std::size_t e = 0; e < n_edges; ++e) {
    if (usable[e] != 0) out.edges.push_back(static_cast<Eigen::Index>(e));
  }
  out.unit = all(Eigen::all, out.edges);
  return out;
}

// Correlation of every edge with every column of unit vectors.
Eigen::MatrixXf correlations(const Eigen::MatrixXf& unit, const Eigen::MatrixXf& motion,
                             const Context& context) {
  Eigen::MatrixXf out(unit.cols(), motion.cols());
  parallel_blocks(context, static_cast<std::size_t>(unit.cols()), kEdgeGrain,
                  [&](std::size_t begin, std::size_t end) {
                    const auto first = static_cast<Eigen::Index>(begin);
                    const auto count = static_cast<Eigen::Index>(end - begin);
                    out.middleRows(first, count).noalias() =
                        unit.middleCols(first, count).transpose() * motion;
                  });
  return out;
}

struct Summary {
  double median_absolute = 0.0, share = 0.0, distance = 0.0;
};

// |r| that is significant: bisection of Student's p.
double critical_r(double alpha, int dof) {
  double low = 0.0, high = 1.0;
  for (int i = 0; i < 100; ++i) {
    const double r = 0.5 * (low + high);
    const double t = r * std::sqrt(dof / (1.0 - r * r));
    (student_t_p(t, dof) > alpha ? low : high) = r;
  }
  return high;
}

Summary summarise(std::span<const float> r, double critical,
                  const std::vector<double>& distance_ranks) {
  Summary out;
  std::vector<float> size(r.size());
  double significant = 0.0;
  for (std::size_t e = 0; e < r.size(); ++e) {
    size[e] = std::abs(r[e]);
    significant += static_cast<double>(size[e]) > critical ? 1.0 : 0.0;
  }
  const auto middle = size.begin() + static_cast<std::ptrdiff_t>(size.size() / 2);
  std::nth_element(size.begin(), middle, size.end());
  out.median_absolute = static_cast<double>(*middle);
  if (size.size() % 2 == 0) {
    const float below = *std::max_element(size.begin(), middle);
    out.median_absolute = 0.5 * (out.median_absolute + static_cast<double>(below));
  }
  out.share = significant / static_cast<double>(r.size());
  out.distance = distance_ranks.empty() ? std::numeric_limits<double>::quiet_NaN()
                                        : pearson(average_ranks(r), distance_ranks);
  return out;
}

void set_p(Statistic& statistic, bool two_sided) {
  if (statistic.null.size() == 0 || std::isnan(statistic.value)) return;
  const auto size = [two_sided](double value) { return two_sided ? std::abs(value) : value; };
  int exceeding = 0;
  for (const double value : statistic.null) {
    exceeding += size(value) >= size(statistic.value) ? 1 : 0;
  }
  statistic.p = (1.0 + exceeding) / (1.0 + static_cast<double>(statistic.null.size()));
}

// Permuted residual motion, again without covariates, of length one: people x permutations.
Eigen::MatrixXf permuted(const Eigen::VectorXd& motion, const Eigen::MatrixXd& basis,
                         Eigen::Index first, Eigen::Index count, const Params& params) {
  Eigen::MatrixXf out(motion.size(), count);
  for (Eigen::Index k = 0; k < count; ++k) {
    Random random(
        stream_seed(static_cast<std::uint64_t>(params.seed), "qc_fc", std::to_string(first + k)));
    const auto order = random.permutation(static_cast<std::size_t>(motion.size()));
    Eigen::VectorXd shuffled(motion.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      shuffled[static_cast<Eigen::Index>(i)] = motion[static_cast<Eigen::Index>(order[i])];
    }
    shuffled -= basis * (basis.transpose() * shuffled).eval();
    out.col(k) = shuffled.normalized().cast<float>();
  }
  return out;
}

void add_null(const Eigen::MatrixXf& unit, const Eigen::VectorXd& motion,
              const Eigen::MatrixXd& basis, double critical,
              const std::vector<double>& distance_ranks, const Params& params,
              const Context& context, Outputs& out) {
  const Eigen::Index n = params.permutations;
  for (Statistic* s : {&out.median_absolute_r, &out.share_significant, &out.distance_dependence}) {
    s->null.resize(n);
  }
  for (Eigen::Index first = 0; first < n; first += kPermutationBlock) {
    const Eigen::Index count = std::min(kPermutationBlock, n - first);
    const Eigen::MatrixXf r =
        correlations(unit, permuted(motion, basis, first, count, params), context);
    parallel_blocks(
        context, static_cast<std::size_t>(count), 1, [&](std::size_t begin, std::size_t) {
          const auto k = static_cast<Eigen::Index>(begin);
          const Summary s = summarise({r.col(k).data(), static_cast<std::size_t>(r.rows())},
                                      critical, distance_ranks);
          out.median_absolute_r.null[first + k] = s.median_absolute;
          out.share_significant.null[first + k] = s.share;
          out.distance_dependence.null[first + k] = s.distance;
        });
  }
  if (distance_ranks.empty()) out.distance_dependence.null.resize(0);
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  const std::vector<Eigen::Index> people = complete_people(inputs);
  Outputs out;
  out.n_people = static_cast<int>(people.size());
  if (out.n_people < 4 + inputs.covariates.cols()) {
    throw Error(ErrorKind::input, "qc_fc: found " + std::to_string(out.n_people) +
                                      " people with motion and covariates, expected at least " +
                                      std::to_string(4 + inputs.covariates.cols()));
  }
  const Eigen::MatrixXd basis = nuisance_basis(inputs, people);
  Eigen::VectorXd motion = inputs.motion(people);
  const double size = motion.norm();
  motion -= basis * (basis.transpose() * motion).eval();
  if (!(motion.norm() > kRankTolerance * size)) {
    throw Error(ErrorKind::input, "qc_fc: motion does not vary beyond the covariates");
  }
  motion.normalize();
  const Prepared edges = unit_residuals(inputs, people, basis, context);
  out.n_edges = edges.edges.size();
  if (edges.edges.empty()) {
    throw Error(ErrorKind::input, "qc_fc: no edge is present and varies in all people");
  }
  out.dof = out.n_people - static_cast<int>(basis.cols()) - 1;
  const Eigen::MatrixXf r = correlations(edges.unit, motion.cast<float>(), context);
  out.r.setConstant(inputs.edges.cols(), std::numeric_limits<double>::quiet_NaN());
  out.p = out.r;
  Eigen::VectorXf distances(r.rows());
  for (Eigen::Index e = 0; e < r.rows(); ++e) {
    const Eigen::Index edge = edges.edges[static_cast<std::size_t>(e)];
    const double value = std::clamp(static_cast<double>(r(e, 0)), -1.0, 1.0);
    out.r[edge] = value;
    out.p[edge] = student_t_p(value * std::sqrt(out.dof / (1.0 - value * value)), out.dof);
    if (inputs.distance_mm.size() > 0) distances[e] = static_cast<float>(inputs.distance_mm[edge]);
  }
  std::vector<double> distance_ranks;
  if (inputs.distance_mm.size() > 0) {
    distance_ranks = average_ranks(
        std::span<const float>(distances.data(), static_cast<std::size_t>(distances.size())));
  }
  const double critical = critical_r(params.alpha, out.dof);
  const Summary found =
      summarise({r.data(), static_cast<std::size_t>(r.rows())}, critical, distance_ranks);
  out.median_absolute_r.value = found.median_absolute;
  out.share_significant.value = found.share;
  out.distance_dependence.value = found.distance;
  add_null(edges.unit, motion, basis, critical, distance_ranks, params, context, out);
  set_p(out.median_absolute_r, false);
  set_p(out.share_significant, false);
  set_p(out.distance_dependence, true);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  return 2 * shape.n_people * shape.n_edges * sizeof(float) +
         shape.n_edges * (static_cast<std::size_t>(kPermutationBlock) * sizeof(float) +
                          kPlannedThreads * 4 * sizeof(double)) +
         3 * static_cast<std::size_t>(params.permutations) * sizeof(double);
}

} // namespace boldmill::qc_fc
