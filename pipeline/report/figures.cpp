#include "pipeline/report/figures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>

#include "pipeline/bids/text.hpp"
#include "pipeline/report/png.hpp"

namespace boldmill::report {
namespace {

std::string escaped(std::string_view text) { return bids::html_escape(text); }

struct Words {
  const char* title;
  const char* look; // what good and bad look like
};

const Words& words_of(const std::string& name) {
  static const std::map<std::string, Words> kWords{
      {"t1w",
       {"T1w, brain mask and tissue",
        "Good: the mask's outline runs along the edge of the brain, and the two cortex lines "
        "follow "
        "the folds. Bad: the mask cuts off brain or keeps eyes, neck or dura; the lines cross the "
        "folds. Everything after this is wrong then."}},
      {"normalization",
       {"T1w in the space of the template",
        "Good: ventricles, brain stem, central sulcus and outer edge stay where they are when the "
        "pictures change. Bad: they jump, or the T1w looks torn. The regions lie in the wrong "
        "place "
        "then."}},
      {"coregistration",
       {"BOLD reference on the T1w",
        "Good: the white-matter line runs along the edge between bright and dark BOLD, ventricles "
        "stay in place when the pictures change. Bad: a shift or tilt of more than a voxel, or "
        "left "
        "and right exchanged. Loss of signal above nose and ears is usual."}},
      {"distortion",
       {"BOLD reference before and after the distortion correction",
        "Good: after it, the outline fits the cortex lines of the T1w better, most of all at the "
        "front and the temporal poles. Bad: it fits worse, or brain is smeared or folded: the "
        "field "
        "map does not belong to the run or its sign is wrong."}},
      {"masks",
       {"BOLD brain mask and noise regions",
        "Good: the mask holds the whole brain, the fluid region lies in the ventricles and the "
        "white-matter region deep in white matter. Bad: the mask cuts off brain or holds skull; a "
        "noise region reaches the cortex, so signal of interest is removed."}},
      {"signal",
       {"Mean and temporal signal-to-noise ratio",
        "Good: smooth, highest in the cortex. Bad: holes (no signal there: regions in them are "
        "missing), stripes or bands from slice to slice, a ghost of the brain shifted by half the "
        "picture."}}};
  static const Words kOther{"", ""};
  const auto found = kWords.find(name);
  return found == kWords.end() ? kOther : found->second;
}

struct Ink {
  const char* label;
  Rgba colour;
};

// Okabe and Ito's palette: told apart with any colour vision.
Ink ink_of(const std::string& name) {
  static const std::map<std::string, Ink> kInks{
      {"brain_mask", {"brain mask", {230, 159, 0, 255}}},
      {"template_brain", {"brain of the template", {240, 228, 66, 255}}},
      {"pial", {"outer edge of the cortex", {86, 180, 233, 255}}},
      {"white_matter", {"edge of the white matter", {213, 94, 0, 255}}},
      {"noise_csf", {"fluid whose signal is noise (aCompCor)", {86, 180, 233, 255}}},
      {"noise_white_matter",
       {"white matter whose signal is noise (aCompCor)", {204, 121, 167, 255}}}};
  const auto found = kInks.find(name);
  return found == kInks.end() ? Ink{nullptr, {0, 158, 115, 255}} : found->second;
}

std::string label_of(const std::string& frame) {
  static const std::map<std::string, std::string> kLabels{
      {"t1w", "T1w"},          {"template", "template"}, {"boldref", "BOLD reference"},
      {"before", "before"},    {"after", "after"},       {"mean", "mean BOLD"},
      {"tsnr", "temporal SNR"}};
  const auto found = kLabels.find(frame);
  return found == kLabels.end() ? frame : found->second;
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string css(const Rgba& colour) {
  char text[16];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", colour[0], colour[1], colour[2]);
  return text;
}

std::string image(const std::string& kind, const std::string& alt, const std::string& png,
                  int width, int height) {
  return "<img class=\"" + kind + "\" alt=\"" + escaped(alt) + "\" width=\"" +
         std::to_string(width) + "\" height=\"" + std::to_string(height) + "\" src=\"" +
         png_data_uri(png) + "\">";
}

// "Axial slices at z = -42, -25 mm", a sentence a plane.
std::string slices_of(const store::FigureRecord& figure) {
  std::string text;
  constexpr std::array<std::pair<const char*, const char*>, 3> kPlanes{
      {{"axial", "z"}, {"coronal", "y"}, {"sagittal", "x"}}};
  for (const auto& [plane, axis] : kPlanes) {
    std::string at;
    for (const store::FigureTile& tile : figure.tiles) {
      if (tile.plane != plane) continue;
      at += (at.empty() ? "" : ", ") + std::to_string(std::lround(tile.position_mm));
    }
    if (at.empty()) continue;
    text += (text.empty() ? "" : "; ") + std::string(plane) + " at " + axis + " = " + at + " mm";
  }
  return text + " (" + figure.space + " space).";
}

std::string alt_of(const store::FigureRecord& figure, const std::string& frame) {
  return label_of(frame) + ": " + std::to_string(figure.tiles.size()) +
         " slices through the brain, left of the picture is the person's left";
}

// Left and right of the first slice of each plane.
std::string side_marks(const store::FigureRecord& figure) {
  std::string html;
  std::string previous;
  const auto mark = [&](const char* text, double x, double y) {
    char place[96];
    std::snprintf(place, sizeof place, "left:%.2f%%;top:%.2f%%", 100.0 * x / figure.width,
                  100.0 * y / figure.height);
    html += "<span class=\"side\" style=\"" + std::string(place) + "\">" + text + "</span>";
  };
  for (const store::FigureTile& tile : figure.tiles) {
    if (tile.plane == previous) continue;
    previous = tile.plane;
    const bool sagittal = tile.plane == "sagittal";
    mark(sagittal ? "P" : "L", tile.left, tile.top);
    mark(sagittal ? "A" : "R", tile.left + 0.86 * tile.width, tile.top);
  }
  return html;
}

std::string windows_of(const store::FigureRecord& figure) {
  std::string text;
  for (const store::FigureFrame& frame : figure.frames) {
    const std::string units = frame.units.empty() || frame.units == "1" ? "" : " " + frame.units;
    text += " " + label_of(frame.name) + ": black " + text_of(frame.low) + ", white " +
            text_of(frame.high) + units + ".";
  }
  return text;
}

std::string checkbox(const std::string& id, const std::string& kind, bool checked,
                     const std::string& label) {
  return "<input type=\"checkbox\" class=\"" + kind + "\" id=\"" + id + "\"" +
         (checked ? " checked" : "") + "><label for=\"" + id + "\">" + label + "</label>\n";
}

using Bytes = std::vector<std::uint8_t>;

// Rows by tissue in the order shown; equal tissues keep their order.
std::vector<std::size_t> rows_in_order(const std::vector<std::int32_t>& tissue) {
  constexpr std::array<int, 5> kPlace{4, 2, 0, 1, 3}; // of 0 none, 1 csf, 2 grey, 3 white, 4 other
  std::vector<std::size_t> order(tissue.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto place = [&](std::size_t row) {
    const std::int32_t label = tissue[row];
    return label >= 0 && label < 5 ? kPlace[static_cast<std::size_t>(label)] : 5;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return place(a) < place(b); });
  return order;
}

struct Tissue {
  std::int32_t label;
  const char* name;
  Rgba colour;
};
constexpr std::array<Tissue, 4> kTissues{{{2, "grey matter", {230, 159, 0, 255}},
                                          {3, "white matter", {86, 180, 233, 255}},
                                          {1, "fluid", {0, 158, 115, 255}},
                                          {4, "other brain", {204, 121, 167, 255}}}};

// A strip of tissue colours, then the voxels. The palette: a grey for every byte that is shown,
// then the missing, voxels of no tissue, the tissues.
std::string carpet_png(const store::Carpet& carpet, const std::vector<std::int8_t>& z, int& width,
                       int& height) {
  constexpr int kShown = 80; // bytes on each side of 0: 2 SD of 40
  constexpr std::int8_t kMissing = -128;
  constexpr std::uint8_t kMissingEntry = 2 * kShown + 1, kOtherEntry = kMissingEntry + 1;
  std::vector<Rgba> palette;
  for (int g = 0; g <= 2 * kShown; ++g) {
    const auto grey = static_cast<std::uint8_t>(std::lround(255.0 * g / (2 * kShown)));
    palette.push_back({grey, grey, grey, 255});
  }
  palette.push_back({0, 0, 96, 255}); // no grey at all
  palette.push_back({128, 128, 128, 255});
  std::map<std::int32_t, std::uint8_t> entry_of;
  for (const Tissue& tissue : kTissues) {
    entry_of[tissue.label] = static_cast<std::uint8_t>(palette.size());
    palette.push_back(tissue.colour);
  }
  const std::size_t n_rows = carpet.tissue.size();
  const std::size_t n_columns = z.size() / n_rows;
  const std::size_t strip_width = std::max<std::size_t>(1, n_columns / 50); // of tissue colours
  Bytes entries;
  entries.reserve(n_rows * (n_columns + strip_width));
  for (const std::size_t row : rows_in_order(carpet.tissue)) {
    const auto strip = entry_of.find(carpet.tissue[row]);
    entries.insert(entries.end(), strip_width,
                   strip == entry_of.end() ? kOtherEntry : strip->second);
    for (std::size_t c = 0; c < n_columns; ++c) {
      const std::int8_t byte = z[row * n_columns + c];
      entries.push_back(byte == kMissing ? kMissingEntry
                                         : static_cast<std::uint8_t>(
                                               std::clamp<int>(byte + kShown, 0, 2 * kShown)));
    }
  }
  width = static_cast<int>(n_columns + strip_width);
  height = static_cast<int>(n_rows);
  return png_palette(entries, width, height, palette);
}

std::string safe_id(const std::string& id) {
  std::string out;
  for (const char c : id) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    out += plain ? c : '_';
  }
  return out;
}

} // namespace

std::string figures_style() {
  return R"css(<style>
.slices .stage{position:relative;background:#000;display:block;max-width:100%}
.slices .stage img{display:block;width:100%;height:auto;image-rendering:auto}
.slices .stage img+img{position:absolute;left:0;top:0}
.slices .second{opacity:0}
.slices .stage:hover .second,.slices .stage:focus .second,.slices .flip:checked~.stage .second{opacity:1}
.slices .flip:checked~.stage:hover .second,.slices .flip:checked~.stage:focus .second{opacity:0}
.slices .line0:not(:checked)~.stage .line0,.slices .line1:not(:checked)~.stage .line1,.slices .line2:not(:checked)~.stage .line2,.slices .line3:not(:checked)~.stage .line3{display:none}
.slices .side{position:absolute;color:#fff;font:700 12px/1.2 sans-serif;padding:0 3px;text-shadow:0 0 3px #000}
.slices label{margin-right:1rem;font-size:.85rem}
.swatch{display:inline-block;width:.8em;height:.8em;margin-right:.3em;border:1px solid #57606a}
.carpet img{display:block;width:100%;height:16rem;image-rendering:auto;margin-bottom:.4rem}
@media print{.slices .stage img.second{position:static;opacity:1}.slices .flip,.slices .flip+label{display:none}}
</style>
)css";
}

std::string figure_html(const store::FigureRecord& figure, const std::string& id) {
  const std::string base = safe_id(id + "-" + figure.name);
  const Words& words = words_of(figure.name);
  std::string html = "<figure class=\"slices\" id=\"" + base + "\">\n";
  const bool pair = figure.frames.size() > 1;
  if (pair) {
    html += checkbox(base + "-flip", "flip", false,
                     "show " + escaped(label_of(figure.frames[1].name)) + " instead of " +
                         escaped(label_of(figure.frames[0].name)));
  }
  constexpr std::size_t kMostLayers = 4;
  const std::size_t n_layers = std::min(figure.layers.size(), kMostLayers);
  for (std::size_t l = 0; l < n_layers; ++l) {
    const Ink ink = ink_of(figure.layers[l].name);
    const std::string label = ink.label != nullptr ? ink.label : escaped(figure.layers[l].name);
    html += checkbox(base + "-line" + std::to_string(l), "line" + std::to_string(l), true,
                     "<span class=\"swatch\" style=\"background:" + css(ink.colour) + "\"></span>" +
                         label);
  }
  html += pair ? "<div class=\"stage\" tabindex=\"0\">" : "<div class=\"stage\">";
  for (std::size_t f = 0; f < std::min<std::size_t>(figure.frames.size(), 2); ++f) {
    html += image(f == 0 ? "first" : "second", alt_of(figure, figure.frames[f].name),
                  png_gray(figure.frames[f].pixels, figure.width, figure.height), figure.width,
                  figure.height);
  }
  for (std::size_t l = 0; l < n_layers; ++l) {
    const std::array<Rgba, 2> palette{{{0, 0, 0, 0}, ink_of(figure.layers[l].name).colour}};
    html += image("line" + std::to_string(l), "",
                  png_palette(figure.layers[l].pixels, figure.width, figure.height, palette),
                  figure.width, figure.height);
  }
  html += side_marks(figure) + "</div>\n<figcaption><b>" +
          escaped(words.title[0] == '\0' ? figure.name : words.title) + "</b>. " + words.look;
  if (pair) html += " Point at the picture, or tick the box, to see the other one.";
  html += " Slices: " + escaped(slices_of(figure)) +
          " L, R, P, A: the person's left, right, back, " + "front." + escaped(windows_of(figure)) +
          "</figcaption></figure>\n";
  return html;
}

std::string carpet_html(const store::Carpet& carpet, const std::string& id) {
  if (carpet.tissue.empty() || carpet.before.empty()) return "";
  std::string html = "<figure class=\"carpet\" id=\"" + safe_id(id + "-carpet") + "\">\n";
  const auto add = [&](const std::vector<std::int8_t>& z, const char* when, int volumes) {
    if (z.empty()) return;
    int width = 0;
    int height = 0;
    const std::string png = carpet_png(carpet, z, width, height);
    html += "<p class=\"panel-title\">" + std::string(when) + "</p>" +
            image("",
                  std::string("Carpet ") + when + ": " + std::to_string(height) +
                      " voxels in rows, sorted by tissue; time to the right, " +
                      std::to_string(volumes) + " volumes a column",
                  png, width, height);
  };
  add(carpet.before, "before denoising", carpet.volumes_per_column);
  add(carpet.after, "after denoising, volumes kept", carpet.volumes_per_column_after);
  html += "<figcaption><b>Carpet</b>. ";
  for (const Tissue& tissue : kTissues) {
    const bool there =
        std::find(carpet.tissue.begin(), carpet.tissue.end(), tissue.label) != carpet.tissue.end();
    if (!there) continue;
    html += "<span class=\"swatch\" style=\"background:" + css(tissue.colour) + "\"></span>" +
            tissue.name + " ";
  }
  return html + "Each row is a voxel without its mean and trend, black 2 SD below, white 2 SD "
                "above; dark blue is missing. Good: grain without structure, most of all after "
                "denoising. Bad: vertical bands through all tissues (motion, breathing), or bands "
                "that stay after denoising.</figcaption></figure>\n";
}

std::string figures_html(const store::ShardPictures& pictures, const std::string& owner) {
  std::string html;
  for (const store::FigureRecord& figure : pictures.figures(owner)) {
    html += figure_html(figure, owner);
  }
  html += carpet_html(pictures.carpet(owner), owner);
  return html.empty() ? html : figures_style() + html;
}

} // namespace boldmill::report
