#include <cmath>

#include "pipeline/image_io/digest.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/image_io/test_files.hpp"

namespace boldmill::image_io {
namespace {

void expect_affine(const Grid& grid, const std::vector<double>& row, double tolerance,
                   const std::string& name) {
  for (int i = 0; i < 12; ++i) {
    EXPECT_NEAR(grid.affine(i / 4, i % 4), row[static_cast<std::size_t>(i)], tolerance) << name;
  }
}

TEST(Read, EveryTypeByteOrderAndOrientationAsNibabel) {
  const auto expected = read_rows(reference_folder() / "expected.tsv");
  const auto values = read_rows(reference_folder() / "values.tsv");
  ASSERT_EQ(expected.size(), 27U);
  for (const auto& [name, row] : expected) {
    const auto path = reference_folder() / "files" / name;
    ReadReport report;
    const Series series = read_series(path, Context{}, {.report = &report});
    ASSERT_EQ(series.grid.shape, (std::array<int, 3>{3, 2, 2})) << name;
    ASSERT_EQ(series.n_volumes, 2) << name;
    // A quaternion in single precision gives the angle to about 1e-7 of the translation's size.
    expect_affine(series.grid, row, report.header.affine_source == "qform" ? 1e-5 : 1e-12, name);
    EXPECT_NEAR(series.tr_s, row[12], 1e-6) << name;
    const std::vector<double>& reference = values.at(name);
    for (std::size_t i = 0; i < 24; ++i) {
      const double tolerance = 1.2e-7 * std::abs(reference[i]); // one float rounding
      EXPECT_NEAR(series.data[i], reference[i], tolerance) << name << " voxel " << i;
    }
    EXPECT_EQ(report.header.big_endian,
              name.find("big") != std::string::npos || name.find("_v2") != std::string::npos)
        << name;
  }
}

TEST(Read, AffineSourceIsRecorded) {
  const auto source = [](const std::string& name) {
    return read_header(reference_folder() / "files" / name).affine_source;
  };
  EXPECT_EQ(source("i2_little.nii"), "sform");
  EXPECT_EQ(source("only_qform.nii"), "qform");
  EXPECT_EQ(source("neither.nii"), "pixdim");
  EXPECT_TRUE(read_header(reference_folder() / "files/left_handed.nii").grid.left_handed() !=
              read_header(reference_folder() / "files/i2_little.nii").grid.left_handed());
  EXPECT_FALSE(read_header(reference_folder() / "files/neither.nii").notes.empty());
}

TEST(Read, RealImagesAsNibabel) {
  const auto rows = read_rows(reference_folder() / "shared.tsv");
  int read = 0;
  for (const auto& [name, row] : rows) {
    const auto path = shared_data() / name;
    if (!std::filesystem::exists(path)) continue;
    ++read;
    std::vector<float> data;
    Grid grid;
    int n_volumes = 1;
    if (row[12] > 1) {
      const Series series = read_series(path, Context{});
      data = series.data;
      grid = series.grid;
      n_volumes = series.n_volumes;
    } else {
      const Volume volume = read_volume(path);
      data = volume.data;
      grid = volume.grid;
    }
    expect_affine(grid, row, 1e-6, name);
    EXPECT_EQ(n_volumes, static_cast<int>(row[12])) << name;
    double sum = 0.0;
    double squares = 0.0;
    for (const float value : data) sum += value;
    const double mean = sum / static_cast<double>(data.size());
    for (const float value : data) squares += (value - mean) * (value - mean);
    EXPECT_NEAR(mean, row[13], 1e-6 * std::abs(row[13])) << name;
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(data.size())), row[14], 1e-6 * row[14]);
    const std::size_t last = static_cast<std::size_t>(n_volumes - 1) * grid.n_voxels();
    const std::size_t middle = grid.index(grid.shape[0] / 2, grid.shape[1] / 2, grid.shape[2] / 2);
    EXPECT_NEAR(data[last + middle], row[15], 1e-6 * std::abs(row[15])) << name;
  }
  if (read == 0) GTEST_SKIP() << "no shared data at " << shared_data();
}

