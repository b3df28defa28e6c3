// Series of the regions of several sets from an image that comes in pieces. Before the average,
// voxels are despiked and smoothed when the configuration asks for it.
//
// Smoothing is linear, so the image itself is never smoothed: with the Gaussian g of
// voxels.smoothing_mm (sampled, cut at 4 sigma, normalised, mirrored at the image's edges, as
// nilearn and XCP-D smooth) the mean of a smoothed image over the voxels R of a region in the mask
// is  y(t) = sum_{u in mask} w(u) x_t(u),  w(u) = sum_{r in R} a_r g(r - u) / sum_{r in R} a_r, a_r
// the weight of a probabilistic atlas or 1. What lies outside the mask counts as 0, as in XCP-D's
// desc-denoisedSmoothed: it denoises the voxels of the mask and smooths these.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "pipeline/graph/bold_run.hpp"

namespace boldmill::graph {

// Where the pieces come from: all voxels of a grid, or an ascending list of some.
struct SampledVoxels {
  const Grid* grid = nullptr;
  const std::vector<std::size_t>* list = nullptr; // null: all
  bool as_columns = false; // no pieces come: the caller holds the voxels, see finish
  [[nodiscard]] std::size_t size() const {
    return list == nullptr ? grid->n_voxels() : list->size();
  }
};

class RegionSeries {
public:
  // `sets`: regions as voxels of the grid. `mask`: over the sampled voxels, those with signal.
  // With smoothing, every voxel within smoothing_reach_mm of a region must be sampled.
  RegionSeries(const GridRegions::Sets& sets, const SampledVoxels& voxels,
               std::span<const std::uint8_t> mask, int n_volumes, const config::Config& config);

  // Sampled voxels [begin, begin + values.size()) of volume t, in ascending order.
  void add(int t, std::size_t begin, std::span<const float> values);
  // Appends to result.series and result.coverage.
  void finish(int n_dummies, const Context& context, RunResult& result);
  // The series of every set from columns (any rows, a column for each of `voxels`: the voxels of
  // the mask, ascending), despiked already.
  [[nodiscard]] std::vector<Eigen::MatrixXf> of_columns(const Eigen::MatrixXf& columns,
                                                        const std::vector<std::size_t>& voxels,
                                                        const Context& context) const;
  void finish(const Eigen::MatrixXf& columns, const std::vector<std::size_t>& voxels,
              const Context& context, RunResult& result) const;

private:
  void add_voxels(int t, std::size_t begin, std::span<const float> values);
  [[nodiscard]] extraction::Params params() const;
  [[nodiscard]] Eigen::MatrixXf series_of(extraction::Outputs parcels) const;

  const config::Config& config_;
  GridRegions::Sets sets_;                                  // as positions among the sampled voxels
  std::vector<std::vector<double>> coverage_;               // by set
  std::vector<extraction::ParcelAccumulator> accumulators_; // unless despiked
  std::vector<std::size_t> voxels_;                         // of any region
  Eigen::MatrixXf columns_;                                 // T x voxels_
};

// The regions (voxels of the grid) become those whose weighted means are the means of the smoothed
// image over what the mask (empty: all) leaves of them; without voxels below min_coverage.
void smooth_regions(std::vector<Region>& regions, std::span<const std::uint8_t> mask,
                    const Grid& grid, double fwhm_mm, double min_coverage,
                    std::vector<double>& coverage);

// How far from a region voxels count; 0 without smoothing.
[[nodiscard]] double smoothing_reach_mm(const config::Config& config);

// What a run needs for it, despiking included; `finer`: voxels of the run's grid for each of the
// target's.
[[nodiscard]] std::size_t region_series_bytes(const TargetSpace& target, double finer,
                                              std::size_t n_volumes, const config::Config& config);

} // namespace boldmill::graph
