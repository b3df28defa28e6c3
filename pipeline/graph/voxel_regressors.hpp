// Images of voxels.regressors: for every voxel of a preprocessed run a series of its own that is
// removed with the confounds, such as rapidtide's desc-LFO_timeseries or the mean of the white
// matter around the voxel (ANATICOR).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/graph/study.hpp"

namespace boldmill::graph {

struct VoxelRegressor {
  std::filesystem::path root; // of the dataset
  std::string dataset;        // name of --derivatives
  std::string path;           // below root
};

// One for each name of the configuration, in its order: of the run, in no other space than its
// series, beside it or else in the same folder of another --derivatives. Errors: input when a name
// fits none or several.
[[nodiscard]] std::vector<VoxelRegressor> find_voxel_regressors(const Study& study,
                                                                const DerivedSource& source);

// T x P. Errors: input when the image is not on the grid of the series or has other volumes.
[[nodiscard]] Eigen::MatrixXf read_voxel_regressor(const std::filesystem::path& path,
                                                   const std::string& shown, const Mask& brain,
                                                   int n_volumes, const Context& context);

} // namespace boldmill::graph
