// Is there more than one continuum? One declared test, one p: the largest standardised silhouette
// over k against tables of a Gaussian copula that keeps margins, correlations, missing cells and
// what sites do, each taken through the whole chain (imputation, harmonisation, standardisation).
// A rejection is repeated with copulas inside sites before the word biotype is used. Beside it: the
// dimensional alternative, stability with its null, and a rule for new people. Equations, and what
// the test cannot see: METHOD.md. Cost repetitions x (chain + O(n^2 p)).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "stages/cohort/kernels/assignment.hpp"
#include "stages/cohort/kernels/factor_model.hpp"
#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::biotype_test {

inline constexpr std::array<std::string_view, 4> kReferences{
    "Rousseeuw 1987, Journal of Computational and Applied Mathematics, "
    "doi:10.1016/0377-0427(87)90125-7",
    "Langsrud 2005, Statistics and Computing, doi:10.1007/s11222-005-4789-5",
    "Liu 2008, Journal of the American Statistical Association, doi:10.1198/016214508000000454",
    "Rubin 1982, Psychometrika, doi:10.1007/BF02293851"};
inline constexpr StageInfo kStage{.name = "biotype_test",
                                  .version = 1,
                                  .summary = "one test of clusters against a continuum",
                                  .references = kReferences};

struct Params {
  int k_min = 2;
  int k_max = 15;
  int repetitions = 199;
  double alpha = 0.05;
  int permutations = 99;
  int stability_nulls = 99;
  int stability_people = 50;
  int resamplings = 100;
  double resample_share = 0.8;
  int max_factors = 10;
  int folds = 5;
  int bootstraps = 100;
  double min_margin = 0.05;
  double min_stability = 0.5;
  double prominent_sd = 0.5;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [k_min, k_max, repetitions, alpha, permutations, stability_nulls, stability_people,
         resamplings, resample_share, max_factors, folds, bootstraps, min_margin, min_stability,
         prominent_sd, random_seed] = params;
  visit("k_min", k_min, "clusters", "fewest clusters", Limits::between(2, 1000));
  visit("k_max", k_max, "clusters", "most clusters", Limits::between(2, 1000));
  visit("repetitions", repetitions, "", "copula tables of the test", Limits::between(19, 1e6));
  visit("alpha", alpha, "", "level of the test", Limits::between(0.0, 1.0));
  visit("permutations", permutations, "",
        "tables with permuted columns: they say that features are correlated, nothing else",
        Limits::between(0, 1e6));
  visit("stability_nulls", stability_nulls, "",
        "copula tables on which stability is repeated; 0: no stability", Limits::between(0, 1e6));
  visit("stability_people", stability_people, "people", "left out one by one in each table",
        Limits::between(1, 1e6));
  visit("resamplings", resamplings, "", "subsamples of each table", Limits::between(1, 1e6));
  visit("resample_share", resample_share, "", "people in a subsample", Limits::between(0.1, 0.99));
  visit("max_factors", max_factors, "", "most factors of the dimensional alternative",
        Limits::between(1, 1000));
  visit("folds", folds, "", "cross-validation of factors and clusters", Limits::between(2, 1000));
  visit("bootstraps", bootstraps, "", "samples that say how stable an assignment is",
        Limits::between(0, 1e6));
  visit("min_margin", min_margin, "",
        "best minus second correlation with a centroid; below: unclassified",
        Limits::between(0.0, 2.0));
  visit("min_stability", min_stability, "",
        "share of bootstrap samples with the same assignment; below: unclassified",
        Limits::between(0.0, 1.0));
  visit("prominent_sd", prominent_sd, "SD", "mean of a cluster that enters its name",
        Limits::between(0.0, 100.0));
  visit("random_seed", random_seed, "", "seed of everything that is drawn",
        Limits::between(0, 2e9));
}

enum class Verdict {
  not_done,             // too few people or features
  continuum,            // not rejected
  differences_of_sites, // rejected, but not with copulas inside sites
  unconfirmed,          // rejected, sites unknown
  biotypes,             // rejected twice
};
[[nodiscard]] std::string_view to_string(Verdict verdict); // for files
[[nodiscard]] std::string in_words(Verdict verdict);       // for people

struct Inputs {
  cohort::Rows rows; // raw measures, NaN missing; batch: the sites; is_reference: healthy controls,
                     // who serve the chain and are not clustered
  // The chain, once for each imputation; the test uses the first, the consensus all of them.
  std::vector<std::vector<cohort::LearningStep>> chains;
  std::map<std::string, std::string> group; // the score a feature belongs to, for names
};

struct Test {
  Eigen::VectorXd observed;     // standardised silhouettes, k
  Eigen::VectorXd null_largest; // repetitions
  double largest = 0.0, p_value = 0.0;
};
struct Dimensional {
  Eigen::VectorXd log_density;   // 0..max_factors: mean over held-out people
  int factors = 0;               // where it is largest
  double clusters_gain = 0.0;    // of clusters with these factors inside them, mean over people
  double clusters_gain_se = 0.0; // of its mean
  cohort::FactorModel model;     // of everybody used
  Eigen::MatrixXd scores;        // N x factors, NaN: took no part
};
struct Stability { // k, and tables x k of the copula null; empty: not asked for
  Eigen::VectorXd leave_one_out, resampling, split_ari;
  Eigen::MatrixXd null_leave_one_out, null_resampling, null_split_ari;
};
struct Outputs {
  Verdict verdict = Verdict::not_done;
  std::string not_done;              // the reason; everything below is then empty
  std::vector<std::string> features; // p, after the chain
  std::vector<Eigen::Index> used;    // people that were clustered
  std::vector<int> k;                // k_min..k_max
  Eigen::VectorXd silhouette;        // k
  Test test;
  Test within_sites;                      // only after a rejection
  double p_features_are_correlated = 0.0; // column permutation; never part of the verdict
  Dimensional dimensional;
  Stability stability;
  int chosen = 0;                        // k with the largest standardised silhouette
  std::vector<int> label;                // N, of the consensus over chains, -1: took no part
  Eigen::VectorXd co_assignment;         // N, support of the label over chains; NaN with one chain
  cohort::AssignmentModel model;         // for new people (after the chain)
  cohort::Assignment assignment;         // N
  std::vector<std::string> profile_name; // chosen
};
// Throws usage: k_min > k_max. What the chain throws comes through.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::biotype_test
