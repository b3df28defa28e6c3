// Principal components over time of many voxels without holding them: the T x T matrix
//   G = sum over voxels of z z',   z = (x - D D' x) / its SD (divisor T)
// grows from a stream of blocks, and its eigenvectors are the left singular vectors of the T x P
// matrix of z. D has orthonormal columns, the first of them constant. A voxel with a non-finite
// value, or that D explains but for rounding, counts as zero.
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <span>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill {

class VoxelGram {
public:
  explicit VoxelGram(Eigen::MatrixXd drift); // T x q, kept
  void add(const Eigen::MatrixXf& columns);  // T x any number of voxels
  // Lower triangle.
  [[nodiscard]] const Eigen::MatrixXd& lower() const { return gram_; }

private:
  Eigen::MatrixXd drift_;
  Eigen::MatrixXd gram_;
};

// The lower triangle of G over voxels of a series, its first n_dummy volumes left out. Same bits at
// any number of threads.
[[nodiscard]] Eigen::MatrixXd voxel_gram(const Series& series, std::span<const std::size_t> voxels,
                                         int n_dummy, const Eigen::MatrixXd& drift,
                                         const Context& context);

struct PrincipalComponents {
  Eigen::MatrixXd vectors; // T x k; the entry of largest size of each is positive
  Eigen::VectorXd singular_value;
  Eigen::VectorXd variance_explained; // of the trace of G
};
// The fewest components whose variances sum to at least `variance_fraction`, or the first
// `n_components` when that is positive, or all of min(T, n_voxels) when it is negative. k is 0 when
// G is zero.
[[nodiscard]] PrincipalComponents principal_components(const Eigen::MatrixXd& gram_lower,
                                                       std::size_t n_voxels,
                                                       double variance_fraction, int n_components);

} // namespace boldmill
