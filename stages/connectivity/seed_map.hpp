// Seed maps: Pearson r of one or more seed series with every column (voxel, vertex or region), and
// Fisher's z = atanh(r), over the volumes kept. A seed or column that is NaN at a kept volume or
// constant gives NaN. Cost O(T P S); memory beyond input and output is a block of 64 columns a
// thread. Source: Fisher 1915, doi:10.2307/2331838; Biswal 1995, doi:10.1002/mrm.1910340409.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "stages/core/stage_info.hpp"

namespace boldmill::seed_map {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Biswal 1995, Magnetic Resonance in Medicine, doi:10.1002/mrm.1910340409"};
inline constexpr StageInfo kStage{.name = "seed_map",
                                  .version = 1,
                                  .summary = "Correlation of seed series with every voxel",
                                  .references = kReferences};

struct Params {
  int min_volumes = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [min_volumes] = params;
  visit("min_volumes", min_volumes, "volumes", "runs with fewer volumes kept are refused",
        Limits::between(4, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> seeds;   // T x S
  Eigen::Map<const Eigen::MatrixXf> columns; // T x P, time contiguous
  std::span<const std::uint8_t> keep;        // T, or empty: all
};
struct Outputs {
  Eigen::MatrixXf correlation; // P x S
  Eigen::MatrixXf fisher_z;    // P x S; +-inf where the column is the seed itself
  int n_volumes = 0;
};
// Throws input: different T; gate: fewer volumes kept than min_volumes.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_columns = 0;
  std::size_t n_seeds = 1;
  std::size_t n_threads = 1;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::seed_map
