#include "stages/regions/extraction.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::extraction {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

[[noreturn]] void bug(const std::string& what) {
  throw Error(ErrorKind::internal, "extraction: " + what);
}

Region empty_region(std::int32_t label) {
  Region region;
  region.index = label;
  region.label = "label-" + std::to_string(label);
  return region;
}

} // namespace

std::vector<Region> regions_from_labels(const LabelImage& labels,
                                        const std::vector<std::int32_t>& values) {
  std::map<std::int32_t, std::size_t> sizes;
  for (std::size_t v = 0; v < labels.data.size(); ++v) {
    const std::int32_t label = labels.data[v];
    if (label == 0) continue;
    if (label < 0) {
      throw Error(ErrorKind::input, "atlas: label " + std::to_string(label) +
                                        ", expected 0 for background and positive labels");
    }
    ++sizes[label];
  }
  std::vector<Region> regions;
  if (values.empty()) {
    for (const auto& [label, n] : sizes) regions.push_back(empty_region(label));
  } else {
    for (const std::int32_t value : values) regions.push_back(empty_region(value));
  }
  std::unordered_map<std::int32_t, std::size_t> position;
  for (std::size_t r = 0; r < regions.size(); ++r) {
    if (regions[r].index <= 0 || !position.emplace(regions[r].index, r).second) {
      throw Error(ErrorKind::input, "atlas: label " + std::to_string(regions[r].index) +
                                        " listed twice or not positive");
    }
    const auto size = sizes.find(regions[r].index);
    if (size != sizes.end()) regions[r].voxels.reserve(size->second);
  }
  for (std::size_t v = 0; v < labels.data.size(); ++v) {
    if (labels.data[v] == 0) continue;
    const auto found = position.find(labels.data[v]);
    if (found != position.end()) regions[found->second].voxels.push_back(v);
  }
  for (Region& region : regions) measure_region(region, labels.grid);
  return regions;
}

LabelImage labels_on_grid(LabelImage labels, const Grid& grid, const Context& context,
                          bool& resampled) {
  resampled = !labels.grid.same_as(grid);
  if (!resampled) return labels;
  return resample_labels(labels, grid, PointMap{}, context);
}

ParcelAccumulator::ParcelAccumulator(const std::vector<Region>& regions, std::size_t n_voxels,
                                     const Mask* mask, int n_volumes, const Params& params)
    : params_(params), n_voxels_(n_voxels) {
  if (mask != nullptr && mask->data.size() != n_voxels) {
    bug("mask of " + std::to_string(mask->data.size()) + " voxels for a series of " +
        std::to_string(n_voxels));
  }
  const auto n_regions = static_cast<Eigen::Index>(regions.size());
  sums_ = Eigen::MatrixXd::Zero(n_regions, n_volumes);
  missing_ = Eigen::MatrixXi::Zero(n_regions, n_volumes);
  received_.assign(static_cast<std::size_t>(n_volumes), 0);
  for (std::size_t r = 0; r < regions.size(); ++r) {
    int kept = 0;
    const std::vector<std::size_t>& voxels = regions[r].voxels;
    for (std::size_t i = 0; i < voxels.size(); ++i) {
      const std::size_t v = voxels[i];
      if (v >= n_voxels || (i > 0 && v <= voxels[i - 1])) {
        bug("region " + std::to_string(regions[r].index) + " has voxels out of order or outside");
      }
      if (mask != nullptr && mask->data[v] == 0) continue;
      const bool continues = kept > 0 && runs_.back().begin + runs_.back().length == v;
      if (continues) {
        ++runs_.back().length;
      } else {
        runs_.push_back({v, 1, static_cast<std::uint32_t>(r)});
      }
      ++kept;
    }
    region_size_.push_back(static_cast<int>(voxels.size()));
    in_mask_.push_back(kept);
  }
  std::stable_sort(runs_.begin(), runs_.end(),
                   [](const Run& a, const Run& b) { return a.begin < b.begin; });
  for (const Run& run : runs_) longest_run_ = std::max<std::size_t>(longest_run_, run.length);
}

// One voxel after the other, so that where a block ends cannot change a bit.
void ParcelAccumulator::add_run(int t, std::uint32_t region, std::span<const float> values) {
  double& sum = sums_(region, t);
  double total = sum;
  for (const float value : values) total += static_cast<double>(value);
  if (!std::isfinite(total)) { // rare: again, leaving out what is missing
    total = sum;
    for (const float value : values) {
      if (std::isfinite(value)) {
        total += static_cast<double>(value);
      } else {
        ++missing_(region, t);
      }
    }
  }
  sum = total;
}

void ParcelAccumulator::add(int t, std::size_t begin, std::span<const float> values) {
  if (t < 0 || static_cast<std::size_t>(t) >= received_.size()) {
    bug("volume " + std::to_string(t) + " of " + std::to_string(received_.size()));
  }
  std::size_t& received = received_[static_cast<std::size_t>(t)];
  if (begin != received || begin + values.size() > n_voxels_) {
    bug("volume " + std::to_string(t) + ": voxels from " + std::to_string(begin) + ", expected " +
        std::to_string(received));
  }
  const std::size_t end = begin + values.size();
  const std::size_t earliest = begin > longest_run_ ? begin - longest_run_ : 0;
  auto run = std::lower_bound(runs_.begin(), runs_.end(), earliest,
                              [](const Run& a, std::size_t v) { return a.begin < v; });
  for (; run != runs_.end() && run->begin < end; ++run) {
    const std::size_t first = std::max(begin, run->begin);
    const std::size_t last = std::min(end, run->begin + run->length);
    if (first < last) add_run(t, run->region, values.subspan(first - begin, last - first));
  }
  received = end;
}

