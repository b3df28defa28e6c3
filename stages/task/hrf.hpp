// Haemodynamic response functions as columns on a fine time grid. Two conventions:
//   SPM: h(t) = Gpdf(t; 6, 1) - Gpdf(t; 16, 1) / 6 on [0, 32] s, sampled every dt and divided by
//   its
//     sum; time derivative = h(t) - h(t - 1 s); dispersion derivative = (h - h with the dispersion
//     of the response 1.01) / 0.01; each column made orthogonal to those before it.
//   nilearn: the same densities at linspace(0, 32 s) shifted by one bin, ratio 0.167, divided by
//   the
//     sum; derivatives by steps of 0.1 s and 0.01; not orthogonal here (the sampled regressors
//     are).
// Glover has delays 6 and 12 s, dispersions 0.9 and ratio 0.48. Sources: Friston 1998,
// doi:10.1006/nimg.1997.0306; Glover 1999, doi:10.1006/nimg.1998.0419.
#pragma once

#include <Eigen/Dense>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace boldmill::hrf {

// SPM's parameters: delay of response and of undershoot, their dispersions, ratio of response to
// undershoot, onset and length, all in seconds but the ratio.
struct DoubleGamma {
  double delay_s = 6.0;
  double undershoot_s = 16.0;
  double dispersion_s = 1.0;
  double undershoot_dispersion_s = 1.0;
  double ratio = 6.0;
  double onset_s = 0.0;
  double length_s = 32.0;
};

// The response every `step_s` from 0 to its length, sum 1. SPM's definition: the densities are
// taken on a grid 16 times finer and their onset is rounded to no grid.
[[nodiscard]] Eigen::VectorXd double_gamma(double step_s, const DoubleGamma& parameters = {});

// "spm", "glover", each with "+derivative" and "+derivative+dispersion", or "fir".
[[nodiscard]] std::vector<std::string_view> models();

// One column per basis function, spaced dt_s = tr_s / bins. fir: one box of a repetition time per
// delay (in repetition times), height 1 for SPM and 1 / bins for nilearn. Throws usage on an
// unknown model, tr_s <= 0, bins < 1 or a negative delay.
[[nodiscard]] Eigen::MatrixXd spm_basis(std::string_view model, double tr_s, int bins,
                                        std::span<const int> fir_delays = {});
[[nodiscard]] Eigen::MatrixXd nilearn_basis(std::string_view model, double tr_s, int oversampling,
                                            std::span<const int> fir_delays = {});

// What is appended to a condition's name: "", "_derivative", "_dispersion", "_delay_3".
[[nodiscard]] std::vector<std::string> suffixes(std::string_view model,
                                                std::span<const int> fir_delays = {});

// Each column less its projection on those before it; what nothing is left of becomes zero.
[[nodiscard]] Eigen::MatrixXd orthogonalised(const Eigen::MatrixXd& columns);

} // namespace boldmill::hrf
