#include "stages/denoise/nuisance_regression.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/parallel.hpp"
#include "stages/denoise/kernels/butterworth.hpp"
#include "stages/denoise/kernels/interpolate_censored.hpp"
#include "stages/denoise/nuisance_steps.hpp"

namespace boldmill::nuisance_regression {
namespace {

constexpr std::size_t kGrain = 64; // columns
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::span<const std::uint8_t> steady_keep(const Design& design) {
  return std::span(design.keep).subspan(static_cast<std::size_t>(design.n_dummy));
}

void detrend_in_place(Lanes& y, bool trend) {
  const auto n = static_cast<double>(y.size());
  const double middle = 0.5 * (n - 1.0);
  Lane sum = Lane::Zero(), moment = Lane::Zero();
  for (std::size_t t = 0; t < y.size(); ++t) sum += y[t];
  const Lane mean = sum / n;
  double squares = 0.0;
  for (std::size_t t = 0; t < y.size(); ++t) {
    const double at = static_cast<double>(t) - middle;
    y[t] -= mean;
    moment += at * y[t];
    squares += at * at;
  }
  if (!trend || y.size() < 2) return;
  const Lane slope = moment / squares;
  for (std::size_t t = 0; t < y.size(); ++t) y[t] -= (static_cast<double>(t) - middle) * slope;
}

bool uses_filter(const Params& params) {
  return params.filter == "butterworth" && (params.high_pass_hz > 0.0 || params.low_pass_hz > 0.0);
}

// One column: residual over the volumes kept, scaled; elsewhere NaN or what `all` (T - n_dummy
// values, may be null) has there.
void store(const Eigen::VectorXd& residual, const double* all, double input_scale,
           const Design& design, const Params& params, float* column) {
  const double sd = std::sqrt(residual.squaredNorm() /
                              std::max<double>(1.0, static_cast<double>(design.n_kept - 1)));
  const bool usable = std::isfinite(sd) && sd > 1e-10 * input_scale;
  Eigen::Index row = 0;
  for (std::size_t t = 0; t < design.keep.size(); ++t) {
    double value = kNaN;
    const auto dummies = static_cast<std::size_t>(design.n_dummy);
    if (design.keep[t] != 0)
      value = residual[row++];
    else if (all != nullptr && t >= dummies)
      value = all[t - dummies];
    column[t] = static_cast<float>(usable ? value / (params.standardize ? sd : 1.0) : kNaN);
  }
}

// A block of columns on its way through the steps.
struct Block {
  Eigen::MatrixXd all;  // T - n_dummy rows
  Eigen::MatrixXd kept; // n_kept rows, the model's regressors removed
  Eigen::VectorXd size; // squared length of the columns of kept before that
};

Block residual_block(const Eigen::Map<const Eigen::MatrixXf>& series, Eigen::Index first,
                     Eigen::Index n_columns, const Design& design, const Params& params) {
  Block out;
  out.all =
      series.block(design.n_dummy, first, series.rows() - design.n_dummy, n_columns).cast<double>();
  if (params.filter == "butterworth") filter_columns(out.all, design, params);
  out.kept = kept_rows(out.all, design);
  out.size = out.kept.colwise().squaredNorm();
  const Eigen::MatrixXd b = design.basis.transpose() * out.kept;
  out.kept -= design.basis * b;
  if (params.output == "interpolated") out.all -= design.spread * b;
  return out;
}

// The joint least squares with regressors of a voxel's own: what the common model leaves of y is
// regressed on what it leaves of them (Frisch & Waugh 1933), one after the other.
void remove_voxelwise(Block& y, std::vector<Block>& regressors) {
  for (Eigen::Index c = 0; c < y.kept.cols(); ++c) {
    for (std::size_t r = 0; r < regressors.size(); ++r) {
      const Eigen::VectorXd x = regressors[r].kept.col(c);
      const double size = x.squaredNorm();
      // Dependent on what is removed already, constant, or not finite: nothing to remove.
      if (!(size > kRankTolerance * kRankTolerance * regressors[r].size[c])) continue;
      const auto take_out = [&](Block& from) {
        const double b = x.dot(from.kept.col(c)) / size;
        from.kept.col(c) -= b * x;
        if (from.all.rows() > 0) from.all.col(c) -= b * regressors[r].all.col(c);
      };
      for (std::size_t later = r + 1; later < regressors.size(); ++later) {
        take_out(regressors[later]);
      }
      take_out(y);
    }
  }
}

void check_series(Eigen::Index rows, Eigen::Index columns, const Design& design,
                  std::span<const Eigen::Map<const Eigen::MatrixXf>> voxelwise) {
  if (static_cast<std::size_t>(rows) != design.keep.size()) {
    throw Error(ErrorKind::input, "nuisance_regression: the series has " + std::to_string(rows) +
                                      " volumes, its confounds " +
                                      std::to_string(design.keep.size()));
  }
  if (voxelwise.size() != static_cast<std::size_t>(design.n_voxelwise)) {
    throw Error(ErrorKind::internal,
                "nuisance_regression: found " + std::to_string(voxelwise.size()) +
                    " voxel-wise regressors, the design has " + std::to_string(design.n_voxelwise));
  }
  for (const auto& regressor : voxelwise) {
    if (regressor.rows() == rows && regressor.cols() == columns) continue;
    throw Error(ErrorKind::input, "nuisance_regression: a voxel-wise regressor is " +
                                      std::to_string(regressor.rows()) + " x " +
                                      std::to_string(regressor.cols()) + ", the series " +
                                      std::to_string(rows) + " x " + std::to_string(columns));
  }
}

} // namespace

Eigen::MatrixXd kept_rows(const Eigen::MatrixXd& all, const Design& design) {
  Eigen::MatrixXd out(design.n_kept, all.cols());
  Eigen::Index row = 0;
  for (Eigen::Index t = 0; t < all.rows(); ++t) {
    if (design.keep[static_cast<std::size_t>(design.n_dummy + t)] != 0) out.row(row++) = all.row(t);
  }
  return out;
}

void filter_columns(Eigen::MatrixXd& y, const Design& design, const Params& params) {
  const CensoredSpline spline(steady_keep(design));
  const Padding padding = params.padding == "odd" ? Padding::odd : Padding::constant;
  const auto sections = uses_filter(params)
                            ? butterworth(params.butterworth_order, params.high_pass_hz,
                                          params.low_pass_hz, design.tr_s)
                            : std::vector<Biquad>();
  Lanes lanes;
  for (Eigen::Index first = 0; first < y.cols(); first += kLanes) {
    load_lanes(y, first, lanes);
    spline.apply(lanes);
    detrend_in_place(lanes, params.detrend);
    if (!sections.empty()) filter_forward_backward(sections, lanes, padding);
    store_lanes(lanes, first, y);
  }
}

void run_in_place(Eigen::Map<Eigen::MatrixXf> series, const Design& design, const Params& params,
                  const Context& context,
                  std::span<const Eigen::Map<const Eigen::MatrixXf>> voxelwise) {
  check_series(series.rows(), series.cols(), design, voxelwise);
  const Eigen::Map<const Eigen::MatrixXf> input(series.data(), series.rows(), series.cols());
  const bool whole = params.output == "interpolated";
  parallel_blocks(context, static_cast<std::size_t>(series.cols()), kGrain,
                  [&](std::size_t begin, std::size_t end) {
                    const auto first = static_cast<Eigen::Index>(begin);
                    const auto n_columns = static_cast<Eigen::Index>(end - begin);
                    const Eigen::MatrixXd y =
                        input
                            .block(design.n_dummy, first, series.rows() - design.n_dummy, n_columns)
                            .cast<double>();
                    const Eigen::VectorXd scale = kept_rows(y, design).colwise().norm() /
                                                  std::sqrt(static_cast<double>(design.n_kept));
                    Block block = residual_block(input, first, n_columns, design, params);
                    std::vector<Block> regressors;
                    for (const auto& one : voxelwise) {
                      regressors.push_back(residual_block(one, first, n_columns, design, params));
                    }
                    remove_voxelwise(block, regressors);
                    for (Eigen::Index c = 0; c < n_columns; ++c) {
                      store(block.kept.col(c), whole ? block.all.col(c).data() : nullptr, scale[c],
                            design, params, series.col(first + c).data());
                    }
                    context.advance();
                  });
}

void finish_in_place(Eigen::Ref<Eigen::MatrixXf> series, const Design& design,
                     const Params& params) {
  const Eigen::MatrixXd all = series.bottomRows(series.rows() - design.n_dummy).cast<double>();
  const Eigen::MatrixXd kept = kept_rows(all, design);
  const bool whole = params.output == "interpolated";
  for (Eigen::Index c = 0; c < series.cols(); ++c) {
    const Eigen::VectorXd own = all.col(c);
    store(kept.col(c), whole ? own.data() : nullptr, 0.0, design, params, series.col(c).data());
  }
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  Outputs out{.denoised = inputs.series};
  run_in_place({out.denoised.data(), out.denoised.rows(), out.denoised.cols()}, *inputs.design,
               params, context, inputs.voxelwise);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t design = 6 * shape.n_volumes * (shape.n_regressors + 40) * sizeof(double);
  const std::size_t blocks =
      64 * 4 * (1 + shape.n_voxelwise) * kGrain * shape.n_volumes * sizeof(double);
  return shape.n_volumes * shape.n_columns * sizeof(float) + design + blocks;
}

} // namespace boldmill::nuisance_regression
