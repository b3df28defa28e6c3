#include "stages/regions/extraction.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"
#include "stages/regions/kernels/nearest_labels.hpp"

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
  return nearest_labels(labels, grid, nullptr, context);
}

namespace {

using region_statistics::Members;

void check_weights(const Region& region, const Params& params) {
  if (region.weights.empty()) return;
  if (region.weights.size() != region.voxels.size()) {
    bug("region " + std::to_string(region.index) + " has " + std::to_string(region.weights.size()) +
        " weights of " + std::to_string(region.voxels.size()) + " voxels");
  }
  for (const float weight : region.weights) {
    if (weight >= 0.0F || params.statistic == "least_squares") continue;
    throw Error(ErrorKind::input, "region '" + region.label + "': found the weight " +
                                      std::to_string(weight) +
                                      ", expected none below 0 but with least_squares");
  }
}

// The members of a region: column_of(voxel) says where a voxel is kept, or -1 outside the mask.
template <class ColumnOf>
Members members_of(const Region& region, const Params& params, ColumnOf&& column_of) {
  check_weights(region, params);
  Members members;
  members.n_voxels = static_cast<int>(region.voxels.size());
  for (std::size_t i = 0; i < region.voxels.size(); ++i) {
    const float weight = region.weights.empty() ? 1.0F : region.weights[i];
    members.total_weight += std::abs(static_cast<double>(weight));
    const std::int64_t column = column_of(region.voxels[i]);
    if (column < 0) continue;
    members.columns.push_back(static_cast<std::uint32_t>(column));
    members.in_mask_weight += std::abs(static_cast<double>(weight));
    if (!region.weights.empty()) members.weights.push_back(weight);
  }
  return members;
}

void describe_regions(const std::vector<Members>& regions, Outputs& outputs) {
  outputs.coverage.resize(static_cast<Eigen::Index>(regions.size()));
  for (std::size_t r = 0; r < regions.size(); ++r) {
    const double total = regions[r].total_weight;
    outputs.coverage[static_cast<Eigen::Index>(r)] =
        total > 0.0 ? regions[r].in_mask_weight / total : kNaN;
    outputs.n_voxels.push_back(regions[r].n_voxels);
  }
}

Outputs kept_statistic(const region_statistics::VoxelSeries& series,
                       const std::vector<Members>& regions, const Params& params,
                       const Context& context) {
  const auto statistic = params.statistic == "median"         ? region_statistics::median
                         : params.statistic == "eigenvariate" ? region_statistics::eigenvariate
                                                              : region_statistics::least_squares;
  region_statistics::Result result = statistic(series, regions, params.min_coverage, context);
  Outputs outputs;
  outputs.parcel_series = std::move(result.parcel_series);
  outputs.n_missing = result.n_missing;
  describe_regions(regions, outputs);
  return outputs;
}

// From what is summed of a region in a volume to its mean there.
float weighted_mean(double sum, double lost, const Members& region, const Params& params) {
  const double weight = region.in_mask_weight - lost;
  const bool enough = weight > 0.0 && weight >= params.min_coverage * region.total_weight;
  return static_cast<float>(enough ? sum / weight : kNaN);
}

} // namespace

