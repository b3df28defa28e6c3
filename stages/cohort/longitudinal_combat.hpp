// ComBat for several sessions of a person: batch effects beside a random intercept of the person,
// so that what is stable in people is not taken for a batch (Beer 2020,
// doi:10.1016/j.neuroimage.2020.117129). Equations and departures: METHOD.md.
// x: n sessions x p, NaN missing and kept missing. Cost O(n p (B + q)^2).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::longitudinal_combat {

inline constexpr std::array<std::string_view, 2> kReferences{
    "Beer 2020, NeuroImage, doi:10.1016/j.neuroimage.2020.117129",
    "Johnson 2007, Biostatistics, doi:10.1093/biostatistics/kxj037"};
inline constexpr StageInfo kStage{.name = "longitudinal_combat",
                                  .version = 2,
                                  .summary = "location and scale of batches taken out, with a "
                                             "random intercept of every person",
                                  .references = kReferences};

struct Params {
  double tolerance = 1e-8;
  int max_iterations = 1000;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [tolerance, max_iterations] = params;
  visit("tolerance", tolerance, "", "largest relative change at the end of the shrinkage",
        Limits::between(0.0, 0.1));
  visit("max_iterations", max_iterations, "", "of the shrinkage", Limits::between(1, 1e6));
}

struct Inputs {
  Eigen::MatrixXd x;          // n x p
  std::vector<int> batch;     // n, every one known
  std::vector<int> person;    // n, 0..
  Eigen::MatrixXd covariates; // n x q, kept in the data (time, age, ...); every value present
};

struct Model { // all that a new session needs; p columns, B batches
  Params params;
  std::vector<int> batches;            // ids, ascending
  std::vector<int> n_rows;             // B
  Eigen::VectorXd intercept;           // p; NaN: not estimable, the column is left unchanged
  Eigen::MatrixXd coefficients;        // q x p
  Eigen::MatrixXd batch_effect;        // p x B, least squares, mean 0 over rows
  Eigen::VectorXd residual_sd;         // p
  Eigen::VectorXd ratio;               // p, variance between people / residual variance
  Eigen::MatrixXd location, scale;     // p x B, shrunk, in units of residual_sd
  std::vector<std::uint8_t> converged; // B
};
// Throws input: fewer than 2 batches, a batch of one row, nobody with two rows, a missing
// covariate, covariates and batches that cannot be told apart.
[[nodiscard]] Model fit(const Inputs& training, const Params& params, const Context& context);
// A person's intercept is estimated from his rows at hand: alone or with others, the same result.
// Throws input: a batch or another number of columns or covariates than in training.
[[nodiscard]] Eigen::MatrixXd apply(const Model& model, const Inputs& rows);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0, n_batches = 0, n_covariates = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::longitudinal_combat
