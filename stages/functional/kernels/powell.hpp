// Minimisation without derivatives: Powell's direction set (Powell 1964, Comput. J. 7:155,
// doi:10.1093/comjnl/7.2.155) with a bounded line search. Deterministic.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <utility>

namespace boldmill {

struct PowellOptions {
  double first_step = 1.0; // of every line search in the first round
  double tolerance = 0.01; // a round that moves less ends the search; lines close in to half of it
  int max_rounds = 12;
  int line_evaluations = 16;
};

template <int N>
struct PowellResult {
  Eigen::Matrix<double, N, 1> x = Eigen::Matrix<double, N, 1>::Zero();
  double value = 0.0;
  int evaluations = 0;
  bool converged = false;
};

struct LinePoint {
  double t = 0.0;
  double value = 0.0;
};

// Brackets a minimum of f from 0 by growing steps, then closes in by parabolas, golden sections
// where a parabola does not help. Returns the best point seen.
template <class F>
LinePoint minimise_line(F&& f, double at_zero, double step, double tolerance, int budget) {
  constexpr double kGolden = 0.3819660112501051;
  LinePoint middle{0.0, at_zero};
  LinePoint right{step, f(step)};
  LinePoint left{-step, 0.0};
  --budget;
  if (right.value < middle.value) {
    left = middle;
    middle = right;
    double stride = step;
    do {
      stride *= 1.6;
      right = {middle.t + stride, f(middle.t + stride)};
      --budget;
      if (right.value >= middle.value) break;
      left = std::exchange(middle, right);
    } while (budget > 0);
  } else {
    left.value = f(left.t);
    --budget;
    double stride = step;
    while (left.value < middle.value && budget > 0) {
      right = std::exchange(middle, left);
      stride *= 1.6;
      left = {middle.t - stride, f(middle.t - stride)};
      --budget;
    }
  }
  while (budget > 0 && right.t - left.t > tolerance) {
    const double a = middle.t - left.t;
    const double b = right.t - middle.t;
    const double fa = left.value - middle.value;
    const double fb = right.value - middle.value;
    const double denominator = fa * b + fb * a;
    double t =
        denominator > 0.0 ? middle.t + 0.5 * (fa * b * b - fb * a * a) / denominator : middle.t;
    const double least = 0.1 * (right.t - left.t);
    if (std::abs(t - middle.t) < least || t <= left.t || t >= right.t) {
      t = b > a ? middle.t + kGolden * b : middle.t - kGolden * a;
    }
    const LinePoint next{t, f(t)};
    --budget;
    if (next.value < middle.value) {
      (next.t > middle.t ? left : right) = middle;
      middle = next;
    } else {
      (next.t > middle.t ? right : left) = next;
    }
  }
  return middle;
}

template <int N, class F>
PowellResult<N> powell(F&& f, const Eigen::Matrix<double, N, 1>& start,
                       const PowellOptions& options) {
  using Vector = Eigen::Matrix<double, N, 1>;
  Eigen::Matrix<double, N, N> directions = Eigen::Matrix<double, N, N>::Identity();
  PowellResult<N> result;
  result.x = start;
  const auto evaluate = [&](const Vector& x) {
    ++result.evaluations;
    return f(x);
  };
  result.value = evaluate(start);
  double step = options.first_step;
  for (int round = 0; round < options.max_rounds; ++round) {
    const Vector before = result.x;
    const double value_before = result.value;
    double largest_drop = 0.0;
    int largest = 0;
    const auto search = [&](const Vector& direction) {
      const LinePoint best =
          minimise_line([&](double t) { return evaluate(result.x + t * direction); }, result.value,
                        step, 0.5 * options.tolerance, options.line_evaluations);
      const double drop = result.value - best.value;
      if (drop > 0.0) {
        result.x += best.t * direction;
        result.value = best.value;
      }
      return drop;
    };
    for (int d = 0; d < N; ++d) {
      const double drop = search(directions.col(d));
      if (drop > largest_drop) {
        largest_drop = drop;
        largest = d;
      }
    }
    const Vector moved = result.x - before;
    const double distance = moved.norm();
    if (distance < options.tolerance || !(result.value < value_before)) {
      // A last look with small steps before it counts as converged.
      if (step <= 2.0 * options.tolerance) {
        result.converged = true;
        break;
      }
      step = std::max(0.25 * step, 2.0 * options.tolerance);
      continue;
    }
    // Powell's criterion for replacing the direction of the largest drop by the average one.
    const double extrapolated = evaluate(result.x + moved);
    if (extrapolated < value_before) {
      const double t = 2.0 * (value_before - 2.0 * result.value + extrapolated) *
                           std::pow(value_before - result.value - largest_drop, 2) -
                       largest_drop * std::pow(value_before - extrapolated, 2);
      if (t < 0.0) {
        directions.col(largest) = directions.col(N - 1);
        directions.col(N - 1) = moved / distance;
        search(directions.col(N - 1));
      }
    }
    step = std::max(0.5 * step, 2.0 * options.tolerance);
  }
  return result;
}

} // namespace boldmill
