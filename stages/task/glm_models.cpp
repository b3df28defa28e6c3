#include "stages/task/glm_models.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/least_squares.hpp"

namespace boldmill::glm {
namespace {

Eigen::MatrixXd stacked_weights(const Rows& rows, const Wanted& wanted) {
  Eigen::MatrixXd out(wanted.n_rows, rows.x.cols());
  Eigen::Index at = 0;
  for (const Contrast* contrast : wanted.contrasts) {
    out.middleRows(at, contrast->weights.rows()) = contrast->weights;
    at += contrast->weights.rows();
  }
  return out;
}

// E of the least squares on the whitened design; fills effect and covariance.
void project(const LeastSquares& fit, const Rows& rows, const Wanted& wanted, Model& model) {
  model.effect = fit.projected(stacked_weights(rows, wanted));
  if (wanted.influence) model.whitened_effect = model.effect * fit.basis().transpose();
  Eigen::Index at = 0;
  for (const Contrast* contrast : wanted.contrasts) {
    const auto part = model.effect.middleRows(at, contrast->weights.rows());
    model.covariance.emplace_back(part * part.transpose());
    at += contrast->weights.rows();
  }
}

void fixed_dof(const Rows& rows, const LeastSquares& fit, const Wanted& wanted, Model& model) {
  model.dof.assign(wanted.contrasts.size(), static_cast<double>(rows.x.rows() - fit.rank()));
}

} // namespace

Model ordinary_model(const Rows& rows, const Wanted& wanted) {
  Model model;
  const LeastSquares fit(rows.x);
  model.basis = fit.basis();
  project(fit, rows, wanted, model);
  fixed_dof(rows, fit, wanted, model);
  return model;
}

Model autoregressive_model(const Rows& rows, const Wanted& wanted, double rho, FirstRow first) {
  const Eigen::Index n = rows.x.rows();
  Model model;
  model.autocorrelation = rho;
  model.carry = Eigen::VectorXd::Zero(n);
  model.gain = Eigen::VectorXd::Ones(n);
  if (first == FirstRow::stationary) model.gain[0] = std::sqrt(1.0 - rho * rho);
  for (Eigen::Index i = 1; i < n; ++i) {
    const auto gap = static_cast<double>(rows.index[static_cast<std::size_t>(i)] -
                                         rows.index[static_cast<std::size_t>(i - 1)]);
    model.carry[i] = gap == 1.0 ? rho : std::pow(rho, gap);
    if (gap != 1.0) {
      model.gain[i] = std::sqrt((1.0 - rho * rho) / (1.0 - model.carry[i] * model.carry[i]));
    }
  }
  Eigen::MatrixXd x = rows.x;
  for (Eigen::Index i = n - 1; i > 0; --i) {
    x.row(i) = model.gain[i] * (rows.x.row(i) - model.carry[i] * rows.x.row(i - 1));
  }
  x.row(0) *= model.gain[0];
  const LeastSquares fit(x);
  model.basis = fit.basis();
  project(fit, rows, wanted, model);
  fixed_dof(rows, fit, wanted, model);
  return model;
}

Model mixture_model(const Rows& rows, const Wanted& wanted, const MixtureNoise& noise,
                    Eigen::Index candidate) {
  Model model;
  model.autocorrelation = noise.correlation_at(candidate, rows.tr_s);
  const Eigen::LLT<Eigen::MatrixXd> root(noise.covariance(candidate));
  const LeastSquares fit(root.matrixL().solve(rows.x));
  project(fit, rows, wanted, model);
  // From a form of the whitened series to one of the series itself.
  const Eigen::MatrixXd back = root.matrixU().solve(fit.basis());
  model.effect = model.effect * back.transpose();
  if (wanted.influence) {
    const Eigen::Index n = rows.x.rows();
    model.residuals = root.matrixL().solve(Eigen::MatrixXd::Identity(n, n));
    model.residuals -= fit.basis() * back.transpose();
  }
  Eigen::Index at = 0;
  for (std::size_t k = 0; k < wanted.contrasts.size(); ++k) {
    const Eigen::Index n_rows = wanted.contrasts[k]->weights.rows();
    const Eigen::MatrixXd forms = model.effect.middleRows(at, n_rows).transpose();
    double dof = noise.dof(candidate, forms.col(0));
    for (Eigen::Index r = 1; r < n_rows; ++r) {
      dof = std::min(dof, noise.dof(candidate, forms.col(r)));
    }
    model.dof.push_back(dof);
    std::vector<Eigen::MatrixXd> products = noise.products(candidate, forms);
    for (Eigen::MatrixXd& v : products) {
      root.matrixL().solveInPlace(v);
      v -= fit.basis() * (fit.basis().transpose() * v).eval();
    }
    model.covariance[k] += noise.added(candidate, products);
    at += n_rows;
  }
  return model;
}

double unbiased_rho(const Rows& rows, const Eigen::MatrixXd& basis, double ratio) {
  const Eigen::Index n = rows.x.rows();
  const Eigen::MatrixXd residual = Eigen::MatrixXd::Identity(n, n) - basis * basis.transpose();
  Eigen::MatrixXd neighbour = Eigen::MatrixXd::Zero(n, n);
  for (Eigen::Index i = 1; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (rows.index[at] - rows.index[at - 1] != 1) continue;
    neighbour(i, i - 1) = neighbour(i - 1, i) = 0.5;
  }
  const Eigen::MatrixXd lag_one = residual * neighbour * residual;
  const auto expected = [&](double rho) {
    double one = 0.0;
    double zero = 0.0;
    for (Eigen::Index j = 0; j < n; ++j) {
      for (Eigen::Index i = 0; i < n; ++i) {
        const auto gap = std::abs(rows.index[static_cast<std::size_t>(i)] -
                                  rows.index[static_cast<std::size_t>(j)]);
        const double v = gap == 0 ? 1.0 : std::pow(rho, static_cast<double>(gap));
        one += lag_one(i, j) * v;
        zero += residual(i, j) * v;
      }
    }
    return one / zero;
  };
  double low = -0.98;
  double high = 0.98;
  for (int i = 0; i < 30; ++i) {
    const double middle = 0.5 * (low + high);
    (expected(middle) < ratio ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

} // namespace boldmill::glm
