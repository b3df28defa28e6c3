// Pictures in shards: written, read back, refused, not merged.
#include "pipeline/store/figures.hpp"

#include <gtest/gtest.h>

#include "pipeline/store/compare.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"

namespace boldmill::store {
namespace {

FigureRecord figure(const std::string& name, int width, int height, std::size_t n_layers) {
  FigureRecord out;
  out.name = name;
  out.space = "T1w";
  out.width = width;
  out.height = height;
  out.pixel_mm = 1.25;
  const auto n = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  for (const char* frame : {"before", "after"}) {
    FigureFrame made{frame, "a.u.", -3.5, 812.25, std::vector<std::uint8_t>(n)};
    for (std::size_t p = 0; p < n; ++p) {
      made.pixels[p] = static_cast<std::uint8_t>(p * 7 + out.frames.size());
    }
    out.frames.push_back(std::move(made));
  }
  for (std::size_t l = 0; l < n_layers; ++l) {
    FigureLayer made{"layer " + std::to_string(l), std::vector<std::uint8_t>(n, 0)};
    made.pixels[l] = 1;
    out.layers.push_back(std::move(made));
  }
  out.tiles.push_back({"axial", -12.5, 0, 1, width, height - 1});
  out.tiles.push_back({"sagittal", 3.0, 2, 0, 1, height});
  return out;
}

struct Written {
  TestFolder folder;
  CohortHeader header = example::header();
  PersonRecord person = example::person(1, header);
  std::filesystem::path path = folder.path() / "a.h5";
};

TEST(Figures, ComeBackAsTheyWereWritten) {
  Written w;
  const std::string run = w.person.runs.front().run_id;
  const ShardFigures figures{{{kAnatomyFigures, {figure("t1w", 300, 200, 2), figure("b", 5, 4, 0)}},
                              {run, {figure("signal", 31, 17, 1)}}},
                             {}};
  write_shard(w.path, w.header, w.person, figures);
  for (const auto& [owner, expected] : figures.pictures) {
    const auto found = ShardPictures(w.path).figures(owner);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t f = 0; f < found.size(); ++f) {
      EXPECT_EQ(found[f].name, expected[f].name);
      EXPECT_EQ(found[f].space, "T1w");
      EXPECT_EQ(found[f].width, expected[f].width);
      EXPECT_EQ(found[f].height, expected[f].height);
      EXPECT_EQ(found[f].pixel_mm, 1.25);
      ASSERT_EQ(found[f].frames.size(), 2U);
      EXPECT_EQ(found[f].frames[1].name, "after");
      EXPECT_EQ(found[f].frames[1].units, "a.u.");
      EXPECT_EQ(found[f].frames[1].low, -3.5);
      EXPECT_EQ(found[f].frames[1].high, 812.25);
      EXPECT_EQ(found[f].frames[0].pixels, expected[f].frames[0].pixels);
      EXPECT_EQ(found[f].frames[1].pixels, expected[f].frames[1].pixels);
      ASSERT_EQ(found[f].layers.size(), expected[f].layers.size());
      for (std::size_t l = 0; l < found[f].layers.size(); ++l) {
        EXPECT_EQ(found[f].layers[l].name, expected[f].layers[l].name);
        EXPECT_EQ(found[f].layers[l].pixels, expected[f].layers[l].pixels);
      }
      ASSERT_EQ(found[f].tiles.size(), 2U);
      EXPECT_EQ(found[f].tiles[1].plane, "sagittal");
      EXPECT_EQ(found[f].tiles[0].position_mm, -12.5);
      EXPECT_EQ(found[f].tiles[0].top, 1);
      EXPECT_EQ(found[f].tiles[1].left, 2);
    }
  }
  EXPECT_TRUE(ShardPictures(w.path).figures("sub-none").empty());
}

TEST(Volumes, ComeBackAsTheyWereWritten) {
  Written w;
  VolumeRecord grey{.name = "t1w", .space = "MNI", .shape = {2, 3, 4}, .grey = {}, .region = {}};
  grey.affine(0, 0) = -2.5;
  grey.affine(1, 3) = -90.25;
  for (int v = 0; v < 24; ++v) grey.grey.push_back(static_cast<std::uint8_t>(11 * v));
  VolumeRecord regions = grey;
  regions.name = "AAL ../x";
  regions.grey.clear();
  for (int v = 0; v < 24; ++v) regions.region.push_back(100 * v);
  write_shard(w.path, w.header, w.person, ShardFigures{{}, {{kTemplateFigures, {grey, regions}}}});
  const auto found = ShardPictures(w.path).volumes(kTemplateFigures);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "t1w");
  EXPECT_EQ(found[0].space, "MNI");
  EXPECT_EQ(found[0].shape, grey.shape);
  EXPECT_EQ(found[0].affine, grey.affine);
  EXPECT_EQ(found[0].grey, grey.grey);
  EXPECT_TRUE(found[0].region.empty());
  EXPECT_EQ(found[1].name, "AAL ../x");
  EXPECT_EQ(found[1].region, regions.region);
  EXPECT_TRUE(ShardPictures(w.path).volumes(kAnatomyFigures).empty());
  grey.grey.pop_back();
  EXPECT_THROW(
      write_shard(w.path, w.header, w.person, ShardFigures{{}, {{kTemplateFigures, {grey}}}}),
      Error);
}

