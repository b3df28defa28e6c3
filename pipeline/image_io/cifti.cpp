#include "pipeline/image_io/cifti.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "pipeline/image_io/cifti_xml.hpp"
#include "pipeline/image_io/convert.hpp"
#include "pipeline/image_io/nifti_header.hpp"
#include "pipeline/image_io/stream.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

constexpr std::uint64_t kMostXmlBytes = 512U << 20U;
constexpr int kCiftiExtension = 32;

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw Error(ErrorKind::input, file + ": " + what);
}

struct CiftiFile {
  OpenImage image; // the matrix as an image of row length x rows, positioned at its start
  std::array<CiftiDimension, 2> dimensions;
};

// The matrix is in dimensions 5 and 6, the four before are 1.
void move_dimensions(RawHeader& raw, const std::string& file) {
  bool fits = raw.version == 2 && raw.dim[0] >= 6 && raw.dim[0] <= 7;
  for (int d = 1; d <= 4; ++d) fits = fits && raw.dim[d] == 1;
  if (!fits || (raw.dim[0] == 7 && raw.dim[7] != 1)) {
    fail(file, "found a NIfTI-" + std::to_string(raw.version) + " image of " +
                   std::to_string(raw.dim[0]) +
                   " dimensions, expected CIFTI-2: a NIfTI-2 matrix in dimensions 5 and 6");
  }
  raw.dim[0] = 3;
  raw.dim[1] = raw.dim[5];
  raw.dim[2] = raw.dim[6];
  raw.dim[3] = 1;
}

std::int32_t integer_at(std::span<const std::byte> bytes, std::size_t at, bool big_endian) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return static_cast<std::int32_t>(big_endian ? __builtin_bswap32(value) : value);
}

// The content of the CIFTI extension among the bytes between header and matrix.
std::string_view find_xml(std::span<const std::byte> bytes, bool big_endian,
                          const std::string& file) {
  std::size_t at = 4; // the flag that there are extensions
  while (at + 8 <= bytes.size()) {
    const std::int32_t size = integer_at(bytes, at, big_endian);
    const std::int32_t code = integer_at(bytes, at + 4, big_endian);
    if (size < 8 || static_cast<std::size_t>(size) > bytes.size() - at) {
      fail(file, "found a header extension of " + std::to_string(size) + " bytes where " +
                     std::to_string(bytes.size() - at) + " are left before the matrix");
    }
    if (code == kCiftiExtension) {
      std::string_view xml(reinterpret_cast<const char*>(bytes.data()) + at + 8,
                           static_cast<std::size_t>(size) - 8);
      return xml.substr(0, xml.find('\0')); // padded with zeros
    }
    at += static_cast<std::size_t>(size);
  }
  fail(file, "found no CIFTI extension (code 32) in the header");
}

CiftiFile open_cifti(const std::filesystem::path& path) {
  const std::string file = path.string();
  ByteSource source(path);
  std::vector<std::byte> head(kNifti2HeaderBytes);
  const std::size_t got = source.read(head);
  RawHeader raw = decode(std::span(head).first(got), file);
  move_dimensions(raw, file);
  NiftiHeader header = check_header(raw, {file, source.is_gzip(), source.file_bytes()});
  const std::uint64_t before = header.data_offset - kNifti2HeaderBytes;
  if (before > kMostXmlBytes) {
    fail(file, "found " + std::to_string(before) +
                   " bytes of header extensions, expected at most " +
                   std::to_string(kMostXmlBytes));
  }
  std::vector<std::byte> extensions(static_cast<std::size_t>(before));
  if (source.read(extensions) < extensions.size()) {
    fail(file, "truncated: ends within the header extensions");
  }
  const std::array<std::size_t, 2> lengths{static_cast<std::size_t>(header.grid.shape[0]),
                                           static_cast<std::size_t>(header.grid.shape[1])};
  auto dimensions = parse_cifti_xml(find_xml(extensions, raw.big_endian, file), lengths, file);
  return {{std::move(header), std::move(source), file}, std::move(dimensions)};
}

void expect_axes(const CiftiFile& cifti, CiftiAxis along_row, CiftiAxis rows) {
  const auto& d = cifti.dimensions;
  if (d[0].axis == along_row && d[1].axis == rows) return;
  const auto text = [](CiftiAxis a, CiftiAxis b) {
    return std::string(axis_name(a)) + " by " + std::string(axis_name(b));
  };
  fail(cifti.image.name,
       "found " + text(d[0].axis, d[1].axis) + ", expected " + text(along_row, rows));
}

// The wanted rows of the matrix as columns of `out`. position: of each row, -1 when not wanted.
void read_rows(CiftiFile& cifti, const Context& context,
               const std::vector<std::ptrdiff_t>& position, Eigen::MatrixXf& out) {
  const NiftiHeader& header = cifti.image.header;
  const std::size_t row_length = cifti.dimensions[0].length;
  const auto width = static_cast<std::size_t>(header.bytes_per_voxel);
  stream(
      cifti.image, context,
      [&](const RawBlock& block) {
        for (std::size_t i = block.begin; i < block.begin + block.n;) {
          const std::size_t row = i / row_length, from = i % row_length;
          const std::size_t n = std::min(row_length - from, block.begin + block.n - i);
          if (position[row] >= 0) {
            float* to = out.data() + static_cast<std::size_t>(position[row]) * row_length + from;
            convert(header, block.bytes.subspan((i - block.begin) * width, n * width),
                    std::span<float>(to, n));
          }
          i += n;
        }
      },
      [](const RawBlock&) {});
}

} // namespace

