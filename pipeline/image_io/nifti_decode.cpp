#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <sstream>

#include "pipeline/image_io/nifti_header.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorKind::input, name + ": " + what);
}

class Fields {
public:
  Fields(std::span<const std::byte> bytes, bool swap) : bytes_(bytes), swap_(swap) {}
  template <class T>
  [[nodiscard]] T get(std::size_t offset) const {
    std::array<std::byte, sizeof(T)> raw;
    std::memcpy(raw.data(), bytes_.data() + offset, sizeof(T));
    if (swap_) std::reverse(raw.begin(), raw.end());
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  [[nodiscard]] std::string text(std::size_t offset, std::size_t length) const {
    const char* begin = reinterpret_cast<const char*>(bytes_.data()) + offset;
    return {begin, std::find(begin, begin + length, '\0')};
  }

private:
  std::span<const std::byte> bytes_;
  bool swap_;
};

// T: type of dim; F: type of the real fields; the offsets are those of the two published layouts.
template <class T, class F>
void decode_arrays(const Fields& f, RawHeader& raw, std::size_t dim, std::size_t pixdim,
                   std::size_t quaternion, std::size_t srow) {
  for (std::size_t i = 0; i < 8; ++i) {
    raw.dim[i] = f.get<T>(dim + i * sizeof(T));
    raw.pixdim[i] = f.get<F>(pixdim + i * sizeof(F));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    raw.quaternion[i] = f.get<F>(quaternion + i * sizeof(F));
    raw.qoffset[i] = f.get<F>(quaternion + (3 + i) * sizeof(F));
  }
  for (std::size_t i = 0; i < 12; ++i) raw.srow[i] = f.get<F>(srow + i * sizeof(F));
}

void decode_version1(const Fields& f, RawHeader& raw) {
  decode_arrays<std::int16_t, float>(f, raw, 40, 76, 256, 280);
  raw.datatype = f.get<std::int16_t>(70);
  raw.bitpix = f.get<std::int16_t>(72);
  raw.vox_offset = f.get<float>(108);
  raw.slope = f.get<float>(112);
  raw.inter = f.get<float>(116);
  raw.units = f.get<std::uint8_t>(123);
  raw.description = f.text(148, 80);
  raw.qform_code = f.get<std::int16_t>(252);
  raw.sform_code = f.get<std::int16_t>(254);
}

void decode_version2(const Fields& f, RawHeader& raw) {
  decode_arrays<std::int64_t, double>(f, raw, 16, 104, 352, 400);
  raw.datatype = f.get<std::int16_t>(12);
  raw.bitpix = f.get<std::int16_t>(14);
  raw.vox_offset = static_cast<double>(f.get<std::int64_t>(168));
  raw.slope = f.get<double>(176);
  raw.inter = f.get<double>(184);
  raw.description = f.text(240, 80);
  raw.qform_code = f.get<std::int32_t>(344);
  raw.sform_code = f.get<std::int32_t>(348);
  raw.units = f.get<std::int32_t>(500);
}

void check_magic(std::span<const std::byte> bytes, int version, const std::string& name) {
  const char* magic = reinterpret_cast<const char*>(bytes.data()) + (version == 1 ? 344 : 4);
  const char digit = version == 1 ? '1' : '2';
  if (magic[0] == 'n' && magic[1] == '+' && magic[2] == digit && magic[3] == '\0') {
    if (version == 1 || std::memcmp(magic + 4, "\r\n\032\n", 4) == 0) return;
    fail(name, "NIfTI-2 signature damaged, as by a text-mode transfer");
  }
  if (magic[0] == 'n' && magic[1] == 'i' && magic[2] == digit) {
    fail(name, "detached .hdr/.img pair (magic \"ni" + std::string(1, digit) +
                   "\"); expected a single .nii or .nii.gz: convert it first");
  }
  std::ostringstream found;
  for (int i = 0; i < 4; ++i) {
    const auto c = static_cast<unsigned char>(magic[i]);
    if (c >= 32 && c < 127) {
      found << magic[i];
    } else {
      found << "\\x" << std::hex << static_cast<int>(c) << std::dec;
    }
  }
  fail(name, "not a NIfTI image: magic \"" + found.str() + "\", expected \"n+" +
                 std::string(1, digit) + "\"");
}

} // namespace

RawHeader decode(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() < kNifti1HeaderBytes) {
    fail(name, "header truncated: " + std::to_string(bytes.size()) + " bytes, expected at least " +
                   std::to_string(kNifti1HeaderBytes));
  }
  const auto size_little = Fields(bytes, false).get<std::int32_t>(0);
  const auto size_big = Fields(bytes, true).get<std::int32_t>(0);
  RawHeader raw;
  raw.big_endian = size_big == 348 || size_big == 540;
  const int size = raw.big_endian ? size_big : size_little;
  if (size != 348 && size != 540) {
    fail(name,
         "not a NIfTI image: sizeof_hdr " + std::to_string(size_little) + ", expected 348 or 540");
  }
  raw.version = size == 348 ? 1 : 2;
  if (raw.version == 2 && bytes.size() < kNifti2HeaderBytes) {
    fail(name, "header truncated: " + std::to_string(bytes.size()) + " bytes, expected 540");
  }
  check_magic(bytes, raw.version, name);
  const Fields fields(bytes, raw.big_endian);
  if (raw.version == 1) {
    decode_version1(fields, raw);
  } else {
    decode_version2(fields, raw);
  }
  return raw;
}

} // namespace boldmill::image_io