TEST(Design, ComesBackAsItWasWritten) {
  Written w;
  RunRecord& run = w.person.runs.front();
  EXPECT_TRUE(run.design.name.empty());
  run.design = {{"faces", "houses <b>"}, Eigen::MatrixXf::Random(run.n_volumes, 2)};
  write_shard(w.path, w.header, w.person);
  const TaskDesign found = ShardPictures(w.path).design(run.run_id);
  EXPECT_EQ(found.name, run.design.name);
  EXPECT_EQ(found.values, run.design.values);
  EXPECT_TRUE(ShardPictures(w.path).design("sub-none").name.empty());
}

TEST(Figures, AWrongSizeIsRefusedAndLeavesNoFile) {
  Written w;
  FigureRecord bad = figure("t1w", 10, 10, 1);
  bad.layers[0].pixels.pop_back();
  const ShardFigures figures{{{kAnatomyFigures, {bad}}}, {}};
  EXPECT_THROW(write_shard(w.path, w.header, w.person, figures), Error);
  EXPECT_FALSE(std::filesystem::exists(w.path));
}

TEST(Figures, StayInTheShard) {
  Written w;
  write_shard(w.path, w.header, w.person,
              ShardFigures{{{kAnatomyFigures, {figure("t1w", 30, 20, 1)}}}, {}});
  const auto plain = w.folder.path() / "plain.h5";
  write_shard(plain, w.header, w.person);
  const Context context;
  const auto with = w.folder.path() / "with-figures.h5";
  const auto without = w.folder.path() / "without-figures.h5";
  (void)merge_shards({w.path}, with, {}, context);
  (void)merge_shards({plain}, without, {}, context);
  EXPECT_TRUE(compare_files(with, without).empty());
  EXPECT_FALSE(compare_files(w.path, plain).empty());
  EXPECT_EQ(read_shard(w.path).second.runs.size(), w.person.runs.size());
}

TEST(Figures, TheCarpetComesBack) {
  Written w;
  RunRecord& run = w.person.runs.front();
  run.carpet = {{-128, -40, 0, 127, 1, 2}, {5, -6}, {1, 2}, 4, 3};
  write_shard(w.path, w.header, w.person);
  const Carpet found = ShardPictures(w.path).carpet(run.run_id);
  EXPECT_EQ(found.before, run.carpet.before);
  EXPECT_EQ(found.after, run.carpet.after);
  EXPECT_EQ(found.tissue, run.carpet.tissue);
  EXPECT_EQ(found.volumes_per_column, 4);
  EXPECT_EQ(found.volumes_per_column_after, 3);
  EXPECT_TRUE(ShardPictures(w.path).carpet("sub-none").tissue.empty());
}

} // namespace
} // namespace boldmill::store
