// Rigid motion of every volume against the reference. Minimises over pose, gain and offset
//   sum_i w_i [ gain V_t(A_t x_i) + offset - R(x_i) ]^2
// on voxels x_i of the reference with high gradient, by Gauss-Newton with the derivatives of R
// computed once (inverse compositional). Shapes: bold V x T, reference V -> T maps, motion T x 6.
// Missing data: points that leave the field of view are left out of that volume's sums.
// Source: Baker & Matthews 2004, doi:10.1023/B:VISI.0000011205.11775.fd; conventions of the
// columns: fMRIPrep (Esteban 2019, doi:10.1038/s41592-018-0235-4). Cost: about 6 x n_points
// B-spline evaluations a volume, plus its smoothing.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/volume_source.hpp"

namespace boldmill::head_motion {

inline constexpr std::string_view kReferences[] = {
    "Baker & Matthews 2004, Int. J. Comput. Vision 56:221, doi:10.1023/B:VISI.0000011205.11775.fd",
    "Jenkinson 2002, NeuroImage 17:825, doi:10.1006/nimg.2002.1132",
    "Esteban 2019, Nature Methods 16:111, doi:10.1038/s41592-018-0235-4"};
inline constexpr StageInfo kStage{.name = "head_motion",
                                  .version = 2,
                                  .summary = "rigid head motion of every volume to the reference",
                                  .references = kReferences};

struct Params {
  double smoothing_fwhm_mm = 4.0;
  int n_points = 20000;
  int max_iterations = 30;
  double tolerance_mm = 0.0005;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [smoothing_fwhm_mm, n_points, max_iterations, tolerance_mm] = params;
  visit("smoothing_fwhm_mm", smoothing_fwhm_mm, "mm",
        "Gaussian smoothing of reference and volumes before matching", Limits::between(0.0, 30.0));
  visit("n_points", n_points, "voxels", "voxels of the reference that are matched",
        Limits::between(100, 100000000));
  visit("max_iterations", max_iterations, "", "cap on the steps of one level",
        Limits::between(1, 1000));
  visit("tolerance_mm", tolerance_mm, "mm", "stop when a step moves an 80 mm sphere by less (RMS)",
        Limits::between(0.0, 1.0));
}

struct Inputs {
  VolumeSource bold;
  const Volume* reference = nullptr; // same grid as the run
};
struct Outputs {
  std::vector<Affine> ref_to_volume;   // T, RAS mm of the reference -> RAS mm of volume t
  Eigen::MatrixXd motion;              // T x 6: trans_x..z mm, rot_x..z rad (see motion_table)
  Eigen::VectorXd rmsd_mm;             // T, RMS displacement against the volume before, first NaN
  std::vector<std::uint8_t> converged; // T, 0: did not settle or fell out of the field of view
  Eigen::VectorXd correlation;         // T, of the matched points after alignment
  int n_failed = 0;                    // volumes with converged == 0
};

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_volumes = 0;
  std::size_t n_threads = 1;
};

// fMRIPrep's six columns. FSL's frame: voxel index times voxel size, x mirrored when the grid is
// right-handed (so x points left for axial scans). With F_t the map volume -> reference in that
// frame, Q = (rotation of F_t)': rot = XYZ Euler angles of Q, trans = translation(F_t) - Q c + c,
// c = centre of mass of the reference (voxels) times voxel size.
[[nodiscard]] Eigen::MatrixXd motion_table(const std::vector<Affine>& ref_to_volume,
                                           const Volume& reference);
// Jenkinson's displacement between consecutive volumes over an 80 mm sphere about the middle of the
// field of view; first is NaN.
[[nodiscard]] Eigen::VectorXd rmsd_between(const std::vector<Affine>& ref_to_volume,
                                           const Grid& grid);

// Throws input when the grids differ, or the reference is constant or has too few usable voxels.
// A volume without contrast (all zero) is not an error: identity, converged 0.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::head_motion
