#include <cmath>
#include <sstream>

#include "pipeline/image_io/nifti_header.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

// Deflate cannot expand by more than 1032; a header that asks for more lies.
constexpr std::uint64_t kLargestRatio = 1100;
constexpr std::uint64_t kRatioSlackBytes = 64 * 1024;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorKind::input, name + ": " + what);
}

struct TypeInfo {
  int code;
  int bits;
  const char* name;
  bool readable;
};
constexpr TypeInfo kTypes[] = {{1, 1, "binary", false},          {2, 8, "uint8", true},
                               {4, 16, "int16", true},           {8, 32, "int32", true},
                               {16, 32, "float32", true},        {32, 64, "complex64", false},
                               {64, 64, "float64", true},        {128, 24, "RGB24", false},
                               {256, 8, "int8", true},           {512, 16, "uint16", true},
                               {768, 32, "uint32", true},        {1024, 64, "int64", true},
                               {1280, 64, "uint64", true},       {1536, 128, "float128", false},
                               {1792, 128, "complex128", false}, {2048, 256, "complex256", false},
                               {2304, 32, "RGBA32", false}};

void set_datatype(const RawHeader& raw, const std::string& name, NiftiHeader& header) {
  for (const TypeInfo& type : kTypes) {
    if (type.code != raw.datatype) continue;
    if (!type.readable) {
      fail(name, std::string("datatype ") + type.name + " (code " + std::to_string(type.code) +
                     "); expected integers or reals of up to 64 bits");
    }
    if (raw.bitpix != type.bits) {
      fail(name, "bitpix " + std::to_string(raw.bitpix) + " does not fit datatype " + type.name +
                     ", expected " + std::to_string(type.bits));
    }
    header.datatype = type.code;
    header.datatype_name = type.name;
    header.bytes_per_voxel = type.bits / 8;
    return;
  }
  fail(name, "unknown datatype code " + std::to_string(raw.datatype));
}

void set_dimensions(const RawHeader& raw, const std::string& name, NiftiHeader& header) {
  if (raw.dim[0] < 1 || raw.dim[0] > 7) {
    fail(name, "dim[0] is " + std::to_string(raw.dim[0]) + ", expected 1 to 7 dimensions");
  }
  const auto n_dims = static_cast<std::size_t>(raw.dim[0]);
  std::int64_t size[8] = {0, 1, 1, 1, 1, 1, 1, 1};
  for (std::size_t i = 1; i <= n_dims; ++i) {
    size[i] = raw.dim[i];
    if (size[i] < 1 || size[i] > std::numeric_limits<int>::max()) {
      fail(name, "dim[" + std::to_string(i) + "] is " + std::to_string(size[i]) +
                     ", expected a positive size");
    }
    if (i > 4 && size[i] > 1) {
      fail(name, "dim[" + std::to_string(i) + "] is " + std::to_string(size[i]) +
                     ": more than four dimensions are not read");
    }
  }
  header.n_dims = static_cast<int>(n_dims);
  for (std::size_t i = 0; i < 3; ++i) header.grid.shape[i] = static_cast<int>(size[i + 1]);
  header.n_volumes = static_cast<int>(size[4]);
}

void set_offset(const RawHeader& raw, const std::string& name, NiftiHeader& header) {
  const std::uint64_t smallest = raw.version == 1 ? 352 : 544;
  const double offset = raw.vox_offset;
  if (offset == 0.0) {
    header.data_offset = smallest;
    header.notes.push_back("vox_offset is 0; the voxels are taken to start at byte " +
                           std::to_string(smallest));
    return;
  }
  if (!(offset >= static_cast<double>(smallest) - 4.0 && offset < 9e15) ||
      offset != std::floor(offset)) {
    std::ostringstream found;
    found << "vox_offset is " << offset << ", expected at least " << smallest;
    fail(name, found.str());
  }
  header.data_offset = static_cast<std::uint64_t>(offset);
}

void check_size(const FileFacts& facts, NiftiHeader& header) {
  std::uint64_t needed = static_cast<std::uint64_t>(header.bytes_per_voxel);
  bool overflow = false;
  for (const int size :
       {header.grid.shape[0], header.grid.shape[1], header.grid.shape[2], header.n_volumes}) {
    overflow |= __builtin_mul_overflow(needed, static_cast<std::uint64_t>(size), &needed);
  }
  overflow |= __builtin_add_overflow(needed, header.data_offset, &needed);
  const std::uint64_t available =
      facts.is_gzip ? facts.file_bytes * kLargestRatio + kRatioSlackBytes : facts.file_bytes;
  if (overflow || needed > available) {
    std::ostringstream text;
    text << "header promises " << header.grid.shape[0] << " x " << header.grid.shape[1] << " x "
         << header.grid.shape[2] << " x " << header.n_volumes << " voxels of "
         << header.datatype_name << ", ";
    if (overflow) {
      text << "more than any file holds";
    } else {
      text << needed << " bytes";
    }
    text << ", but the file has " << facts.file_bytes
         << (facts.is_gzip ? " bytes compressed, which cannot hold them"
                           : ": truncated, or a wrong header");
    fail(facts.name, text.str());
  }
  if (!facts.is_gzip && needed < available) {
    header.notes.push_back(std::to_string(available - needed) + " bytes after the last voxel");
  }
}

void set_scaling(const RawHeader& raw, NiftiHeader& header) {
  if (raw.slope == 0.0 || !std::isfinite(raw.slope)) return; // the standard: no scaling
  header.slope = raw.slope;
  if (std::isfinite(raw.inter)) {
    header.inter = raw.inter;
  } else {
    header.notes.push_back("scl_inter is not finite; 0 is used");
  }
}

} // namespace

NiftiHeader check_header(const RawHeader& raw, const FileFacts& facts) {
  NiftiHeader header;
  header.version = raw.version;
  header.big_endian = raw.big_endian;
  header.is_gzip = facts.is_gzip;
  header.description = raw.description;
  set_datatype(raw, facts.name, header);
  set_dimensions(raw, facts.name, header);
  set_offset(raw, facts.name, header);
  check_size(facts, header);
  set_scaling(raw, header);
  set_affine(raw, header);
  set_repetition_time(raw, header);
  return header;
}

} // namespace boldmill::image_io
