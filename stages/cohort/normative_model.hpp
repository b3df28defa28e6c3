// Where a person stands among the reference people of his age, sex, motion and site: z, centile and
// the standard error of z. Bayesian linear regression, B-spline of age, sites as random effects,
// variance that follows age, sinh-arcsinh warp; one model a measure (Fraza 2021,
// doi:10.1016/j.neuroimage.2021.118715). Equations and departures: METHOD.md.
// x: n x p, NaN missing. Cost p x iterations x O(n c^2).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/bayesian_regression.hpp"
#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/cohort/kernels/spline.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::normative_model {

inline constexpr std::array<std::string_view, 2> kReferences{
    "Fraza 2021, NeuroImage, doi:10.1016/j.neuroimage.2021.118715",
    "Jones 2009, Biometrika, doi:10.1093/biomet/asp053"};
inline constexpr StageInfo kStage{.name = "normative_model",
                                  .version = 1,
                                  .summary = "z and centile against a reference of the same age, "
                                             "sex, motion and site",
                                  .references = kReferences};

struct Params {
  std::string age = "age";
  int interior_knots = 2;
  bool variance_of_age = true;
  bool warp = true;
  int min_people = 30;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [age, interior_knots, variance_of_age, warp, min_people] = params;
  visit("age", age, "", "covariate that gets a spline; the others are linear", Limits{});
  visit("interior_knots", interior_knots, "", "of the cubic spline, at quantiles of age",
        Limits::between(0, 50));
  visit("variance_of_age", variance_of_age, "", "let the log variance follow age", Limits{});
  visit("warp", warp, "", "let skewness and tails be learned (sinh-arcsinh)", Limits{});
  visit("min_people", min_people, "people", "a measure with fewer reference values has no norm",
        Limits::between(10, 1e6));
}

struct Inputs {
  Eigen::MatrixXd x;                        // n x p
  std::vector<std::string> names;           // p
  Eigen::MatrixXd covariates;               // n x q; a row with a missing one has no z
  std::vector<std::string> covariate_names; // q, age may be among them
  std::vector<int> batch;                   // n, -1 unknown, or empty
};

struct Measure {
  double centre = 0.0, scale = 0.0; // of u = (x - centre) / scale; scale 0: no norm
  int n = 0;
  cohort::FittedRegression fitted;
};
struct Model { // everything needed to score a new person
  Params params;
  std::vector<std::string> names, covariate_names;
  Eigen::Index age = -1; // column of the covariates, -1: none
  cohort::SplineBasis spline, variance_spline;
  Eigen::VectorXd linear_mean, linear_sd; // of the other covariates, in order
  std::vector<int> batches;               // ids, ascending
  std::vector<Measure> measures;          // p
};
// Rows are the reference people (training controls). Throws input: no measure, fewer than
// min_people rows with all covariates.
[[nodiscard]] Model fit(const Inputs& reference, const Params& params, const Context& context);

struct Outputs { // n x p, NaN: the value, a covariate or the norm is missing
  Eigen::MatrixXd z, centile;
  Eigen::MatrixXd z_se;                  // of z, for what the reference people leave open
  Eigen::MatrixXd expected;              // median for such a person, in units of x
  std::vector<std::uint8_t> age_outside; // n, the spline stands still there
  std::vector<std::uint8_t> new_batch;   // n, the spread between sites widens the norm
};
// Throws input: other measures or covariates than the model.
[[nodiscard]] Outputs apply(const Model& model, const Inputs& rows, const Context& context);
// The value that has this centile (0..1) for every row, n x p.
[[nodiscard]] Eigen::MatrixXd value_at(const Model& model, const Inputs& rows, double centile);
// Replaces measures by z. Uses Rows::covariates and Rows::batch; learned from the controls where
// there are min_people of them, otherwise from all training rows.
[[nodiscard]] cohort::LearningStep step(const Params& params);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0, n_covariates = 0, n_batches = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::normative_model
