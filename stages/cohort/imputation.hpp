// Fills missing values with the training median or mean of the column. A column without any value
// in training is dropped (it is never invented). The mask of what was filled is kept. Cost O(n p).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::imputation {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Little 2019, Statistical Analysis with Missing Data, doi:10.1002/9781119482260"};
inline constexpr StageInfo kStage{.name = "imputation",
                                  .version = 1,
                                  .summary = "missing values from the training rows' centre",
                                  .references = kReferences};

struct Params {
  std::string method = "median";
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [method] = params;
  visit("method", method, "", "centre of the training rows put in place of a missing value",
        Limits::one_of({"median", "mean"}));
}

struct Model {
  Eigen::VectorXd fill; // p, NaN where training has no value: the column is dropped
};
[[nodiscard]] Model fit(const Eigen::MatrixXd& training, const Params& params);
struct Outputs {
  Eigen::MatrixXd x;                                          // n x (columns not dropped)
  Eigen::Array<bool, Eigen::Dynamic, Eigen::Dynamic> imputed; // the same shape
  std::vector<Eigen::Index> columns;                          // of the input, kept
};
// Throws internal: another number of columns than the model.
[[nodiscard]] Outputs apply(const Model& model, const Eigen::MatrixXd& rows);
[[nodiscard]] cohort::LearningStep step(const Params& params);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::imputation
