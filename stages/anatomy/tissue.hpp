// Cerebrospinal fluid, grey and white matter probabilities of a T1w brain: a Gaussian mixture of
// three classes with a Markov random field and, when given, spatial priors, fitted by EM with
// mean-field updates. Source: Zhang, Brady & Smith 2001, IEEE Trans. Med. Imaging 20(1):45,
// doi:10.1109/42.906424; priors as Ashburner & Friston 2005, doi:10.1016/j.neuroimage.2005.02.018.
// See METHOD.md.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::tissue {

inline constexpr std::string_view kReferences[] = {
    "Zhang, Brady & Smith 2001, IEEE Trans Med Imaging 20:45, doi:10.1109/42.906424",
    "Ashburner & Friston 2005, NeuroImage 26:839, doi:10.1016/j.neuroimage.2005.02.018"};
inline constexpr StageInfo kStage{.name = "tissue",
                                  .version = 3,
                                  .summary =
                                      "CSF, grey and white matter probabilities of a T1w brain",
                                  .references = kReferences};

struct Params {
  double smoothness = 0.3;
  double prior_weight = 1.0;
  int iterations = 30;
  double convergence = 1e-4;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [smoothness, prior_weight, iterations, convergence] = params;
  visit("smoothness", smoothness, "", "weight of a neighbour's class in the Markov field",
        Limits::between(0.0, 2.0));
  visit("prior_weight", prior_weight, "",
        "exponent of the spatial priors where they are given; 0 uses them for the start only",
        Limits::between(0.0, 1.0));
  visit("iterations", iterations, "", "most EM iterations", Limits::between(1, 200));
  visit("convergence", convergence, "",
        "stop when the mean log likelihood per voxel changes by less than this",
        Limits::between(0.0, 1.0));
}

// Probabilities of csf, gm and wm before the image is seen, on one grid; they need not add up to 1.
struct Priors {
  Volume csf, gm, wm;
};

struct Inputs {
  const Volume& t1w;              // bias-corrected
  const Mask& mask;               // brain, same grid
  const Priors* priors = nullptr; // on the T1w's grid
  const Mask* lesion = nullptr;   // same grid; its voxels are no tissue: all three maps are 0 there
};

struct Outputs {
  Volume csf; // probabilities, sum 1 inside the mask, 0 outside and in the lesion
  Volume gm;
  Volume wm;
  std::array<double, 3> class_mean{}; // intensities of csf, gm, wm
  std::array<double, 3> class_sd{};
  std::array<double, 3> volume_ml{};
  int iterations = 0;
  bool converged = false;
};

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_in_mask = 0; // 0: unknown, n_voxels / 4 is assumed
};

// Throws Error{input}: mask or priors on another grid or with fewer than 1000 voxels, non-finite or
// constant intensities in the mask.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Priors from a template: its own tissues at `spacing_mm`, blurred by a Gaussian of `sigma_mm` (the
// residual misplacement of tissue after normalisation). On a regular grid over the template.
[[nodiscard]] Priors template_priors(const Volume& brain, const Mask& mask, const Context& context,
                                     double spacing_mm = 1.5, double sigma_mm = 2.0);
// Priors put on the mask's voxels (0 elsewhere); `t1w_to_template` maps its RAS mm into the
// template's.
[[nodiscard]] Priors priors_on(const Mask& mask, const Priors& priors,
                               const PointMap& t1w_to_template, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::tissue
