// The raw voxels of a NIfTI file as a stream of blocks through a small ring.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "pipeline/image_io/byte_source.hpp"
#include "pipeline/image_io/nifti.hpp"

namespace boldmill::image_io {

// An open file, positioned at its first voxel.
struct OpenImage {
  NiftiHeader header;
  ByteSource source;
  std::string name;
};
[[nodiscard]] OpenImage open_image(const std::filesystem::path& path);

struct RawBlock {
  int volume = 0;
  std::size_t begin = 0; // first voxel, within the volume
  std::size_t n = 0;     // voxels
  std::size_t slot = 0;  // 0 .. kRingSlots - 1: no two live blocks share one
  std::span<const std::byte> bytes;
};
inline constexpr std::size_t kRingSlots = 6;
inline constexpr std::size_t kBlockBytes = 256 * 1024; // of raw voxels

// Voxels of one block at most.
[[nodiscard]] std::size_t block_voxels(const NiftiHeader& header);

// Reads the voxels block by block; `convert` may run for several blocks at once and out of order,
// `consume` one at a time and in order. At the end the rest of the file is read for its checksum.
void stream(OpenImage& image, const Context& context,
            const std::function<void(const RawBlock&)>& convert,
            const std::function<void(const RawBlock&)>& consume);

} // namespace boldmill::image_io
