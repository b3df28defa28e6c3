#include "stages/cohort/kernels/stability.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

// `count` of 0..n-1 in ascending order.
std::vector<int> sample(Eigen::Index n, std::size_t count, std::uint64_t seed) {
  const std::vector<std::size_t> order = Random(seed).permutation(static_cast<std::size_t>(n));
  std::vector<int> out(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
  std::sort(out.begin(), out.end());
  return out;
}

Eigen::VectorXd agreement_of(const Clustered& full, const std::vector<int>& rows) {
  const Cuts cuts = cut(correlation_linkage(full.units(rows, Eigen::all)), full.range.k_max);
  return adjusted_rand(full.cuts, cuts, rows, full.range.k_min, full.range.k_max);
}

// Means of the rows of each label; NaN for a label without rows.
Eigen::MatrixXd centroids(const Eigen::MatrixXd& x, const std::vector<int>& label, int k) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(k, x.cols());
  Eigen::VectorXd count = Eigen::VectorXd::Zero(k);
  for (std::size_t i = 0; i < label.size(); ++i) {
    out.row(label[i]) += x.row(static_cast<Eigen::Index>(i));
    count[label[i]] += 1.0;
  }
  return count.cwiseInverse().asDiagonal() * out;
}

// People of one part given to the clusters of another.
struct Assigned {
  Eigen::MatrixXd centre;    // k x p, unit profiles of the clusters
  std::vector<int> label;    // of the people of the test part
  Eigen::VectorXd profile_r; // k, of both parts' means; NaN: nobody came
};
Assigned assign(const Clustered& full, const std::vector<Eigen::Index>& training,
                const std::vector<int>& training_label, const std::vector<Eigen::Index>& test,
                int k) {
  Assigned out;
  const Eigen::MatrixXd x_test = full.x(test, Eigen::all);
  out.centre = unit_rows(centroids(full.x(training, Eigen::all), training_label, k));
  const Eigen::MatrixXd r = full.units(test, Eigen::all) * out.centre.transpose();
  for (Eigen::Index i = 0; i < r.rows(); ++i) {
    Eigen::Index best = 0;
    r.row(i).maxCoeff(&best);
    out.label.push_back(static_cast<int>(best));
  }
  const Eigen::MatrixXd there = unit_rows(centroids(x_test, out.label, k));
  out.profile_r = out.centre.cwiseProduct(there).rowwise().sum();
  return out;
}

Cuts cuts_of(const Clustered& full, const std::vector<Eigen::Index>& rows, int k_max) {
  return cut(correlation_linkage(full.units(rows, Eigen::all)), k_max);
}

} // namespace

Eigen::MatrixXd leave_one_out_agreement(const Clustered& full, const std::vector<int>& people,
                                        const Context& context) {
  const auto n = static_cast<int>(full.units.rows());
  Eigen::MatrixXd out(static_cast<Eigen::Index>(people.size()), full.range.size());
  parallel_blocks(context, people.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      std::vector<int> rows;
      for (int row = 0; row < n; ++row) {
        if (row != people[i]) rows.push_back(row);
      }
      out.row(static_cast<Eigen::Index>(i)) = agreement_of(full, rows);
    }
  });
  return out;
}

Eigen::MatrixXd resampling_agreement(const Clustered& full, const Resampling& resampling,
                                     const Context& context) {
  const Eigen::Index n = full.units.rows();
  const auto size =
      static_cast<std::size_t>(std::nearbyint(resampling.share * static_cast<double>(n)));
  const auto count = static_cast<std::size_t>(resampling.count);
  Eigen::MatrixXd out(resampling.count, full.range.size());
  parallel_blocks(context, count, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t seed = stream_seed(resampling.seed, "subsample", std::to_string(i));
      out.row(static_cast<Eigen::Index>(i)) = agreement_of(full, sample(n, size, seed));
    }
  });
  return out;
}

SplitAgreement split_agreement(const Clustered& full, const std::vector<Eigen::Index>& training,
                               const std::vector<Eigen::Index>& test) {
  const Cuts own = cuts_of(full, training, full.range.k_max);
  const Cuts alone = cuts_of(full, test, full.range.k_max);
  SplitAgreement out{Eigen::VectorXd::Zero(full.range.size()),
                     Eigen::VectorXd::Zero(full.range.size())};
  for (int k = full.range.k_min; k <= full.range.k_max; ++k) {
    const Assigned found = assign(full, training, own.labels(k), test, k);
    double sum = 0.0;
    double count = 0.0;
    for (const double value : found.profile_r) {
      if (std::isnan(value)) continue;
      sum += value;
      count += 1.0;
    }
    out.profile_r[k - full.range.k_min] = sum / count;
    out.ari[k - full.range.k_min] = adjusted_rand(found.label, alone.labels(k));
  }
  return out;
}

std::vector<ProfileAgreement> profile_agreement(const Clustered& full,
                                                const std::vector<Eigen::Index>& training,
                                                const std::vector<Eigen::Index>& test, int k) {
  const std::vector<int> own = cuts_of(full, training, k).labels(k);
  const Assigned found = assign(full, training, own, test, k);
  const double df = static_cast<double>(full.x.cols()) - 2.0;
  std::vector<ProfileAgreement> out;
  for (int c = 0; c < k; ++c) {
    const double r = found.profile_r[c];
    out.push_back({static_cast<int>(std::count(own.begin(), own.end(), c)),
                   static_cast<int>(std::count(found.label.begin(), found.label.end(), c)), r,
                   t_two_sided(r * std::sqrt(df / (1.0 - r * r)), df)});
  }
  return out;
}

Halves random_halves(Eigen::Index n, std::uint64_t seed) {
  const auto size = static_cast<std::size_t>(std::nearbyint(0.5 * static_cast<double>(n)));
  Halves out;
  for (const int row : sample(n, size, seed)) out.first.push_back(row);
  for (Eigen::Index row = 0; row < n; ++row) {
    if (!std::binary_search(out.first.begin(), out.first.end(), row)) out.second.push_back(row);
  }
  return out;
}

} // namespace boldmill::cohort
