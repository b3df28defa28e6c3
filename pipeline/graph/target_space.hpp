// The target template and the regions on the output grid, warps between templates included.
#pragma once

#include "pipeline/graph/study.hpp"

namespace boldmill::graph {

// Finds templates and atlases of the configuration, computes (or takes from the cache) the warps
// between their spaces, and lays the regions on the output grid. Fills in sha256 of external files.
// Errors: usage when a template, atlas or warp the configuration asks for cannot be had; gate when
// a warp is not good enough.
[[nodiscard]] TargetSpace prepare_target(config::Config& config, const taxonomy::Taxonomy& taxonomy,
                                         const cache::Cache& cache, const Context& context);

[[nodiscard]] std::vector<store::AtlasRecord> atlas_records(const TargetSpace& target);

// Reads (or looks up) the circuit definition of the configuration.
[[nodiscard]] taxonomy::Taxonomy load_taxonomy(config::Config& config);

// Digest of an external file, or of a folder's files; checks it against a stored one.
void identify_file(const std::string& role, config::ExternalFile& file);

} // namespace boldmill::graph
