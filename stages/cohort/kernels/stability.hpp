// Does clustering other people, or fewer, give the same clusters? Agreement is the adjusted Rand
// index. Everything for k_min..k_max at once. Every repetition has its own seed: results do not
// depend on threads.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

#include "stages/cohort/kernels/correlation_clustering.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::cohort {

struct CutRange {
  int k_min = 2, k_max = 15;
  [[nodiscard]] Eigen::Index size() const { return k_max - k_min + 1; }
};

// A clustering that is asked how stable it is.
struct Clustered {
  const Eigen::MatrixXd& x;     // n x p
  const Eigen::MatrixXd& units; // unit_rows(x)
  const Cuts& cuts;
  CutRange range;
};

// Of the full clustering without a person with a clustering without that person: people x k.
[[nodiscard]] Eigen::MatrixXd leave_one_out_agreement(const Clustered& full,
                                                      const std::vector<int>& people,
                                                      const Context& context);
struct Resampling {
  int count = 100;
  double share = 0.8; // round(share n) people, drawn without replacement
  std::uint64_t seed = 1;
};
// Of the full clustering with clusterings of subsamples: count x k.
[[nodiscard]] Eigen::MatrixXd
resampling_agreement(const Clustered& full, const Resampling& resampling, const Context& context);

struct SplitAgreement {
  Eigen::VectorXd profile_r, ari; // k
};
// Clusters of `training`; everyone of `test` goes to the centroid (mean of x) he correlates with
// most. profile_r: mean over clusters of Pearson between both parts' centroids, which the
// assignment itself raises. ari: of these labels with a clustering of `test` alone.
[[nodiscard]] SplitAgreement split_agreement(const Clustered& full,
                                             const std::vector<Eigen::Index>& training,
                                             const std::vector<Eigen::Index>& test);
// A cluster of `training` beside the people of `test` that were given to it, as split_agreement.
struct ProfileAgreement {
  int n_training = 0, n_test = 0;
  double r = 0.0;       // Pearson of the mean profiles, NaN: nobody was given to it
  double p_value = 1.0; // of r as if the people had not been chosen for it: Student, p - 2
};
[[nodiscard]] std::vector<ProfileAgreement>
profile_agreement(const Clustered& full, const std::vector<Eigen::Index>& training,
                  const std::vector<Eigen::Index>& test, int k);
// A random half (n / 2, rounded to even) and the rest, each in ascending order.
struct Halves {
  std::vector<Eigen::Index> first, second;
};
[[nodiscard]] Halves random_halves(Eigen::Index n, std::uint64_t seed);

} // namespace boldmill::cohort
