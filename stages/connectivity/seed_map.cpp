#include "stages/connectivity/seed_map.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "stages/connectivity/kernels/kept_columns.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::seed_map {
namespace {

constexpr std::size_t kColumns = 64;

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (inputs.seeds.rows() != inputs.columns.rows()) {
    throw Error(ErrorKind::input,
                "seed_map: the seeds have " + std::to_string(inputs.seeds.rows()) +
                    " volumes, the columns " + std::to_string(inputs.columns.rows()));
  }
  const std::vector<Eigen::Index> volumes = connectivity::kept_volumes(
      inputs.keep, inputs.columns.rows(), kStage.name, params.min_volumes);
  const auto n = static_cast<Eigen::Index>(volumes.size());
  Eigen::MatrixXd seeds(n, inputs.seeds.cols());
  Eigen::VectorXd norm;
  connectivity::centered_columns(inputs.seeds, volumes, 0, seeds, norm);
  seeds = (seeds * norm.cwiseInverse().asDiagonal()).eval();
  Outputs out;
  out.n_volumes = static_cast<int>(n);
  out.correlation.resize(inputs.columns.cols(), inputs.seeds.cols());
  out.fisher_z.resize(inputs.columns.cols(), inputs.seeds.cols());
  parallel_blocks(context, static_cast<std::size_t>(inputs.columns.cols()), kColumns,
                  [&](std::size_t begin, std::size_t end) {
                    const auto first = static_cast<Eigen::Index>(begin);
                    const auto count = static_cast<Eigen::Index>(end - begin);
                    Eigen::MatrixXd x(n, count);
                    Eigen::VectorXd length;
                    connectivity::centered_columns(inputs.columns, volumes, first, x, length);
                    Eigen::MatrixXd r = x.transpose() * seeds;
                    r.array().colwise() /= length.array();
                    r = r.unaryExpr([](double v) { return std::clamp(v, -1.0, 1.0); }).eval();
                    out.correlation.middleRows(first, count) = r.cast<float>();
                    out.fisher_z.middleRows(first, count) =
                        r.unaryExpr([](double v) { return std::atanh(v); }).cast<float>();
                  });
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return (shape.n_seeds + 2 * kColumns * shape.n_threads) * shape.n_volumes * sizeof(double) +
         2 * shape.n_columns * shape.n_seeds * sizeof(float);
}

} // namespace boldmill::seed_map
