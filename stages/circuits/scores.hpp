// Standardises raw measures against healthy controls and averages them into features and scores.
//   z = (y - mean_HC) / sd_HC per raw measure (divisor n - 1); feature = mean of its measures' z
//   (the two directions of a PPI; one measure otherwise); score = mean of its features times their
//   orientation (+1 by default: positive = more connectivity or activation than controls).
//   `restandardise` divides features, or features and scores, by their spread sqrt(w'Rw) among the
//   controls, w the weights of the measures present and R their correlation. Missing rule: a
//   feature needs `min_measure_share` of its measures (default all), a score `min_feature_share` of
//   its features (default half); means run over those present.
// Errors. Run part: C_z = diag(se / sd_HC) R diag(se / sd_HC) with R the correlation of the
// person's measure errors (measure_covariance; none given: independent), and sqrt(w'C_z w) for a
// mean with weights w. Reference part: the error of mean_HC and sd_HC over n healthy people,
//   E_ij = r_ij / sqrt(n_i n_j) + z_i z_j r_ij^2 / (2 sqrt((n_i - 1)(n_j - 1)))
// with r the controls' correlation of the measures (exact for normal measures). `features_se` and
// `scores_se` hold both; the reference part is common to all people and cancels between two of
// them, so `*_se_run` is there too. NaN when any member's se is unknown. For people who are
// themselves in the reference the reference part is too large. Source: Tozzi 2024,
// doi:10.1038/s41591-024-03057-9.
// fit learns from reference rows only; apply never looks at other rows.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "stages/circuits/taxonomy.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::scores {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Tozzi 2024, Nature Medicine, doi:10.1038/s41591-024-03057-9"};
inline constexpr StageInfo kStage{.name = "scores",
                                  .version = 2,
                                  .summary = "circuit scores against a healthy reference",
                                  .references = kReferences};

struct Params {
  int min_reference = 5;
  double min_measure_share = 1.0;
  double min_feature_share = 0.5;
  bool use_orientation = false;
  std::string restandardise = "none";
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [min_reference, min_measure_share, min_feature_share, use_orientation, restandardise] =
      params;
  visit("min_reference", min_reference, "people",
        "a measure with fewer healthy controls is not standardised", Limits::between(2, 1e6));
  visit("min_measure_share", min_measure_share, "",
        "share of a feature's measures that must be present", Limits::between(0.0, 1.0));
  visit("min_feature_share", min_feature_share, "",
        "share of a score's features that must be present", Limits::between(0.0, 1.0));
  visit("use_orientation", use_orientation, "",
        "multiply features by the taxonomy's orientation before averaging", Limits{});
  visit("restandardise", restandardise, "",
        "divide means by their spread among the controls: none, features (averages of two "
        "directions weigh as much as others), or features and scores",
        Limits::one_of({"none", "features", "all"}));
}

struct Model {
  Eigen::VectorXd mean, sd, n; // M; mean and sd are NaN below min_reference or without spread
  Eigen::MatrixXd correlation; // M x M of the controls, missing values at their mean; NaN as above
};
// `reference`: healthy controls only, n x M raw measures, NaN missing. Never throws for few people:
// the measure is then missing everywhere and `n` says why.
[[nodiscard]] Model fit(const Eigen::MatrixXd& reference, const Params& params);

struct Inputs {
  const taxonomy::Taxonomy* taxonomy = nullptr;
  Eigen::MatrixXd measures; // N x M raw, NaN missing
  Eigen::MatrixXd se;       // N x M, or empty: unknown
  Eigen::MatrixXd coverage; // N x M, or empty: unknown
  // Of a row the correlation of its measures' errors, M x M (an empty one: independent); asked for
  // once a row. Null: all independent.
  std::function<Eigen::MatrixXd(Eigen::Index)> error_correlation = {};
};
struct Outputs {
  Eigen::MatrixXd z;                                        // N x M
  Eigen::MatrixXd features, features_se, features_coverage; // N x F; coverage: smallest of members
  Eigen::MatrixXd scores, scores_se, scores_coverage; // N x S; coverage: share of features present
  Eigen::MatrixXd features_se_run, scores_se_run;     // without the error of the reference
};
// Throws internal: sizes that do not fit the taxonomy.
[[nodiscard]] Outputs apply(const Model& model, const Inputs& inputs, const Params& params);

struct Shape {
  std::size_t n_rows = 0, n_measures = 0, n_features = 0, n_scores = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::scores
