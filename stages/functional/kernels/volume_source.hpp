// Read access to the raw volumes of a run without saying how they are kept: floats in memory,
// integers in memory, or streamed from a file.
#pragma once

#include <functional>
#include <vector>

#include "stages/core/image.hpp"

namespace boldmill {

// `read(t, buffer)` returns the grid.n_voxels() floats of volume t, i fastest: either a pointer
// into memory that outlives the call, or `buffer.data()` after filling `buffer`. It must be safe to
// call from several threads at once, each with its own buffer. A view: valid as long as the data
// is.
struct VolumeSource {
  using Read = std::function<const float*(int t, std::vector<float>& buffer)>;

  Grid grid;
  int n_volumes = 0;
  double tr_s = 0.0;
  Read read;

  VolumeSource() = default;
  VolumeSource(const Grid& grid_, int n_volumes_, double tr_s_, Read read_)
      : grid(grid_), n_volumes(n_volumes_), tr_s(tr_s_), read(std::move(read_)) {}
  // Implicit, so that a stage's Inputs can be written {series, ...}. The series must outlive it.
  VolumeSource(const Series& series) // NOLINT(google-explicit-constructor)
      : grid(series.grid), n_volumes(series.n_volumes), tr_s(series.tr_s),
        read([&series](int t, std::vector<float>&) { return series.volume(t); }) {}
  VolumeSource(Series&&) = delete;
};

// Throws input when there is no volume, an axis is empty, or `read` is not set. `stage` starts the
// message.
void check_source(const VolumeSource& source, std::string_view stage);

} // namespace boldmill
