#include "pipeline/graph/voxel_regressors.hpp"

#include <algorithm>

#include "pipeline/image_io/columns.hpp"
#include "stages/core/joined.hpp"
#include "stages/core/pattern.hpp"

namespace boldmill::graph {
namespace {
namespace fs = std::filesystem;

bool is_of_run(const std::string& name, const bids::Entities& run) {
  const auto parsed = bids::parse_name(name);
  if (!parsed || !parsed->extension.starts_with(".nii")) return false;
  for (const char* key : {"space", "res"}) {
    if (bids::has_entity(parsed->entities, key) &&
        bids::entity(parsed->entities, key) != bids::entity(run, key)) {
      return false;
    }
  }
  const std::vector<std::string_view> free{"space", "res", "desc", "stat"};
  return bids::without(parsed->entities, free) == bids::without(run, free);
}

std::vector<std::string> files_in(const fs::path& folder, const std::string& pattern,
                                  const bids::Entities& run) {
  std::vector<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (matches_pattern("*_" + pattern, name) && is_of_run(name, run)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

} // namespace

std::vector<VoxelRegressor> find_voxel_regressors(const Study& study, const DerivedSource& source) {
  std::vector<VoxelRegressor> out;
  const bids::BidsFile& bold = *source.files.bold;
  const std::string folder = fs::path(bold.path).parent_path().generic_string();
  std::vector<const bids::DerivativesIndex*> datasets{source.index};
  for (const bids::DerivativesIndex& other : study.derivatives) datasets.push_back(&other);
  for (const std::string& pattern : study.config.voxels.regressors) {
    std::vector<std::string> names;
    for (const bids::DerivativesIndex* dataset : datasets) {
      names = files_in(dataset->root / folder, pattern, bold.entities);
      if (names.empty()) continue;
      out.push_back({dataset->root, dataset->name, folder + "/" + names.front()});
      break;
    }
    if (names.size() == 1) continue;
    throw Error(ErrorKind::input,
                "voxels.regressors: found " + (names.empty() ? "no image" : joined(names, ", ")) +
                    " that ends in _" + pattern + " beside " + bold.path + ", expected one");
  }
  return out;
}

Eigen::MatrixXf read_voxel_regressor(const fs::path& path, const std::string& shown,
                                     const Mask& brain, int n_volumes, const Context& context) {
  const image_io::NiftiHeader header = image_io::read_header(path);
  if (header.n_volumes != n_volumes || !header.grid.same_as(brain.grid, 0.01)) {
    throw Error(ErrorKind::input, shown + ": found " + std::to_string(header.n_volumes) +
                                      " volumes, expected " + std::to_string(n_volumes) +
                                      " on the grid of the series");
  }
  return image_io::read_columns(path, indices_of(brain), 0, context);
}

} // namespace boldmill::graph
