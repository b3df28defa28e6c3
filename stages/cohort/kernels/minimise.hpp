// Smooth minimisation without constraints (BFGS with backtracking), for a handful of parameters.
#pragma once

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace boldmill::cohort {

struct Minimum {
  Eigen::VectorXd at;
  double value = 0.0;
  int iterations = 0;
  bool converged = false; // the largest slope is at most tolerance * max(1, |value|)
};

// f(theta, gradient) -> value; a value that is not finite is walked back from.
template <class F>
Minimum minimise(F&& f, Eigen::VectorXd theta, double tolerance = 1e-6, int max_iterations = 300) {
  constexpr double kSufficient = 1e-4;
  constexpr double kShortest = 1e-12;
  constexpr double kLongest = 3.0; // of a step: parameters are logarithms or about 1
  Eigen::VectorXd gradient(theta.size());
  Minimum out{theta, f(theta, gradient)};
  Eigen::MatrixXd inverse = Eigen::MatrixXd::Identity(theta.size(), theta.size());
  const auto flat = [&] {
    return gradient.size() == 0 ||
           gradient.cwiseAbs().maxCoeff() <= tolerance * std::max(1.0, std::abs(out.value));
  };
  for (; out.iterations < max_iterations && !flat(); ++out.iterations) {
    Eigen::VectorXd direction = -(inverse * gradient);
    if (!(direction.dot(gradient) < 0.0)) {
      inverse.setIdentity();
      direction = -gradient;
    }
    // The first direction has no scale of its own.
    double step = std::min(1.0, (out.iterations == 0 ? 1.0 : kLongest) / direction.norm());
    Eigen::VectorXd slope(theta.size());
    double value = f(out.at + step * direction, slope);
    while (!(value <= out.value + kSufficient * step * direction.dot(gradient)) &&
           step > kShortest) {
      step *= 0.5;
      value = f(out.at + step * direction, slope);
    }
    if (!(value <= out.value)) break; // rounding: no lower value in this direction
    const Eigen::VectorXd moved = step * direction;
    const Eigen::VectorXd change = slope - gradient;
    const double curvature = moved.dot(change);
    if (curvature > kShortest * moved.norm() * change.norm()) {
      const Eigen::VectorXd h = inverse * change;
      inverse +=
          ((curvature + change.dot(h)) / (curvature * curvature)) * moved * moved.transpose() -
          (h * moved.transpose() + moved * h.transpose()) / curvature;
    }
    out.at += moved;
    out.value = value;
    gradient = slope;
  }
  out.converged = flat();
  return out;
}

} // namespace boldmill::cohort
