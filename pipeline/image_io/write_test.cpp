#include <sys/resource.h>

#include <cmath>
#include <csignal>

#include "pipeline/image_io/nifti.hpp"
#include "pipeline/image_io/test_files.hpp"

namespace boldmill::image_io {
namespace {

Eigen::Matrix4d oblique() {
  Eigen::Matrix4d affine;
  affine << -2.9, 0.3, 0.4, 80.5, 0.35, 2.8, -0.6, -101.25, 0.25, 0.7, 3.1, -60, 0, 0, 0, 1;
  return affine;
}

Series ramp(const std::array<int, 3>& shape, int n_volumes) {
  Series series;
  series.grid = {shape, oblique()};
  series.n_volumes = n_volumes;
  series.tr_s = 0.8;
  series.data.resize(series.grid.n_voxels() * static_cast<std::size_t>(n_volumes));
  for (std::size_t i = 0; i < series.data.size(); ++i) {
    series.data[i] = static_cast<float>(i) * 0.5F - 20.0F;
  }
  return series;
}

std::size_t files_in(const TemporaryFolder& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

TEST(Write, RoundTrip) {
  const TemporaryFolder folder;
  const Series series = ramp({5, 4, 3}, 6);
  for (const std::string name : {"a.nii", "a.nii.gz"}) {
    write_series(folder / name, series);
    const Series back = read_series(folder / name, Context{});
    EXPECT_EQ(back.data, series.data);
    EXPECT_TRUE(back.grid.same_as(series.grid, 1e-4)); // NIfTI-1 keeps floats
    EXPECT_NEAR(back.tr_s, 0.8, 1e-7);
  }
  EXPECT_EQ(gunzip(folder / "a.nii.gz"), slurp(folder / "a.nii"));
  EXPECT_EQ(files_in(folder), 2U); // no .part
}

TEST(Write, IntegersRoundAndSaturate) {
  const TemporaryFolder folder;
  Volume volume(Grid{{6, 1, 1}, Eigen::Matrix4d::Identity()});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  volume.data = {-3.0F, 0.4F, 0.6F, 254.6F, 1000.0F, nan};
  write_volume(folder / "a.nii", volume, {.type = StoredType::uint8});
  EXPECT_EQ(read_volume(folder / "a.nii").data,
            (std::vector<float>{0.0F, 0.0F, 1.0F, 255.0F, 255.0F, 0.0F}));
  write_volume(folder / "b.nii", volume, {.type = StoredType::int16, .slope = 0.5, .inter = 10.0});
  EXPECT_EQ(read_volume(folder / "b.nii").data,
            (std::vector<float>{-3.0F, 0.5F, 0.5F, 254.5F, 1000.0F, 0.0F}));
}

TEST(Write, ScalingChosenFromTheRange) {
  const TemporaryFolder folder;
  const Series series = ramp({5, 4, 3}, 6);
  const auto worst = [&](StoredType type) {
    write_series(folder / "a.nii", series, {.type = type, .slope = 0.0});
    const Series back = read_series(folder / "a.nii", Context{});
    double largest = 0.0;
    for (std::size_t i = 0; i < back.data.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(back.data[i]) - series.data[i]));
    }
    return largest;
  };
  const double range = 0.5 * (360 - 1);
  EXPECT_LE(worst(StoredType::uint8), 0.51 * range / 255);
  EXPECT_LE(worst(StoredType::int16), 0.51 * range / 65535 + 1e-5);
  Volume constant(Grid{{2, 2, 2}, Eigen::Matrix4d::Identity()}, 7.25F);
  write_volume(folder / "c.nii", constant, {.type = StoredType::int16, .slope = 0.0});
  EXPECT_EQ(read_volume(folder / "c.nii").data, constant.data);
}

TEST(Write, MasksAndLabels) {
  const TemporaryFolder folder;
  Mask mask(Grid{{3, 2, 1}, oblique()});
  mask.data = {0, 1, 1, 0, 0, 1};
  write_mask(folder / "mask.nii.gz", mask);
  EXPECT_EQ(read_mask(folder / "mask.nii.gz").data, mask.data);
  EXPECT_EQ(read_header(folder / "mask.nii.gz").datatype_name, "uint8");
  LabelImage labels(mask.grid);
  for (const auto& [top, type] :
       {std::pair{255, "uint8"}, std::pair{256, "int16"}, std::pair{40000, "int32"}}) {
    labels.data = {0, 1, 2, 3, 4, top};
    write_labels(folder / "labels.nii", labels);
    EXPECT_EQ(read_labels(folder / "labels.nii").data, labels.data);
    EXPECT_EQ(read_header(folder / "labels.nii").datatype_name, type);
  }
}

TEST(Write, SameBytesAtAnyNumberOfThreads) {
  const TemporaryFolder folder;
  Series series = ramp({64, 64, 33}, 40); // 21 MiB: two rounds of blocks, the last one short
  unsigned int state = 3;
  for (float& value : series.data) {
    state = state * 1664525U + 1013904223U;
    value += static_cast<float>(state >> 28U);
  }
  for (const int threads : {1, 8}) {
    with_threads(threads, [&] {
      write_series(folder / ("t" + std::to_string(threads) + ".nii.gz"), series);
    });
  }
  EXPECT_TRUE(slurp(folder / "t1.nii.gz") == slurp(folder / "t8.nii.gz"));
  write_series(folder / "plain.nii", series);
  EXPECT_TRUE(gunzip(folder / "t8.nii.gz") == slurp(folder / "plain.nii"));
}

TEST(Write, VolumeByVolume) {
  const TemporaryFolder folder;
  const Series series = ramp({5, 4, 3}, 3);
  {
    SeriesWriter writer(folder / "a.nii.gz", series.grid, 3, series.tr_s);
    for (int t = 0; t < 3; ++t) writer.append({series.volume(t), series.grid.n_voxels()});
    EXPECT_THROW(writer.append({series.volume(0), series.grid.n_voxels()}), Error);
    EXPECT_FALSE(std::filesystem::exists(folder / "a.nii.gz"));
    writer.close();
  }
  EXPECT_EQ(read_series(folder / "a.nii.gz", Context{}).data, series.data);
  {
    SeriesWriter writer(folder / "b.nii.gz", series.grid, 3, series.tr_s);
    writer.append({series.volume(0), series.grid.n_voxels()});
    EXPECT_THROW(writer.close(), Error);
  }
  EXPECT_THROW(SeriesWriter(folder / "c.nii", series.grid, 3, 2.0,
                            {.type = StoredType::int16, .slope = 0.0}),
               Error);
  EXPECT_EQ(files_in(folder), 1U); // what was not closed left nothing
}

void expect_disk_error(const std::function<void()>& body, const std::string& part) {
  try {
    body();
    ADD_FAILURE() << "no error; expected one with \"" << part << "\"";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::disk) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Write, FullOrMissingDiskIsAnErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  const Series series = ramp({32, 32, 16}, 20);
  expect_disk_error([&] { write_series(folder / "no/such/folder/a.nii", series); },
                    "cannot be created");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{20000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  expect_disk_error([&] { write_series(folder / "a.nii", series); }, "write failed");
  expect_disk_error([&] { write_series(folder / "a.nii.gz", series); }, "write failed");
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(files_in(folder), 0U);
}

TEST(Write, AFailedWriteKeepsTheOldFile) {
  const TemporaryFolder folder;
  spill(folder / "a.nii", "old");
  { SeriesWriter writer(folder / "a.nii", ramp({2, 2, 2}, 1).grid, 2, 1.0); }
  EXPECT_EQ(slurp(folder / "a.nii"), "old");
}

TEST(Write, NibabelReadsIt) {
  if (std::system("/usr/bin/python3 -c 'import nibabel' > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no nibabel for /usr/bin/python3";
  }
  const TemporaryFolder folder;
  const Series series = ramp({5, 4, 3}, 6);
  write_series(folder / "series.nii", series);
  write_series(folder / "series.nii.gz", series);
  write_series(folder / "scaled.nii.gz", series, {.type = StoredType::int16, .slope = 0.0});
  Volume rigid(series.grid);
  rigid.grid.affine << 0, 0, 3, -10, -2, 0, 0, 20, 0, 2.5, 0, -30, 0, 0, 0, 1;
  write_volume(folder / "rigid.nii.gz", rigid, {.space_code = 4, .description = "a rigid grid"});
  LabelImage labels(series.grid);
  labels.data[1] = 70000;
  write_labels(folder / "labels.nii.gz", labels);
  write_volume(folder / "wide.nii", Volume(Grid{{40000, 1, 1}, oblique()}));
  const std::string command = "/usr/bin/python3 '" +
                              (reference_folder() / "check_written.py").string() + "' '" +
                              folder.path().string() + "' > /dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

} // namespace
} // namespace boldmill::image_io
