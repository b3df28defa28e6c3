// Measures of regions beside their series: means over a region's voxels of ALFF, fALFF, ReHo and
// tSNR (config section regional), and measures of the graph that the regions make.
//
// Voxels are those of the brain on the run's own grid. tSNR is that of the series before anything
// is removed, the others are of the denoised series over the volumes kept, despiked as the region
// series are; fALFF of one without low-pass. A region's value is the mean over its voxels that have
// one, missing where these are less than extraction.min_coverage of it, as XCP-D's tables of
// stat-alff and stat-reho.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/graph/brain_voxels.hpp"

namespace boldmill::graph {

inline constexpr int kRegionalVersion = 2; // of what is cached for a run

[[nodiscard]] bool wants_voxel_measures(const config::Config& config);
// The voxels of a preprocessed run are needed as columns.
[[nodiscard]] bool wants_voxels(const config::Config& config);
[[nodiscard]] bool wants_graph_measures(const config::Config& config);

// Everything the voxel measures depend on beside the series, as a part of a key.
[[nodiscard]] std::string regional_key_text(const config::Config& config);

// Where each voxel of the mask's grid is among those in the mask, -1 outside.
[[nodiscard]] std::vector<std::int64_t> positions_in(const Mask& mask);

// Means over regions. at[v]: where voxel v of the regions' grid is among the P, or -1.
[[nodiscard]] RunRegional regional_of(const VoxelMeasures& voxels, const GridRegions::Sets& sets,
                                      const std::vector<std::int64_t>& at, double min_coverage);

// Graph measures of one matrix, as records without source and atlas. `why`: those that cannot be
// had.
[[nodiscard]] std::vector<store::RegionalRecord>
graph_records(const std::vector<double>& edges, std::size_t n_regions, const config::Config& config,
              const Context& context, std::vector<std::string>& why);

} // namespace boldmill::graph
