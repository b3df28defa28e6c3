// Clusters of people by the shape of their profiles, with the evidence for them: 1 - Pearson over
// features, average linkage, cut into k = k_min..k_max; silhouette, within-cluster sum,
// leave-one-out and resampling agreement, split half, leave site out, each beside tables without
// clusters. The battery of Tozzi 2024 (doi:10.1038/s41591-024-03057-9); equations and departures in
// METHOD.md. x: N people x p features (standardised); a person with a missing feature or without
// spread takes no part. What the p values say: `normal` compares with one continuous normal cloud
// of the same covariance; `permutation` rejects whenever features are correlated and says nothing
// of clusters. Cost (repetitions + resamplings + people) x O(n^2 p).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::biotypes {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Tozzi 2024, Nature Medicine, doi:10.1038/s41591-024-03057-9",
    "Rousseeuw 1987, Journal of Computational and Applied Mathematics, "
    "doi:10.1016/0377-0427(87)90125-7",
    "Hubert 1985, Journal of Classification, doi:10.1007/BF01908075"};
inline constexpr StageInfo kStage{.name = "biotypes",
                                  .version = 1,
                                  .summary =
                                      "clusters of people, their stability and what chance gives",
                                  .references = kReferences};

struct Params {
  int k_min = 2;
  int k_max = 15;
  int clusters = 0;
  std::vector<std::string> nulls = {"normal", "permutation"};
  int repetitions = 1000;
  int resamplings = 1000;
  double resample_share = 0.8;
  bool leave_one_out = true;
  int stability_nulls = 99;
  int stability_people = 50;
  int stability_resamplings = 100;
  std::string p_value = "plus_one";
  double prominent_sd = 0.5;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [k_min, k_max, clusters, nulls, repetitions, resamplings, resample_share, leave_one_out,
         stability_nulls, stability_people, stability_resamplings, p_value, prominent_sd,
         random_seed] = params;
  visit("k_min", k_min, "clusters", "fewest clusters", Limits::between(2, 1000));
  visit("k_max", k_max, "clusters", "most clusters", Limits::between(2, 1000));
  visit("clusters", clusters, "clusters",
        "number whose clusters are described; 0: where the silhouette exceeds the mean of its "
        "normal null most (0 without that null)",
        Limits::between(0, 1000));
  visit("nulls", nulls, "", "tables without clusters that silhouettes are compared with",
        Limits::one_of({"normal", "permutation"}));
  visit("repetitions", repetitions, "", "tables of each null", Limits::between(0, 1e7));
  visit("resamplings", resamplings, "", "subsamples that are clustered again",
        Limits::between(0, 1e7));
  visit("resample_share", resample_share, "", "people in a subsample", Limits::between(0.1, 0.99));
  visit("leave_one_out", leave_one_out, "", "cluster again without each person", Limits{});
  visit("stability_nulls", stability_nulls, "",
        "normal tables on which stability and split half are repeated; 0 is none",
        Limits::between(0, 1e6));
  visit("stability_people", stability_people, "people",
        "left out one by one in each of these tables", Limits::between(1, 1e6));
  visit("stability_resamplings", stability_resamplings, "", "subsamples of each of these tables",
        Limits::between(1, 1e6));
  visit("p_value", p_value, "",
        "plus_one: (1 + #{null >= observed}) / (B + 1); published: #{null > observed} / B",
        Limits::one_of({"plus_one", "published"}));
  visit("prominent_sd", prominent_sd, "SD", "mean of a cluster that enters its name",
        Limits::between(0.0, 100.0));
  visit("random_seed", random_seed, "", "seed of nulls, subsamples and halves",
        Limits::between(0, 2e9));
}

struct Inputs {
  Eigen::MatrixXd x;                 // N x p, NaN missing
  std::vector<std::string> features; // p
  std::vector<std::string> group;    // p or empty: the score a feature belongs to, for names
  std::vector<int> site;             // N or empty, -1 missing: leave site out
};

// How well one part of the people predicts the clusters of the rest, k_min..k_max.
struct Split {
  std::string name; // "half", or "site" and its number
  int n_training = 0, n_test = 0;
  Eigen::VectorXd profile_r; // mean over clusters of the correlation of the parts' profiles
  Eigen::VectorXd ari;       // of nearest-centroid labels with a clustering of the rest alone
};
struct Null {
  std::string name;
  Eigen::MatrixXd silhouette; // repetitions x k
  Eigen::VectorXd p_value;    // k
};
struct StabilityNull { // medians over normal tables, and p of the observed value, by k
  Eigen::MatrixXd leave_one_out, resampling, split_profile_r, split_ari; // tables x k
};
struct Outputs {
  std::string not_done;           // the reason; everything below is then empty
  std::vector<Eigen::Index> used; // people that took part
  std::vector<int> k;             // k_min..k_max
  Eigen::VectorXd silhouette, within_sum;
  Eigen::VectorXd ari_resampling, ari_leave_one_out; // means, NaN: not asked for
  std::vector<Null> nulls;
  std::vector<Split> splits;
  StabilityNull stability;
  std::vector<double> heights;           // of the merges
  int chosen = 0;                        // the k described below
  Eigen::MatrixXi label;                 // N x k, 0.., -1: took no part
  Eigen::VectorXd width;                 // N, silhouette at `chosen`
  Eigen::MatrixXd to_centroid;           // N x chosen, correlation with each centroid
  Eigen::VectorXd margin;                // N, best minus second of these
  Eigen::MatrixXd centroid;              // chosen x p, mean of features
  std::vector<int> size;                 // chosen
  std::vector<std::string> profile_name; // chosen
};
// Fewer people than 2 k_max, or one feature: not_done. Throws usage: k_min > k_max, k outside them.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// (1 + #{null >= observed}) / (B + 1), or #{null > observed} / B. NaN without nulls.
[[nodiscard]] double null_p(const Eigen::VectorXd& null, double observed, bool plus_one);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::biotypes
