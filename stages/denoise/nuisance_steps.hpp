// Steps that data and confounds share; used by nuisance_regression and nuisance_design only.
#pragma once

#include <Eigen/Dense>

#include "stages/denoise/nuisance_regression.hpp"

namespace boldmill::nuisance_regression {

inline constexpr double kRankTolerance = 1e-8; // of unit-norm columns: tables have about ten digits

// Rows of a (T - n_dummy)-row matrix that belong to volumes kept.
[[nodiscard]] Eigen::MatrixXd kept_rows(const Eigen::MatrixXd& all, const Design& design);

// XCP-D's preparation of data and confounds alike: interpolate, detrend, filter.
void filter_columns(Eigen::MatrixXd& y, const Design& design, const Params& params);

} // namespace boldmill::nuisance_regression
