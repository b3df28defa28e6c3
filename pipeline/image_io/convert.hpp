// Stored voxels to numbers and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pipeline/image_io/nifti.hpp"

namespace boldmill::image_io {

// out[i] = slope * stored[i] + inter, computed in double. bytes: out.size() voxels as stored.
void convert(const NiftiHeader& header, std::span<const std::byte> bytes, std::span<float> out);
void convert(const NiftiHeader& header, std::span<const std::byte> bytes, std::span<double> out);

// NaN and infinities in `values`, set to 0 when asked.
[[nodiscard]] std::uint64_t handle_nonfinite(std::span<float> values, bool to_zero);
// False when no stored value can come out as NaN or infinite.
[[nodiscard]] bool may_be_nonfinite(const NiftiHeader& header);

// stored = round((value - inter) / slope), saturated; NaN becomes the stored form of 0.
// Little-endian.
void store(StoredType type, double slope, double inter, std::span<const float> values,
           std::byte* out);
[[nodiscard]] std::size_t bytes_of(StoredType type);

struct Scaling {
  double slope = 1.0;
  double inter = 0.0;
};
// Maps the finite range of the values onto the range of an integer type; 1 and 0 for real types.
[[nodiscard]] Scaling scaling_for(StoredType type, std::span<const float> values);

} // namespace boldmill::image_io
