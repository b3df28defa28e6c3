#include "stages/cohort/kernels/held_out_norms.hpp"

#include <limits>

#include "stages/cohort/kernels/folds.hpp"

namespace boldmill::cohort {
namespace {

normative_model::Inputs rows_among(const normative_model::Inputs& all,
                                   const std::vector<Eigen::Index>& rows) {
  normative_model::Inputs out = all;
  out.x = all.x(rows, Eigen::all);
  out.covariates = all.covariates(rows, Eigen::all);
  out.batch.clear();
  if (all.batch.empty()) return out;
  for (const Eigen::Index row : rows) out.batch.push_back(all.batch[static_cast<std::size_t>(row)]);
  return out;
}

} // namespace

Eigen::MatrixXd held_out_z(const normative_model::Inputs& reference,
                           const normative_model::Params& params, int n_folds, std::uint64_t seed,
                           const Context& context) {
  Eigen::MatrixXd z = Eigen::MatrixXd::Constant(reference.x.rows(), reference.x.cols(),
                                                std::numeric_limits<double>::quiet_NaN());
  const People people = join_copies(reference.x, {});
  const Split split = k_fold(static_cast<std::size_t>(reference.x.rows()), n_folds, reference.batch,
                             people.person, seed);
  normative_model::Params of_fold = params; // as many people as the whole model asks for, in all
  of_fold.min_people = params.min_people * (n_folds - 1) / n_folds;
  for (int fold = 0; fold < split.n_folds; ++fold) {
    context.check_stop();
    const FoldRows rows = rows_of(split, fold);
    const auto model = normative_model::fit(rows_among(reference, rows.training), of_fold, context);
    z(rows.test, Eigen::all) =
        normative_model::apply(model, rows_among(reference, rows.test), context).z;
  }
  return z;
}

} // namespace boldmill::cohort
