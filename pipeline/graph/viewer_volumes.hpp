// Small volumes for the viewer of a participant's page, all on one grid over the template's brain:
// template, T1w and mean BOLD inside their brain masks (no face), and the regions.
#pragma once

#include "pipeline/graph/study.hpp"
#include "pipeline/graph/voxel_moments.hpp"
#include "pipeline/store/figures.hpp"

namespace boldmill::graph {

inline constexpr double kViewerMm = 2.5;

// Axis-aligned, RAS, over the brain and a voxel around it.
[[nodiscard]] Grid viewer_grid(const TargetSpace& target);

// As the pictures of stage mosaic: voxels of the mask alone, 64 greys, 0 outside. Image and mask
// are on one grid.
[[nodiscard]] store::VolumeRecord grey_volume(const std::string& name, const Volume& image,
                                              const Mask& mask, const TargetSpace& target,
                                              const PointMap& target_to_image,
                                              const Context& context);

// The template and the regions of each set.
[[nodiscard]] std::vector<store::VolumeRecord> template_volumes(const TargetSpace& target,
                                                                const Context& context);

} // namespace boldmill::graph
