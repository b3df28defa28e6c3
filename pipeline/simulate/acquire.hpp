// The scanner: samples the moving, active, distorted phantom slice by slice.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/simulate/motion.hpp"
#include "pipeline/simulate/phantom.hpp"
#include "pipeline/simulate/population.hpp"
#include "pipeline/simulate/signals.hpp"

namespace boldmill::simulate {

struct NoiseParams {
  double factor = 1.0;              // on everything below
  double thermal_percent = 1.0;     // of the mean brain signal, each channel
  double background_percent = 0.20; // spontaneous activity outside the circuits, grey matter
  double global_percent = 0.12;     // slow blood gas changes, whole brain
  double cardiac_percent = 0.8;     // in fluid, an eighth of it in grey matter
  double breathing_percent = 0.15;  // through the chest's field, smooth over the head
  double drift_percent = 1.0;       // slow scanner drift, smooth over the field of view
};

// Poses of the head: maps reference-pose points of the scanner frame to where they are.
struct Poses {
  bool per_slice = false;
  std::vector<Affine> volume;             // T, at the middle of the volume
  std::vector<std::vector<Affine>> slice; // T x slices when per_slice
  std::vector<RigidParameters> volume_parameters;
  std::vector<std::vector<RigidParameters>> slice_parameters;
  Eigen::Vector3d center_mm; // of the rotations
};

struct RunInputs {
  const Phantom& phantom;
  const Site& site;
  const Person& person;
  const SourceSignals* signals = nullptr; // null: nothing is active, spin echo, no physiology
  const Poses& poses;
  NoiseParams noise;
  bool phase_positive = true;
  int dummy_scans = 0;
  std::uint64_t seed = 0;      // of the run
  std::uint64_t coil_seed = 0; // of the session: the receive field
};

using VolumeSink = std::function<void(std::span<const float>)>;

// Calls `sink` with every volume in order. Volumes are computed in parallel, 16 at a time.
void acquire(const RunInputs& inputs, const VolumeSink& sink, const Context& context);

} // namespace boldmill::simulate
