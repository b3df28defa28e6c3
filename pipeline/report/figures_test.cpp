// What the pictures say in HTML: both frames, contours, sides, and nothing that a name can break.
#include "pipeline/report/figures.hpp"

#include <gtest/gtest.h>
#include <png.h>

#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"

namespace boldmill::report {
namespace {

store::FigureRecord example(const std::string& name) {
  store::FigureRecord figure;
  figure.name = name;
  figure.space = "MNI<152>";
  figure.width = 4;
  figure.height = 3;
  figure.pixel_mm = 2.0;
  figure.frames.push_back({"boldref", "", 10.0, 990.5, std::vector<std::uint8_t>(12, 40)});
  figure.frames.push_back({"t1w", "", 1.0, 2.0, std::vector<std::uint8_t>(12, 80)});
  figure.layers.push_back({"white_matter", {0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0}});
  figure.layers.push_back({"<script>", std::vector<std::uint8_t>(12, 0)});
  figure.tiles.push_back({"axial", -12.4, 0, 0, 2, 3});
  figure.tiles.push_back({"sagittal", 3.0, 2, 0, 2, 3});
  return figure;
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(FigureHtml, HoldsFramesContoursAndSides) {
  const std::string html = figure_html(example("coregistration"), "sub-01_task-rest");
  EXPECT_EQ(times(html, "<img "), 4U);
  EXPECT_EQ(times(html, "src=\"data:image/png;base64,"), 4U);
  EXPECT_EQ(times(html, "src="), 4U); // nothing from elsewhere
  EXPECT_EQ(times(html, "alt=\"BOLD reference: 2 slices"), 1U);
  EXPECT_EQ(times(html, "alt=\"T1w: 2 slices"), 1U);
  EXPECT_EQ(times(html, ">L</span>"), 1U);
  EXPECT_EQ(times(html, ">R</span>"), 1U);
  EXPECT_EQ(times(html, ">A</span>"), 1U);
  EXPECT_EQ(times(html, "<label for="), 3U);
  EXPECT_NE(html.find("axial at z = -12 mm; sagittal at x = 3 mm"), std::string::npos);
  EXPECT_NE(html.find("black 10, white 990.5"), std::string::npos);
  EXPECT_NE(html.find("left and right exchanged"), std::string::npos); // what bad looks like
  EXPECT_EQ(html, figure_html(example("coregistration"), "sub-01_task-rest"));
}

TEST(FigureHtml, NamesAreInert) {
  const std::string html = figure_html(example("<b onload=x>"), "\"><script>");
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<b onload"), std::string::npos);
  EXPECT_EQ(html.find("MNI<"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
}

// Red, green and blue of the first picture of a page, by libpng.
std::vector<int> first_picture(const std::string& html) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned group = 0;
  int n_bits = 0;
  for (auto at = html.find("base64,") + 7; digits.find(html[at]) != std::string::npos; ++at) {
    group = (group << 6U | static_cast<unsigned>(digits.find(html[at]))) & 0xFFFFU;
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    bytes += static_cast<char>(group >> static_cast<unsigned>(n_bits) & 0xFFU);
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) return {};
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) == 0) return {};
  return {pixels.begin(), pixels.end()};
}

TEST(CarpetHtml, SortsTissuesAndKeepsTwoDeviations) {
  store::Carpet carpet;
  carpet.tissue = {1, 2, 3};
  carpet.before = {-80, 80, 0, 0, 40, -128}; // csf, grey, white; two columns
  const std::string html = carpet_html(carpet, "run");
  EXPECT_EQ(times(html, "<img "), 1U);
  EXPECT_EQ(times(html, "class=\"swatch\""), 3U);
  // A column of tissue colour, then two of grey: grey matter, white matter with a missing value,
  // csf.
  EXPECT_EQ(first_picture(html), (std::vector<int>{230, 159, 0,   128, 128, 128, 128, 128, 128, //
                                                   86,  180, 233, 191, 191, 191, 0,   0,   96,  //
                                                   0,   158, 115, 0,   0,   0,   255, 255, 255}));
  EXPECT_EQ(carpet_html({}, "run"), "");
}

TEST(FiguresHtml, ReadsTheShard) {
  const store::TestFolder folder;
  const auto header = store::example::header();
  auto person = store::example::person(1, header);
  const std::string run = person.runs.front().run_id;
  const auto path = folder.path() / "a.h5";
  store::write_shard(path, header, person,
                     store::ShardFigures{{{store::kAnatomyFigures, {example("t1w")}},
                                          {run, {example("coregistration"), example("signal")}}},
                                         {}});
  const store::ShardPictures pictures(path);
  EXPECT_EQ(times(figures_html(pictures, store::kAnatomyFigures), "<figure "), 1U);
  const std::string html = figures_html(pictures, run);
  EXPECT_EQ(times(html, "<figure "), 2U);
  EXPECT_EQ(times(html, "<style>"), 1U);
  EXPECT_EQ(figures_html(pictures, "sub-none"), "");
}

} // namespace
} // namespace boldmill::report
