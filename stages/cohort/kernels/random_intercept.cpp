#include "stages/cohort/kernels/random_intercept.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace boldmill::cohort {
namespace {

constexpr double kLargestLog = 20.0; // of 1 + ratio
constexpr int kGrid = 64;
constexpr double kPrecision = 1e-10;

// Everything the likelihood needs, with the responses as the last column of the design.
struct Sums {
  Eigen::MatrixXd total;   // (c + 1) x (c + 1), cross products
  Eigen::MatrixXd between; // people x (c + 1), sums over the rows of a person
  Eigen::VectorXd rows;    // people
  Eigen::Index n = 0;
};

struct Profiled {
  double minus_two = std::numeric_limits<double>::infinity(); // restricted log likelihood
  Eigen::VectorXd coefficients;
  double residual_variance = 0.0;
};

// V = I + ratio J per person: V^-1 = I - ratio / (1 + n ratio) J.
Profiled profile(const Sums& sums, double ratio) {
  const Eigen::VectorXd weight = ratio / (1.0 + ratio * sums.rows.array());
  const Eigen::MatrixXd cross =
      sums.total - sums.between.transpose() * weight.asDiagonal() * sums.between;
  const Eigen::Index c = cross.cols() - 1;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(cross.topLeftCorner(c, c));
  Profiled out;
  if (cholesky.info() != Eigen::Success) return out;
  out.coefficients = cholesky.solve(cross.col(c).head(c));
  const double squares = cross(c, c) - cross.col(c).head(c).dot(out.coefficients);
  const auto freedom = static_cast<double>(sums.n - c);
  out.residual_variance = squares / freedom;
  out.minus_two = freedom * std::log(out.residual_variance) +
                  (1.0 + ratio * sums.rows.array()).log().sum() +
                  2.0 * cholesky.matrixLLT().diagonal().array().log().sum();
  return out;
}

Sums sums_of(const Eigen::MatrixXd& design, const std::vector<int>& person) {
  const int people = *std::max_element(person.begin(), person.end()) + 1;
  Sums out{design.transpose() * design, Eigen::MatrixXd::Zero(people, design.cols()),
           Eigen::VectorXd::Zero(people), design.rows()};
  for (Eigen::Index i = 0; i < design.rows(); ++i) {
    const int id = person[static_cast<std::size_t>(i)];
    out.between.row(id) += design.row(i);
    out.rows[id] += 1.0;
  }
  return out;
}

} // namespace

RandomIntercept fit_random_intercept(const Eigen::VectorXd& y, const Eigen::MatrixXd& x,
                                     const std::vector<int>& person) {
  RandomIntercept out;
  if (y.size() <= x.cols() + 1) return out;
  const double centre = y.mean();
  const double scale = std::sqrt((y.array() - centre).square().mean());
  if (!(scale > 1e-12 * std::abs(centre))) return out;
  Eigen::MatrixXd design(x.rows(), x.cols() + 1);
  design << x, (y.array() - centre).matrix() / scale;
  const Sums sums = sums_of(design, person);
  const auto value = [&](double log_ratio) {
    return profile(sums, std::expm1(log_ratio)).minus_two;
  };
  int best = 0; // the likelihood may have two peaks: a grid first
  double lowest = value(0.0);
  for (int i = 1; i <= kGrid; ++i) {
    const double at = value(kLargestLog * i / kGrid);
    if (at < lowest) {
      lowest = at;
      best = i;
    }
  }
  double low = kLargestLog * std::max(best - 1, 0) / kGrid;
  double high = kLargestLog * std::min(best + 1, kGrid) / kGrid;
  const double golden = 0.5 * (std::sqrt(5.0) - 1.0);
  while (high - low > kPrecision) {
    const double a = high - golden * (high - low);
    const double b = low + golden * (high - low);
    (value(a) <= value(b) ? high : low) = value(a) <= value(b) ? b : a;
  }
  double at = 0.5 * (low + high);
  if (value(0.0) <= value(at)) at = 0.0;
  const Profiled found = profile(sums, std::expm1(at));
  if (found.coefficients.size() == 0 || !(found.residual_variance > 0.0)) return out;
  out.coefficients = found.coefficients * scale;
  out.coefficients[0] += centre; // the first column of x is 1
  out.residual_sd = std::sqrt(found.residual_variance) * scale;
  out.ratio = std::expm1(at);
  out.estimable = true;
  return out;
}

Eigen::VectorXd expected_intercepts(const Eigen::VectorXd& residual, const std::vector<int>& person,
                                    double ratio) {
  const int people = *std::max_element(person.begin(), person.end()) + 1;
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(people);
  Eigen::VectorXd rows = Eigen::VectorXd::Zero(people);
  for (Eigen::Index i = 0; i < residual.size(); ++i) {
    sum[person[static_cast<std::size_t>(i)]] += residual[i];
    rows[person[static_cast<std::size_t>(i)]] += 1.0;
  }
  Eigen::VectorXd out(residual.size());
  for (Eigen::Index i = 0; i < residual.size(); ++i) {
    const int id = person[static_cast<std::size_t>(i)];
    out[i] = ratio * sum[id] / (1.0 + ratio * rows[id]);
  }
  return out;
}

} // namespace boldmill::cohort
