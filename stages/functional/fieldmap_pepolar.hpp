// The field from echo-planar images with different phase encoding (opposite, as a rule). Unknown
// is b, the shift in mm that the longest readout causes; f = b / its mm per Hz. Minimises
//   1/2 sum_k |C_k - mean C|^2 + alpha/2 |grad b|^2 + beta sum_k phi(z_k)
//   C_k = g_k I_k(M_k x + s_k) (1 + z_k),  z_k = ds_k/de_k,  phi(z) = z^4 / (1 - z^2)
// coarse to fine by Gauss-Newton with conjugate gradients; M_k (rigid) and g_k are estimated
// between. Shapes: two or more volumes -> field on the grid of the first. Sources: Ruthotto 2012,
// doi:10.1088/0031-9155/57/18/5715; Andersson 2003, doi:10.1016/S1053-8119(03)00336-7; differences
// in METHOD.md. Cost: about 300 conjugate gradient steps on the finest grid.
#pragma once

#include <string>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/phase_encoding.hpp"

namespace boldmill::fieldmap_pepolar {

inline constexpr std::string_view kReferences[] = {
    "Ruthotto 2012, Phys. Med. Biol. 57:5715, doi:10.1088/0031-9155/57/18/5715",
    "Andersson 2003, NeuroImage 20:870, doi:10.1016/S1053-8119(03)00336-7"};
inline constexpr StageInfo kStage{.name = "fieldmap_pepolar",
                                  .version = 1,
                                  .summary = "field from images of opposite phase encoding",
                                  .references = kReferences};

struct Params {
  std::vector<double> level_spacing_mm{16.0, 8.0, 4.0, 2.0};
  double smoothness = 0.004;
  double barrier = 0.001;
  double smoothing_fwhm_voxels = 1.0;
  int max_iterations = 12;
  bool estimate_motion = true;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [level_spacing_mm, smoothness, barrier, smoothing_fwhm_voxels, max_iterations,
         estimate_motion] = params;
  visit("level_spacing_mm", level_spacing_mm, "mm",
        "voxel size of each level, coarse first; never finer than the images",
        Limits::between(0.5, 64.0));
  visit("smoothness", smoothness, "", "weight of the squared gradient of the shift in mm",
        Limits::between(1e-6, 100.0));
  visit("barrier", barrier, "", "weight of the term that forbids folding",
        Limits::between(1e-9, 100.0));
  visit("smoothing_fwhm_voxels", smoothing_fwhm_voxels, "voxels",
        "Gaussian smoothing of the images on each level", Limits::between(0.0, 5.0));
  visit("max_iterations", max_iterations, "", "cap on the Gauss-Newton steps of one level",
        Limits::between(1, 100));
  visit("estimate_motion", estimate_motion, "", "rigid motion between the images", Limits{});
}

struct EncodedVolume {
  const Volume* image = nullptr;
  distortion::PhaseEncoding encoding;
};
struct Inputs {
  std::vector<EncodedVolume> images; // two or more, the field is in the pose of the first
};
struct Outputs {
  Volume field_hz;                 // on the grid of the first image
  Volume reference;                // mean of the undistorted images, same grid
  std::vector<Affine> motion;      // RAS mm: pose of the first image -> pose of image k
  double correlation_before = 0.0; // smallest between two images, inside the head
  double correlation_after = 0.0;
  double max_shift_mm = 0.0; // of the longest readout, inside the head
  bool converged = false;    // on the finest level
  bool usable = false;       // false: the images do not agree better than before
  std::string reason;        // why not usable
};

struct Shape {
  std::size_t n_voxels = 0; // of the first image
  std::size_t n_images = 2;
};

// Throws input when there are fewer than two images, all have the same encoding, an image is empty,
// constant or not finite, or their axes differ by more than 30 degrees.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::fieldmap_pepolar
