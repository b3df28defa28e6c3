#include "stages/denoise/kernels/voxel_gram.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"
#include "stages/denoise/kernels/gather.hpp"

namespace boldmill {
namespace {

constexpr std::size_t kStep = 256;     // voxels of one rank update
constexpr std::size_t kMaxBlocks = 16; // a T x T matrix each
constexpr double kNoVariation = 1e-6;  // SD over RMS: what float32 leaves of a constant voxel

} // namespace

VoxelGram::VoxelGram(Eigen::MatrixXd drift)
    : drift_(std::move(drift)), gram_(Eigen::MatrixXd::Zero(drift_.rows(), drift_.rows())) {}

void VoxelGram::add(const Eigen::MatrixXf& columns) {
  const double n = static_cast<double>(columns.rows());
  Eigen::MatrixXd z = columns.cast<double>();
  for (Eigen::Index v = 0; v < z.cols(); ++v) {
    if (!z.col(v).allFinite()) z.col(v).setZero();
  }
  const Eigen::VectorXd size = z.colwise().norm();
  z -= drift_ * (drift_.transpose() * z).eval();
  for (Eigen::Index v = 0; v < z.cols(); ++v) {
    const double norm = z.col(v).norm();
    if (norm > kNoVariation * size[v])
      z.col(v) *= std::sqrt(n) / norm;
    else
      z.col(v).setZero();
  }
  gram_.selfadjointView<Eigen::Lower>().rankUpdate(z);
}

Eigen::MatrixXd voxel_gram(const Series& series, std::span<const std::size_t> voxels, int n_dummy,
                           const Eigen::MatrixXd& drift, const Context& context) {
  const Eigen::MatrixXd zero = Eigen::MatrixXd::Zero(drift.rows(), drift.rows());
  const std::size_t steps = (voxels.size() + kStep - 1) / kStep;
  const std::size_t grain = std::max<std::size_t>(1, (steps + kMaxBlocks - 1) / kMaxBlocks);
  return parallel_sum(context, steps, grain, zero, [&](std::size_t begin, std::size_t end) {
    VoxelGram block(drift);
    for (std::size_t step = begin; step < end; ++step) {
      context.check_stop();
      const auto some = voxels.subspan(step * kStep, std::min(kStep, voxels.size() - step * kStep));
      block.add(gather_columns(series, some).bottomRows(series.n_volumes - n_dummy));
    }
    return block.lower();
  });
}

PrincipalComponents principal_components(const Eigen::MatrixXd& gram_lower, std::size_t n_voxels,
                                         double variance_fraction, int n_components) {
  PrincipalComponents out;
  const Eigen::Index n = gram_lower.rows();
  const double total = gram_lower.trace();
  out.vectors.resize(n, 0);
  if (!(total > 0.0)) return out;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram_lower); // reads the lower half
  const Eigen::VectorXd value = solver.eigenvalues().reverse().cwiseMax(0.0);
  const Eigen::Index most = std::min(n, static_cast<Eigen::Index>(n_voxels));
  Eigen::Index k = n_components < 0 ? most : std::min<Eigen::Index>(n_components, most);
  if (n_components == 0) {
    for (double sum = 0.0; k < most && sum < variance_fraction * total; ++k) sum += value[k];
  }
  out.vectors = solver.eigenvectors().rightCols(k).rowwise().reverse();
  for (Eigen::Index c = 0; c < k; ++c) {
    Eigen::Index at = 0;
    out.vectors.col(c).cwiseAbs().maxCoeff(&at);
    if (out.vectors(at, c) < 0.0) out.vectors.col(c) *= -1.0;
  }
  out.singular_value = value.head(k).cwiseSqrt();
  out.variance_explained = value.head(k) / total;
  return out;
}

} // namespace boldmill
