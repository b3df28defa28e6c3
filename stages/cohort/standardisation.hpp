// Centres and scales columns: z = (x - mean) / sd, sd with divisor n - 1, learned from the training
// rows or from the healthy controls among them. A column without spread in training becomes 0, and
// keeps its place. Missing stays missing. Cost O(n p).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::standardisation {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Tozzi 2024, Nature Medicine, doi:10.1038/s41591-024-03057-9"};
inline constexpr StageInfo kStage{.name = "standardisation",
                                  .version = 1,
                                  .summary = "z-scores against training rows or their controls",
                                  .references = kReferences};

struct Params {
  std::string reference = "training";
  int min_controls = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [reference, min_controls] = params;
  visit("reference", reference, "", "rows that give mean and standard deviation",
        Limits::one_of({"training", "controls"}));
  visit("min_controls", min_controls, "people",
        "with fewer controls in training, all training rows are used", Limits::between(2, 1e6));
}

struct Model {
  Eigen::VectorXd mean, sd; // p; sd 0 where training has no spread
  bool used_controls = false;
};
// `is_reference`: one per row, or empty.
[[nodiscard]] Model fit(const Eigen::MatrixXd& training,
                        const std::vector<std::uint8_t>& is_reference, const Params& params);
// Throws internal: another number of columns than the model.
[[nodiscard]] Eigen::MatrixXd apply(const Model& model, const Eigen::MatrixXd& rows);
[[nodiscard]] cohort::LearningStep step(const Params& params);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::standardisation
