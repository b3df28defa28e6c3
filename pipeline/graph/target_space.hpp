// The target template and the regions on the output grid, warps between templates included.
#pragma once

#include "pipeline/graph/study.hpp"
#include "pipeline/spaces/templates.hpp"
#include "pipeline/spaces/warps.hpp"

namespace boldmill::graph {

// Finds templates and atlases of the configuration, computes (or takes from the cache) the warps
// between their spaces, and lays the regions on the output grid. Fills in sha256 of external files.
// Errors: usage when a template, atlas or warp the configuration asks for cannot be had; gate when
// a warp is not good enough.
[[nodiscard]] TargetSpace prepare_target(config::Config& config, const taxonomy::Taxonomy& taxonomy,
                                         const cache::Cache& cache, const Context& context);

// The regions of study.target.sets on a grid in the target's space; a region that has no voxel
// there is empty.
[[nodiscard]] std::shared_ptr<const GridRegions::Sets>
regions_on(const Study& study, const Grid& grid, const Context& context);

// The templates of the machine and of the configuration, and the one that is the target.
[[nodiscard]] std::vector<spaces::TemplateInfo> installed_templates(const config::Config& config);
[[nodiscard]] spaces::TemplateInfo
target_template(const config::Config& config, const std::vector<spaces::TemplateInfo>& templates);

// The warp between two templates, from the cache or computed. Errors: gate.
[[nodiscard]] spaces::SpaceMap template_warp(const config::Config& config,
                                             const cache::Cache& cache,
                                             const spaces::TemplateInfo& from,
                                             const spaces::TemplateInfo& to,
                                             const Context& context);

// Grids and warps of study.output_spaces; the target alone when none was asked for. Errors: usage
// when a template is not here, gate as above.
void prepare_output_spaces(Study& study, const Context& context);

[[nodiscard]] std::vector<store::AtlasRecord> atlas_records(const TargetSpace& target);

// Reads (or looks up) the circuit definition of the configuration.
[[nodiscard]] taxonomy::Taxonomy load_taxonomy(config::Config& config);

// Digest of an external file, or of a folder's files; checks it against a stored one.
void identify_file(const std::string& role, config::ExternalFile& file);

} // namespace boldmill::graph
