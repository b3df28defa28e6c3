#include "stages/denoise/despike.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "stages/core/parallel.hpp"
#include "stages/denoise/kernels/median9.hpp"

namespace boldmill::despike {
namespace {

constexpr std::size_t kGrain = 64; // columns
constexpr float kLocalCut = 6.789F;
constexpr Eigen::Index kWindow = 9;

int order_of(const Params& params, Eigen::Index n) {
  // Ties to even, as C's rint.
  if (params.curve_order < 0) {
    return static_cast<int>(std::nearbyint(static_cast<double>(n) / 30.0));
  }
  return params.curve_order;
}

// An orthonormal basis of the curves.
Eigen::MatrixXd curves(Eigen::Index n, int order) {
  Eigen::MatrixXd x(n, 3 + 2 * order);
  const Eigen::VectorXd t = Eigen::VectorXd::LinSpaced(n, -1.0, 1.0);
  x.leftCols<3>() << Eigen::VectorXd::Ones(n), t, t.cwiseAbs2();
  for (Eigen::Index k = 1; k <= order; ++k) {
    for (Eigen::Index i = 0; i < n; ++i) {
      const double angle = 2.0 * std::numbers::pi * static_cast<double>(k) *
                           static_cast<double>(i) / static_cast<double>(n);
      x(i, 1 + 2 * k) = std::sin(angle);
      x(i, 2 + 2 * k) = std::cos(angle);
    }
  }
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(x);
  return qr.householderQ() * Eigen::MatrixXd::Identity(n, x.cols());
}

float median_in_place(std::vector<float>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return 0.5F * (*middle + *std::max_element(values.begin(), middle));
}

struct Workspace {
  std::vector<float> median, deviation, sorted;
};

// Step 1 on one column of n values; windows at the ends are the first and the last whole one.
void replace_local_outliers(const float* y, Eigen::Index n, Workspace& w, double* z) {
  const auto count = static_cast<std::size_t>(n);
  const std::size_t windows = count - kWindow + 1;
  w.median.resize(windows);
  w.deviation.resize(windows);
  local_medians9(y, count, w.median.data(), w.deviation.data());
  const auto window_of = [&](std::size_t i) {
    return std::clamp<std::size_t>(i, kWindow / 2, kWindow / 2 + windows - 1) - kWindow / 2;
  };
  w.sorted.resize(count);
  for (std::size_t i = 0; i < count; ++i) w.sorted[i] = w.deviation[window_of(i)];
  const float cut = kLocalCut * median_in_place(w.sorted);
  for (std::size_t i = 0; i < count; ++i) {
    const float m = w.median[window_of(i)];
    z[i] = static_cast<double>(cut > 0.0F && std::abs(y[i] - m) > cut ? m : y[i]);
  }
}

// Steps 3 and 4 on one column.
void pull_in(float* y, const double* curve, Eigen::Index n, int n_dummy, const Params& params,
             Workspace& w, Counts& counts) {
  w.sorted.resize(static_cast<std::size_t>(n));
  for (Eigen::Index i = 0; i < n; ++i) {
    w.sorted[static_cast<std::size_t>(i)] =
        static_cast<float>(std::abs(static_cast<double>(y[i]) - curve[i]));
  }
  const double sd =
      std::sqrt(std::numbers::pi / 2.0) * static_cast<double>(median_in_place(w.sorted));
  if (!(sd > 0.0)) return;
  const double span = params.cut_limit - params.cut_start;
  for (Eigen::Index i = 0; i < n; ++i) {
    const double s = (static_cast<double>(y[i]) - curve[i]) / sd;
    if (std::abs(s) <= params.cut_start) continue;
    const double pulled =
        params.cut_start + span * std::tanh((std::abs(s) - params.cut_start) / span);
    y[i] = static_cast<float>(curve[i] + std::copysign(pulled, s) * sd);
    ++counts.n_edits;
    if (std::abs(s) > params.cut_limit) ++counts.n_large;
    ++counts.volume[static_cast<std::size_t>(i + n_dummy)];
  }
}

Counts zero_counts(Eigen::Index n_volumes) {
  return {0, 0, std::vector<std::size_t>(static_cast<std::size_t>(n_volumes), 0)};
}

void add(Counts& total, const Counts& some) {
  total.n_edits += some.n_edits;
  total.n_large += some.n_large;
  for (std::size_t t = 0; t < total.volume.size(); ++t) total.volume[t] += some.volume[t];
}

int check(Eigen::Index n, const Params& params) {
  if (n < 15) {
    throw Error(ErrorKind::input, "despike: found " + std::to_string(n) +
                                      " volumes after the dummies, expected at least 15");
  }
  if (params.cut_limit < params.cut_start + 0.5) {
    throw Error(ErrorKind::usage, "despike: cut_limit must be at least cut_start + 0.5");
  }
  const int order = order_of(params, n);
  if (4 * order + 2 > n) {
    throw Error(ErrorKind::input, "despike: curve_order " + std::to_string(order) +
                                      " is too large for " + std::to_string(n) + " volumes");
  }
  return order;
}

} // namespace

Counts run_in_place(Eigen::Map<Eigen::MatrixXf> series, int n_dummy, const Params& params,
                    const Context& context) {
  const Eigen::Index n = series.rows() - n_dummy;
  const Eigen::MatrixXd basis = curves(n, check(n, params));
  const auto columns = static_cast<std::size_t>(series.cols());
  std::vector<Counts> partial((columns + kGrain - 1) / kGrain, zero_counts(series.rows()));
  parallel_blocks(context, columns, kGrain, [&](std::size_t begin, std::size_t end) {
    Workspace w;
    const auto width = static_cast<Eigen::Index>(end - begin);
    Eigen::MatrixXd z(n, width);
    for (Eigen::Index c = 0; c < width; ++c) {
      const float* y = series.col(static_cast<Eigen::Index>(begin) + c).data() + n_dummy;
      const bool finite = std::all_of(y, y + n, [](float value) { return std::isfinite(value); });
      if (finite)
        replace_local_outliers(y, n, w, z.col(c).data());
      else
        z.col(c).setConstant(std::numeric_limits<double>::quiet_NaN());
    }
    const Eigen::MatrixXd fitted = basis * (basis.transpose() * z).eval();
    for (Eigen::Index c = 0; c < width; ++c) {
      if (std::isnan(z(0, c))) continue;
      pull_in(series.col(static_cast<Eigen::Index>(begin) + c).data() + n_dummy,
              fitted.col(c).data(), n, n_dummy, params, w, partial[begin / kGrain]);
    }
    context.advance();
  });
  Counts total = zero_counts(series.rows());
  for (const Counts& some : partial) add(total, some);
  return total;
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  Outputs out{.despiked = inputs.series};
  out.counts = run_in_place({out.despiked.data(), out.despiked.rows(), out.despiked.cols()},
                            inputs.n_dummy, params, context);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const auto n = static_cast<Eigen::Index>(shape.n_volumes);
  const auto width = static_cast<std::size_t>(3 + 2 * order_of(params, n));
  const std::size_t blocks = (shape.n_columns + kGrain - 1) / kGrain;
  return shape.n_volumes * shape.n_columns * sizeof(float) +
         3 * width * shape.n_volumes * sizeof(double) +
         blocks * shape.n_volumes * sizeof(std::size_t) +
         64 * 2 * kGrain * shape.n_volumes * sizeof(double);
}

} // namespace boldmill::despike
