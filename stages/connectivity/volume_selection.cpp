#include "stages/connectivity/volume_selection.hpp"

#include <limits>
#include <string>

#include "stages/connectivity/kernels/selected_series.hpp"
#include "stages/core/random.hpp"

namespace boldmill::volume_selection {

std::vector<std::uint8_t> choose(std::span<const std::uint8_t> keep, const Params& params,
                                 std::string_view item) {
  std::vector<std::size_t> kept;
  for (std::size_t t = 0; t < keep.size(); ++t) {
    if (keep[t] != 0) kept.push_back(t);
  }
  const auto wanted = static_cast<std::size_t>(params.n_volumes);
  if (wanted == 0) return {keep.begin(), keep.end()};
  if (kept.size() < wanted) {
    throw Error(ErrorKind::gate, "volume_selection: " + std::to_string(kept.size()) +
                                     " volumes kept, expected at least n_volumes = " +
                                     std::to_string(params.n_volumes));
  }
  Random random(
      stream_seed(static_cast<std::uint64_t>(params.random_seed), "volume_selection", item));
  const std::vector<std::size_t> order = random.permutation(kept.size());
  std::vector<std::uint8_t> out(keep.size(), 0);
  for (std::size_t i = 0; i < wanted; ++i) out[kept[order[i]]] = 1;
  return out;
}

Combined combine(std::span<const Run> runs) {
  if (runs.empty()) throw Error(ErrorKind::input, "volume_selection: no runs to combine");
  const Eigen::Index n_regions = runs[0].series.cols();
  Eigen::Index n_volumes = 0;
  for (const Run& run : runs) n_volumes += run.series.rows();
  Combined out;
  out.series.setConstant(n_volumes, n_regions, std::numeric_limits<float>::quiet_NaN());
  out.keep.assign(static_cast<std::size_t>(n_volumes), 0);
  Eigen::Index first = 0;
  for (const Run& run : runs) {
    if (run.series.cols() != n_regions) {
      throw Error(ErrorKind::input, "volume_selection: a run has " +
                                        std::to_string(run.series.cols()) + " regions, expected " +
                                        std::to_string(n_regions) + " as the first");
    }
    connectivity::SelectedSeries selected =
        connectivity::select_series(run.series, run.keep, kStage.name, 2);
    connectivity::standardize_columns(selected.x);
    for (std::size_t i = 0; i < selected.volumes.size(); ++i) {
      const Eigen::Index row = first + selected.volumes[i];
      out.keep[static_cast<std::size_t>(row)] = 1;
      for (std::size_t r = 0; r < selected.regions.size(); ++r) {
        out.series(row, selected.regions[r]) = static_cast<float>(
            selected.x(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(r)));
      }
    }
    first += run.series.rows();
  }
  return out;
}

} // namespace boldmill::volume_selection