ParcelAccumulator::ParcelAccumulator(const std::vector<Region>& regions, std::size_t n_voxels,
                                     const Mask* mask, int n_volumes, const Params& params)
    : params_(params), keeps_series_(params.statistic != "mean"), n_voxels_(n_voxels) {
  if (mask != nullptr && mask->data.size() != n_voxels) {
    bug("mask of " + std::to_string(mask->data.size()) + " voxels for a series of " +
        std::to_string(n_voxels));
  }
  const auto inside = [mask](std::size_t v) { return mask == nullptr || mask->data[v] != 0; };
  const auto n_regions = static_cast<Eigen::Index>(regions.size());
  received_.assign(static_cast<std::size_t>(n_volumes), 0);
  for (const Region& region : regions) {
    for (std::size_t i = 0; i < region.voxels.size(); ++i) {
      const std::size_t v = region.voxels[i];
      if (v >= n_voxels || (i > 0 && v <= region.voxels[i - 1])) {
        bug("region " + std::to_string(region.index) + " has voxels out of order or outside");
      }
      if (keeps_series_ && inside(v)) columns_.push_back(v);
    }
  }
  std::sort(columns_.begin(), columns_.end());
  columns_.erase(std::unique(columns_.begin(), columns_.end()), columns_.end());
  if (keeps_series_) {
    series_.resize(static_cast<Eigen::Index>(columns_.size()), n_volumes);
  } else {
    sums_ = Eigen::MatrixXd::Zero(n_regions, n_volumes);
    lost_ = Eigen::MatrixXd::Zero(n_regions, n_volumes);
    missing_ = Eigen::MatrixXi::Zero(n_regions, n_volumes);
  }
  for (std::size_t r = 0; r < regions.size(); ++r) {
    std::size_t kept = 0;
    members_.push_back(members_of(regions[r], params, [&](std::size_t v) -> std::int64_t {
      if (!inside(v)) return -1;
      if (keeps_series_) {
        return std::lower_bound(columns_.begin(), columns_.end(), v) - columns_.begin();
      }
      if (kept > 0 && runs_.back().begin + runs_.back().length == v) {
        ++runs_.back().length;
      } else {
        runs_.push_back({v, 1, static_cast<std::uint32_t>(r), kept});
      }
      ++kept;
      return static_cast<std::int64_t>(v);
    }));
    if (!keeps_series_) members_.back().columns = {}; // the runs say it shorter
  }
  std::stable_sort(runs_.begin(), runs_.end(),
                   [](const Run& a, const Run& b) { return a.begin < b.begin; });
  for (const Run& run : runs_) longest_run_ = std::max<std::size_t>(longest_run_, run.length);
}

// One voxel after the other, so that where a block ends cannot change a bit.
void ParcelAccumulator::add_run(int t, const Run& run, std::size_t first,
                                std::span<const float> values) {
  const std::vector<float>& all_weights = members_[run.region].weights;
  const float* weights = all_weights.empty() ? nullptr : all_weights.data() + run.member + first;
  const auto weight = [weights](std::size_t i) {
    return weights == nullptr ? 1.0 : static_cast<double>(weights[i]);
  };
  double& sum = sums_(run.region, t);
  double total = sum;
  if (weights == nullptr) {
    for (const float value : values) total += static_cast<double>(value);
  } else {
    for (std::size_t i = 0; i < values.size(); ++i) {
      total += weight(i) * static_cast<double>(values[i]);
    }
  }
  if (!std::isfinite(total)) { // rare: again, leaving out what is missing
    total = sum;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i])) {
        total += weight(i) * static_cast<double>(values[i]);
      } else {
        ++missing_(run.region, t);
        lost_(run.region, t) += weight(i);
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
  received = end;
  if (keeps_series_) {
    float* kept = series_.data() + static_cast<std::ptrdiff_t>(t) * series_.rows();
    const auto from = std::lower_bound(columns_.begin(), columns_.end(), begin);
    for (auto column = from; column != columns_.end() && *column < end; ++column) {
      kept[column - columns_.begin()] = values[*column - begin];
    }
    return;
  }
  const std::size_t earliest = begin > longest_run_ ? begin - longest_run_ : 0;
  auto run = std::lower_bound(runs_.begin(), runs_.end(), earliest,
                              [](const Run& a, std::size_t v) { return a.begin < v; });
  for (; run != runs_.end() && run->begin < end; ++run) {
    const std::size_t first = std::max(begin, run->begin);
    const std::size_t last = std::min(end, run->begin + run->length);
    if (first < last) {
      add_run(t, *run, first - run->begin, values.subspan(first - begin, last - first));
    }
  }
}

Outputs ParcelAccumulator::means() const {
  Outputs outputs;
  outputs.parcel_series.resize(sums_.cols(), sums_.rows());
  outputs.n_missing = missing_.cast<std::int64_t>().sum();
  describe_regions(members_, outputs);
  for (Eigen::Index r = 0; r < sums_.rows(); ++r) {
    for (Eigen::Index t = 0; t < sums_.cols(); ++t) {
      outputs.parcel_series(t, r) =
          weighted_mean(sums_(r, t), lost_(r, t), members_[static_cast<std::size_t>(r)], params_);
    }
  }
  return outputs;
}

