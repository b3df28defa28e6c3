// A person's head as the echo-planar sequence sees it: on a lattice twice as fine as the images,
// in the reference pose of a session, already blurred by the acquisition's point spread function.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "pipeline/simulate/anatomy.hpp"
#include "pipeline/simulate/scanner.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::simulate {

inline constexpr int kFine = 2;       // lattice points per acquisition voxel and axis
inline constexpr int kFineMargin = 8; // lattice points added on every side

// One nonzero of (signal x weight of a source).
struct SourceEntry {
  std::uint32_t in_plane = 0;
  std::uint32_t source = 0;
  float value = 0.0F;
};

// Where the signal seen at a distorted place comes from: for every lattice point the shift along
// the phase-encoding axis in lattice steps and the intensity factor, interleaved.
struct Warp {
  std::vector<float> shift_and_factor;
};

struct Phantom {
  Grid bold, fine;
  std::vector<float> gradient_echo, spin_echo;   // fine lattice, white matter = 0.82
  std::vector<std::vector<SourceEntry>> sources; // per fine plane
  std::vector<float> field_hz;                   // fine lattice, after the shim
  Warp positive, negative;                       // PhaseEncodingDirection j and j-
  std::vector<std::uint32_t> active;             // acquisition voxels near the head, ascending
  std::vector<std::size_t> slice_begin;          // into `active`, n_slices + 1
  std::vector<float> grey, csf, brain;           // per active voxel, reference pose
  double mean_signal = 1.0;                      // mean gradient-echo signal of the brain
};

struct PhantomInputs {
  const Anatomy& anatomy;
  PointMap bold_to_anatomy; // reference pose of the session
  Grid bold;
  const Site& site;
  double distortion = 1.0; // factor on the field
};
[[nodiscard]] Phantom build_phantom(const PhantomInputs& inputs, const Context& context);

// What a perfect scan of the reference pose shows of every source in the mean over each region (a
// ball of the mask's volume at its place): signal of the source per unit amplitude over the mean
// signal, kRegions x kSources. Blur and drop-out included, distortion not.
[[nodiscard]] Eigen::MatrixXd
seen_weights(const Phantom& phantom, const Places& places,
             const std::function<Eigen::Vector3d(const Eigen::Vector3d&)>& anatomy_to_bold);

// The lattice of `bold`, refined and enlarged.
[[nodiscard]] Grid fine_grid(const Grid& bold);

// Solves y + shift(y) = x along the second axis for every x; shift in lattice steps at undistorted
// places. Factor dy/dx, kept in [0, 4].
[[nodiscard]] Warp invert_shift(const std::vector<float>& shift, const std::array<int, 3>& shape,
                                const Context& context);

} // namespace boldmill::simulate
