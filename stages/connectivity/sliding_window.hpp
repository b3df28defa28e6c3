// Connectivity in windows that slide over the volumes kept, and how much it varies.
//   window i: volumes i step .. i step + window - 1 of those kept; weights from the taper;
//   r weighted Pearson, z = atanh r;  per edge: mean and SD (divisor n - 1) of z over windows
// Variability alone proves nothing: stationary series give it too. The null keeps the spectra and
// the static correlations and breaks the rest: phase-randomised surrogates with the same random
// phases in every region. `p_value`: (1 + surrogates whose mean SD is at least the observed) / (1 +
// n). Sources: Allen 2014, doi:10.1093/cercor/bhs352; Prichard & Theiler 1994,
// doi:10.1103/PhysRevLett.73.951; Hindriks 2016, doi:10.1016/j.neuroimage.2015.11.055.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::sliding_window {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Allen 2014, Cerebral Cortex, doi:10.1093/cercor/bhs352",
    "Prichard & Theiler 1994, Physical Review Letters, doi:10.1103/PhysRevLett.73.951",
    "Hindriks 2016, NeuroImage, doi:10.1016/j.neuroimage.2015.11.055"};
inline constexpr StageInfo kStage{.name = "sliding_window",
                                  .version = 1,
                                  .summary = "Connectivity in sliding windows, with its null",
                                  .references = kReferences};

struct Params {
  int window = 30;
  int step = 1;
  std::string taper = "none";
  double taper_sd = 3.0;
  int n_surrogates = 0;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [window, step, taper, taper_sd, n_surrogates, random_seed] = params;
  visit("window", window, "volumes", "length of a window", Limits::between(5, 1e6));
  visit("step", step, "volumes", "from one window to the next", Limits::between(1, 1e6));
  visit("taper", taper, "",
        "weights in a window: none, hamming, or a rectangle convolved with a Gaussian",
        Limits::one_of({"none", "hamming", "gaussian"}));
  visit("taper_sd", taper_sd, "volumes", "SD of the Gaussian", Limits::between(0.1, 1e4));
  visit("n_surrogates", n_surrogates, "", "stationary surrogates for the null; 0: none",
        Limits::between(0, 1e5));
  visit("random_seed", random_seed, "", "phases of the surrogates", Limits::between(0, 2147483647));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> series; // T x R; volumes NaN in every region are censored
  std::span<const std::uint8_t> keep;       // T, or empty: all
};
struct Outputs {
  std::vector<double> mean_z; // R (R - 1) / 2, order of correlation::edges; NaN: missing region
  std::vector<double> sd_z;
  double mean_sd = std::numeric_limits<double>::quiet_NaN(); // of sd_z over the edges there are
  std::vector<double> null_mean_sd;                          // n_surrogates
  double p_value = std::numeric_limits<double>::quiet_NaN(); // NaN without surrogates
  int n_windows = 0;
  int n_volumes = 0; // kept
};
// Windows run over the kept volumes, so they bridge censored ones. Throws input: keep of another
// length, fewer than two usable regions; gate: fewer than two windows.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Weights of a window, sum 1.
[[nodiscard]] Eigen::VectorXd taper_weights(const Params& params);

} // namespace boldmill::sliding_window
