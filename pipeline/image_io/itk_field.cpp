// Displacement fields in NIfTI as ANTs writes them: x, y, z, 1, 3 and intent "vector", LPS.
#include <algorithm>
#include <array>
#include <cstring>

#include "pipeline/image_io/byte_source.hpp"
#include "pipeline/image_io/convert.hpp"
#include "pipeline/image_io/itk_parts.hpp"
#include "pipeline/image_io/nifti_header.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

constexpr int kIntentVector = 1007;

template <class T>
int number_at(std::span<const std::byte> bytes, std::size_t offset, bool swapped) {
  std::array<std::byte, sizeof(T)> raw{};
  std::memcpy(raw.data(), bytes.data() + offset, sizeof(T));
  if (swapped) std::reverse(raw.begin(), raw.end());
  T value{};
  std::memcpy(&value, raw.data(), sizeof(T));
  return value;
}

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorKind::input, name + ": " + what);
}

// The header of the same voxels as a 4-D image of three volumes, with every check.
NiftiHeader header_of(std::span<const std::byte> bytes, const FileFacts& facts) {
  RawHeader raw = decode(bytes, facts.name);
  const int intent = raw.version == 1 ? number_at<std::int16_t>(bytes, 68, raw.big_endian)
                                      : number_at<std::int32_t>(bytes, 504, raw.big_endian);
  if (raw.dim[0] != 5 || raw.dim[4] != 1 || raw.dim[5] != 3 || intent != kIntentVector) {
    fail(facts.name, "found " + std::to_string(raw.dim[0]) + " dimensions and intent " +
                         std::to_string(intent) +
                         ", expected a displacement field: 5 dimensions, the last two 1 and 3, "
                         "intent 1007 (vector)");
  }
  raw.dim[0] = 4;
  raw.dim[4] = 3;
  raw.dim[5] = 1;
  return check_header(raw, facts);
}

void read_exactly(ByteSource& source, std::span<std::byte> out, const std::string& name) {
  if (source.read(out) != out.size()) fail(name, "truncated");
}

} // namespace

PointMap read_field_image(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  ByteSource source(path);
  std::vector<std::byte> start(kNifti2HeaderBytes);
  start.resize(source.read(start));
  const NiftiHeader header = header_of(start, {name, source.is_gzip(), source.file_bytes()});
  std::vector<std::byte> bytes;
  if (header.data_offset > start.size()) {
    bytes.resize(std::min<std::uint64_t>(header.data_offset - start.size(), 1U << 24U));
    if (bytes.size() != header.data_offset - start.size()) fail(name, "absurd vox_offset");
    read_exactly(source, bytes, name);
    start.clear();
  } else {
    start.erase(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(header.data_offset));
  }
  auto field = std::make_shared<DisplacementField>();
  field->grid = header.grid;
  const std::size_t voxels = header.grid.n_voxels();
  const auto width = static_cast<std::size_t>(header.bytes_per_voxel);
  bytes.resize(voxels * width);
  std::vector<float> component(voxels);
  field->mm.resize(3 * voxels);
  for (std::size_t c = 0; c < 3; ++c) {
    const std::size_t held = std::min(start.size(), bytes.size());
    std::copy_n(start.begin(), held, bytes.begin());
    start.erase(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(held));
    read_exactly(source, std::span(bytes).subspan(held), name);
    convert(header, bytes, component);
    for (std::size_t v = 0; v < voxels; ++v) field->mm[3 * v + c] = component[v];
  }
  (void)source.drain();
  if (!flip_vectors(field->mm)) fail(name, "displacements that are not finite");
  return PointMap{{std::shared_ptr<const DisplacementField>(std::move(field))}};
}

} // namespace boldmill::image_io
