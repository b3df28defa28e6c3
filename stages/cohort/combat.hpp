// ComBat: takes location and scale of scanners or sites out of every column, shrunk over columns by
// empirical Bayes, covariates kept (Johnson 2007, doi:10.1093/biostatistics/kxj037; Fortin 2018,
// doi:10.1016/j.neuroimage.2017.11.024). Equations, rules for missing values and departures:
// METHOD.md. Learned from training rows, applied to any rows. Without covariates and with
// zero_spread "keep" it is the form of the published chain (ez.combat 1.0.0).
// x: n x p, NaN missing and kept missing. Cost O(n p (q + 1)), non-parametric O(batches p^2).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::combat {

inline constexpr std::array<std::string_view, 2> kReferences{
    "Johnson 2007, Biostatistics, doi:10.1093/biostatistics/kxj037",
    "Fortin 2018, NeuroImage, doi:10.1016/j.neuroimage.2017.11.024"};
inline constexpr StageInfo kStage{.name = "combat",
                                  .version = 1,
                                  .summary =
                                      "location and scale of batches taken out by empirical Bayes",
                                  .references = kReferences};

struct Params {
  std::string method = "parametric";
  bool mean_only = false;
  std::string single_member = "error";
  std::string unseen = "error";
  int min_adapt = 10;
  std::string zero_spread = "one";
  std::string stopping = "signed";
  double tolerance = 1e-4;
  int max_iterations = 1000;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [method, mean_only, single_member, unseen, min_adapt, zero_spread, stopping, tolerance,
         max_iterations] = params;
  visit("method", method, "", "shrinkage of batch effects over columns; none: as estimated",
        Limits::one_of({"parametric", "non_parametric", "none"}));
  visit("mean_only", mean_only, "", "adjust the location only, not the scale", Limits{});
  visit("single_member", single_member, "",
        "a training batch of one person: error, or its location is adjusted and its scale kept",
        Limits::one_of({"error", "location"}));
  visit("unseen", unseen, "",
        "rows of a batch that training had not: error; unchanged; adapt: its effects are estimated "
        "from these rows, from the controls among them when these are known",
        Limits::one_of({"error", "unchanged", "adapt"}));
  visit("min_adapt", min_adapt, "people", "adapt needs that many rows of an unseen batch",
        Limits::between(2, 1e6));
  visit("zero_spread", zero_spread, "",
        "variance of a column that is constant inside a batch: one, as neuroCombat, or kept at "
        "zero, as ez.combat",
        Limits::one_of({"one", "keep"}));
  visit("stopping", stopping, "",
        "denominator of the relative change: signed, as the reference implementations, whose "
        "negative values never hold it up, or absolute",
        Limits::one_of({"signed", "absolute"}));
  visit("tolerance", tolerance, "", "largest relative change at the end",
        Limits::between(0.0, 0.1));
  visit("max_iterations", max_iterations, "", "of the parametric shrinkage",
        Limits::between(1, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXd> x; // n x p
  std::vector<int> batch;              // n, -1 missing: not learned from, an unseen batch in apply
  Eigen::MatrixXd covariates;          // n x q, kept in the data; every value present
  std::vector<std::string> covariate_names; // q or empty, for messages
  std::vector<std::uint8_t> is_reference;   // n or empty: the controls, for `adapt`
  int reference = -1;                       // batch that is left as it is, -1: none (fit only)
};

struct Model {
  Params params;
  int reference = -1;
  std::vector<int> batches; // B ids, ascending
  std::vector<int> n_rows;  // B
  // p; pooled_sd 0: the column has no spread inside batches (or covariates are confounded on the
  // rows that have it) and is left unchanged
  Eigen::VectorXd grand_mean, pooled_sd;
  Eigen::MatrixXd coefficients;           // q x p
  Eigen::MatrixXd gamma_hat, delta_hat;   // p x B, in units of the pooled SD
  Eigen::MatrixXd gamma_star, delta_star; // p x B, NaN: nobody of the batch has the column
  Eigen::VectorXd gamma_bar, tau_squared; // B, prior of the location
  Eigen::VectorXd shape, rate;            // B, prior of the scale
  std::vector<int> iterations;            // B
  std::vector<std::uint8_t> converged;    // B
};
// Throws input: one batch, a batch of one person, a covariate that is missing or confounded,
// columns too few or too alike for a prior, an unknown reference batch.
[[nodiscard]] Model fit(const Inputs& training, const Params& params, const Context& context);
// n x p. A value of a column that nobody of its batch had in training becomes missing.
// Throws input: an unseen batch (unless params.unseen says otherwise), another number of columns or
// covariates.
[[nodiscard]] Eigen::MatrixXd apply(const Model& model, const Inputs& rows, const Context& context);
// Uses Rows::batch and Rows::covariates. Training rows of one batch: nothing is adjusted.
[[nodiscard]] cohort::LearningStep step(const Params& params);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0, n_batches = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::combat
