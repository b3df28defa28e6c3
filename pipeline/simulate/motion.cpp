#include "pipeline/simulate/motion.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace boldmill::simulate {
namespace {

constexpr double kStep_s = 0.1;
constexpr double kRadius_mm = 50.0;

} // namespace

MotionParams motion_level(std::string_view level, double factor) {
  MotionParams params;
  if (level == "low") params = {0.010, 0.4, 0.02, 0.0, 0.0};
  if (level == "typical") params = {0.022, 0.8, 0.04, 0.4, 0.4};
  if (level == "high") params = {0.060, 2.0, 0.08, 2.0, 1.2};
  params.walk_mm *= factor;
  params.drift_mm *= factor;
  params.jump_mm *= factor;
  return params;
}

Trajectory::Trajectory(const MotionParams& params, double duration_s, double breathing_hz,
                       Random& random)
    : breathing_mm_(params.breathing_mm), breathing_hz_(breathing_hz),
      breathing_phase_(random.uniform(0.0, 2.0 * std::numbers::pi)) {
  using Vector6 = Eigen::Matrix<double, 6, 1>;
  Vector6 unit;
  unit << 1.0, 1.0, 1.0, 1.0 / kRadius_mm, 1.0 / kRadius_mm, 1.0 / kRadius_mm;
  const auto draw = [&] {
    Vector6 v;
    for (int i = 0; i < 6; ++i) v[i] = unit[i] * random.normal();
    return v;
  };
  const auto n = static_cast<std::size_t>(duration_s / kStep_s) + 3;
  const Vector6 slope = draw() * (params.drift_mm / 600.0);
  const double walk = params.walk_mm * std::sqrt(kStep_s / 2.0);
  const double jump_chance = params.jumps_per_minute * kStep_s / 60.0;
  Vector6 place = Vector6::Zero();
  Vector6 elastic = Vector6::Zero(); // the part of a jump that relaxes
  for (std::size_t i = 0; i < n; ++i) {
    samples_.push_back(place + elastic + slope * (static_cast<double>(i) * kStep_s));
    place += walk * draw();
    elastic *= std::exp(-kStep_s / 2.0);
    if (random.uniform() < jump_chance) {
      const Vector6 jump = draw() * params.jump_mm;
      place += 0.5 * jump;
      elastic += 0.5 * jump;
    }
  }
}

RigidParameters Trajectory::at(double time_s) const {
  const double position =
      std::clamp(time_s / kStep_s, 0.0, static_cast<double>(samples_.size() - 1));
  const auto i = std::min(static_cast<std::size_t>(position), samples_.size() - 2);
  const double w = position - static_cast<double>(i);
  const Eigen::Matrix<double, 6, 1> value = (1.0 - w) * samples_[i] + w * samples_[i + 1];
  const double breath =
      breathing_mm_ * std::sin(2.0 * std::numbers::pi * breathing_hz_ * time_s + breathing_phase_);
  RigidParameters pose;
  pose.translation_mm = value.head<3>() + Eigen::Vector3d(0.0, 0.3, 1.0) * breath;
  pose.rotation_rad = value.tail<3>() + Eigen::Vector3d(0.5 / kRadius_mm, 0.0, 0.0) * breath;
  return pose;
}

} // namespace boldmill::simulate
