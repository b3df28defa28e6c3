#include "stages/functional/head_motion.hpp"

#include <cmath>
#include <limits>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"
#include "stages/functional/kernels/rigid_matching.hpp"

namespace boldmill::head_motion {
namespace {

// Volumes matched one after the other by one thread, each starting from the pose before it.
constexpr std::size_t kChunk = 8;
constexpr double kLostCorrelation = 0.5;

// Voxel index times voxel size, x mirrored on right-handed grids: FSL's millimetres.
Affine fsl_from_ras(const Grid& grid) {
  Affine to_fsl = Affine::Identity();
  const Eigen::Vector3d spacing = grid.spacing_mm();
  to_fsl.topLeftCorner<3, 3>() = spacing.asDiagonal();
  if (!grid.left_handed()) {
    to_fsl(0, 0) = -spacing[0];
    to_fsl(0, 3) = (grid.shape[0] - 1) * spacing[0];
  }
  return to_fsl * grid.affine.inverse();
}

Eigen::Vector3d center_of_mass_voxels(const Volume& volume) {
  return volume.grid.to_voxel(center_of_mass_mm(volume));
}

void check(const Inputs& inputs) {
  check_source(inputs.bold, kStage.name);
  if (inputs.reference == nullptr) {
    throw Error(ErrorKind::internal, "head_motion: no reference");
  }
  if (!inputs.reference->grid.same_as(inputs.bold.grid)) {
    throw Error(ErrorKind::input,
                "head_motion: the reference is not on the grid of the run (found " +
                    inputs.reference->grid.orientation() + ", expected " +
                    inputs.bold.grid.orientation() + " with equal shape and affine)");
  }
}

} // namespace

Eigen::MatrixXd motion_table(const std::vector<Affine>& ref_to_volume, const Volume& reference) {
  const Affine to_fsl = fsl_from_ras(reference.grid);
  const Affine from_fsl = to_fsl.inverse();
  const Eigen::Vector3d center =
      center_of_mass_voxels(reference).cwiseProduct(reference.grid.spacing_mm());
  Eigen::MatrixXd motion(static_cast<Eigen::Index>(ref_to_volume.size()), 6);
  for (Eigen::Index t = 0; t < motion.rows(); ++t) {
    const Affine fsl = (to_fsl * ref_to_volume[static_cast<std::size_t>(t)] * from_fsl).inverse();
    const Eigen::Matrix3d q = fsl.topLeftCorner<3, 3>().transpose();
    const Eigen::Vector3d translation = fsl.topRightCorner<3, 1>() - q * center + center;
    motion.row(t) << translation.transpose(), std::atan2(-q(1, 2), q(2, 2)),
        std::asin(std::clamp(q(0, 2), -1.0, 1.0)), std::atan2(-q(0, 1), q(0, 0));
  }
  return motion;
}

Eigen::VectorXd rmsd_between(const std::vector<Affine>& ref_to_volume, const Grid& grid) {
  const Affine to_fsl = fsl_from_ras(grid);
  const Affine from_fsl = to_fsl.inverse();
  Eigen::Vector3d center(grid.shape[0] - 1, grid.shape[1] - 1, grid.shape[2] - 1);
  center = 0.5 * center.cwiseProduct(grid.spacing_mm());
  Eigen::VectorXd rmsd(static_cast<Eigen::Index>(ref_to_volume.size()));
  if (rmsd.size() > 0) rmsd[0] = std::numeric_limits<double>::quiet_NaN();
  for (Eigen::Index t = 1; t < rmsd.size(); ++t) {
    const auto n = static_cast<std::size_t>(t);
    // F_t = (to_fsl A_t from_fsl)^-1, so F_t F_{t-1}^-1 = to_fsl A_t^-1 A_{t-1} from_fsl.
    const Affine step = to_fsl * ref_to_volume[n].inverse() * ref_to_volume[n - 1] * from_fsl;
    rmsd[t] = rms_displacement_mm(step, Affine::Identity(), center, 80.0);
  }
  return rmsd;
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  RigidMatchOptions options;
  options.fine_fwhm_mm = params.smoothing_fwhm_mm;
  options.coarse_fwhm_mm = std::max(10.0, 2.5 * params.smoothing_fwhm_mm);
  options.n_points = params.n_points;
  options.max_iterations = params.max_iterations;
  options.tolerance_mm = params.tolerance_mm;
  const RigidReference reference(*inputs.reference, options);

  const auto n_volumes = static_cast<std::size_t>(inputs.bold.n_volumes);
  Outputs out;
  out.ref_to_volume.assign(n_volumes, Affine::Identity());
  out.converged.assign(n_volumes, 0);
  out.correlation = Eigen::VectorXd::Zero(inputs.bold.n_volumes);
  parallel_blocks(context, n_volumes, kChunk, [&](std::size_t begin, std::size_t end) {
    RigidReference::Scratch scratch;
    Affine start = Affine::Identity();
    for (std::size_t t = begin; t < end; ++t) {
      context.check_stop();
      const float* volume = inputs.bold.read(static_cast<int>(t), scratch.raw);
      RigidMatch match = reference.match(volume, start, false, scratch);
      if (!(match.converged && match.correlation > kLostCorrelation)) {
        const RigidMatch again = reference.match(volume, Affine::Identity(), true, scratch);
        if (again.converged && again.correlation > match.correlation) match = again;
      }
      const bool good = match.converged && match.correlation > kLostCorrelation;
      out.converged[t] = good ? 1 : 0;
      out.correlation[static_cast<Eigen::Index>(t)] = match.correlation;
      if (good) out.ref_to_volume[t] = start = match.ref_to_volume;
      context.advance();
    }
  });
  for (const auto flag : out.converged) out.n_failed += flag == 0 ? 1 : 0;
  out.motion = motion_table(out.ref_to_volume, *inputs.reference);
  out.rmsd_mm = rmsd_between(out.ref_to_volume, inputs.bold.grid);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t points = std::min(shape.n_voxels, static_cast<std::size_t>(params.n_points));
  // Reference levels, the list they are chosen from, and each thread's padded volume and buffers.
  return points * 2 * (8 + 3) * sizeof(float) + shape.n_voxels * 40 +
         shape.n_threads * shape.n_voxels * 3 * sizeof(float) + shape.n_volumes * 256;
}

} // namespace boldmill::head_motion
