// A step that learns, as an element of an ordered list: fit on training rows gives a function that
// transforms any rows. A step never sees a target, so it cannot leak one; it sees training rows
// only when fitting, so it cannot leak test rows. Outputs may have another number of columns.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace boldmill::cohort {

// Rows of a cohort table, the same number in every member that is not empty.
struct Rows {
  Eigen::MatrixXd x;                        // n x p, NaN missing
  std::vector<std::string> names;           // p
  std::vector<std::uint8_t> is_reference;   // n, 1 = healthy control; empty: unknown
  std::vector<int> batch;                   // n, site or scanner, -1 missing; empty: unknown
  Eigen::MatrixXd covariates;               // n x q, what harmonisation keeps; may have no columns
  std::vector<std::string> covariate_names; // q

  [[nodiscard]] Rows select(const std::vector<Eigen::Index>& rows) const;
};

struct LearningStep {
  using Apply = std::function<Rows(const Rows&)>;
  std::string name;
  std::function<Apply(const Rows& training)> fit;
};

using FittedSteps = std::vector<LearningStep::Apply>;
// Fits every step on the training rows as the steps before it leave them.
[[nodiscard]] FittedSteps fit_steps(const std::vector<LearningStep>& steps, const Rows& training);
// The same, with the training rows as the last step leaves them.
struct FittedRows {
  FittedSteps steps;
  Rows rows;
};
[[nodiscard]] FittedRows fit_apply_steps(const std::vector<LearningStep>& steps,
                                         const Rows& training);
[[nodiscard]] Rows apply_steps(const FittedSteps& steps, const Rows& rows);

} // namespace boldmill::cohort
