#include "stages/functional/kernels/volume_source.hpp"

#include <string>

#include "stages/core/error.hpp"

namespace boldmill {

void check_source(const VolumeSource& source, std::string_view stage) {
  const auto& s = source.grid.shape;
  if (!source.read || source.n_volumes < 1 || s[0] < 1 || s[1] < 1 || s[2] < 1) {
    throw Error(ErrorKind::input, std::string(stage) + ": found a run of " + std::to_string(s[0]) +
                                      "x" + std::to_string(s[1]) + "x" + std::to_string(s[2]) +
                                      " voxels and " + std::to_string(source.n_volumes) +
                                      " volumes, expected at least one of each");
  }
}

} // namespace boldmill
