// The bytes of a NIfTI header, decoded with all checks, and encoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pipeline/image_io/nifti.hpp"

namespace boldmill::image_io {

inline constexpr std::size_t kNifti1HeaderBytes = 348;
inline constexpr std::size_t kNifti2HeaderBytes = 540;

// NIfTI datatype codes that are read.
enum class Datatype : int {
  uint8 = 2,
  int16 = 4,
  int32 = 8,
  float32 = 16,
  float64 = 64,
  int8 = 256,
  uint16 = 512,
  uint32 = 768,
  int64 = 1024,
  uint64 = 1280
};

// The fields of either version, in native byte order, unchecked.
struct RawHeader {
  int version = 1;
  bool big_endian = false;
  std::int64_t dim[8] = {};
  int datatype = 0;
  int bitpix = 0;
  double pixdim[8] = {};
  double vox_offset = 0.0;
  double slope = 0.0;
  double inter = 0.0;
  int units = 0;
  int qform_code = 0;
  int sform_code = 0;
  double quaternion[3] = {};
  double qoffset[3] = {};
  double srow[12] = {};
  std::string description;
};

// `bytes`: the first 540 bytes of the data, or all of them when there are fewer. Throws input when
// they are no header of a single-file NIfTI image. `name` is for messages.
[[nodiscard]] RawHeader decode(std::span<const std::byte> bytes, const std::string& name);

// What the file itself says, to hold the header against.
struct FileFacts {
  std::string name;
  bool is_gzip = false;
  std::uint64_t file_bytes = 0;
};
[[nodiscard]] NiftiHeader check_header(const RawHeader& raw, const FileFacts& facts);

// The affine of sform, qform or pixdim, in mm. Sets affine_source and space_code, adds notes.
void set_affine(const RawHeader& raw, NiftiHeader& header);
// tr_s, tr_raw and time_unit.
void set_repetition_time(const RawHeader& raw, NiftiHeader& header);

// Header bytes up to the first voxel (352 or 544), little-endian. Chooses version 2 when a
// dimension needs it. n_volumes 0: three dimensions.
[[nodiscard]] std::vector<std::byte> encode(const Grid& grid, int n_volumes, double tr_s,
                                            Datatype datatype, const WriteOptions& options);

} // namespace boldmill::image_io
