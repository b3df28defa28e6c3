// Associations of measures with groups and symptoms, a term and a column at a time:
//   y = Z g + x b + e,  Z: ones, covariates and, when asked, a column per site
// by least squares over the rows where y, x and the covariates are present. Two groups are x =
// 0, 1.
//   permutation: Freedman & Lane 1983 (doi:10.1080/07350015.1983.10509354): residuals of y on Z are
//     exchanged among the rows of one site and |t| is found anew; p = (1 + #{>=}) / (B + 1). All
//     columns of a term meet the same permutations: p_fwe takes the largest |t| over them (Westfall
//     & Young 1993; Winkler 2014, doi:10.1016/j.neuroimage.2014.01.060).
//   q: Benjamini & Hochberg 1995 (doi:10.1111/j.2517-6161.1995.tb02031.x)
//   Cohen's d: b / residual SD, adjusted for Z; Hedges' g: d times the exact small-sample factor;
//     intervals from the non-central t. partial r: t / sqrt(t^2 + df), interval by Fisher's z.
//     standardised beta: b SD(x) / SD(y), its interval that of b scaled alike.
// Missing values leave out their row for their column. A person counts once per column: the first
// row that is complete. Cost O(terms columns permutations n q).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/effect_sizes.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::group_statistics {

inline constexpr std::array<std::string_view, 4> kReferences{
    "Freedman 1983, Journal of Business & Economic Statistics, doi:10.1080/07350015.1983.10509354",
    "Winkler 2014, NeuroImage, doi:10.1016/j.neuroimage.2014.01.060",
    "Benjamini 1995, Journal of the Royal Statistical Society B, "
    "doi:10.1111/j.2517-6161.1995.tb02031.x",
    "Hedges 1981, Journal of Educational Statistics, doi:10.3102/10769986006002107"};
inline constexpr StageInfo kStage{.name = "group_statistics",
                                  .version = 1,
                                  .summary = "associations of measures with groups and symptoms",
                                  .references = kReferences};

struct Params {
  int n_permutations = 1999;
  bool site_covariate = true;
  std::string fdr_family = "term";
  double confidence = 0.95;
  int min_people = 10;
  int min_per_group = 5;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [n_permutations, site_covariate, fdr_family, confidence, min_people, min_per_group,
         random_seed] = params;
  visit("n_permutations", n_permutations, "", "exchanges of residuals inside sites; 0 is none",
        Limits::between(0, 1e6));
  visit("site_covariate", site_covariate, "", "a column per site among the covariates", Limits{});
  visit("fdr_family", fdr_family, "",
        "tests that one false discovery rate covers: the columns of a term, or all",
        Limits::one_of({"term", "all"}));
  visit("confidence", confidence, "", "of the intervals", Limits::between(0.5, 0.999));
  visit("min_people", min_people, "people", "a column with fewer complete rows is not tested",
        Limits::between(4, 1e6));
  visit("min_per_group", min_per_group, "people", "nor one with fewer in a group",
        Limits::between(2, 1e6));
  visit("random_seed", random_seed, "", "seed of the permutations", Limits::between(0, 2e9));
}

struct Term {
  std::string name;      // "group: depressed - control", "rumination"
  bool is_group = false; // x is 0 or 1
  Eigen::VectorXd x;     // N, NaN: the row takes no part
};
struct Inputs {
  Eigen::MatrixXd y;              // N x p
  std::vector<std::string> names; // p
  std::vector<Term> terms;
  Eigen::MatrixXd covariates; // N x q, may have no columns
  std::vector<int> site;      // N, -1 missing (one site of its own); or empty
  std::vector<int> person;    // N; or empty: rows are people
};

// One column under one term; NaN where `reason` says why it was not tested.
struct Result {
  std::string term, column, reason;
  bool is_group = false;
  int n = 0, n_0 = 0, n_1 = 0; // n_0, n_1 of groups only
  double beta = 0.0, se = 0.0, t = 0.0, degrees_of_freedom = 0.0;
  cohort::Bounds beta_bounds;
  double p = 0.0, q = 0.0, p_permutation = 0.0, q_permutation = 0.0, p_fwe = 0.0;
  double standardised_beta = 0.0, partial_r = 0.0, cohens_d = 0.0, hedges_g = 0.0;
  cohort::Bounds standardised_bounds, r_bounds, d_bounds, g_bounds; // d, g of groups only
};
struct Outputs {
  std::vector<Result> results; // term by term, column by column
};
// Throws internal: sizes that differ, a group term with other values than 0 and 1.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0, n_terms = 0, n_covariates = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::group_statistics
