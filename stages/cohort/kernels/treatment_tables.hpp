// The treatment tables of the published chain: outcome, response and remission of each biotype
// beside the other biotypes of the same arm. No baseline adjustment, no interaction, no
// multiplicity control: that is what was published, and the models stand beside it.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/cohort/kernels/effect_sizes.hpp"
#include "stages/cohort/kernels/rank_tests.hpp"

namespace boldmill::cohort {

// People of one kind who reached something, out of those known.
struct Rate {
  int n = 0, n_reached = 0;
  double share = 0.0;
  Bounds bounds;   // Wilson
  TwoByTwo beside; // against the other biotypes of the arm, Yates
};
struct PublishedRow {
  int study = 0, arm = 0, biotype = 0; // biotype -1: the whole arm, chi-square over biotypes
  int n = 0;
  double median = 0.0, median_others = 0.0;
  SignedRank outcome; // against the median of the others, as if it were known
  Rate response, remission;
  double response_chi_square = 0.0, response_p = 1.0; // of the whole arm
  double remission_chi_square = 0.0, remission_p = 1.0;
};
struct PublishedInputs {
  Eigen::VectorXd outcome, baseline; // N, NaN missing; baseline may be empty
  std::vector<int> study, arm, biotype;
  double response_change = -0.5; // (outcome - baseline) / baseline below this
  double remission_at = -1.0;    // outcome at most this; negative: not looked at
  double confidence = 0.95;
};
// A row per study, arm and biotype that occur, ascending, the whole arm first.
[[nodiscard]] std::vector<PublishedRow> published_tables(const PublishedInputs& inputs);

} // namespace boldmill::cohort
