// One series for a seed region: the mean of its voxels, or their first eigenvariate as in SPM's
// regions: confounds and constant removed, u of the largest singular value, its sign that of the
// sum of the voxel weights, scaled by sqrt(s / V) so that it has the size of a voxel's series.
// Source: Friston 2006, doi:10.1016/j.neuroimage.2005.08.062 (voxels of interest in SPM). O(T^2 V).
#pragma once

#include <Eigen/Dense>

namespace boldmill::ppi {

enum class SeedKind { mean, eigenvariate };

// `voxels`: n x V, kept volumes only; voxels with a non-finite or constant series are left out.
// `confounds`: n x C without the constant, or empty; used by both kinds, the mean keeps its level
// only when there are none. Throws input: other lengths, no usable voxel.
[[nodiscard]] Eigen::VectorXd seed_series(const Eigen::MatrixXd& voxels,
                                          const Eigen::MatrixXd& confounds, SeedKind kind);

} // namespace boldmill::ppi
