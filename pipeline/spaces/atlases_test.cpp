// Atlases of TemplateFlow folders, of other kinds than labels, and the real ones of the shared
// data.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "pipeline/image_io/nifti.hpp"
#include "pipeline/spaces/files.hpp"
#include "pipeline/spaces/region_sources.hpp"

namespace boldmill::spaces {
namespace {

namespace fs = std::filesystem;

class Folder {
public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "boldmill-atlases-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] fs::path operator/(const fs::path& name) const { return path_ / name; }
  [[nodiscard]] const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

fs::path data_folder() {
  const char* given = std::getenv("BOLDMILL_TEST_DATA");
  return given != nullptr ? fs::path(given) : fs::path(BOLDMILL_SOURCE_DIR) / "../shared/data";
}

Grid small_grid() {
  Grid grid;
  grid.shape = {6, 5, 4};
  grid.affine << 2, 0, 0, -5, 0, 2, 0, -4, 0, 0, 2, -3, 0, 0, 0, 1;
  return grid;
}

LabelImage halves(const Grid& grid) {
  LabelImage labels(grid);
  for (std::size_t v = 0; v < labels.data.size(); ++v) {
    labels.data[v] = grid.coordinates(v)[0] < 3 ? 1 : 2;
  }
  return labels;
}

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST(TemplateFlowAtlases, AreFoundWithTheirTables) {
  const Folder folder;
  const std::string space = "MNI152NLin6Asym";
  const fs::path tpl = folder / ("tpl-" + space);
  fs::create_directories(tpl);
  const auto name = [&](const std::string& rest) { return tpl / ("tpl-" + space + rest); };
  image_io::write_labels(name("_res-01_atlas-X_desc-100P_dseg.nii.gz"), halves(small_grid()));
  image_io::write_labels(name("_res-02_atlas-X_desc-100P_dseg.nii.gz"), halves(small_grid()));
  write_text(name("_atlas-X_desc-100P_dseg.tsv"), "index\tname\n1\tleft\n2\tright\n");
  image_io::write_labels(name("_res-01_dseg.nii.gz"), halves(small_grid())); // no atlas
  std::ofstream(name("_res-01_atlas-Empty_dseg.nii.gz"));                    // not fetched
  const std::vector<AtlasInfo> found = find_atlases({{}, {}, folder.path()});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "X-100P");
  EXPECT_EQ(found[1].name, "X-100P_res-02");
  const AtlasInfo atlas = select_atlas(found, "X-100P", space);
  EXPECT_EQ(atlas.space, space);
  EXPECT_EQ(atlas.table_path.filename(), "tpl-" + space + "_atlas-X_desc-100P_dseg.tsv");
  EXPECT_EQ(atlas.sha256.size(), 64U);
  EXPECT_THROW((void)select_atlas(found, "Y"), Error);
  TemplateInfo target;
  target.space = space;
  const RegionSet set = atlas_regions(atlas_route(atlas, target, {}), nullptr, small_grid(),
                                      {.split_hemispheres = "never"}, Context{});
  ASSERT_EQ(set.regions.size(), 2U);
  EXPECT_EQ(set.regions[0].label, "left");
}

TEST(OtherAtlases, MapsAndPointsBecomeRegions) {
  const Folder folder;
  const Grid grid = small_grid();
  Series maps{grid, 2, std::nan(""), std::vector<float>(2 * grid.n_voxels(), 0.0F)};
  maps.volume(0)[7] = 0.25F;
  maps.volume(1)[8] = 0.75F;
  maps.volume(1)[9] = 0.1F;
  const fs::path image = folder / "atlas-M_space-MNI152NLin6Asym_probseg.nii.gz";
  image_io::write_series(image, maps);
  write_text(folder / "atlas-M_space-MNI152NLin6Asym_probseg.tsv", "index\tname\n1\tone\n2\ttwo\n");
  const AtlasInfo atlas = atlas_from_files({.image = image});
  EXPECT_EQ(atlas.kind, AtlasKind::maps);
  TemplateInfo target;
  target.space = "MNI152NLin6Asym";
  const RegionSet set = atlas_regions(atlas_route(atlas, target, {}), nullptr, grid, {}, Context{},
                                      {.maps = {.threshold = 0.2}, .spheres = {}});
  ASSERT_EQ(set.regions.size(), 2U);
  EXPECT_EQ(set.regions[1].label, "two");
  EXPECT_EQ(set.regions[1].voxels, (std::vector<std::size_t>{8}));
  EXPECT_EQ(set.regions[1].weights, (std::vector<float>{0.75F}));
  write_text(folder / "three.tsv", "index\tname\n1\ta\n2\tb\n3\tc\n");
  EXPECT_THROW((void)map_regions({image, folder / "three.tsv", "M"}, grid, nullptr, {}, Context{}),
               Error);

  write_text(folder / "points_space-MNI152NLin6Asym.tsv", "name\tx\ty\tz\na\t-1\t0\t1\n");
  const AtlasInfo points = atlas_from_files({.image = folder / "points_space-MNI152NLin6Asym.tsv"});
  EXPECT_EQ(points.kind, AtlasKind::points);
  const RegionSet spheres = atlas_regions(atlas_route(points, target, {}), nullptr, grid, {},
                                          Context{}, {.maps = {}, .spheres = {.radius_mm = 2.0}});
  ASSERT_EQ(spheres.regions.size(), 1U);
  EXPECT_EQ(spheres.regions[0].voxels.size(), 7U);
}

// --- The atlases of the shared data
// -------------------------------------------------------------------------------------

std::vector<fs::path> shared_atlases() {
  std::vector<fs::path> images;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(data_folder() / "atlases", error)) {
    if (entry.path().string().ends_with(".nii.gz")) images.push_back(entry.path());
  }
  std::ranges::sort(images);
  return images;
}

// The same voxels in the same places, x stored the other way.
LabelImage mirrored_storage(const LabelImage& labels) {
  LabelImage out(labels.grid);
  const int last = labels.grid.shape[0] - 1;
  out.grid.affine.col(3) += last * labels.grid.affine.col(0);
  out.grid.affine.col(0) *= -1.0;
  for (std::size_t v = 0; v < labels.data.size(); ++v) {
    const auto at = labels.grid.coordinates(v);
    out.at(last - at[0], at[1], at[2]) = labels.data[v];
  }
  return out;
}

TEST(SharedAtlases, RegionsAreInTheSamePlaceWhateverTheHandedness) {
  const std::vector<fs::path> images = shared_atlases();
  if (images.empty()) GTEST_SKIP() << "no atlases in " << data_folder();
  // A grid that meets those of 2 mm half-way between voxels in places.
  Grid target;
  target.shape = {50, 60, 50};
  target.affine << 4, 0, 0, -99, 0, 4, 0, -130, 0, 0, 4, -75, 0, 0, 0, 1;
  int looked_at = 0;
  for (std::size_t i = 0; i < images.size(); i += 9) { // every ninth: time
    const LabelImage labels = image_io::read_labels(images[i]);
    const LabelImage turned = mirrored_storage(labels);
    EXPECT_NE(labels.grid.left_handed(), turned.grid.left_handed());
    const std::string name = images[i].filename().string();
    const auto place = [&](const LabelImage& atlas) {
      return label_atlas::run({.labels = &atlas, .target = &target, .name = name}, {}, Context{})
          .regions;
    };
    const RegionSet a = place(labels), b = place(turned);
    ASSERT_EQ(a.regions.size(), b.regions.size()) << name;
    for (std::size_t r = 0; r < a.regions.size(); ++r) {
      EXPECT_EQ(a.regions[r].label, b.regions[r].label) << name;
      EXPECT_EQ(a.regions[r].voxels, b.regions[r].voxels) << name << " " << a.regions[r].label;
    }
    ++looked_at;
  }
  EXPECT_GE(looked_at, 6);
}

// Schaefer and Tian come in 2009cAsym (RAS) and NLin6Asym (LAS): the same parcels, spaces a few
// millimetres apart.
TEST(SharedAtlases, TheSameParcelsLieTogetherInBothSpaces) {
  const fs::path folder = data_folder() / "atlases/schaefer2018_tian2020";
  const std::string stem = "Schaefer2018_100Parcels_7Networks_order_Tian_Subcortex_S1";
  const fs::path table = folder / (stem + "_label.txt");
  if (!fs::exists(table)) GTEST_SKIP() << "no atlases in " << data_folder();
  const auto set_of = [&](const std::string& rest) {
    const AtlasInfo atlas = atlas_from_files({.image = folder / (stem + rest), .table = table});
    TemplateInfo target;
    target.space = atlas.space;
    const Grid grid = image_io::read_header(atlas.image_path).grid;
    return atlas_regions(atlas_route(atlas, target, {}), nullptr, grid, {}, Context{});
  };
  const RegionSet a = set_of("_3T_MNI152NLin2009cAsym_2mm.nii.gz");
  const RegionSet b = set_of("_MNI152NLin6Asym_2mm.nii.gz");
  EXPECT_EQ(a.space, "MNI152NLin2009cAsym");
  EXPECT_EQ(b.space, "MNI152NLin6Asym");
  EXPECT_FALSE(a.grid.left_handed());
  EXPECT_TRUE(b.grid.left_handed());
  ASSERT_EQ(a.regions.size(), 116U);
  ASSERT_EQ(b.regions.size(), 116U);
  for (std::size_t r = 0; r < 116; ++r) {
    const Region& region = a.regions[r];
    EXPECT_EQ(region.label, b.regions[r].label);
    // The spaces differ by up to 4 mm, and by less than 10 mm for the centres of any parcel.
    EXPECT_LT((region.center_mm - b.regions[r].center_mm).norm(), 10.0) << region.label;
    const bool right =
        region.label.ends_with("-rh") || region.label.find("_RH_") != std::string::npos;
    EXPECT_EQ(region.center_mm.x() > 0.0, right) << region.label;
    EXPECT_EQ(b.regions[r].center_mm.x() > 0.0, right) << region.label;
  }
}

TEST(SharedAtlases, EveryLabelTableIsReadOrRefusedByName) {
  const fs::path folder = data_folder() / "atlases";
  struct Case {
    const char* file;
    int n_labels;
    std::size_t n_rows;
    const char* first;
  };
  const Case cases[] = {
      {"brainnetome/BNA_MPM_thr25_1.25mm.txt", 246, 246,
       "SFG, Left Superior Frontal Gyrus A8m, medial area 8"},
      {"mist/MIST_122.csv", 122, 122, "SUPERIOR_PARIETAL_LOBULE"},
      {"neuroparc/AAL.csv", 116, 120, "L_Precentral_gyrus"},
      {"neuroparc/Glasser.csv", 180, 180, "Primary_visual_cortex"},
      {"neuroparc/Yeo-7.csv", 7, 7, "1_Visual_Area"},
      {"tian2020_subcortex/Tian_Subcortex_S1_3T_label.txt", 16, 16, "HIP-rh"},
      {"tian2020_subcortex/Tian_Subcortex_S4_3T_label.txt", 54, 54, "HIP-head-m1-rh"},
      {"schaefer2018_tian2020/"
       "Schaefer2018_400Parcels_7Networks_order_Tian_Subcortex_S4_label.txt",
       454, 454, "HIP-head-m1-rh"},
      {"schaefer2018_labels/"
       "tpl-MNI152NLin2009cAsym_atlas-Schaefer2018_desc-100Parcels7Networks_dseg.tsv",
       100, 100, "7Networks_LH_Vis_1"}};
  if (!fs::exists(folder)) GTEST_SKIP() << "no atlases in " << data_folder();
  for (const Case& c : cases) {
    const std::vector<LabelRow> rows = read_label_table(folder / c.file, c.n_labels);
    EXPECT_EQ(rows.size(), c.n_rows) << c.file;
    EXPECT_EQ(rows.front().name.substr(0, std::string(c.first).size()), c.first);
  }
  for (const char* odd : {"coordinates/power_2011.csv", "tian2020_subcortex/license.txt",
                          "coordinates/seitzman_2018_ROIs_anatomicalLabels.txt",
                          "tian2020_subcortex/Tian_Subcortex_S1_3T_COG.txt"}) {
    try {
      (void)read_label_table(folder / odd, 264);
      ADD_FAILURE() << odd;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind(fs::path(odd).filename().string(), 0), 0U)
          << error.what();
    }
  }
}

} // namespace
} // namespace boldmill::spaces
