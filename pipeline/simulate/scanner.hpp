// Sites and their scanners: grids, orientations, slice order, phase encoding, contrast and gain.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/simulate/simulate.hpp"
#include "stages/core/image.hpp"
#include "stages/core/random.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::simulate {

struct ImageProtocol {
  std::string codes; // directions of the voxel axes, e.g. "LAS"
  std::array<int, 3> shape{};
  Eigen::Vector3d spacing_mm;
  double tilt_rad = 0.0; // rotation about the left-right axis
};

struct Site {
  std::string name, scanner, manufacturer, model;
  ImageProtocol t1w, bold;
  std::array<double, 3> t1w_contrast{}; // csf, grey, white
  double gain = 1.0, noise_factor = 1.0;
  double tr_s = 2.0, te_s = 0.03, readout_s = 0.02, flip_deg = 77.0;
  bool phase_positive = true; // PhaseEncodingDirection "j", otherwise "j-"
  std::vector<double> slice_times_s;
  std::array<double, 4> shift_sd{}; // location effect on DMN, SAL, ATT, COG, in SD
  std::array<double, 4> scale{1, 1, 1, 1};
};

[[nodiscard]] std::vector<Site> make_sites(const SimulationParams& params);
[[nodiscard]] int volumes_of(const SimulationParams& params, std::string_view task);

// A grid with the given axes whose centre lies at `center_mm`.
[[nodiscard]] Grid make_grid(const ImageProtocol& protocol, const Eigen::Vector3d& center_mm);

// Smooth random pattern with mean about 0 and SD about 1: a sum of plane waves.
class Waves {
public:
  Waves(double shortest_mm, double longest_mm, int count, Random& random);
  [[nodiscard]] double at(const Eigen::Vector3d& point_mm) const;

private:
  std::vector<Eigen::Vector4d> waves_; // wave vector and phase
};

} // namespace boldmill::simulate
