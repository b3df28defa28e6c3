#include "pipeline/graph/region_series.hpp"

#include <algorithm>

namespace boldmill::graph {

RegionSeries::RegionSeries(const std::vector<std::vector<Region>>& sets, std::size_t n_voxels,
                           const Mask& mask, int n_volumes, const config::Config& config)
    : sets_(sets), config_(config) {
  if (!config.voxels.despike) {
    for (const auto& regions : sets) {
      accumulators_.emplace_back(regions, n_voxels, &mask, n_volumes, config.extraction);
    }
    return;
  }
  for (const auto& regions : sets) {
    for (const Region& region : regions) {
      std::copy_if(region.voxels.begin(), region.voxels.end(), std::back_inserter(voxels_),
                   [&mask](std::size_t v) { return mask.data[v] != 0; });
    }
  }
  std::sort(voxels_.begin(), voxels_.end());
  voxels_.erase(std::unique(voxels_.begin(), voxels_.end()), voxels_.end());
  columns_.resize(n_volumes, static_cast<Eigen::Index>(voxels_.size()));
}

void RegionSeries::add(int t, std::size_t begin, std::span<const float> values) {
  for (auto& accumulator : accumulators_) accumulator.add(t, begin, values);
  if (config_.voxels.despike) add_voxels(t, begin, values);
}

void RegionSeries::add_voxels(int t, std::size_t begin, std::span<const float> values) {
  const std::size_t end = begin + values.size();
  for (auto at = std::lower_bound(voxels_.begin(), voxels_.end(), begin);
       at != voxels_.end() && *at < end; ++at) {
    columns_(t, at - voxels_.begin()) = values[*at - begin];
  }
}

void RegionSeries::finish(int n_dummies, const Context& context, RunResult& result) {
  const auto keep = [&result](extraction::Outputs parcels) {
    result.series.push_back(std::move(parcels.parcel_series));
    result.coverage.emplace_back(parcels.coverage.data(),
                                 parcels.coverage.data() + parcels.coverage.size());
  };
  for (const auto& accumulator : accumulators_) keep(accumulator.finish());
  if (!config_.voxels.despike) return;
  Eigen::Map<Eigen::MatrixXf> view(columns_.data(), columns_.rows(), columns_.cols());
  (void)despike::run_in_place(view, n_dummies, config_.despike, context);
  for (const auto& regions : sets_) {
    extraction::Inputs inputs;
    inputs.voxel_series = &columns_;
    inputs.columns = &voxels_;
    inputs.regions = &regions;
    keep(extraction::run(inputs, config_.extraction, context));
  }
}

std::size_t region_series_bytes(std::size_t n_voxels, std::size_t n_volumes,
                                const config::Config& config) {
  if (!config.voxels.despike) return 0;
  return n_voxels * (n_volumes * sizeof(float) + 2 * sizeof(std::size_t));
}

} // namespace boldmill::graph
