// The neural series behind a BOLD series: y = H B c + X0 g + e, with B the first N discrete cosines
// of the microtime grid (`bins_per_volume` bins a volume, `padding_bins` before the run), H the
// convolution with the haemodynamic response taken at the volumes, c ~ N(0, p I), X0 confounds
// without prior (fixed effects, the constant added here), e ~ N(0, s I).
//   c = p (HB)' R (s I + p R'HB(HB)'R)^-1 R'y,  R an orthonormal basis of what X0 leaves;
//   neural = B c, its mean removed.
// The prior of cosine k is p max(k, 4)^-a, scaled to mean 1 over the cosines: prior `power_law`
// (default) takes a from 0, 0.5 and 1 by the same likelihood, `white` has a = 0, as SPM.
// `reml`: s and p by restricted maximum likelihood. `spm`: s = 1/4 and p = N / trace((HB)'HB),
// which is what spm_peb_ppi does: it hands both levels to spm_PEB as known covariances. That holds
// for series scaled to a grand mean of 100 only; reml follows the scale of the series. Sources:
// Gitelman 2003, doi:10.1016/S1053-8119(03)00058-2; SPM12. Cost O(N^3) a run, O(N^2) a series.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::neural_deconvolution {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Gitelman 2003, NeuroImage, doi:10.1016/S1053-8119(03)00058-2"};
inline constexpr StageInfo kStage{.name = "neural_deconvolution",
                                  .version = 2,
                                  .summary = "the neural series behind a region's BOLD series",
                                  .references = kReferences};

struct Params {
  std::string variances = "reml";
  std::string prior = "power_law";
  int bins_per_volume = 16;
  int sample_bin = 7;
  int padding_bins = 128;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [variances, prior, bins_per_volume, sample_bin, padding_bins] = params;
  visit("variances", variances, "",
        "reml: noise and prior variance estimated; spm: SPM's fixed values, for series scaled to "
        "100",
        Limits::one_of({"reml", "spm"}));
  visit(
      "prior", prior, "",
      "spectrum of the neural series: power_law, its exponent by reml, or white; variances spm are "
      "always white",
      Limits::one_of({"power_law", "white"}));
  visit("bins_per_volume", bins_per_volume, "", "microtime bins of a volume",
        Limits::between(1, 256));
  visit("sample_bin", sample_bin, "",
        "microtime bin, from 0, at which a volume is taken; SPM's interaction takes 0 here and the "
        "reference bin 7 for its regressors",
        Limits::between(0, 255));
  visit("padding_bins", padding_bins, "", "microtime bins modelled before the run",
        Limits::between(0, 4096));
}

struct DesignInputs {
  int n_volumes = 0;                  // T
  std::span<const std::uint8_t> keep; // T, or empty: all
  Eigen::VectorXd hrf;                // response on the microtime grid, from t = 0
  Eigen::MatrixXd confounds;          // T x C without the constant, or empty
};

// What all series of a run share. n = volumes kept, N = n_volumes, q = n - rank of the confounds.
struct Prior {
  double exponent = 0.0;
  Eigen::VectorXd variance;        // N: of each cosine, mean 1
  Eigen::MatrixXd directions;      // n x q, orthonormal, without confounds, diagonalising
  Eigen::VectorXd signal_variance; // q: H B diag(variance) (H B)', these are its eigenvalues
};
struct Basis {
  int n_volumes = 0;
  std::vector<Eigen::Index> kept; // volumes
  Eigen::MatrixXd cosines;        // microtime bins of the run x N: B
  Eigen::MatrixXd convolved;      // n x N: H B at the volumes kept
  std::vector<Prior> priors;      // to choose from
};
// Throws input: keep or confounds of another length, an empty or non-finite response, fewer than
// 8 volumes left beside the confounds; usage: sample_bin not below bins_per_volume.
[[nodiscard]] Basis prepare(const DesignInputs& inputs, const Params& params,
                            const Context& context);

struct Inputs {
  const Basis* basis = nullptr;
  Eigen::VectorXd series; // T, any unit; NaN allowed where not kept
};
struct Outputs {
  Eigen::VectorXd neural;      // bins_per_volume T, mean 0, the unit of the series
  double noise_variance = 0.0; // s
  double prior_variance = 0.0; // p
  double prior_exponent = 0.0; // a
  // Reml found no sign of a haemodynamic signal (p at its lower limit) or of noise (upper limit).
  bool at_limit = false;
};
// Throws input: series of another length, or not finite or constant over the volumes kept.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_volumes = 0, bins_per_volume = 16, n_confounds = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::neural_deconvolution
