// Optimal combination of the echoes of a run. The mean of echo e follows m_e = s0 exp(-TE_e / T2*);
// T2* and s0 per voxel by least squares on log m_e weighted by m_e^2 (the inverse variance of
// log m_e under noise of one size), over the echoes that carry signal there. Weights of the sum
//   w_e = TE_e exp(-TE_e / T2*) / sum over those echoes, 0 for the others.
// An echo carries signal as far as its mean, and that of every earlier one, exceeds a third of its
// mean in the voxel that is at the 33rd percentile of the first echo in the brain. Voxels with one
// such echo are fitted on two.
// Sources: Posse 1999, doi:10.1002/(SICI)1522-2594(199907)42:1<87::AID-MRM13>3.0.CO;2-O; Poser
// 2006, doi:10.1002/mrm.20900; DuPre 2021, doi:10.21105/joss.03669 (echoes that count).
#pragma once

#include <span>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::multi_echo {

inline constexpr std::string_view kReferences[] = {
    "Posse 1999, Magn. Reson. Med. 42:87",
    "Poser 2006, Magn. Reson. Med. 55:1227, doi:10.1002/mrm.20900",
    "DuPre 2021, J. Open Source Softw. 6:3669, doi:10.21105/joss.03669"};
inline constexpr StageInfo kStage{.name = "multi_echo",
                                  .version = 1,
                                  .summary = "optimal combination of the echoes of a run",
                                  .references = kReferences};

struct Params {
  bool combine = true;
  double max_t2star_ms = 500.0;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [combine, max_t2star_ms] = params;
  visit("combine", combine, "", "combine the echoes; otherwise the second alone is used", Limits{});
  visit("max_t2star_ms", max_t2star_ms, "ms",
        "longer T2*, and signal that does not decay, count so", Limits::between(50.0, 10000.0));
}

struct Inputs {
  std::span<const Volume> means;        // E >= 2, in the pose of the reference
  std::span<const double> echo_times_s; // E, rising
  const Mask& brain;                    // on the grid of the means
};
struct Outputs {
  Volume t2star_ms; // everywhere; 0 where no echo has signal
  Volume s0;
  Mask n_echoes;               // that carry signal, 0 to E
  std::vector<Volume> weights; // E, adding up to 1 in every voxel
};

// Throws Error{input}: fewer than two echoes, lists of different length, times not rising and
// positive, an empty brain, non-finite means.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// sum += weight * echo. The weights are of the reference's pose and go along with the head, so that
// the echoes need no interpolation before they are added. ref_to_volume: T, or empty.
void add_weighted(Series& sum, const Series& echo, const Volume& weight,
                  std::span<const Affine> ref_to_volume, const Context& context);

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_volumes = 0;
  std::size_t n_echoes = 0;
};
// Beside the sum: one echo's series, means, weights, maps.
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::multi_echo
