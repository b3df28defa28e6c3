#include "pipeline/image_io/cifti.hpp"

#include <cmath>

#include "pipeline/image_io/test_files.hpp"

namespace boldmill::image_io {
namespace {

namespace fs = std::filesystem;

fs::path stored(const std::string& name) {
  return fs::path(BOLDMILL_SOURCE_DIR) / "tests/reference/cifti" / name;
}

// One exchange in the bytes of a file; lengths must agree, so that nothing else moves.
std::string exchanged(std::string bytes, const std::string& from, const std::string& to) {
  EXPECT_EQ(from.size(), to.size());
  const std::size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) bytes.replace(at, from.size(), to);
  return bytes;
}

TEST(Cifti, KnowsItsKindsByName) {
  EXPECT_EQ(cifti_kind("a/b_bold.dtseries.nii"), CiftiKind::dense_series);
  EXPECT_EQ(cifti_kind("b.ptseries.nii"), CiftiKind::parcel_series);
  EXPECT_EQ(cifti_kind("b.dlabel.nii"), CiftiKind::dense_labels);
  EXPECT_EQ(cifti_kind("b.dtseries.nii.gz"), CiftiKind::none);
  EXPECT_EQ(cifti_kind("bold.nii"), CiftiKind::none);
}

TEST(Cifti, ReadsBrainModelsAsNibabelWroteThem) {
  const DenseSeries dense = read_dense_series(stored("series.dtseries.nii"), Context{});
  ASSERT_EQ(dense.models.models.size(), 3U);
  EXPECT_EQ(dense.models.n_grayordinates(), 96U);
  const BrainModel& left = dense.models.models[0];
  EXPECT_EQ(left.structure, "CORTEX_LEFT");
  EXPECT_EQ(left.n_surface_vertices, 42);
  EXPECT_EQ(left.count, 30U);
  EXPECT_EQ(left.vertices[9], 9);
  EXPECT_EQ(left.vertices[10], 22);
  const BrainModel& thalamus = dense.models.models[2];
  EXPECT_EQ(thalamus.structure, "THALAMUS_LEFT");
  EXPECT_EQ(thalamus.offset, 72U);
  EXPECT_EQ(thalamus.voxels[1], (std::array<int, 3>{2, 1, 4}));
  ASSERT_TRUE(dense.models.volume);
  EXPECT_EQ(dense.models.volume->shape, (std::array<int, 3>{9, 8, 7}));
  EXPECT_TRUE(dense.models.volume->left_handed());
  EXPECT_EQ(dense.models.volume->affine(1, 3), -126.0);
  EXPECT_EQ(dense.tr_s, 1.5);
  EXPECT_EQ(dense.series.rows(), 12);
  EXPECT_EQ(dense.series.cols(), 96);
  EXPECT_TRUE((dense.series.col(4).array() == 0.0F).all());
  EXPECT_TRUE(std::isnan(dense.series(3, 75)));
}

TEST(Cifti, ReadsIntegersAndOnlyWhatIsWanted) {
  const DenseSeries real = read_dense_series(stored("series.dtseries.nii"), Context{});
  const DenseSeries whole = read_dense_series(stored("int16.dtseries.nii"), Context{});
  for (Eigen::Index i = 0; i < real.series.size(); ++i) {
    const float value = real.series.data()[i];
    EXPECT_NEAR(whole.series.data()[i], std::isnan(value) ? 0.0F : 100.0F * value, 0.51F);
  }
  std::vector<std::uint8_t> wanted(96, 0);
  wanted[2] = wanted[95] = 1;
  const DenseSeries some = read_dense_series(stored("series.dtseries.nii"), Context{}, &wanted);
  EXPECT_EQ(some.columns, (std::vector<std::size_t>{2, 95}));
  EXPECT_EQ(some.series.col(0), real.series.col(2));
  EXPECT_EQ(some.series.col(1), real.series.col(95));
}

TEST(Cifti, ReadsLabelsAndParcels) {
  const DenseLabels labels = read_dense_labels(stored("atlas.dlabel.nii"));
  EXPECT_EQ(labels.n_maps, 2);
  EXPECT_EQ(labels.map_name, "first");
  ASSERT_EQ(labels.table.size(), 9U);
  EXPECT_EQ(labels.keys.size(), 110U);
  EXPECT_EQ(labels.keys[0], 2);
  EXPECT_EQ(labels.keys[15], 7);
  EXPECT_EQ(labels.keys[109], 6);
  const DenseLabels second = read_dense_labels(stored("atlas.dlabel.nii"), 1);
  EXPECT_EQ(second.map_name, "second");
  EXPECT_TRUE(std::ranges::all_of(second.keys, [](int key) { return key == 1; }));

  const ParcelSeries parcels = read_parcel_series(stored("parcels.ptseries.nii"), Context{});
  EXPECT_EQ(parcels.names, (std::vector<std::string>{"P0", "P1", "P2", "P3", "P4"}));
  for (int t = 0; t < 12; ++t) {
    for (int p = 0; p < 5; ++p) {
      EXPECT_EQ(parcels.series(t, p), static_cast<float>(5 * t + p) + 0.25F);
    }
  }
}

TEST(Cifti, RefusesOtherKindsByName) {
  expect_input_error([] { (void)read_dense_series(stored("scalars.dscalar.nii"), Context{}); },
                     "scalars by brain models, expected series by brain models");
  expect_input_error([] { (void)read_dense_labels(stored("series.dtseries.nii")); },
                     "series by brain models, expected labels by brain models");
  expect_input_error([] { (void)read_parcel_series(stored("series.dtseries.nii"), Context{}); },
                     "expected series by parcels");
  expect_input_error([] { (void)read_brain_models(stored("parcels.ptseries.nii")); },
                     "found parcels");
  expect_input_error([] { (void)read_dense_labels(stored("atlas.dlabel.nii"), 2); }, "map 3 of 2");
  const TemporaryFolder folder;
  const fs::path plain = spill(folder / "x.dtseries.nii", RawNifti().bytes);
  expect_input_error([&] { (void)read_dense_series(plain, Context{}); }, "expected CIFTI-2");
}

TEST(Cifti, RefusesDamagedFiles) {
  const TemporaryFolder folder;
  const std::string good = slurp(stored("series.dtseries.nii"));
  const auto expect = [&](const std::string& bytes, const std::string& part) {
    const fs::path path = spill(folder / "x.dtseries.nii", bytes);
    expect_input_error([&] { (void)read_dense_series(path, Context{}); }, part);
  };
  const std::size_t xml = good.find("<CIFTI");
  std::string cut = good; // the text ends in the middle, the matrix is where it was
  std::fill(cut.begin() + static_cast<std::ptrdiff_t>(xml) + 900,
            cut.begin() + static_cast<std::ptrdiff_t>(good.find("</CIFTI>")) + 8, '\0');
  expect(cut, "damaged or cut short");
  expect(exchanged(good, "<CIFTI ", "<CIFTJ "), "damaged or cut short");
  expect(exchanged(good, "Version=\"2.0\"", "Version=\"1.0\""), "version '1.0'");
  expect(exchanged(good, "NumberOfSeriesPoints=\"12\"", "NumberOfSeriesPoints=\"13\""),
         "the XML states 13, the header 12");
  expect(exchanged(good, "IndexOffset=\"72\"", "IndexOffset=\"71\""), "expected 72");
  expect(exchanged(good, "IndexCount=\"42\"", "IndexCount=\"41\""), "42 indices are listed");
  expect(exchanged(good, "SurfaceNumberOfVertices=\"42\"", "SurfaceNumberOfVertices=\"40\""),
         "found the vertex 40 of 40");
  expect(exchanged(good, "IndexCount=\"42\"", "IndexCount=\"99\""), "up to 96");
  expect(exchanged(good, "MODEL_TYPE_VOXELS", "MODEL_TYPE_VOXELX"), "expected a surface or voxels");
  expect(exchanged(good, "TYPE_SERIES", "TYPE_SERIEX"), "dimension type");
  expect(exchanged(good, "Dimension=\"1\"", "Dimension=\"0\""), "each once");
  expect(exchanged(good, "VolumeDimensions=\"9,8,7\"", "VolumeDimensions=\"9,8,x\""), "numbers");
  expect(exchanged(good, "VolumeDimensions=\"9,8,7\"", "VolumeDimensions=\"9,8,4\""),
         "outside the volume");
  expect(good.substr(0, good.size() - 5), "truncated");
  expect(good.substr(0, 700), "truncated");
  expect(good.substr(0, 100), "truncated");

  std::string header = good; // dim[5], a number of 64 bits, at byte 16 + 5 * 8
  header.replace(56, 8, std::string("\xff\xff\xff\x7f\0\0\0\0", 8));
  expect(header, "the file has");
  header.replace(56, 8, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8));
  expect(header, "dim[1]");
  header = good; // size of the extension
  header.replace(544, 4, std::string("\xff\xff\xff\x7f", 4));
  expect(header, "header extension of 2147483647 bytes");
  header = good; // its code
  header.replace(548, 4, std::string("\x06\0\0\0", 4));
  expect(header, "no CIFTI extension");
}

} // namespace
} // namespace boldmill::image_io
