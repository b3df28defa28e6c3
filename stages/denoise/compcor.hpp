// Component-based noise correction: principal components over time of voxels that carry noise.
//   aCompCor  csf (c_comp_cor_NN), white matter (w_comp_cor_NN) and both (a_comp_cor_NN)
//   tCompCor  the brain voxels of largest SD after a quadratic detrend (t_comp_cor_NN)
//   edge      the crown of voxels about the brain (edge_comp_NN)
// Each voxel loses its mean and the cosines of periods over 128 s, is divided by its SD, and the
// left singular vectors of the T x P matrix are the components: the fewest that explain half of the
// variance (edge: 24). Dummies are left out and their rows are 0. A component's sign is arbitrary;
// here its entry of largest size is positive. Voxels with a non-finite value count as zero.
// Sources: Behzadi 2007, doi:10.1016/j.neuroimage.2007.04.042; Patriat 2017 (edge),
// doi:10.1016/j.neuroimage.2016.08.051; conventions of fMRIPrep 25 and nipype's CompCor.
// Cost O(T^2 P + T^3) a mask, memory O(T^2), no copy of the series.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/denoise/kernels/component_set.hpp"

namespace boldmill::compcor {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Behzadi 2007, NeuroImage, doi:10.1016/j.neuroimage.2007.04.042",
    "Patriat 2017, NeuroImage, doi:10.1016/j.neuroimage.2016.08.051",
    "Esteban 2019, Nature Methods, doi:10.1038/s41592-018-0235-4"};
inline constexpr StageInfo kStage{.name = "compcor",
                                  .version = 1,
                                  .summary = "principal components of voxels that carry noise",
                                  .references = kReferences};

struct Params {
  double variance_fraction = 0.5;
  int n_components = 0;
  double cosine_cutoff_s = 128.0;
  double top_fraction = 0.02;
  int n_edge_components = 24;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [variance_fraction, n_components, cosine_cutoff_s, top_fraction, n_edge_components] =
      params;
  visit("variance_fraction", variance_fraction, "",
        "components are kept until they explain this share of the variance of their mask",
        Limits::between(1e-6, 1.0));
  visit("n_components", n_components, "",
        "components kept of each mask instead; 0 is by variance_fraction, -1 is all",
        Limits::between(-1, 1e6));
  visit("cosine_cutoff_s", cosine_cutoff_s, "s", "longest period that stays in the voxels",
        Limits::between(1.0, 1e6));
  visit("top_fraction", top_fraction, "",
        "share of the brain's voxels, those of largest SD, that make tCompCor; 0 is none",
        Limits::between(0.0, 0.99));
  visit("n_edge_components", n_edge_components, "", "components kept of the crown; 0 is none",
        Limits::between(0, 1e6));
}

// Masks on the grid of the series; any but `brain` may be null or empty, its components are then
// left out.
struct Inputs {
  const Series* bold = nullptr;
  const Mask* brain = nullptr;
  const Mask* csf = nullptr;
  const Mask* white_matter = nullptr;
  const Mask* combined = nullptr;
  const Mask* edge = nullptr; // see crown_mask
  int n_dummy = 0;
  double tr_s = 0.0;
};
struct Outputs {
  std::vector<ComponentSet> sets; // order: t, c, w, a, edge; those asked for, never without voxels
  Mask high_variance;             // the voxels of tCompCor
};
// Throws input: grids differ, empty brain mask, tr_s not positive, fewer than 4 volumes after the
// dummies.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// The tissue maps of aCompCor on the anatomical grid: white matter and csf + white matter without
// what lies within 3 voxels of grey matter (probability over 0.05); csf itself is left as it is, as
// in fMRIPrep. To be resampled to the BOLD grid and thresholded there (binarize).
struct TissueMaps {
  Volume csf, white_matter, combined;
};
// Throws input: grids differ.
[[nodiscard]] TissueMaps tissue_maps(const Volume& grey, const Volume& white_matter,
                                     const Volume& csf, const Context& context);
// Voxels of the brain whose probability is at least 0.99.
[[nodiscard]] Mask binarize(const Volume& probability, const Mask& brain, float threshold = 0.99F);

// The crown: what a ball of 2 voxels adds to the union of the BOLD brain mask and the anatomical
// one on the same grid (may be null).
[[nodiscard]] Mask crown_mask(const Mask& brain, const Mask* anatomical, const Context& context);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_voxels = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::compcor