Outputs ParcelAccumulator::finish(const Context& context) const {
  for (std::size_t t = 0; t < received_.size(); ++t) {
    if (received_[t] != n_voxels_) {
      bug("volume " + std::to_string(t) + " has " + std::to_string(received_[t]) + " of " +
          std::to_string(n_voxels_) + " voxels");
    }
  }
  if (!keeps_series_) return means();
  return kept_statistic({series_.data(), series_.cols(), series_.rows(), 1}, members_, params_,
                        context);
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
  return accumulator.finish(context);
}

Outputs means_of_columns(const Eigen::MatrixXf& series, const std::vector<Members>& regions,
                         const Params& params, const Context& context) {
  const Eigen::Index n_volumes = series.rows();
  Outputs outputs;
  outputs.parcel_series.resize(n_volumes, static_cast<Eigen::Index>(regions.size()));
  describe_regions(regions, outputs);
  std::vector<std::int64_t> missing(regions.size(), 0);
  parallel_blocks(context, regions.size(), 1, [&](std::size_t r, std::size_t) {
    const Members& region = regions[r];
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(n_volumes);
    Eigen::VectorXd lost = Eigen::VectorXd::Zero(n_volumes);
    for (std::size_t i = 0; i < region.columns.size(); ++i) {
      const double weight = region.weight(i);
      for (Eigen::Index t = 0; t < n_volumes; ++t) {
        const float value = series(t, region.columns[i]);
        const bool present = std::isfinite(value);
        sum[t] += present ? weight * static_cast<double>(value) : 0.0;
        lost[t] += present ? 0.0 : weight;
        missing[r] += present ? 0 : 1;
      }
    }
    for (Eigen::Index t = 0; t < n_volumes; ++t) {
      outputs.parcel_series(t, static_cast<Eigen::Index>(r)) =
          weighted_mean(sum[t], lost[t], region, params);
    }
  });
  for (const std::int64_t count : missing) outputs.n_missing += count;
  return outputs;
}

Outputs run_on_columns(const Inputs& inputs, const Params& params, const Context& context) {
  const Eigen::MatrixXf& series = *inputs.voxel_series;
  if (inputs.columns == nullptr ||
      static_cast<Eigen::Index>(inputs.columns->size()) != series.cols()) {
    bug("voxel_series has " + std::to_string(series.cols()) +
        " columns, expected one voxel index each");
  }
  const std::vector<std::size_t>& columns = *inputs.columns;
  std::vector<Members> members;
  for (const Region& region : *inputs.regions) {
    members.push_back(members_of(region, params, [&columns](std::size_t v) -> std::int64_t {
      const auto at = std::lower_bound(columns.begin(), columns.end(), v);
      return at != columns.end() && *at == v ? at - columns.begin() : -1;
    }));
  }
  if (params.statistic == "mean") return means_of_columns(series, members, params, context);
  return kept_statistic({series.data(), series.rows(), 1, series.rows()}, members, params, context);
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (inputs.regions == nullptr || (inputs.series == nullptr) == (inputs.voxel_series == nullptr)) {
    bug("needs regions and one of series and voxel_series");
  }
  return inputs.series != nullptr ? run_on_volumes(inputs, params, context)
                                  : run_on_columns(inputs, params, context);
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t result = shape.n_regions * shape.n_volumes * sizeof(float);
  const std::size_t lists =
      shape.n_region_voxels * 3 * sizeof(std::size_t) + shape.n_volumes * sizeof(std::size_t);
  if (params.statistic == "mean") {
    // Sums, counts and lost weights per region and volume; at worst a run for every voxel.
    return result + lists + shape.n_regions * shape.n_volumes * (2 * sizeof(double) + sizeof(int));
  }
  const std::size_t kept = shape.n_region_voxels * shape.n_volumes * sizeof(float);
  const std::size_t largest =
      shape.largest_region > 0 ? shape.largest_region : shape.n_region_voxels;
  std::size_t work = 0;
  if (params.statistic == "eigenvariate") {
    // A region in double and at worst a basis of its smaller side, for every region at work.
    const std::size_t basis = std::min(largest, shape.n_volumes);
    work = std::min(shape.n_threads, shape.n_regions) * (largest + basis) * shape.n_volumes *
           sizeof(double);
  } else if (params.statistic == "least_squares") {
    work = shape.n_region_voxels * 8 * sizeof(std::size_t) +
           shape.n_regions * (3 * shape.n_regions + 2 * shape.n_volumes) * sizeof(double);
  }
  return result + lists + kept + work;
}

} // namespace boldmill::extraction
