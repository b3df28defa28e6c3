// Head motion with known truth: random walk, slow drift, breathing, and jumps.
#pragma once

#include <string_view>
#include <vector>

#include "stages/core/random.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::simulate {

struct MotionParams {
  double walk_mm = 0.0;      // SD of a translation's step per 2 s; rotations: the same at 50 mm
  double drift_mm = 0.0;     // SD of the linear drift over 10 minutes
  double breathing_mm = 0.0; // amplitude along the feet-head axis
  double jumps_per_minute = 0.0;
  double jump_mm = 0.0; // SD of a jump; half of it is taken back within 4 s
};
[[nodiscard]] MotionParams motion_level(std::string_view level, double factor);

// Rigid parameters about the centre of the field of view, sampled on a fixed step.
class Trajectory {
public:
  Trajectory(const MotionParams& params, double duration_s, double breathing_hz, Random& random);
  [[nodiscard]] RigidParameters at(double time_s) const;

private:
  std::vector<Eigen::Matrix<double, 6, 1>> samples_;
  double breathing_mm_, breathing_hz_, breathing_phase_;
};

} // namespace boldmill::simulate
