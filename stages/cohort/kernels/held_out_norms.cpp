#include "stages/cohort/kernels/held_out_norms.hpp"

#include <limits>
#include <string>

#include "stages/cohort/kernels/folds.hpp"

namespace boldmill::cohort {
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

Eigen::MatrixXd held_out_z(const normative_model::Inputs& reference,
                           const normative_model::Params& params, int n_folds, std::uint64_t seed,
                           const Context& context) {
  Eigen::MatrixXd z = Eigen::MatrixXd::Constant(reference.x.rows(), reference.x.cols(),
                                                std::numeric_limits<double>::quiet_NaN());
  std::vector<Eigen::Index> complete;
  for (Eigen::Index row = 0; row < reference.x.rows(); ++row) {
    if (reference.covariates.row(row).allFinite()) complete.push_back(row);
  }
  const normative_model::Inputs known = rows_among(reference, complete);
  const People people = join_copies(known.x, {});
  const Split split = k_fold(complete.size(), n_folds, known.batch, people.person, seed);
  normative_model::Params of_fold = params; // as many people as the whole model asks for, in all
  of_fold.min_people = params.min_people * (n_folds - 1) / n_folds;
  std::string problem;
  bool any = false;
  for (int fold = 0; fold < split.n_folds; ++fold) {
    context.check_stop();
    const FoldRows rows = rows_of(split, fold);
    try {
      const auto model = normative_model::fit(rows_among(known, rows.training), of_fold, context);
      const auto test = normative_model::apply(model, rows_among(known, rows.test), context);
      for (std::size_t i = 0; i < rows.test.size(); ++i) {
        z.row(complete[static_cast<std::size_t>(rows.test[i])]) =
            test.z.row(static_cast<Eigen::Index>(i));
      }
      any = true;
    } catch (const Error& error) { // too few people beside this fold's
      if (error.kind() != ErrorKind::input) throw;
      problem = error.what();
    }
  }
  if (!any) throw Error(ErrorKind::input, problem.empty() ? "no fold of people" : problem);
  return z;
}

} // namespace boldmill::cohort
