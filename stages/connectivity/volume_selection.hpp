// Equal amounts of data for everybody, and one series from several runs.
//   choose: a random subset of exactly n of the volumes kept (XCP-D's --create-matrices; the drawn
//           volumes differ from XCP-D's, whose generator is numpy's)
//   combine: every run z-scored over its own kept volumes (divisor n - 1), then one after another
// Sources: XCP-D documentation (matrices from N volumes; runs z-scored before concatenation).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::volume_selection {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Mehta 2024, Imaging Neuroscience, doi:10.1162/imag_a_00257"};
inline constexpr StageInfo kStage{.name = "volume_selection",
                                  .version = 1,
                                  .summary = "Exactly N kept volumes; runs combined by z-scores",
                                  .references = kReferences};

struct Params {
  int n_volumes = 0;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [n_volumes, random_seed] = params;
  visit("n_volumes", n_volumes, "volumes", "volumes to use; 0 takes all that are kept",
        Limits::between(0, 1e6));
  visit("random_seed", random_seed, "", "which of the kept volumes are drawn",
        Limits::between(0, 2147483647));
}

// A mask of `keep`'s length with exactly params.n_volumes of its volumes. `item` (a run's name)
// makes the draws of different runs independent. Throws gate: fewer volumes kept than asked for.
[[nodiscard]] std::vector<std::uint8_t> choose(std::span<const std::uint8_t> keep,
                                               const Params& params, std::string_view item);

struct Run {
  Eigen::Map<const Eigen::MatrixXf> series; // T x R; volumes NaN in every region are censored
  std::span<const std::uint8_t> keep;       // T, or empty: all
};
struct Combined {
  Eigen::MatrixXf series;         // all T of all runs x R, z-scores; censored volumes are NaN
  std::vector<std::uint8_t> keep; // as long
};
// A region missing or constant in a run is NaN in that run's volumes. Throws input: no runs, runs
// of different R, keep of another length; gate: a run with fewer than two volumes kept.
[[nodiscard]] Combined combine(std::span<const Run> runs);

} // namespace boldmill::volume_selection
