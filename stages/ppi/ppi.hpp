// Generalised psychophysiological interactions between regions. For a seed s with neural series n
// and conditions u_k on the microtime grid:
//   y_target = sum_k a_k (h * u_k) + sum_k b_k (h * (u_k n)) + c s + X0 g + e
// with all convolutions taken at the reference bin of each volume; the measure is a contrast of b.
// One interaction per condition beside all conditions, the seed, the confounds and the constant.
// Least squares over the volumes kept, generalised by the mixture of covariances (core's
// MixtureNoise) that the seed's own design leaves in the target, with Satterthwaite's degrees of
// freedom; or white; or by a given AR(1) coefficient or whitening matrix per target. Deconvolution
// `none` takes u_k h * s at the volumes (no neural model). Sources: McLaren 2012,
// doi:10.1016/j.neuroimage.2012.03.068; Gitelman 2003, doi:10.1016/S1053-8119(03)00058-2; centring:
// Di 2017, doi:10.1002/hbm.23413.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::ppi {

inline constexpr std::array<std::string_view, 3> kReferences{
    "McLaren 2012, NeuroImage, doi:10.1016/j.neuroimage.2012.03.068",
    "Gitelman 2003, NeuroImage, doi:10.1016/S1053-8119(03)00058-2",
    "Di 2017, Human Brain Mapping, doi:10.1002/hbm.23413"};
inline constexpr StageInfo kStage{.name = "ppi",
                                  .version = 3,
                                  .summary = "psychophysiological interactions between regions",
                                  .references = kReferences};

struct Params {
  std::string deconvolution = "reml";
  std::string neural_prior = "power_law";
  std::string noise = "mixture";
  bool center_conditions = true;
  int bins_per_volume = 16;
  int reference_bin = 7;
  int min_dof = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [deconvolution, neural_prior, noise, center_conditions, bins_per_volume, reference_bin,
         min_dof] = params;
  visit("deconvolution", deconvolution, "",
        "neural series of the seed: reml, spm (fixed variances, series scaled to 100), or none",
        Limits::one_of({"reml", "spm", "none"}));
  visit("neural_prior", neural_prior, "",
        "spectrum of the neural series with reml: power_law, its exponent estimated, or white",
        Limits::one_of({"power_law", "white"}));
  visit("noise", noise, "", "of the target: glm's mixture, or white",
        Limits::one_of({"mixture", "white"}));
  visit("center_conditions", center_conditions, "",
        "remove the mean of each condition before it multiplies the seed", Limits{});
  visit("bins_per_volume", bins_per_volume, "", "microtime bins of a volume",
        Limits::between(1, 256));
  visit("reference_bin", reference_bin, "", "microtime bin, from 0, at which a volume is taken",
        Limits::between(0, 255));
  visit("min_dof", min_dof, "", "fewer residual degrees of freedom give no estimate",
        Limits::between(1, 1e6));
}

struct Contrast {
  std::string name;
  Eigen::VectorXd weights; // K
};
struct Question {
  std::size_t seed = 0, target = 0; // columns of the series
  std::size_t contrast = 0;
};
struct Inputs {
  Eigen::MatrixXd series;              // T x R, region means or eigenvariates, not denoised
  std::vector<std::string> regions;    // R names for messages, or empty
  std::span<const std::uint8_t> keep;  // T, or empty: all
  Eigen::MatrixXd confounds;           // T x C without the constant: nuisance and high-pass
  Eigen::VectorXd hrf;                 // on the microtime grid, from t = 0
  Eigen::MatrixXd psychological;       // bins_per_volume T x K
  std::vector<std::string> conditions; // K
  std::vector<Contrast> contrasts;
  std::vector<Question> questions;
  double tr_s = 0.0;                      // for noise mixture
  std::vector<double> rho;                // R AR(1) coefficients instead of Params::noise, or empty
  std::vector<Eigen::MatrixXd> whitening; // R matrices over the volumes kept (an empty one: none),
                                          // or empty; excludes rho
};
struct Estimate {
  double effect = 0.0, variance = 0.0, t = 0.0, dof = 0.0; // NaN when missing
  std::string reason;                                      // why missing, empty when present
  // What each volume kept adds to the error of the effect: weight times residual, n. The cross
  // products of two estimates of one run say how their errors covary (circuit_measures).
  Eigen::VectorXd influence;
};
struct SeedReport {
  std::size_t seed = 0;
  int rank = 0, n_columns = 0;                                      // of the unwhitened design
  double noise_variance = 0.0, prior_variance = 0.0;                // NaN with deconvolution none
  bool at_limit = false;                                            // see neural_deconvolution
  double prior_exponent = std::numeric_limits<double>::quiet_NaN(); // the same
};
struct Outputs {
  std::vector<Estimate> estimates; // one per question, in order
  std::vector<SeedReport> seeds;   // in order of their first question
};
// A region without a finite, varying series, a condition without an event, a contrast the design
// cannot tell or too few degrees of freedom make that estimate missing with the reason. Throws
// input: sizes that do not fit, a condition or confound that is not finite, noise mixture without
// tr_s.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Every pair in both directions, for one contrast.
[[nodiscard]] std::vector<Question>
both_directions(const std::vector<std::pair<std::size_t, std::size_t>>& pairs,
                std::size_t contrast);

struct Event {
  double onset_s = 0.0, duration_s = 0.0;
  double amplitude = 1.0;
};
// The amplitude from onset to onset + duration (height adds where events overlap), rounded to bins;
// an event without duration is one bin of amplitude / bin width. Parts outside the run are cut.
[[nodiscard]] Eigen::VectorXd microtime_condition(std::span<const Event> events, int n_volumes,
                                                  double tr_s, int bins_per_volume);

struct Shape {
  std::size_t n_volumes = 0, n_regions = 0, n_conditions = 0, n_confounds = 0, n_questions = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::ppi
