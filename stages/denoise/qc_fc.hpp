// How much of the differences between people's connectivity is motion (QC-FC), and whether short
// connections suffer more (distance-dependence).
//   r(e)     correlation over people of edge e with mean FD, both without covariates and constant
//   summary  median |r|, share of edges with p < alpha, Spearman's correlation of r and distance
// Each summary has a null distribution: the residual motion is permuted over people (Freedman &
// Lane 1983, doi:10.2307/1391660), seeded. People with a missing motion or covariate are left out,
// edges that one of the rest lacks are NaN. Sources: Ciric 2017,
// doi:10.1016/j.neuroimage.2017.03.020; Power 2012, doi:10.1016/j.neuroimage.2011.10.018.
// Cost O(permutations (N E + E log E)).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <limits>

#include "stages/core/stage_info.hpp"

namespace boldmill::qc_fc {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Ciric 2017, NeuroImage, doi:10.1016/j.neuroimage.2017.03.020",
    "Power 2012, NeuroImage, doi:10.1016/j.neuroimage.2011.10.018",
    "Freedman & Lane 1983, J Bus Econ Stat, doi:10.2307/1391660"};
inline constexpr StageInfo kStage{.name = "qc_fc",
                                  .version = 1,
                                  .summary = "motion left in the connectivity of a cohort",
                                  .references = kReferences};

struct Params {
  int permutations = 1000;
  int seed = 1;
  double alpha = 0.05;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [permutations, seed, alpha] = params;
  visit("permutations", permutations, "", "of people, for the null distributions; 0 is none",
        Limits::between(0, 1000000));
  visit("seed", seed, "", "of the permutations", Limits::between(0, 2147483647));
  visit("alpha", alpha, "", "an edge counts as related to motion when its p is below",
        Limits::between(1e-12, 0.5));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> edges; // N x E, one row per person
  Eigen::VectorXd motion;                  // N, mean FD [mm]
  Eigen::MatrixXd covariates;              // N x C, may have no column
  Eigen::VectorXd distance_mm;             // E, between the centres of the regions; may be empty
};
struct Statistic {
  double value = std::numeric_limits<double>::quiet_NaN();
  double p = std::numeric_limits<double>::quiet_NaN(); // permutation, (1 + exceeding) / (1 + n)
  Eigen::VectorXd null;                                // of each permutation
};
struct Outputs {
  Eigen::VectorXd r; // E
  Eigen::VectorXd p; // E, two-sided, Student's t with n_people - 2 - rank of the covariates
  Statistic median_absolute_r, share_significant; // one-sided: larger is worse
  Statistic distance_dependence;                  // two-sided
  int n_people = 0;                               // used
  std::size_t n_edges = 0;                        // used
  int dof = 0;
};
// Throws input: numbers of people or edges differ, fewer than 4 people more than covariates, motion
// that does not vary beyond the covariates, no edge present in everybody.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_people = 0;
  std::size_t n_edges = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::qc_fc
