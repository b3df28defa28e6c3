// Fills missing values by chained equations with predictive mean matching inside each batch
// (METHOD.md), several times if asked. Donors are training rows only. A column without any value in
// training is dropped, one that a whole batch lacks stays missing there (it is never invented). The
// mask of what was filled is kept. x: n x p. Cost O(m iterations n p^3).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "stages/cohort/kernels/chained_equations.hpp"
#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::chained_imputation {

inline constexpr std::array<std::string_view, 2> kReferences{
    "van Buuren 2011, Journal of Statistical Software, doi:10.18637/jss.v045.i03",
    "Little 1988, Journal of Business and Economic Statistics, "
    "doi:10.1080/07350015.1988.10509663"};
inline constexpr StageInfo kStage{.name = "chained_imputation",
                                  .version = 1,
                                  .summary = "missing values from training people of the same "
                                             "batch with near predictions",
                                  .references = kReferences};

struct Params {
  int imputations = 1;
  int donors = 5;
  int iterations = 5;
  int min_batch = 20;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [imputations, donors, iterations, min_batch, random_seed] = params;
  visit("imputations", imputations, "", "completed tables", Limits::between(1, 1000));
  visit("donors", donors, "people", "nearest predictions one is drawn from",
        Limits::between(1, 1000));
  visit("iterations", iterations, "", "sweeps over the columns", Limits::between(1, 1000));
  visit("min_batch", min_batch, "people",
        "a batch with fewer training rows takes donors from all batches", Limits::between(1, 1e6));
  visit("random_seed", random_seed, "", "seed of the draws", Limits::between(0, 2e9));
}

using Mask = Eigen::Array<bool, Eigen::Dynamic, Eigen::Dynamic>;

struct Chains {                                 // one completion
  cohort::ChainedModel pooled;                  // small, unknown and unseen batches
  std::map<int, cohort::ChainedModel> by_batch; // of at least min_batch training rows
};
struct Model {
  Params params;
  std::vector<std::uint8_t> known;                 // p, 0: nobody has the column, dropped
  std::vector<Chains> chains;                      // imputations
  std::map<int, std::vector<std::uint8_t>> absent; // batch, p: nobody of it has the column
};
// `batch`: n ids, -1 unknown, or empty.
[[nodiscard]] Model fit(const Eigen::MatrixXd& training, const std::vector<int>& batch,
                        const Params& params);
struct Outputs {
  Eigen::MatrixXd x;                 // n x (columns not dropped); NaN: the batch lacks the column
  Mask imputed;                      // the same shape
  std::vector<Eigen::Index> columns; // of the input, kept
};
// Imputation `number` of the model. A row's result does not depend on the other rows.
// Throws internal: another number of columns than the model, no such imputation.
[[nodiscard]] Outputs apply(const Model& model, const Eigen::MatrixXd& rows,
                            const std::vector<int>& batch, int number = 0);
// The first imputation, as a step before others: columns that a training batch lacks are dropped,
// for later steps need every value. Uses Rows::batch.
[[nodiscard]] cohort::LearningStep step(const Params& params);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::chained_imputation
