#include "pipeline/graph/region_series.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "stages/core/mirrored_smooth.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::graph {
namespace {

constexpr double kCut = 4.0; // sigma

// A box of the grid with a value per voxel.
struct Box {
  std::array<int, 3> first{}, shape{};
  std::vector<double> values;
};

// The weights of the voxels over their sum, with room for the filter inside the grid.
Box weights_in_box(const Region& part, const Grid& grid, const std::array<int, 3>& room) {
  const std::vector<std::size_t>& voxels = part.voxels;
  std::array<int, 3> last{};
  Box box;
  box.first = grid.shape;
  for (const std::size_t v : voxels) {
    const auto at = grid.coordinates(v);
    for (std::size_t a = 0; a < 3; ++a) {
      box.first[a] = std::min(box.first[a], at[a]);
      last[a] = std::max(last[a], at[a]);
    }
  }
  std::size_t n = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    box.first[a] = std::max(0, box.first[a] - room[a]);
    last[a] = std::min(grid.shape[a] - 1, last[a] + room[a]);
    box.shape[a] = last[a] - box.first[a] + 1;
    n *= static_cast<std::size_t>(box.shape[a]);
  }
  box.values.assign(n, 0.0);
  double sum = 0.0;
  for (const float w : part.weights) sum += static_cast<double>(w);
  for (std::size_t m = 0; m < voxels.size(); ++m) {
    const auto at = grid.coordinates(voxels[m]);
    const auto x = static_cast<std::size_t>(at[0] - box.first[0]);
    const auto y = static_cast<std::size_t>(at[1] - box.first[1]);
    const auto z = static_cast<std::size_t>(at[2] - box.first[2]);
    const auto width = static_cast<std::size_t>(box.shape[0]);
    const auto height = static_cast<std::size_t>(box.shape[1]);
    box.values[x + width * (y + height * z)] = static_cast<double>(part.weights[m]) / sum;
  }
  return box;
}

// A sample beyond the box: mirrored where the image ends, else -1, for the box reaches as far as
// the filter does.
int mirrored(int i, int n, bool at_start, bool at_end) {
  while (i < 0 || i >= n) {
    if (i < 0 ? !at_start : !at_end) return -1;
    i = i < 0 ? -1 - i : 2 * n - 1 - i;
  }
  return i;
}

void filter_axis(Box& box, const Grid& grid, std::size_t axis, const std::vector<double>& taps) {
  const auto n = box.shape[axis];
  const int reach = static_cast<int>(taps.size() / 2);
  const bool at_start = box.first[axis] == 0;
  const bool at_end = box.first[axis] + n == grid.shape[axis];
  std::size_t stride = 1;
  for (std::size_t a = 0; a < axis; ++a) stride *= static_cast<std::size_t>(box.shape[a]);
  const std::size_t line = stride * static_cast<std::size_t>(n);
  std::vector<double> in(static_cast<std::size_t>(n + 2 * reach)); // with what lies beyond
  for (std::size_t start = 0; start < box.values.size(); ++start) {
    if (start % line >= stride) continue;
    for (int i = -reach; i < n + reach; ++i) {
      const int from = mirrored(i, n, at_start, at_end);
      in[static_cast<std::size_t>(i + reach)] =
          from < 0 ? 0.0 : box.values[start + stride * static_cast<std::size_t>(from)];
    }
    for (int i = 0; i < n; ++i) {
      double sum = 0.0;
      for (std::size_t k = 0; k < taps.size(); ++k) {
        sum += taps[k] * in[static_cast<std::size_t>(i) + k];
      }
      box.values[start + stride * static_cast<std::size_t>(i)] = sum;
    }
  }
}

