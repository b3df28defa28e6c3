// Picks the task-free measures of one person out of the Fisher-z edges of the circuit regions, and
// names for every other measure why it is missing. Output in the taxonomy's order. A measure
// carries the standard error of its edge and the smaller coverage of its two regions; a region
// below `min_coverage` makes it missing, never zero. Source of the edges: Tozzi 2024,
// doi:10.1038/s41591-024-03057-9. Several runs are combined by inverse-variance weighting
// (weights 1/se^2; equal weights where a standard error is missing).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "stages/circuits/taxonomy.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::intrinsic_measures {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Tozzi 2024, Nature Medicine, doi:10.1038/s41591-024-03057-9"};
inline constexpr StageInfo kStage{.name = "intrinsic_measures",
                                  .version = 1,
                                  .summary = "task-free circuit measures of one person",
                                  .references = kReferences};

struct Params {
  double min_coverage = 0.5;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [min_coverage] = params;
  visit("min_coverage", min_coverage, "",
        "smallest share of a region's voxels inside the brain mask of the run",
        Limits::between(0.0, 1.0));
}

// One run's Fisher-z edges over the circuit regions.
struct RunEdges {
  std::string run_id;
  std::vector<double> fisher_z;    // upper triangle row by row over `regions`
  std::vector<double> fisher_z_se; // the same, NaN unknown
  std::vector<double> coverage;    // R
};
struct Inputs {
  const taxonomy::Taxonomy* taxonomy = nullptr;
  std::vector<std::string> regions; // R: any code of the region, e.g. those of distinct_regions
  std::vector<RunEdges> runs;       // task-free runs that passed; may be empty
  std::string no_runs_reason;       // why `runs` is empty, "" for "no task-free run"
};
struct Measure {
  double value = 0.0;    // NaN when missing
  double se = 0.0;       // NaN when not known
  double coverage = 0.0; // smallest region coverage over the runs that entered; NaN when missing
  std::string reason;    // why missing, empty when present
  std::vector<double> weights; // of each run in the value; empty when not task-free or no runs
};
struct Outputs {
  std::vector<Measure> measures; // in the taxonomy's order
};
// Throws internal: edge vectors that do not fit `regions`.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_regions = 0;
  std::size_t n_measures = 0;
  std::size_t n_runs = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::intrinsic_measures
