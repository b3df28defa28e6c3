// NIfTI-1 and NIfTI-2 files, plain or gzipped, as images with their grid. Reads every integer and
// real type up to 64 bits in either byte order; writes little-endian.
//
// Errors: ErrorKind::input when the file is missing, truncated, corrupt or of a kind that is not
// read here (detached .hdr/.img, complex, RGB, 128-bit, more than four dimensions);
// ErrorKind::disk when a write fails. The header is checked against the size of the file before
// anything is allocated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::image_io {

struct NiftiHeader {
  Grid grid;         // RAS mm
  int n_dims = 3;    // dim[0], trailing dimensions of length 1 included
  int n_volumes = 1; // dim[4]
  double tr_s = std::numeric_limits<double>::quiet_NaN(); // NaN: absent, or not credible (a note)
  double tr_raw = 0.0;                                    // pixdim[4] as stored
  std::string time_unit = "unknown"; // "s", "ms", "us", "hz", "ppm", "rad/s", "unknown"
  int datatype = 0;                  // NIfTI code
  std::string datatype_name;
  int bytes_per_voxel = 0;
  double slope = 1.0; // value = slope * stored + inter; 1 and 0 when the file gives none
  double inter = 0.0;
  int version = 1; // 1 or 2
  bool big_endian = false;
  bool is_gzip = false;
  std::uint64_t data_offset = 352; // bytes before the first voxel, uncompressed
  std::string affine_source;       // "sform", "qform" or "pixdim" (left and right are unknown)
  int space_code = 0;              // 1 scanner, 2 aligned, 3 Talairach, 4 MNI; 0 with "pixdim"
  std::string description;
  std::vector<std::string> notes; // usable but doubtful, one sentence each

  [[nodiscard]] std::uint64_t data_bytes() const {
    return static_cast<std::uint64_t>(grid.n_voxels()) * static_cast<std::uint64_t>(n_volumes) *
           static_cast<std::uint64_t>(bytes_per_voxel);
  }
};

[[nodiscard]] NiftiHeader read_header(const std::filesystem::path& path);

// What a reader saw besides the image.
struct ReadReport {
  NiftiHeader header;            // with notes about the data added
  std::uint64_t n_nonfinite = 0; // NaN or infinite voxels (after scaling), over all volumes
};
struct ReadOptions {
  bool nonfinite_to_zero = false; // otherwise NaN and infinities are passed on
  ReadReport* report = nullptr;   // filled when given
};

// Three dimensions, or four with one volume.
[[nodiscard]] Volume read_volume(const std::filesystem::path& path,
                                 const ReadOptions& options = {});
// 1 where the value is neither zero nor NaN.
[[nodiscard]] Mask read_mask(const std::filesystem::path& path, const ReadOptions& options = {});
// Values must be whole numbers within int32 (to 1e-3, for float images).
[[nodiscard]] LabelImage read_labels(const std::filesystem::path& path,
                                     const ReadOptions& options = {});
// The whole 4-D image: 4 bytes * V * T. Throws input on an image of three dimensions.
// Series::tr_s is the header's tr_s and may be NaN: the sidecar decides.
[[nodiscard]] Series read_series(const std::filesystem::path& path, const Context& context,
                                 const ReadOptions& options = {});

// Consecutive voxels [begin, begin + values.size()) of volume t. Blocks never span two volumes.
struct SeriesBlock {
  int volume = 0;
  std::size_t begin = 0;
  std::span<const float> values; // valid during the call only
};

// Streams a 4-D image (three dimensions: input error) in file order, one call at a time.
// Decompression, conversion and the consumer overlap on the threads of the surrounding arena;
// memory is a few blocks of a quarter MiB. The checksum is verified after the last block: an error
// may follow a complete set of calls.
ReadReport for_each_block(const std::filesystem::path& path, const Context& context,
                          const std::function<void(const SeriesBlock&)>& consumer,
                          const ReadOptions& options = {});
// The same, a volume at a time (memory: one volume more). values: V floats, i fastest.
ReadReport for_each_volume(const std::filesystem::path& path, const Context& context,
                           const std::function<void(int, std::span<const float>)>& consumer,
                           const ReadOptions& options = {});

enum class StoredType { uint8, int16, int32, float32, float64 };

struct WriteOptions {
  StoredType type = StoredType::float32;
  // stored = round((value - inter) / slope) for integer types, saturated; NaN is stored as 0.
  // slope 0: chosen from the range of the image (not available to SeriesWriter).
  double slope = 1.0;
  double inter = 0.0;
  int space_code = 2;      // sform and qform code: 1 scanner, 2 aligned, 4 MNI152
  std::string description; // up to 79 characters
};

// Written to <path>.part-<pid>-<n>, synced and renamed. A path that ends in .gz is compressed in
// parallel blocks; the bytes do not depend on the number of threads.
void write_volume(const std::filesystem::path& path, const Volume& volume,
                  const WriteOptions& options = {});
void write_mask(const std::filesystem::path& path, const Mask& mask,
                const WriteOptions& options = {});
// The smallest of uint8, int16 and int32 that holds the labels.
void write_labels(const std::filesystem::path& path, const LabelImage& labels,
                  const WriteOptions& options = {});
void write_series(const std::filesystem::path& path, const Series& series,
                  const WriteOptions& options = {});

// Writes a series volume after volume. Without close() nothing is left behind.
class SeriesWriter {
public:
  // tr_s NaN or 0: not stated in the file. n_volumes 0: a three-dimensional image of one volume.
  SeriesWriter(const std::filesystem::path& path, const Grid& grid, int n_volumes, double tr_s,
               const WriteOptions& options = {});
  ~SeriesWriter();
  SeriesWriter(SeriesWriter&&) noexcept;
  SeriesWriter& operator=(SeriesWriter&&) noexcept;

  void append(std::span<const float> volume); // V values
  void close();                               // throws when volumes are missing

private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace boldmill::image_io
