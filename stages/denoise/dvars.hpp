// Change of the image between neighbouring volumes.
//   x = in-mask series * 1000 / median over all voxels and times (intensity_norm)
//   dvars(t) = RMS over voxels of x(t) - x(t-1)
//   std_dvars = dvars / mean over voxels of sqrt(2 (1 - rho1)) sd,  sd = (Q75 - Q25) / 1.349 with
//   "lower" percentiles, rho1 = lag-1 Yule-Walker autocorrelation of the demeaned voxel
// Voxels with sd <= variance_tolerance or with a non-finite value are left out. T values, first
// NaN. Sources: Power 2012, doi:10.1016/j.neuroimage.2011.10.018; Nichols 2013 (std_dvars),
// arXiv:1704.01469; the exact rules are those of nipype's compute_dvars as fMRIPrep calls it.
// Cost O(T P), a block of voxels at a time.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::dvars {

inline constexpr std::array<std::string_view, 2> kReferences{
    "Power 2012, NeuroImage, doi:10.1016/j.neuroimage.2011.10.018",
    "Afyouni 2018, NeuroImage, doi:10.1016/j.neuroimage.2017.12.098"};
inline constexpr StageInfo kStage{.name = "dvars",
                                  .version = 1,
                                  .summary = "image change between neighbouring volumes",
                                  .references = kReferences};

struct Params {
  double intensity_norm = 1000.0;
  double variance_tolerance = 1e-7;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [intensity_norm, variance_tolerance] = params;
  visit("intensity_norm", intensity_norm, "", "value the in-mask median is scaled to",
        Limits::between(1e-3, 1e6));
  visit("variance_tolerance", variance_tolerance, "",
        "voxels whose robust SD (after scaling) is at or below this are left out",
        Limits::at_least(0.0));
}

struct Inputs {
  const Series* bold = nullptr; // volume after volume
  const Mask* mask = nullptr;   // brain, same grid
};
struct Outputs {
  Eigen::VectorXd dvars;     // T, first is NaN
  Eigen::VectorXd std_dvars; // T, first is NaN
  std::size_t n_voxels_used = 0;
  // T, first is NaN: RMS over voxels of the change, each divided by its own sqrt(2 (1 - rho1)) sd.
  Eigen::VectorXd voxel_std_dvars;
};
// Throws input: grids differ, empty mask, fewer than 3 volumes, median not positive, nothing
// varies.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// std_dvars of columns already in memory (T x P, time contiguous), such as denoised volumes kept
// one after the other: no scaling to a median, so a mean of zero will do. First is NaN; all NaN
// with fewer than 3 rows or nothing that varies. Columns with a non-finite value are left out.
[[nodiscard]] Eigen::VectorXd std_dvars_of(const Eigen::MatrixXf& columns, const Context& context,
                                           double variance_tolerance = 1e-7);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_in_mask = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::dvars
