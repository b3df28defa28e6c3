// Time courses: correlated latent sources, responses to events, interactions, and slow noise.
#pragma once

#include <Eigen/Dense>
#include <utility>
#include <vector>

#include "pipeline/simulate/regions.hpp"
#include "pipeline/simulate/tasks.hpp"
#include "stages/core/random.hpp"

namespace boldmill::simulate {

inline constexpr double kSignalStep_s = 0.125;

// Equally spaced samples; linear in between, held at the ends.
struct Signal {
  double start_s = 0.0;
  std::vector<float> values;
  [[nodiscard]] double at(double time_s) const;
};

struct Band {
  double low_hz = 0.01, high_hz = 0.2;
  double exponent = 0.4; // amplitude ~ f^-exponent
};

// Gaussian process with that spectrum: sum over m of A_m (a_m cos + b_m sin), a, b ~ N(0, 1),
// sum A_m^2 = 1, so the expected variance is 1. Frequencies are multiples of 1/(2 span).
[[nodiscard]] Signal synthesize(const Band& band, double start_s, double end_s, Random& random);

struct Hrf {
  double peak_s = 6.0; // mean of the first gamma
  double undershoot_s = 16.0;
  double ratio = 6.0;
};
// Difference of gamma densities on [0, 32] s at kSignalStep_s, integral 1 (per second).
[[nodiscard]] std::vector<double> hrf_samples(const Hrf& hrf);

struct Interaction {
  int hub = 0, target = 0;
  std::vector<int> conditions; // u is 1 while one of them is shown
  double strength = 0.0;       // target += strength * u * hub, neural units
};

struct SourceModel {
  Eigen::MatrixXd correlation; // kSources x kSources, unit diagonal, of the fluctuations
  Eigen::MatrixXd activation;  // kSources x conditions, % of baseline for a long block
  std::vector<Interaction> interactions;
  double fluctuation_percent = 1.5; // expected SD after the HRF, without interactions
  Hrf hrf;
};

struct SourceSignals {
  double start_s = 0.0;
  Eigen::MatrixXf bold;        // n x kSources, % of baseline: everything
  Eigen::MatrixXf fluctuation; // n x kSources, %: without activation and interactions
  // All sources at one time, linear in between.
  void at(double time_s, float* values) const;
  [[nodiscard]] Eigen::RowVectorXf fluctuation_at(double time_s) const;
};

[[nodiscard]] SourceSignals make_signals(const SourceModel& model, const Design& design,
                                         double duration_s, Random& random);

} // namespace boldmill::simulate