CiftiKind cifti_kind(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(".dtseries.nii")) return CiftiKind::dense_series;
  if (name.ends_with(".ptseries.nii")) return CiftiKind::parcel_series;
  if (name.ends_with(".dlabel.nii")) return CiftiKind::dense_labels;
  return CiftiKind::none;
}

DenseShape read_dense_shape(const std::filesystem::path& path) {
  const CiftiFile cifti = open_cifti(path);
  expect_axes(cifti, CiftiAxis::series, CiftiAxis::brain_models);
  return {cifti.dimensions[0].length, cifti.dimensions[1].length, cifti.dimensions[0].step_s};
}

BrainModels read_brain_models(const std::filesystem::path& path) {
  CiftiFile cifti = open_cifti(path);
  if (cifti.dimensions[1].axis != CiftiAxis::brain_models) {
    fail(cifti.image.name,
         "found " + std::string(axis_name(cifti.dimensions[1].axis)) + ", expected brain models");
  }
  return std::move(cifti.dimensions[1].models);
}

DenseSeries read_dense_series(const std::filesystem::path& path, const Context& context,
                              const std::vector<std::uint8_t>* wanted) {
  CiftiFile cifti = open_cifti(path);
  expect_axes(cifti, CiftiAxis::series, CiftiAxis::brain_models);
  DenseSeries out;
  const std::size_t n = cifti.dimensions[1].length;
  if (wanted != nullptr && wanted->size() != n) {
    throw Error(ErrorKind::internal, "cifti: found " + std::to_string(wanted->size()) +
                                         " choices for " + std::to_string(n) + " grayordinates");
  }
  std::vector<std::ptrdiff_t> position(n, -1);
  for (std::size_t g = 0; g < n; ++g) {
    if (wanted != nullptr && (*wanted)[g] == 0) continue;
    position[g] = static_cast<std::ptrdiff_t>(out.columns.size());
    out.columns.push_back(g);
  }
  out.tr_s = cifti.dimensions[0].step_s;
  out.series.resize(static_cast<Eigen::Index>(cifti.dimensions[0].length),
                    static_cast<Eigen::Index>(out.columns.size()));
  read_rows(cifti, context, position, out.series);
  out.models = std::move(cifti.dimensions[1].models);
  return out;
}

ParcelSeries read_parcel_series(const std::filesystem::path& path, const Context& context) {
  CiftiFile cifti = open_cifti(path);
  expect_axes(cifti, CiftiAxis::series, CiftiAxis::parcels);
  ParcelSeries out;
  out.tr_s = cifti.dimensions[0].step_s;
  out.names = cifti.dimensions[1].parcels;
  out.series.resize(static_cast<Eigen::Index>(cifti.dimensions[0].length),
                    static_cast<Eigen::Index>(out.names.size()));
  std::vector<std::ptrdiff_t> position(out.names.size());
  for (std::size_t p = 0; p < position.size(); ++p) position[p] = static_cast<std::ptrdiff_t>(p);
  read_rows(cifti, context, position, out.series);
  return out;
}

DenseLabels read_dense_labels(const std::filesystem::path& path, int map) {
  CiftiFile cifti = open_cifti(path);
  expect_axes(cifti, CiftiAxis::labels, CiftiAxis::brain_models);
  const std::vector<CiftiMap>& maps = cifti.dimensions[0].maps;
  if (map < 0 || static_cast<std::size_t>(map) >= maps.size()) {
    fail(cifti.image.name,
         "asked for map " + std::to_string(map + 1) + " of " + std::to_string(maps.size()));
  }
  DenseLabels out;
  out.n_maps = static_cast<int>(maps.size());
  out.table = maps[static_cast<std::size_t>(map)].labels;
  out.map_name = maps[static_cast<std::size_t>(map)].name;
  const std::size_t row_length = maps.size();
  out.keys.assign(cifti.dimensions[1].length, 0);
  const NiftiHeader& header = cifti.image.header;
  std::vector<std::vector<double>> ring(kRingSlots, std::vector<double>(block_voxels(header)));
  stream(
      cifti.image, Context{},
      [&](const RawBlock& block) {
        convert(header, block.bytes, std::span(ring[block.slot]).first(block.n));
      },
      [&](const RawBlock& block) {
        for (std::size_t i = 0; i < block.n; ++i) {
          if ((block.begin + i) % row_length != static_cast<std::size_t>(map)) continue;
          const double value = ring[block.slot][i];
          if (!(std::abs(value - std::nearbyint(value)) <= 1e-3 &&
                std::abs(value) <= 2147483647.0)) {
            fail(cifti.image.name,
                 "label " + std::to_string(value) + ", expected whole numbers within 32 bits");
          }
          out.keys[(block.begin + i) / row_length] =
              static_cast<std::int32_t>(std::nearbyint(value));
        }
      });
  out.models = std::move(cifti.dimensions[1].models);
  return out;
}

} // namespace boldmill::image_io
