#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/image_io/convert.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/image_io/nifti_header.hpp"
#include "pipeline/image_io/output_file.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

Datatype datatype_of(StoredType type) {
  switch (type) {
  case StoredType::uint8: return Datatype::uint8;
  case StoredType::int16: return Datatype::int16;
  case StoredType::int32: return Datatype::int32;
  case StoredType::float32: return Datatype::float32;
  case StoredType::float64: return Datatype::float64;
  }
  return Datatype::float32;
}

bool is_real(StoredType type) { return type == StoredType::float32 || type == StoredType::float64; }

// Header and voxels into the file, compressed when its name asks for it.
class Sink {
public:
  explicit Sink(const std::filesystem::path& path) : file_(path) {
    if (path.extension() == ".gz") gzip_.emplace(file_);
  }
  void write(std::span<const std::byte> bytes) {
    if (gzip_) {
      gzip_->write(bytes);
    } else {
      file_.write(bytes);
    }
  }
  void commit() {
    if (gzip_) gzip_->finish();
    file_.commit();
  }

private:
  OutputFile file_;
  std::optional<GzipWriter> gzip_;
};

template <class T>
void write_stored(const std::filesystem::path& path, const Grid& grid, std::span<const T> stored,
                  Datatype type, WriteOptions options) {
  options.slope = 1.0;
  options.inter = 0.0;
  Sink sink(path);
  sink.write(encode(grid, 0, 0.0, type, options));
  sink.write(std::as_bytes(stored));
  sink.commit();
}

template <class T>
void write_labels_as(const std::filesystem::path& path, const LabelImage& labels, Datatype type,
                     const WriteOptions& options) {
  std::vector<T> stored(labels.data.size());
  std::transform(labels.data.begin(), labels.data.end(), stored.begin(),
                 [](std::int32_t label) { return static_cast<T>(label); });
  write_stored<T>(path, labels.grid, stored, type, options);
}

WriteOptions with_scaling(WriteOptions options, std::span<const float> values) {
  if (options.slope != 0.0) return options;
  const Scaling scaling = scaling_for(options.type, values);
  options.slope = scaling.slope;
  options.inter = scaling.inter;
  return options;
}

void check_size(std::size_t found, const Grid& grid, const std::filesystem::path& path) {
  if (found == grid.n_voxels()) return;
  throw Error(ErrorKind::internal, path.string() + ": " + std::to_string(found) +
                                       " voxels to write, the grid has " +
                                       std::to_string(grid.n_voxels()));
}

} // namespace

struct SeriesWriter::State {
  State(const std::filesystem::path& p, const Grid& g, int n, const WriteOptions& o)
      : path(p), grid(g), n_volumes(std::max(1, n)), options(o), sink(p) {}
  std::filesystem::path path;
  Grid grid;
  int n_volumes;
  int written = 0;
  WriteOptions options;
  Sink sink;
  std::vector<std::byte> stored;
};

SeriesWriter::SeriesWriter(const std::filesystem::path& path, const Grid& grid, int n_volumes,
                           double tr_s, const WriteOptions& options) {
  WriteOptions used = options;
  if (is_real(used.type)) {
    used.slope = 1.0;
    used.inter = 0.0;
  } else {
    // As the header of a NIfTI-1 file keeps it, so that reading gives the values meant here.
    used.slope = static_cast<double>(static_cast<float>(used.slope));
    used.inter = static_cast<double>(static_cast<float>(used.inter));
  }
  if (!(std::isfinite(used.slope) && used.slope != 0.0 && std::isfinite(used.inter))) {
    throw Error(ErrorKind::internal, path.string() + ": scaling " + std::to_string(used.slope) +
                                         ", expected finite and not 0");
  }
  state_ = std::make_unique<State>(path, grid, n_volumes, used);
  state_->sink.write(encode(grid, n_volumes, tr_s, datatype_of(used.type), used));
}

SeriesWriter::~SeriesWriter() = default;
SeriesWriter::SeriesWriter(SeriesWriter&&) noexcept = default;
SeriesWriter& SeriesWriter::operator=(SeriesWriter&&) noexcept = default;

void SeriesWriter::append(std::span<const float> volume) {
  State& s = *state_;
  check_size(volume.size(), s.grid, s.path);
  if (s.written == s.n_volumes) {
    throw Error(ErrorKind::internal, s.path.string() + ": more volumes than the " +
                                         std::to_string(s.n_volumes) + " announced");
  }
  constexpr std::size_t kPiece = 256 * 1024;
  s.stored.resize(std::min(volume.size(), kPiece) * bytes_of(s.options.type));
  for (std::size_t begin = 0; begin < volume.size(); begin += kPiece) {
    const auto piece = volume.subspan(begin, std::min(kPiece, volume.size() - begin));
    store(s.options.type, s.options.slope, s.options.inter, piece, s.stored.data());
    s.sink.write(std::span(s.stored).first(piece.size() * bytes_of(s.options.type)));
  }
  ++s.written;
}

void SeriesWriter::close() {
  State& s = *state_;
  if (s.written != s.n_volumes) {
    throw Error(ErrorKind::internal, s.path.string() + ": " + std::to_string(s.written) +
                                         " volumes written, " + std::to_string(s.n_volumes) +
                                         " announced");
  }
  s.sink.commit();
  state_.reset();
}

void write_volume(const std::filesystem::path& path, const Volume& volume,
                  const WriteOptions& options) {
  SeriesWriter writer(path, volume.grid, 0, 0.0, with_scaling(options, volume.data));
  writer.append(volume.data);
  writer.close();
}

void write_series(const std::filesystem::path& path, const Series& series,
                  const WriteOptions& options) {
  SeriesWriter writer(path, series.grid, series.n_volumes, series.tr_s,
                      with_scaling(options, series.data));
  for (int t = 0; t < series.n_volumes; ++t) {
    writer.append({series.volume(t), series.grid.n_voxels()});
  }
  writer.close();
}

void write_mask(const std::filesystem::path& path, const Mask& mask, const WriteOptions& options) {
  check_size(mask.data.size(), mask.grid, path);
  write_stored<std::uint8_t>(path, mask.grid, mask.data, Datatype::uint8, options);
}

void write_labels(const std::filesystem::path& path, const LabelImage& labels,
                  const WriteOptions& options) {
  check_size(labels.data.size(), labels.grid, path);
  const auto [low, high] = std::minmax_element(labels.data.begin(), labels.data.end());
  const std::int32_t smallest = labels.data.empty() ? 0 : *low;
  const std::int32_t largest = labels.data.empty() ? 0 : *high;
  if (smallest >= 0 && largest <= 255) {
    write_labels_as<std::uint8_t>(path, labels, Datatype::uint8, options);
  } else if (smallest >= -32768 && largest <= 32767) {
    write_labels_as<std::int16_t>(path, labels, Datatype::int16, options);
  } else {
    write_labels_as<std::int32_t>(path, labels, Datatype::int32, options);
  }
}

} // namespace boldmill::image_io
