// How an echo-planar image was encoded: BIDS PhaseEncodingDirection and TotalReadoutTime.
#pragma once

#include <string_view>

namespace boldmill::distortion {

struct PhaseEncoding {
  int axis = 1; // of the stored voxel array
  bool positive = true;
  double readout_s = 0.0;

  [[nodiscard]] double voxels_per_hz() const { return positive ? readout_s : -readout_s; }
  bool operator==(const PhaseEncoding&) const = default;
};
// "j-", 0.03. Throws input when the direction is not one of BIDS's six or the time is not in
// (0, 1] s.
[[nodiscard]] PhaseEncoding phase_encoding(std::string_view direction, double readout_s);

} // namespace boldmill::distortion