TEST(Read, BlocksAndVolumesAreTheSeriesAtAnyNumberOfThreads) {
  const TemporaryFolder folder;
  Series series;
  series.grid.shape = {97, 71, 61}; // several blocks a volume, none of the same size
  series.n_volumes = 4;
  series.tr_s = 2.0;
  for (std::size_t i = 0; i < series.grid.n_voxels() * 4; ++i) {
    series.data.push_back(static_cast<float>(i * 2654435761U % 10007U));
  }
  write_series(folder / "a.nii.gz", series);
  for (const int threads : {1, 8}) {
    with_threads(threads, [&] {
      EXPECT_EQ(read_series(folder / "a.nii.gz", Context{}).data, series.data);
      std::size_t position = 0;
      for_each_block(folder / "a.nii.gz", Context{}, [&](const SeriesBlock& block) {
        ASSERT_EQ(static_cast<std::size_t>(block.volume) * series.grid.n_voxels() + block.begin,
                  position);
        ASSERT_TRUE(std::equal(block.values.begin(), block.values.end(),
                               series.data.begin() + static_cast<std::ptrdiff_t>(position)));
        position += block.values.size();
      });
      EXPECT_EQ(position, series.data.size());
      int next = 0;
      for_each_volume(folder / "a.nii.gz", Context{}, [&](int t, std::span<const float> values) {
        EXPECT_EQ(t, next++);
        EXPECT_TRUE(std::equal(values.begin(), values.end(), series.volume(t)));
      });
      EXPECT_EQ(next, 4);
    });
  }
}

