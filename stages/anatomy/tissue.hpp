// Cerebrospinal fluid, grey and white matter probabilities of a T1w brain: a Gaussian mixture of
// three classes with a Markov random field, fitted by EM with mean-field updates. Source: Zhang,
// Brady & Smith 2001, IEEE Trans. Med. Imaging 20(1):45, doi:10.1109/42.906424. See METHOD.md.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::tissue {

inline constexpr std::string_view kReferences[] = {
    "Zhang, Brady & Smith 2001, IEEE Trans Med Imaging 20:45, doi:10.1109/42.906424"};
inline constexpr StageInfo kStage{.name = "tissue",
                                  .version = 1,
                                  .summary =
                                      "CSF, grey and white matter probabilities of a T1w brain",
                                  .references = kReferences};

struct Params {
  double smoothness = 0.3;
  int iterations = 30;
  double convergence = 1e-4;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [smoothness, iterations, convergence] = params;
  visit("smoothness", smoothness, "", "weight of a neighbour's class in the Markov field",
        Limits::between(0.0, 2.0));
  visit("iterations", iterations, "", "most EM iterations", Limits::between(1, 200));
  visit("convergence", convergence, "",
        "stop when the mean log likelihood per voxel changes by less than this",
        Limits::between(0.0, 1.0));
}

struct Inputs {
  const Volume& t1w; // bias-corrected
  const Mask& mask;  // brain, same grid
};

struct Outputs {
  Volume csf; // probabilities, sum 1 inside the mask, 0 outside
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

// Throws Error{input}: mask on another grid or with fewer than 1000 voxels, non-finite or constant
// intensities in the mask.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::tissue