Outputs ParcelAccumulator::finish() const {
  const Eigen::Index n_regions = sums_.rows();
  const Eigen::Index n_volumes = sums_.cols();
  for (Eigen::Index t = 0; t < n_volumes; ++t) {
    if (received_[static_cast<std::size_t>(t)] != n_voxels_) {
      bug("volume " + std::to_string(t) + " has " +
          std::to_string(received_[static_cast<std::size_t>(t)]) + " of " +
          std::to_string(n_voxels_) + " voxels");
    }
  }
  Outputs outputs;
  outputs.parcel_series.resize(n_volumes, n_regions);
  outputs.coverage.resize(n_regions);
  outputs.n_voxels = region_size_;
  outputs.n_missing = missing_.cast<std::int64_t>().sum();
  for (Eigen::Index r = 0; r < n_regions; ++r) {
    const double size = region_size_[static_cast<std::size_t>(r)];
    const int in_mask = in_mask_[static_cast<std::size_t>(r)];
    outputs.coverage[r] = size > 0 ? in_mask / size : kNaN;
    for (Eigen::Index t = 0; t < n_volumes; ++t) {
      const int n = in_mask - missing_(r, t);
      const bool enough = n > 0 && n >= params_.min_coverage * size;
      outputs.parcel_series(t, r) = static_cast<float>(enough ? sums_(r, t) / n : kNaN);
    }
  }
  return outputs;
}

namespace {

Outputs run_on_volumes(const Inputs& inputs, const Params& params, const Context& context) {
  const Series& series = *inputs.series;
  const std::size_t n_voxels = series.grid.n_voxels();
  ParcelAccumulator accumulator(*inputs.regions, n_voxels, inputs.mask, series.n_volumes, params);
  parallel_blocks(context, static_cast<std::size_t>(series.n_volumes), 1,
                  [&](std::size_t begin, std::size_t) {
                    const int t = static_cast<int>(begin);
                    accumulator.add(t, 0, {series.volume(t), n_voxels});
                  });
  return accumulator.finish();
}

// The column of each voxel of a region, ascending; the others are outside the mask.
std::vector<Eigen::Index> columns_of(const Region& region,
                                     const std::vector<std::size_t>& columns) {
  std::vector<Eigen::Index> found;
  for (const std::size_t voxel : region.voxels) {
    const auto at = std::lower_bound(columns.begin(), columns.end(), voxel);
    if (at != columns.end() && *at == voxel) found.push_back(at - columns.begin());
  }
  return found;
}

Outputs run_on_columns(const Inputs& inputs, const Params& params, const Context& context) {
  const Eigen::MatrixXf& series = *inputs.voxel_series;
  const std::vector<Region>& regions = *inputs.regions;
  const Eigen::Index n_volumes = series.rows();
  const auto n_regions = static_cast<Eigen::Index>(regions.size());
  if (inputs.columns == nullptr ||
      static_cast<Eigen::Index>(inputs.columns->size()) != series.cols()) {
    bug("voxel_series has " + std::to_string(series.cols()) +
        " columns, expected one voxel index each");
  }
  Outputs outputs;
  outputs.parcel_series.resize(n_volumes, n_regions);
  outputs.coverage.resize(n_regions);
  outputs.n_voxels.resize(regions.size());
  std::vector<std::int64_t> missing(regions.size(), 0);
  parallel_blocks(context, regions.size(), 1, [&](std::size_t index, std::size_t) {
    const auto r = static_cast<Eigen::Index>(index);
    const std::vector<Eigen::Index> members = columns_of(regions[index], *inputs.columns);
    const auto size = static_cast<double>(regions[index].voxels.size());
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(n_volumes);
    Eigen::VectorXi n = Eigen::VectorXi::Zero(n_volumes);
    for (const Eigen::Index column : members) {
      for (Eigen::Index t = 0; t < n_volumes; ++t) {
        const float value = series(t, column);
        const bool present = std::isfinite(value);
        sum[t] += present ? static_cast<double>(value) : 0.0;
        n[t] += present ? 1 : 0;
      }
    }
    outputs.n_voxels[index] = static_cast<int>(regions[index].voxels.size());
    outputs.coverage[r] = size > 0 ? static_cast<double>(members.size()) / size : kNaN;
    missing[index] =
        static_cast<std::int64_t>(members.size()) * n_volumes - n.cast<std::int64_t>().sum();
    for (Eigen::Index t = 0; t < n_volumes; ++t) {
      const bool enough = n[t] > 0 && n[t] >= params.min_coverage * size;
      outputs.parcel_series(t, r) = static_cast<float>(enough ? sum[t] / n[t] : kNaN);
    }
  });
  for (const std::int64_t count : missing) outputs.n_missing += count;
  return outputs;
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (inputs.regions == nullptr || (inputs.series == nullptr) == (inputs.voxel_series == nullptr)) {
    bug("needs regions and one of series and voxel_series");
  }
  return inputs.series != nullptr ? run_on_volumes(inputs, params, context)
                                  : run_on_columns(inputs, params, context);
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  // Sums and counts per region and volume, the result, and at worst a run for every voxel.
  return shape.n_regions * shape.n_volumes * (sizeof(double) + sizeof(int) + sizeof(float)) +
         shape.n_region_voxels * 2 * sizeof(std::size_t) + shape.n_volumes * sizeof(std::size_t);
}

} // namespace boldmill::extraction