// The region whose weighted mean is the (weighted) mean of the smoothed image over `part`.
void smooth(const Region& part, const Grid& grid, double fwhm_mm, Region& region) {
  region.voxels.clear();
  region.weights.clear();
  if (part.voxels.empty()) return;
  if (std::any_of(part.weights.begin(), part.weights.end(), [](float w) { return w < 0.0F; })) {
    throw Error(ErrorKind::input, region.label + ": found a negative weight, expected none with "
                                                 "voxels.smoothing_mm");
  }
  const Eigen::Vector3d sigma = (fwhm_mm / kFwhmPerSigma) / grid.spacing_mm().array();
  std::array<std::vector<double>, 3> taps;
  std::array<int, 3> room{};
  for (std::size_t a = 0; a < 3; ++a) {
    taps[a] = mirrored_gaussian(sigma[static_cast<Eigen::Index>(a)]);
    room[a] = static_cast<int>(taps[a].size() / 2);
  }
  Box box = weights_in_box(part, grid, room);
  for (std::size_t a = 0; a < 3; ++a) filter_axis(box, grid, a, taps[a]);
  std::size_t n = 0;
  for (int k = 0; k < box.shape[2]; ++k) {
    for (int j = 0; j < box.shape[1]; ++j) {
      for (int i = 0; i < box.shape[0]; ++i, ++n) {
        if (box.values[n] <= 0.0) continue;
        region.voxels.push_back(grid.index(box.first[0] + i, box.first[1] + j, box.first[2] + k));
        region.weights.push_back(static_cast<float>(box.values[n]));
      }
    }
  }
}

} // namespace

void smooth_regions(std::vector<Region>& regions, std::span<const std::uint8_t> mask,
                    const Grid& grid, double fwhm_mm, double min_coverage,
                    std::vector<double>& coverage) {
  coverage.assign(regions.size(), std::nan(""));
  parallel_blocks(Context{}, regions.size(), 1, [&](std::size_t r, std::size_t) {
    Region& region = regions[r];
    Region inside;
    double weight = 0.0;
    double seen = 0.0;
    for (std::size_t n = 0; n < region.voxels.size(); ++n) {
      const double w = region.weights.empty() ? 1.0 : static_cast<double>(region.weights[n]);
      weight += w;
      if (!mask.empty() && mask[region.voxels[n]] == 0) continue;
      seen += w;
      inside.voxels.push_back(region.voxels[n]);
      inside.weights.push_back(static_cast<float>(w));
    }
    if (weight > 0.0) coverage[r] = seen / weight;
    if (!(coverage[r] >= min_coverage)) inside.voxels.clear();
    smooth(inside, grid, fwhm_mm, region);
  });
}

namespace {

// From voxels of the grid to positions in the list.
void to_positions(const std::vector<std::size_t>& list, Region& region) {
  for (std::size_t& voxel : region.voxels) {
    const auto at = std::lower_bound(list.begin(), list.end(), voxel);
    if (at == list.end() || *at != voxel) {
      throw Error(ErrorKind::internal, "region_series: a voxel of a region is not sampled");
    }
    voxel = static_cast<std::size_t>(at - list.begin());
  }
}

} // namespace

double smoothing_reach_mm(const config::Config& config) {
  return kCut * config.voxels.smoothing_mm / kFwhmPerSigma;
}

