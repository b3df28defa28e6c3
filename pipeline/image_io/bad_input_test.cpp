#include <limits>

#include "pipeline/image_io/nifti.hpp"
#include "pipeline/image_io/test_files.hpp"

namespace boldmill::image_io {
namespace {

class BadInput : public ::testing::Test {
protected:
  void rejects_header(const RawNifti& raw, const std::string& part) {
    expect_input_error([&] { (void)read_header(spill(folder / "a.nii", raw.bytes)); }, part);
  }
  void rejects(const std::string& name, const std::string& bytes, const std::string& part) {
    const auto path = spill(folder / name, bytes);
    expect_input_error([&] { (void)read_series(path, Context{}); }, part);
    expect_input_error([&] { for_each_block(path, Context{}, [](const SeriesBlock&) {}); }, part);
  }
  TemporaryFolder folder;
};

TEST_F(BadInput, TheUntouchedFileIsGood) {
  const RawNifti raw;
  EXPECT_TRUE(read_header(spill(folder / "a.nii", raw.bytes)).notes.empty());
  EXPECT_EQ(read_series(folder / "a.nii", Context{}).n_volumes, 5);
}

TEST_F(BadInput, NoFileEmptyFileFolder) {
  expect_input_error([&] { (void)read_header(folder / "absent.nii"); }, "cannot be opened");
  expect_input_error([&] { (void)read_header(spill(folder / "empty.nii", "")); }, "is empty");
  expect_input_error([&] { (void)read_header(folder.path()); }, "is not a file");
}

TEST_F(BadInput, Magic) {
  RawNifti raw;
  rejects_header(RawNifti(raw).set<char>(345, '?'), "magic \"n?1\\x0\"");
  rejects_header(RawNifti(raw).set<char>(345, 'i'), "detached .hdr/.img");
  rejects_header(RawNifti(raw).set<std::int32_t>(0, 349), "sizeof_hdr 349");
  const auto pair = spill(folder / "a.hdr", raw.bytes);
  expect_input_error([&] { (void)read_header(pair); }, "detached .hdr");
  RawNifti second;
  second.bytes.resize(600);
  second.set<std::int32_t>(0, 540);
  std::memcpy(second.bytes.data() + 4, "n+2\0\n\032\n\0", 8);
  rejects_header(second, "text-mode transfer");
  rejects("short.nii", raw.bytes.substr(0, 200), "header truncated: 200 bytes");
  rejects("text.nii", "not an image at all", "header truncated");
}

TEST_F(BadInput, DimensionsBeforeAnyAllocation) {
  const RawNifti raw;
  rejects_header(RawNifti(raw).set<std::int16_t>(40, 0), "dim[0] is 0");
  rejects_header(RawNifti(raw).set<std::int16_t>(40, 8), "dim[0] is 8");
  rejects_header(RawNifti(raw).set<std::int16_t>(44, 0), "dim[2] is 0");
  rejects_header(RawNifti(raw).set<std::int16_t>(44, -5), "dim[2] is -5");
  rejects_header(RawNifti(raw).dims({4, 3, 2, 5, 3}), "dim[5] is 3");
  rejects_header(RawNifti(raw).dims({32767, 32767, 32767, 32767}), "but the file has 592");
  RawNifti large; // would be 2 TiB
  large.dims({10000, 10000, 10000});
  const auto compressed = spill(folder / "a.nii.gz", gzip(large.bytes));
  expect_input_error([&] { (void)read_header(compressed); }, "cannot hold them");
}

TEST_F(BadInput, VersionTwoWithAbsurdDimensions) {
  RawNifti raw;
  raw.bytes.assign(600, '\0');
  raw.set<std::int32_t>(0, 540).set<std::int16_t>(12, 64).set<std::int16_t>(14, 64);
  std::memcpy(raw.bytes.data() + 4, "n+2\0\r\n\032\n", 8);
  raw.set<std::int64_t>(168, 544).set<std::int64_t>(16, 4);
  for (std::size_t i = 1; i <= 4; ++i) raw.set<std::int64_t>(16 + 8 * i, 2147483647);
  rejects_header(raw, "more than any file holds");
  raw.set<std::int64_t>(24, std::numeric_limits<std::int64_t>::max());
  rejects_header(raw, "dim[1] is 9223372036854775807");
}

TEST_F(BadInput, DatatypeAndOffset) {
  const RawNifti raw;
  rejects_header(RawNifti(raw).set<std::int16_t>(72, 32), "bitpix 32 does not fit datatype int16");
  rejects_header(RawNifti(raw).set<std::int16_t>(70, 3), "unknown datatype code 3");
  for (const auto& [code, name] :
       {std::pair{1, "binary"}, std::pair{32, "complex64"}, std::pair{128, "RGB24"},
        std::pair{1536, "float128"}, std::pair{1792, "complex128"}, std::pair{2304, "RGBA32"}}) {
    rejects_header(RawNifti(raw).set(70, static_cast<std::int16_t>(code)), name);
  }
  rejects_header(RawNifti(raw).set(108, 100.0F), "vox_offset is 100");
  rejects_header(RawNifti(raw).set(108, -352.0F), "vox_offset is -352");
  rejects_header(RawNifti(raw).set(108, 352.5F), "vox_offset is 352.5");
  rejects_header(RawNifti(raw).set(108, 1e12F), "but the file has");
  rejects_header(RawNifti(raw).set(108, std::numeric_limits<float>::quiet_NaN()), "vox_offset");
}

TEST_F(BadInput, UnusableAffines) {
  RawNifti raw;
  for (std::size_t i = 0; i < 12; ++i) raw.set(280 + 4 * i, 0.0F);
  const NiftiHeader header = read_header(spill(folder / "a.nii", raw.bytes));
  EXPECT_EQ(header.affine_source, "pixdim");
  raw.set<std::int16_t>(252, 1).set(256, 5.0F); // no rotation has b = 5
  EXPECT_EQ(read_header(spill(folder / "a.nii", raw.bytes)).affine_source, "pixdim");
  raw.set(256, 0.0F);
  EXPECT_EQ(read_header(spill(folder / "a.nii", raw.bytes)).affine_source, "qform");
}

TEST_F(BadInput, NoScalingForASlopeOfZeroOrNaN) {
  RawNifti raw;
  raw.set<std::int16_t>(352, 7);
  for (const float slope : {0.0F, std::numeric_limits<float>::quiet_NaN()}) {
    raw.set(112, slope).set(116, 100.0F);
    EXPECT_EQ(read_series(spill(folder / "a.nii", raw.bytes), Context{}).data[0], 7.0F);
  }
}

TEST_F(BadInput, TruncatedFiles) {
  const RawNifti raw;
  rejects("a.nii", raw.bytes.substr(0, raw.bytes.size() - 1), "truncated");
  RawNifti noise;
  noise.dims({40, 40, 20, 3}).voxels(40 * 40 * 20 * 3 * 2);
  unsigned int state = 1;
  for (std::size_t i = 352; i < noise.bytes.size(); ++i) {
    state = state * 1664525U + 1013904223U;
    noise.bytes[i] = static_cast<char>(state >> 24U);
  }
  const std::string whole = gzip(noise.bytes);
  for (const std::size_t n : {whole.size() - 1, whole.size() - 8, whole.size() / 2}) {
    rejects("b.nii.gz", whole.substr(0, n), "truncated gzip");
  }
  rejects("c.nii.gz", whole.substr(0, 20), "truncated");
  rejects("d.nii.gz", gzip(noise.bytes.substr(0, 100000)), "truncated: ");
}

TEST_F(BadInput, CorruptGzip) {
  RawNifti raw;
  raw.dims({50, 50, 20, 3}).voxels(50 * 50 * 20 * 3 * 2);
  for (std::size_t i = 352; i < raw.bytes.size(); ++i) {
    raw.bytes[i] = static_cast<char>((i * 7919U) >> 3U);
  }
  const std::string good = gzip(raw.bytes);
  for (const std::size_t from_end : {std::size_t{8}, std::size_t{1}}) { // CRC, then length
    std::string bad = good;
    bad[bad.size() - from_end] ^= 0x10;
    rejects("a.nii.gz", bad, "checksum or length");
  }
  for (std::size_t at = 400; at < good.size() - 8; at += good.size() / 7) {
    std::string bad = good;
    bad[at] ^= 0x55;
    rejects("b.nii.gz", bad, "gzip");
  }
  rejects("c.nii.gz", good + "rubbish", "other data after the compressed data");
  std::string method = good;
  method[2] = 7;
  rejects("d.nii.gz", method, "corrupt gzip");
}

TEST_F(BadInput, WrongNumberOfDimensions) {
  RawNifti raw;
  const auto four = spill(folder / "four.nii", raw.bytes);
  expect_input_error([&] { (void)read_volume(four); }, "5 volumes, expected one");
  expect_input_error([&] { (void)read_mask(four); }, "5 volumes");
  expect_input_error([&] { (void)read_labels(four); }, "5 volumes");
  raw.dims({4, 3, 2});
  rejects("three.nii", raw.bytes, "3 dimensions, expected a series of four");
  raw.dims({4, 3, 2, 1});
  EXPECT_EQ(read_volume(spill(folder / "one.nii", raw.bytes)).data.size(), 24U);
  EXPECT_EQ(read_series(folder / "one.nii", Context{}).n_volumes, 1);
}

} // namespace
} // namespace boldmill::image_io
