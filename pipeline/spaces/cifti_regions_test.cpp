#include "pipeline/spaces/cifti_regions.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <fstream>
#include <sstream>

namespace boldmill::spaces {
namespace {

namespace fs = std::filesystem;

fs::path stored(const std::string& name) {
  return fs::path(BOLDMILL_SOURCE_DIR) / "tests/reference/cifti" / name;
}

// A table of numbers under a header, n/a as NaN.
std::vector<std::vector<double>> read_table(const std::string& name,
                                            std::vector<std::string>& header) {
  std::ifstream file(stored(name));
  EXPECT_TRUE(file) << name;
  std::vector<std::vector<double>> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    std::vector<std::string> row;
    for (std::string cell; std::getline(cells, cell, '\t');) row.push_back(cell);
    if (header.empty()) {
      header = row;
      continue;
    }
    rows.emplace_back();
    for (const std::string& cell : row) {
      rows.back().push_back(cell == "n/a" ? std::nan("") : std::stod(cell));
    }
  }
  return rows;
}

DenseParcels stored_parcels(const extraction::Params& params = {}) {
  return parcellate({stored("series.dtseries.nii"), stored("atlas.dlabel.nii"), 0}, params,
                    Context{});
}

TEST(DenseRegions, AgreeWithNibabelAndNumpy) {
  std::vector<std::string> names, same_names;
  const auto means = read_table("means.tsv", names);
  const auto coverage = read_table("coverage.tsv", same_names);
  const DenseParcels parcels = stored_parcels();
  ASSERT_EQ(parcels.regions.size(), names.size());
  ASSERT_EQ(parcels.outputs.parcel_series.rows(), static_cast<Eigen::Index>(means.size()));
  EXPECT_EQ(parcels.tr_s, 1.5);
  for (std::size_t r = 0; r < names.size(); ++r) {
    const auto column = static_cast<Eigen::Index>(r);
    EXPECT_EQ(parcels.regions[r].label, names[r]);
    const double share = parcels.outputs.coverage[column];
    EXPECT_TRUE(share == coverage[0][r] || (std::isnan(share) && std::isnan(coverage[0][r])))
        << names[r] << " " << share;
    for (std::size_t t = 0; t < means.size(); ++t) {
      const float value = parcels.outputs.parcel_series(static_cast<Eigen::Index>(t), column);
      if (std::isnan(means[t][r])) {
        EXPECT_TRUE(std::isnan(value)) << names[r];
      } else {
        EXPECT_NEAR(value, means[t][r], 1e-5) << names[r]; // float of numbers near 100
      }
    }
  }
  ASSERT_EQ(parcels.notes.size(), 3U);
  EXPECT_NE(parcels.notes[0].find("ACCUMBENS_LEFT"), std::string::npos);
  EXPECT_NE(parcels.notes[1].find("nowhere"), std::string::npos);
  EXPECT_NE(parcels.notes[2].find("1 labelled grayordinates"), std::string::npos);
}

TEST(DenseRegions, SameBitsWithAnyThreads) {
  for (const char* statistic : {"mean", "median", "eigenvariate"}) {
    const extraction::Params params{.statistic = statistic};
    const Eigen::MatrixXf one = stored_parcels(params).outputs.parcel_series;
    const tbb::global_control more(tbb::global_control::max_allowed_parallelism, 8);
    tbb::task_arena arena(8);
    arena.execute([&] {
      const Eigen::MatrixXf eight = stored_parcels(params).outputs.parcel_series;
      for (Eigen::Index i = 0; i < one.size(); ++i) {
        const float a = one.data()[i], b = eight.data()[i];
        EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << statistic;
      }
    });
  }
}

// Moving whole structures and their columns must not matter.
TEST(DenseRegions, TheOrderOfStructuresDoesNotMatter) {
  const image_io::DenseLabels labels = image_io::read_dense_labels(stored("atlas.dlabel.nii"));
  const image_io::BrainModels series = image_io::read_brain_models(stored("series.dtseries.nii"));
  image_io::BrainModels turned;
  turned.volume = series.volume;
  std::vector<std::size_t> old_place;
  for (auto model = series.models.rbegin(); model != series.models.rend(); ++model) {
    turned.models.push_back(*model);
    turned.models.back().offset = old_place.size();
    for (std::size_t i = 0; i < model->count; ++i) old_place.push_back(model->offset + i);
  }
  const DenseRegions a = dense_regions(labels, series, "atlas");
  const DenseRegions b = dense_regions(labels, turned, "atlas");
  ASSERT_EQ(a.regions.size(), b.regions.size());
  for (std::size_t r = 0; r < a.regions.size(); ++r) {
    std::vector<std::size_t> voxels;
    for (const std::size_t g : b.regions[r].voxels) {
      voxels.push_back(g < old_place.size() ? old_place[g] : g);
    }
    std::ranges::sort(voxels);
    EXPECT_EQ(voxels, a.regions[r].voxels) << a.regions[r].label;
  }
}

TEST(DenseRegions, RefusesBrainModelsThatDoNotFit) {
  const image_io::DenseLabels labels = image_io::read_dense_labels(stored("atlas.dlabel.nii"));
  const image_io::BrainModels series = image_io::read_brain_models(stored("series.dtseries.nii"));
  const auto expect = [&](const image_io::BrainModels& models, const std::string& part) {
    try {
      (void)dense_regions(labels, models, "atlas");
      ADD_FAILURE() << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  image_io::BrainModels other = series;
  other.models[0].n_surface_vertices = 32492;
  expect(other, "CORTEX_LEFT is a surface of 42 vertices, in the series a surface of 32492");
  other = series;
  other.volume->affine(0, 3) += 2.0;
  expect(other, "THALAMUS_LEFT has voxels of another volume");
  other = series;
  other.models[2].structure = "CORTEX_LEFT";
  other.models[0].structure = "THALAMUS_LEFT";
  expect(other, "in the series");
  image_io::DenseLabels none = labels;
  none.table.resize(1);
  EXPECT_THROW((void)dense_regions(none, series, "atlas"), Error);
}

} // namespace
} // namespace boldmill::spaces
