// People of pipeline/simulate as region series, estimated with task_design, glm, ppi and
// correlation as they come. One simulated person gives kPairs replicates: pairs of sources that
// share events and haemodynamic response, but no fluctuation, noise, activation or interaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace boldmill::recovery {

struct Setting {
  const char* name;
  const char* task;
  double tr_s;
  int n_volumes;
  const char *plus, *minus;
  double correlation; // of the two regions' fluctuations
  std::uint64_t seed = 1;
};

// Over replicates: means and SDs of what is put in.
struct Planted {
  double activation_mean = 0.0, activation_sd = 0.0;
  double interaction_mean = 0.0, interaction_sd = 0.0;
};

struct Found {
  double truth = 0.0, estimate = 0.0, se = 0.0, dof = 0.0;
};
struct Replicate {
  Found activation;        // of the target
  Found forward, backward; // hub as seed, target as seed
};
enum class Measure { activation, interaction };

// The first n replicates of a stream of random numbers; only `measure` is estimated.
[[nodiscard]] std::vector<Replicate> task_replicates(const Setting& setting, const Planted& planted,
                                                     Measure measure, std::size_t n,
                                                     const std::string& stream);

// Rest: Fisher z of pairs whose true z has this mean and SD; truth is what noise leaves of it.
[[nodiscard]] std::vector<Found> rest_replicates(const Setting& setting, double mean, double sd,
                                                 std::size_t n, const std::string& stream);

} // namespace boldmill::recovery
