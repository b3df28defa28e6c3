// The matrices of one task of a person, of every kind the configuration asks for.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "pipeline/config/config.hpp"
#include "stages/connectivity/volume_selection.hpp"

namespace boldmill::graph {

struct TaskSeries {
  std::span<const volume_selection::Run> runs; // denoised, censored volumes NaN
  std::string item; // names the draw of connectivity.n_volumes: person and task
};
struct Matrix {
  std::string kind;
  std::vector<double> edges; // upper triangle row by row
  int n_volumes = 0;
};
struct Matrices {
  std::vector<Matrix> matrices;
  std::map<std::string, double> numbers; // of all edges together, by name
  std::vector<std::string> refused;      // kinds that this series cannot give, each with its reason
};

// Several runs are z-scored each on its own and put one after the other. Kind lagged gives two
// matrices: lagged (the first region leads) and lagged_reverse, kind sliding_window the mean and SD
// of Fisher's z over windows (over all volumes kept, whatever connectivity.n_volumes). Kind tangent
// is the cohort's; alone it comes with correlation.
// Errors: gate when too few volumes are kept.
[[nodiscard]] Matrices connectivity_of(const TaskSeries& series, const config::Config& config,
                                       const Context& context);

} // namespace boldmill::graph
