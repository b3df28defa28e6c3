// First-level model: y = X b + e for every column (voxel or region), t and F contrasts of b.
// Noise models:
//   ols        independent errors.
//   ar1        nilearn's: per column rho = Yule-Walker of the OLS residuals, cut to 1/bins towards
//              zero; y_t - rho y_(t-1), the first row as it is.
//   ar1_global one rho for all columns (as SPM, here by moments with the design's bias removed),
//              exact stationary covariance.
//   mixture    (default) V = w0 I + w1 exp(-|t - s| / 2 s) + w2 B(t - s) + w3 exp(-|t - s| / 20 s),
//   B
//              the correlation of spontaneous activity seen through the response; weights from a
//              lattice of 1/10, chosen per column by restricted maximum likelihood of the power of
//              the residuals in bands of frequency (their expectation is exact for the design and
//              the rows kept); generalised least squares; degrees of freedom by Satterthwaite
//              from the uncertainty of the variance components, and Kenward and Roger's variance.
// Gaps left by censoring count with their true length: rho^(gap / TR), V(t - s).
// mixture holds 5 % where AR(1) gives 12 to 29 % (METHOD.md). Sources: Worsley 2002,
// doi:10.1006/nimg.2001.0933; Corbin 2018, doi:10.1002/hbm.24218; Friston 2002,
// doi:10.1006/nimg.2002.1091. Cost O(T K P), mixture O(T T P). Columns with a value that is not
// finite, or without variance, are NaN.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"
#include "stages/task/contrast.hpp"

namespace boldmill::glm {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Worsley 2002, NeuroImage, doi:10.1006/nimg.2001.0933",
    "Friston 2002, NeuroImage, doi:10.1006/nimg.2002.1091",
    "Corbin 2018, Human Brain Mapping, doi:10.1002/hbm.24218"};
inline constexpr StageInfo kStage{.name = "glm",
                                  .version = 3,
                                  .summary = "first-level model of a task run",
                                  .references = kReferences};

struct Params {
  std::string noise = "mixture";
  int rho_bins = 100;
  bool percent_signal = false;
  int min_dof = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [noise, rho_bins, percent_signal, min_dof] = params;
  visit("noise", noise, "",
        "mixture: white noise, correlations of 2 and 20 s and spontaneous activity through the "
        "response, per column; ar1: per column "
        "as nilearn; ar1_global: one for all as SPM; ols: independent",
        Limits::one_of({"mixture", "ar1", "ar1_global", "ols"}));
  visit("rho_bins", rho_bins, "", "ar1: steps of the autocorrelation between 0 and 1",
        Limits::between(1, 10000));
  visit("percent_signal", percent_signal, "",
        "effects in percent of the column's mean instead of units of the image", Limits{});
  visit("min_dof", min_dof, "", "runs with fewer degrees of freedom left are refused",
        Limits::between(1, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> series; // T x P, a column per voxel or region
  const Eigen::MatrixXd* design = nullptr;  // T x K
  std::span<const std::uint8_t> keep;       // T; empty keeps all
  double tr_s = 0.0;
  std::span<const Contrast> contrasts;
  bool influence = false; // for few columns: regions
};
struct ContrastResult {
  std::string name;
  int n_rows = 1;           // 1: t; more: F
  Eigen::VectorXf effect;   // P; c b, empty for F
  Eigen::VectorXf variance; // P; of the effect; for F that of the noise
  Eigen::VectorXf stat;     // P; t or F
  Eigen::VectorXf z;        // P; the standard normal value of the same upper tail, within +- 37.05
  Eigen::VectorXf dof;      // P; effective, of the variance
  // T x P when asked for, t contrasts only: what each volume adds to the error of the effect,
  // weight times residual of the whitened series, in the effect's units; 0 on rows not kept and
  // where the effect is NaN. Cross products say how errors of one run covary (measure_covariance).
  Eigen::MatrixXd influence;
  std::string missing; // why all is NaN: not estimable on the rows kept
};
struct Outputs {
  std::vector<ContrastResult> contrasts;
  Eigen::VectorXf mean;            // P, over the rows kept
  Eigen::VectorXf autocorrelation; // P, of the noise model between neighbouring volumes
  int n_kept = 0;
  int rank = 0;
  int dof = 0;               // n_kept - rank
  int n_models = 0;          // different noise covariances in use
  std::size_t n_missing = 0; // columns that are NaN
};
// Throws input: sizes that differ, a design value that is not finite; gate: dof < min_dof.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Fixed effects over runs of one t contrast. Plain: mean of the effects, variance sum / n^2;
// weighted: by 1 / variance. dof is the sum. A column missing in one run is the mean of the others.
[[nodiscard]] ContrastResult fixed_effects(std::span<const ContrastResult* const> runs,
                                           bool precision_weighted, const Context& context);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_columns = 0;
  std::size_t n_regressors = 0;
  std::size_t n_contrasts = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::glm
