// Fills missing values: the training median or mean of the column, or chained equations with
// predictive mean matching inside each batch (METHOD.md), several times if asked. Donors are
// training rows only. A column without any value in training is dropped, one that a whole batch
// lacks stays missing there (it is never invented). The mask of what was filled is kept.
// Cost O(n p), pmm O(m iterations n p^3).
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

namespace boldmill::imputation {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Little 2019, Statistical Analysis with Missing Data, doi:10.1002/9781119482260",
    "van Buuren 2011, Journal of Statistical Software, doi:10.18637/jss.v045.i03",
    "Little 1988, Journal of Business and Economic Statistics, "
    "doi:10.1080/07350015.1988.10509663"};
inline constexpr StageInfo kStage{.name = "imputation",
                                  .version = 1,
                                  .summary = "missing values from the training rows",
                                  .references = kReferences};

struct Params {
  std::string method = "median";
  int imputations = 1;
  int donors = 5;
  int iterations = 5;
  int min_batch = 20;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [method, imputations, donors, iterations, min_batch, random_seed] = params;
  visit("method", method, "",
        "what is put in place of a missing value: centre of the training rows, or pmm, the value "
        "of a training row of the batch whose prediction is near",
        Limits::one_of({"median", "mean", "pmm"}));
  visit("imputations", imputations, "",
        "completed tables (pmm); prediction and harmonisation use the first",
        Limits::between(1, 1000));
  visit("donors", donors, "people", "nearest predictions one is drawn from (pmm)",
        Limits::between(1, 1000));
  visit("iterations", iterations, "", "sweeps over the columns (pmm)", Limits::between(1, 1000));
  visit("min_batch", min_batch, "people",
        "a batch with fewer training rows takes donors from all batches (pmm)",
        Limits::between(1, 1e6));
  visit("random_seed", random_seed, "", "seed of the draws (pmm)", Limits::between(0, 2e9));
}

using Mask = Eigen::Array<bool, Eigen::Dynamic, Eigen::Dynamic>;

// One of the completions that predictive mean matching can make.
struct Chains {
  cohort::ChainedModel pooled;                  // small, unknown and unseen batches
  std::map<int, cohort::ChainedModel> by_batch; // of at least min_batch training rows
};
struct Model {
  Eigen::VectorXd fill; // p, NaN where training has no value: the column is dropped
  Params params;
  std::vector<Chains> chains;                      // imputations, for pmm
  std::map<int, std::vector<std::uint8_t>> absent; // batch, p: nobody of it has the column
};
// `batch`: n ids, -1 unknown, or empty.
[[nodiscard]] Model fit(const Eigen::MatrixXd& training, const Params& params,
                        const std::vector<int>& batch = {});
struct Outputs {
  Eigen::MatrixXd x;                 // n x (columns not dropped); NaN: the batch lacks the column
  Mask imputed;                      // the same shape
  std::vector<Eigen::Index> columns; // of the input, kept
};
// Imputation `number` of the model. A row's result does not depend on the other rows.
// Throws internal: another number of columns than the model, no such imputation.
[[nodiscard]] Outputs apply(const Model& model, const Eigen::MatrixXd& rows,
                            const std::vector<int>& batch = {}, int number = 0);
// Uses Rows::batch. Columns that a training batch lacks are dropped: later steps need every value.
[[nodiscard]] cohort::LearningStep step(const Params& params);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::imputation
