// What is removed from the series of one run: the confounds after the motion filter, and the design
// made of them.
#pragma once

#include "pipeline/graph/bold_run.hpp"
#include "stages/core/outcome.hpp"

namespace boldmill::graph {

struct Nuisance {
  std::vector<std::string> names; // of the columns below
  Eigen::MatrixXd values;         // T x K, motion and framewise displacement filtered
  bool filtered = false;
  std::string note; // of the motion filter, may be empty
  nuisance_regression::Design design;
};

// The confounds as the design sees them; `design` is not made yet. Errors: input.
[[nodiscard]] Nuisance filtered_confounds(const config::Config& config, const RunResult& run,
                                          const Context& context);

// With the design, or why there is none (gate, input). Errors: usage.
[[nodiscard]] Outcome<Nuisance> nuisance_of(const config::Config& config, const RunResult& run,
                                            const Context& context);

// Share of the volumes after the dummies that move more than gates.fd_exclusion_mm; NaN without.
[[nodiscard]] double moving_share(const config::Config& config, const Nuisance& nuisance,
                                  int n_dummies);

} // namespace boldmill::graph
