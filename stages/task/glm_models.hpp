// Noise models of glm and what each makes of the contrasts, for its own sources only.
#pragma once

#include <Eigen/Dense>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stages/core/mixture_noise.hpp"
#include "stages/task/contrast.hpp"

namespace boldmill::glm {

// The rows that are fitted.
struct Rows {
  Eigen::MatrixXd x;               // n x K
  std::vector<Eigen::Index> index; // n, volumes, ascending
  double tr_s = 0.0;
};

// Contrasts without those that the rows cannot show.
struct Wanted {
  std::vector<const Contrast*> contrasts;
  Eigen::Index n_rows = 0; // of all of them
  bool influence = false;
};

// One noise covariance, shared by a group of columns.
struct Model {
  Eigen::VectorXd carry, gain; // whitened: gain_i (y_i - carry_i y_(i-1)); empty: as it is
  Eigen::MatrixXd basis;       // n x rank of the whitened design; none for mixture
  // All contrasts' rows, one below the other: effects = effect * (basis' whitened y), or effect * y
  // for mixture.
  Eigen::MatrixXd effect;
  // For influences: the contrasts' weights on the whitened rows (rows x n), and for mixture the
  // matrix that makes whitened residuals of a series (n x n). Empty when not asked for.
  Eigen::MatrixXd whitened_effect, residuals;
  std::vector<Eigen::MatrixXd> covariance; // of each contrast, for noise of variance 1
  std::vector<double> dof;
  double autocorrelation = 0.0;
};

enum class FirstRow { as_is, stationary };

[[nodiscard]] Model ordinary_model(const Rows& rows, const Wanted& wanted);
// rho^gap between rows that are gap volumes apart.
[[nodiscard]] Model autoregressive_model(const Rows& rows, const Wanted& wanted, double rho,
                                         FirstRow first);
[[nodiscard]] Model mixture_model(const Rows& rows, const Wanted& wanted, const MixtureNoise& noise,
                                  Eigen::Index candidate);

// The rho whose expected ratio of residual products at lag 1 and 0, for this design, is `ratio`.
[[nodiscard]] double unbiased_rho(const Rows& rows, const Eigen::MatrixXd& basis, double ratio);

} // namespace boldmill::glm
