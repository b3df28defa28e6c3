// Images of the voxels of a mask: denoised volumes, the same smoothed, maps of one value a voxel.
// One volume after the other goes to the file: no second copy of the series.
#pragma once

#include <Eigen/Dense>
#include <filesystem>
#include <span>
#include <vector>

#include "pipeline/graph/brain_voxels.hpp"
#include "pipeline/graph/derivative_folder.hpp"

namespace boldmill::graph {

// 0 outside the mask and where a voxel has no value.
void write_voxel_map(const std::filesystem::path& path, const Mask& mask,
                     const std::vector<float>& values, int space_code = 2);

struct SeriesFiles {
  std::filesystem::path denoised, smoothed; // empty: not wanted
  double smoothing_mm = 0.0;                // FWHM, of `smoothed`
  double tr_s = 0.0;                        // NaN where volumes are left out
  int space_code = 2;
};
// The volumes where `written` is not 0 (T). columns: T x P, the voxels of the mask, ascending.
// Smoothed is what stands in `denoised`, 0 outside the mask included, as XCP-D does.
void write_voxel_series(const Eigen::Map<const Eigen::MatrixXf>& columns, const Mask& mask,
                        std::span<const std::uint8_t> written, const SeriesFiles& files,
                        const Context& context);

// Where in the output tree, and what every sidecar says.
struct DerivedImages {
  const DerivativeFolder* folder = nullptr;
  std::string entities; // "_space-S_res-2"
  int space_code = 2;
  DerivativeFolder::Json sidecar; // TaskName, Sources, SpatialReference
};
// desc-denoised_bold, and with smoothing desc-denoisedSmoothed_bold. Nothing when the design
// refuses the run. Uses the voxels up.
void write_denoised(BrainVoxels& voxels, const Mask& mask, const RunResult& run,
                    const config::Config& config, const DerivedImages& images,
                    const Context& context);
// stat-{alff,falff,reho,tsnr}_boldmap.
void write_measures(const VoxelMeasures& measures, const Mask& mask, const DerivedImages& images);

} // namespace boldmill::graph
