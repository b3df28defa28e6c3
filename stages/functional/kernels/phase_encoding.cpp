#include "stages/functional/kernels/phase_encoding.hpp"

#include <string>

#include "stages/core/error.hpp"

namespace boldmill::distortion {

PhaseEncoding phase_encoding(std::string_view direction, double readout_s) {
  const bool axis_known = !direction.empty() && direction[0] >= 'i' && direction[0] <= 'k';
  const bool plain = direction.size() == 1;
  const bool reversed = direction.size() == 2 && direction[1] == '-';
  if (!axis_known || (!plain && !reversed)) {
    throw Error(ErrorKind::input, "PhaseEncodingDirection: found '" + std::string(direction) +
                                      "', expected i, i-, j, j-, k or k-");
  }
  if (!(readout_s > 0.0 && readout_s <= 1.0)) {
    throw Error(ErrorKind::input, "TotalReadoutTime: found " + std::to_string(readout_s) +
                                      " s, expected a time in (0, 1] s");
  }
  return {direction[0] - 'i', plain, readout_s};
}

} // namespace boldmill::distortion