TEST(Read, StopsWhenAskedAndPassesOnTheConsumersError) {
  const auto path = reference_folder() / "files/i2_little.nii";
  std::stop_source stop;
  stop.request_stop();
  Context context;
  context.stop = stop.get_token();
  try {
    (void)read_series(path, context);
    ADD_FAILURE() << "not interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
  EXPECT_THROW(
      for_each_block(path, Context{},
                     [](const SeriesBlock&) { throw Error(ErrorKind::gate, "from the consumer"); }),
      Error);
}

TEST(Read, NonfiniteVoxelsAreCountedAndReplacedOnRequest) {
  const TemporaryFolder folder;
  Volume volume(Grid{{3, 3, 1}, Eigen::Matrix4d::Identity()}, 2.0F);
  volume.data[1] = std::numeric_limits<float>::quiet_NaN();
  volume.data[4] = std::numeric_limits<float>::infinity();
  write_volume(folder / "a.nii", volume);
  ReadReport report;
  const Volume kept = read_volume(folder / "a.nii", {.report = &report});
  EXPECT_EQ(report.n_nonfinite, 2U);
  EXPECT_EQ(report.header.notes.size(), 1U);
  EXPECT_TRUE(std::isnan(kept.data[1]));
  const Volume replaced =
      read_volume(folder / "a.nii", {.nonfinite_to_zero = true, .report = &report});
  EXPECT_EQ(report.n_nonfinite, 2U);
  EXPECT_EQ(replaced.data[1], 0.0F);
  EXPECT_EQ(replaced.data[4], 0.0F);
  EXPECT_EQ(replaced.data[0], 2.0F);
  EXPECT_EQ(count(read_mask(folder / "a.nii")), 8U); // NaN is outside
}

TEST(Read, RepetitionTimeAndItsUnit) {
  const TemporaryFolder folder;
  const auto tr = [&](float pixdim4, char units) {
    RawNifti raw;
    raw.set(92, pixdim4).set<char>(123, units);
    return read_header(spill(folder / "a.nii", raw.bytes));
  };
  EXPECT_DOUBLE_EQ(tr(2.0F, 2 | 8).tr_s, 2.0);
  EXPECT_TRUE(tr(2.0F, 2 | 8).notes.empty());
  EXPECT_DOUBLE_EQ(tr(720.0F, 2 | 16).tr_s, 0.72);
  EXPECT_DOUBLE_EQ(tr(2e6F, 2 | 24).tr_s, 2.0);
  EXPECT_DOUBLE_EQ(tr(1.5F, 2).tr_s, 1.5);
  EXPECT_EQ(tr(1.5F, 2).notes.size(), 1U); // unit not stated
  const NiftiHeader wrong = tr(2000.0F, 2 | 8);
  EXPECT_TRUE(std::isnan(wrong.tr_s));
  EXPECT_EQ(wrong.tr_raw, 2000.0);
  ASSERT_EQ(wrong.notes.size(), 1U);
  EXPECT_NE(wrong.notes[0].find("milliseconds would make 2 s"), std::string::npos);
  EXPECT_TRUE(std::isnan(tr(0.0F, 2 | 8).tr_s));
  EXPECT_TRUE(std::isnan(tr(2.0F, 2 | 32).tr_s)); // hertz
}

TEST(Read, LengthUnits) {
  const TemporaryFolder folder;
  RawNifti raw;
  for (std::size_t row = 0; row < 3; ++row) raw.set(280 + 20 * row, 0.002F);
  raw.set<char>(123, 1 | 8);
  EXPECT_NEAR(read_header(spill(folder / "a.nii", raw.bytes)).grid.affine(0, 0), 2.0, 1e-6);
  RawNifti plain;
  plain.set<char>(123, 1 | 8); // 2 metres
  EXPECT_NEAR(read_header(spill(folder / "b.nii", plain.bytes)).grid.affine(0, 0), 2.0, 1e-6);
}

TEST(Read, LabelsMustBeWhole) {
  const TemporaryFolder folder;
  Volume volume(Grid{{2, 2, 1}, Eigen::Matrix4d::Identity()});
  volume.data = {0.0F, 3.0F, 16777215.0F, -2.0F};
  write_volume(folder / "a.nii", volume);
  EXPECT_EQ(read_labels(folder / "a.nii").data, (std::vector<std::int32_t>{0, 3, 16777215, -2}));
  volume.data[1] = 3.25F;
  write_volume(folder / "b.nii", volume);
  expect_input_error([&] { (void)read_labels(folder / "b.nii"); }, "label 3.25");
  RawNifti wide; // int64: not held by float
  wide.dims({2, 1, 1}).set<std::int16_t>(70, 1024).set<std::int16_t>(72, 64).voxels(16);
  wide.set<std::int64_t>(352, 614454277);
  EXPECT_EQ(read_labels(spill(folder / "c.nii", wide.bytes)).data[0], 614454277);
}

TEST(Read, GzipPaddedWithZerosAndMisnamed) {
  const TemporaryFolder folder;
  const RawNifti raw;
  const auto padded = spill(folder / "a.nii.gz", gzip(raw.bytes) + std::string(700, '\0'));
  EXPECT_EQ(read_series(padded, Context{}).n_volumes, 5);
  const auto plain = spill(folder / "b.nii.gz", raw.bytes);
  EXPECT_FALSE(read_header(plain).is_gzip);
  EXPECT_FALSE(read_header(plain).notes.empty());
}

TEST(Digest, KnownVectors) {
  const TemporaryFolder folder;
  const FileDigest abc = digest_file(spill(folder / "a", "abc")); // FIPS 180-2, B.1
  EXPECT_EQ(abc.bytes, 3U);
  EXPECT_EQ(abc.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const FileDigest million = digest_file(spill(folder / "b", std::string(1000000, 'a'))); // B.3
  EXPECT_EQ(million.sha256, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  expect_input_error([&] { (void)digest_file(folder / "absent"); }, "cannot be opened");
}

} // namespace
} // namespace boldmill::image_io
