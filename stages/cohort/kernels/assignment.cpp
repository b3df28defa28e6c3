#include "stages/cohort/kernels/assignment.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "stages/cohort/kernels/correlation_clustering.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kTaken = -2.0; // below every correlation

// Rows of `found` in the order of `wanted`.
Eigen::MatrixXd matched(const Eigen::MatrixXd& found, const Eigen::MatrixXd& wanted) {
  Eigen::MatrixXd r = unit_rows(wanted) * unit_rows(found).transpose();
  r = r.array().isNaN().select(-1.0, r);
  Eigen::MatrixXd out(wanted.rows(), wanted.cols());
  for (Eigen::Index pair = 0; pair < r.rows(); ++pair) {
    Eigen::Index a = 0;
    Eigen::Index b = 0;
    r.maxCoeff(&a, &b);
    out.row(a) = found.row(b);
    r.row(a).setConstant(kTaken);
    r.col(b).setConstant(kTaken);
  }
  return out;
}

// Of unit rows, -1 where a correlation is missing.
std::vector<int> nearest(const Eigen::MatrixXd& r) {
  std::vector<int> out;
  for (Eigen::Index i = 0; i < r.rows(); ++i) {
    Eigen::Index best = -1;
    if (r.row(i).allFinite()) r.row(i).maxCoeff(&best);
    out.push_back(static_cast<int>(best));
  }
  return out;
}

} // namespace

Eigen::MatrixXd cluster_means(const Eigen::MatrixXd& x, const std::vector<int>& labels, int k) {
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(k, x.cols());
  Eigen::VectorXd n = Eigen::VectorXd::Zero(k);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    sum.row(labels[i]) += x.row(static_cast<Eigen::Index>(i));
    n[labels[i]] += 1.0;
  }
  return n.cwiseInverse().asDiagonal() * sum;
}

std::vector<Eigen::MatrixXd> bootstrap_centroids(const Eigen::MatrixXd& x,
                                                 const Eigen::MatrixXd& centroid, int count,
                                                 std::uint64_t seed, const Context& context) {
  const auto n = static_cast<std::uint64_t>(x.rows());
  const int k = static_cast<int>(centroid.rows());
  std::vector<Eigen::MatrixXd> out(static_cast<std::size_t>(count));
  parallel_blocks(context, out.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t b = begin; b < end; ++b) {
      Random random(stream_seed(seed, "bootstrap", std::to_string(b)));
      std::set<Eigen::Index> people;
      for (std::uint64_t i = 0; i < n; ++i) {
        people.insert(static_cast<Eigen::Index>(random.below(n)));
      }
      const Eigen::MatrixXd sample =
          x(std::vector<Eigen::Index>(people.begin(), people.end()), Eigen::all);
      const auto labels = cut(correlation_linkage(unit_rows(sample)), k).labels(k);
      out[b] = matched(cluster_means(sample, labels, k), centroid);
    }
  });
  return out;
}

Assignment assign(const AssignmentModel& model, const Eigen::MatrixXd& x) {
  const Eigen::MatrixXd units = unit_rows(x);
  Assignment out;
  out.correlation = units * unit_rows(model.centroid).transpose();
  out.label = nearest(out.correlation);
  out.margin = Eigen::VectorXd::Constant(x.rows(), kNaN);
  out.stability = out.margin;
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    const int own = out.label[static_cast<std::size_t>(i)];
    if (own < 0) continue;
    Eigen::RowVectorXd r = out.correlation.row(i);
    const double best = r[own];
    r[own] = kTaken;
    out.margin[i] = best - r.maxCoeff();
  }
  if (!model.resampled.empty()) {
    Eigen::VectorXd same = Eigen::VectorXd::Zero(x.rows());
    for (const Eigen::MatrixXd& centroid : model.resampled) {
      const auto label = nearest(units * unit_rows(centroid).transpose());
      for (Eigen::Index i = 0; i < x.rows(); ++i) {
        const auto row = static_cast<std::size_t>(i);
        if (label[row] == out.label[row]) same[i] += 1.0;
      }
    }
    out.stability =
        out.margin.array().isNaN().select(kNaN, same / static_cast<double>(model.resampled.size()));
  }
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    const bool clear =
        out.margin[i] >= model.min_margin && !(out.stability[i] < model.min_stability);
    out.classified.push_back(clear ? out.label[static_cast<std::size_t>(i)] : -1);
  }
  return out;
}

std::string profile_name(const Eigen::RowVectorXd& centroid, const std::vector<std::string>& group,
                         double prominent) {
  std::vector<std::string> order;
  std::map<std::string, std::pair<double, double>> sums; // and numbers of features
  for (std::size_t f = 0; f < group.size(); ++f) {
    if (!sums.contains(group[f])) order.push_back(group[f]);
    sums[group[f]].first += centroid[static_cast<Eigen::Index>(f)];
    sums[group[f]].second += 1.0;
  }
  std::string out;
  for (const std::string& name : order) {
    const double mean = sums[name].first / sums[name].second;
    if (std::abs(mean) < prominent) continue;
    out += (out.empty() ? "" : " ") + name + (mean > 0.0 ? "+" : "-");
  }
  return out.empty() ? "nothing prominent" : out;
}

} // namespace boldmill::cohort