RegionSeries::RegionSeries(const GridRegions::Sets& sets, const SampledVoxels& voxels,
                           std::span<const std::uint8_t> mask, int n_volumes,
                           const config::Config& config)
    : config_(config), sets_(sets) {
  const double fwhm_mm = config.voxels.smoothing_mm;
  std::vector<std::uint8_t> scattered; // the mask over the grid
  std::span<const std::uint8_t> on_grid = mask;
  if (fwhm_mm > 0.0 && voxels.list != nullptr) {
    scattered.assign(voxels.grid->n_voxels(), 0);
    for (std::size_t v = 0; v < mask.size(); ++v) scattered[(*voxels.list)[v]] = mask[v];
    on_grid = scattered;
  }
  for (auto& regions : sets_) {
    std::vector<double>& coverage = coverage_.emplace_back();
    if (fwhm_mm > 0.0) {
      smooth_regions(regions, on_grid, *voxels.grid, fwhm_mm, config.extraction.min_coverage,
                     coverage);
      if (voxels.list == nullptr) continue;
      for (Region& region : regions) to_positions(*voxels.list, region);
      continue;
    }
    for (Region& region : regions) {
      if (voxels.list != nullptr) to_positions(*voxels.list, region);
      double weight = 0.0;
      double seen = 0.0;
      for (std::size_t n = 0; n < region.voxels.size(); ++n) {
        const double w = region.weights.empty() ? 1.0 : static_cast<double>(region.weights[n]);
        weight += w;
        seen += mask[region.voxels[n]] == 0 ? 0.0 : w;
      }
      coverage.push_back(weight > 0.0 ? seen / weight : std::nan(""));
    }
  }
  if (voxels.as_columns) return;
  Mask known;
  known.grid.shape = {static_cast<int>(voxels.size()), 1, 1};
  known.data.assign(mask.begin(), mask.end());
  if (!config.voxels.despike) {
    for (const auto& regions : sets_) {
      accumulators_.emplace_back(regions, voxels.size(), &known, n_volumes, params());
    }
    return;
  }
  for (const auto& regions : sets_) {
    for (const Region& region : regions) {
      std::copy_if(region.voxels.begin(), region.voxels.end(), std::back_inserter(voxels_),
                   [&known](std::size_t v) { return known.data[v] != 0; });
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

// Smoothed regions were judged by smooth_regions; what of their weights lies outside the mask
// counts as 0.
extraction::Params RegionSeries::params() const {
  extraction::Params params = config_.extraction;
  if (config_.voxels.smoothing_mm > 0.0) params.min_coverage = 0.0;
  return params;
}

Eigen::MatrixXf RegionSeries::series_of(extraction::Outputs parcels) const {
  if (config_.voxels.smoothing_mm > 0.0) {
    for (Eigen::Index r = 0; r < parcels.parcel_series.cols(); ++r) {
      parcels.parcel_series.col(r) *= static_cast<float>(parcels.coverage[r]);
    }
  }
  return std::move(parcels.parcel_series);
}

std::vector<Eigen::MatrixXf> RegionSeries::of_columns(const Eigen::MatrixXf& columns,
                                                      const std::vector<std::size_t>& voxels,
                                                      const Context& context) const {
  std::vector<Eigen::MatrixXf> series;
  for (const std::vector<Region>& regions : sets_) {
    extraction::Inputs inputs;
    inputs.voxel_series = &columns;
    inputs.columns = &voxels;
    inputs.regions = &regions;
    series.push_back(series_of(extraction::run(inputs, params(), context)));
  }
  return series;
}

void RegionSeries::finish(const Eigen::MatrixXf& columns, const std::vector<std::size_t>& voxels,
                          const Context& context, RunResult& result) const {
  for (Eigen::MatrixXf& series : of_columns(columns, voxels, context)) {
    result.series.push_back(std::move(series));
  }
  result.coverage.insert(result.coverage.end(), coverage_.begin(), coverage_.end());
}

void RegionSeries::finish(int n_dummies, const Context& context, RunResult& result) {
  if (config_.voxels.despike) {
    Eigen::Map<Eigen::MatrixXf> view(columns_.data(), columns_.rows(), columns_.cols());
    (void)despike::run_in_place(view, n_dummies, config_.despike, context);
    finish(columns_, voxels_, context, result);
    return;
  }
  for (std::size_t s = 0; s < sets_.size(); ++s) {
    result.series.push_back(series_of(accumulators_[s].finish(context)));
    result.coverage.push_back(coverage_[s]);
  }
}

std::size_t region_series_bytes(const TargetSpace& target, double finer, std::size_t n_volumes,
                                const config::Config& config) {
  const double density = std::max(1.0, finer);
  const auto on_grid = [density](double n_voxels) {
    return static_cast<std::size_t>(n_voxels * density);
  };
  // With smoothing a region reaches as far as the filter; as a cube of the same volume.
  const double reach = smoothing_reach_mm(config) / target.grid.spacing_mm().minCoeff();
  extraction::Shape shape;
  shape.n_volumes = n_volumes;
  for (const RegionSet& set : target.sets) {
    shape.n_regions += set.regions.size();
    for (const Region& region : set.regions) {
      const double side = std::cbrt(static_cast<double>(region.voxels.size())) + 2.0 * reach;
      const std::size_t n = region.voxels.empty() ? 0 : on_grid(side * side * side);
      shape.n_region_voxels += n;
      shape.largest_region = std::max(shape.largest_region, n);
    }
  }
  const std::size_t weights = reach > 0.0 ? shape.n_region_voxels * sizeof(float) : 0;
  const std::size_t bytes = extraction::peak_bytes(shape, config.extraction) + weights;
  if (!config.voxels.despike) return bytes;
  return bytes +
         despike::peak_bytes({n_volumes, on_grid(static_cast<double>(target.voxels.size()))},
                             config.despike);
}

} // namespace boldmill::graph
