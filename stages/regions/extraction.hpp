// Time series of regions: one number a region and volume from the voxels of the region.
//   mean           y_r(t) = sum_v w_rv x_v(t) / sum_v w_rv over the voxels in the mask; w = 1
//   without
//                  weights, else the weighted mean of a probabilistic atlas
//   median         of the voxels in the mask, whatever their weights
//   eigenvariate   first eigenvariate as SPM scales it: y = u1 s1 / sqrt(n) of the series without
//                  their means over time, in the direction in which the voxels' loadings sum above
//                  0
//   least_squares  y(t) minimises |x(t) - sum_r w_r y_r(t)|: overlapping maps are told apart
//
// Regions are voxel lists on the grid of the series; they may overlap. coverage_r = share of the
// region (of its weights) inside the mask. A region with coverage below min_coverage, or without
// voxels, is NaN throughout. Mean, median: a voxel that is NaN or infinite in a volume is left out
// of that volume; when what is left falls below min_coverage of the region, that volume of the
// region is NaN. Eigenvariate, least squares: such a voxel is left out of all volumes (of those in
// which any voxel is present), and min_coverage holds for what is left.
// Series are float, sums double, in ascending voxel order: same bits for the in-memory and the
// streaming form, any blocks, any number of threads. Cost: one pass over the regions' voxels; all
// but the mean keep the series of the regions' voxels.
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/regions/kernels/region_statistics.hpp"
#include "stages/regions/region_set.hpp"

namespace boldmill::extraction {

inline constexpr StageInfo kStage{.name = "extraction",
                                  .version = 1,
                                  .summary = "time series of atlas regions",
                                  .references = {}};

struct Params {
  double min_coverage = 0.5;
  std::string statistic = "mean"; // mean, median, eigenvariate, least_squares
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [min_coverage, statistic] = params;
  visit("min_coverage", min_coverage, "share",
        "regions with a smaller share of their voxels inside the mask are missing",
        Limits::between(0.0, 1.0));
  visit(
      "statistic", statistic, "",
      "what stands for the voxels of a region; the mean is weighted where the atlas gives weights",
      Limits::one_of({"mean", "median", "eigenvariate", "least_squares"}));
}

// The regions of a label image in the order of `values`, or of the ascending labels when empty,
// named "label-<index>". A value without voxels gives an empty region. Throws input on a negative
// label.
[[nodiscard]] std::vector<Region> regions_from_labels(const LabelImage& labels,
                                                      const std::vector<std::int32_t>& values = {});
// `labels` on the grid of the series: as they are when the grids agree, else nearest neighbour.
// `resampled` tells which; a caller warns. Of two equally near voxels the one further right, front
// or up is taken, so that the order in which either image is stored does not matter.
[[nodiscard]] LabelImage labels_on_grid(LabelImage labels, const Grid& grid, const Context& context,
                                        bool& resampled);

struct Outputs {
  Eigen::MatrixXf parcel_series; // T x R, in the unit of the input; NaN is missing
  Eigen::VectorXd coverage;      // R, share; NaN for an empty region
  std::vector<int> n_voxels;     // R, voxels of the region, in the mask or not
  std::int64_t n_missing = 0;    // voxel values left out because they were not finite
};

// Takes a series in pieces. Pieces of one volume come in ascending order without gaps; different
// volumes may be fed by different threads.
class ParcelAccumulator {
public:
  // n_voxels: of the whole grid. mask: null means every voxel, otherwise on the same grid.
  // Of a region only index, voxels and weights are used. ErrorKind::input: a negative weight with
  // another statistic than least_squares.
  ParcelAccumulator(const std::vector<Region>& regions, std::size_t n_voxels, const Mask* mask,
                    int n_volumes, const Params& params);

  // values: voxels [begin, begin + values.size()) of volume t.
  void add(int t, std::size_t begin, std::span<const float> values);
  // Throws internal when a volume is incomplete.
  [[nodiscard]] Outputs finish(const Context& context = {}) const;

private:
  struct Run {
    std::size_t begin = 0;
    std::uint32_t length = 0;
    std::uint32_t region = 0;
    std::size_t member = 0; // of its first voxel among the region's members
  };
  void add_run(int t, const Run& run, std::size_t first, std::span<const float> values);
  [[nodiscard]] Outputs means() const;

  Params params_;
  bool keeps_series_ = false; // every statistic but the mean
  std::size_t n_voxels_ = 0;
  std::size_t longest_run_ = 0;
  std::vector<Run> runs_;                           // ascending begin; mean
  std::vector<region_statistics::Members> members_; // R
  Eigen::MatrixXd sums_;                            // R x T; mean
  Eigen::MatrixXd lost_;                            // R x T, weight that is missing; mean
  Eigen::MatrixXi missing_;                         // R x T; mean
  std::vector<std::size_t> columns_;                // ascending voxels that are kept
  Eigen::MatrixXf series_;                          // columns x T
  std::vector<std::size_t> received_;               // T, voxels so far
};

// In memory, volume after volume (parallel over volumes).
struct Inputs {
  const Series* series = nullptr;                    // one of the two
  const Eigen::MatrixXf* voxel_series = nullptr;     // T x P, a column per voxel of `columns`
  const std::vector<std::size_t>* columns = nullptr; // P ascending voxel indices, with voxel_series
  const std::vector<Region>* regions = nullptr;
  const Mask* mask = nullptr; // optional with series; with voxel_series the columns are the mask
};
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_region_voxels = 0; // summed over regions
  std::size_t n_regions = 0;
  std::size_t n_volumes = 0;
  std::size_t largest_region = 0; // voxels; 0: not known, all of them
  std::size_t n_threads = 8;      // regions at work at once
};
// Without the inputs.
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::extraction
