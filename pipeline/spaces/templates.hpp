// The template brains and label atlases of this machine. Each declares its space; nothing is
// carried from one space to another without a computed warp (warps.hpp).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::spaces {

struct TemplateInfo {
  std::string name;                 // "MNI152NLin2009 niivue", "Colin27", or the space's name
  std::string space;                // "MNI152NLin2009cAsym", "MNI152NLin6Asym", "MNIColin27", ...
  std::filesystem::path brain_path; // T1w without skull, always there
  std::filesystem::path head_path;  // T1w with skull, may be empty
  std::filesystem::path mask_path;  // empty: the mask is found from brain_path
  std::string sha256;               // of brain_path
  bool single_subject = false;
  std::string note; // a sentence that every output carries, may be empty
};

template <class Archive>
void archive(Archive& a, TemplateInfo& t) {
  a(t.name, t.space, t.sha256, t.single_subject, t.note);
}

enum class AtlasKind {
  labels, // an image of whole numbers
  maps,   // a series of images, one a region: probabilities or loadings
  points  // a table of points, spheres about them
};

struct AtlasInfo {
  // "AAL", "AICHA", "HarvardOxford"; of TemplateFlow "<atlas>-<desc>" with "_res-<index>" behind it
  // for all but the finest; or the stem of the user's file
  std::string name;
  std::string space;
  std::filesystem::path image_path;
  std::filesystem::path table_path; // empty: labels are named by their number
  std::string sha256;               // of image_path; empty in find_atlases' list of TemplateFlow
  std::string table_sha256;         // "" without a table
  std::string note;
  AtlasKind kind = AtlasKind::labels;
};

// Where to look. Empty paths are skipped; so are folders that do not exist.
struct SearchPath {
  std::vector<std::filesystem::path> data; // in order; templates are in its folder `templates`
  std::filesystem::path mricron;           // Debian's mricron-data
  std::filesystem::path templateflow;      // holds tpl-<space>/
};

// BOLDMILL_DATA, <folder of the program>/../share/boldmill, the source tree's share/boldmill;
// /usr/share/mricron/templates; TEMPLATEFLOW_HOME.
[[nodiscard]] SearchPath default_search_path();

// The first file `relative` (e.g. "spaces/nlin6_points.tsv") under BOLDMILL_CONFIGS,
// <folder of the program>/../share/boldmill/configs or the source tree's configs. ErrorKind::usage
// when there is none.
[[nodiscard]] std::filesystem::path find_config(const std::filesystem::path& relative);

// Everything found, best default target first: MNI152NLin6Asym (the space of the published circuit
// regions) where TemplateFlow has it, the ICBM 2009 average brain of @niivue/niivue, TemplateFlow's
// other spaces, Colin27.
[[nodiscard]] std::vector<TemplateInfo> find_templates(const SearchPath& search);
// Debian's atlases and every atlas-<label> dseg and probseg of the TemplateFlow folders, by name.
[[nodiscard]] std::vector<AtlasInfo> find_atlases(const SearchPath& search);

// The target of a run: by name or space (case and spaces matter), or by default when `wanted` is
// "" or "default". ErrorKind::usage when there is none, listing what there is.
[[nodiscard]] TemplateInfo select_template(const std::vector<TemplateInfo>& found,
                                           const std::string& wanted);
// The first template of exactly this space.
[[nodiscard]] std::optional<TemplateInfo> template_of_space(const std::vector<TemplateInfo>& found,
                                                            const std::string& space);
// With its digests. Of several spaces with the name, `space` decides when it is among them.
[[nodiscard]] AtlasInfo select_atlas(const std::vector<AtlasInfo>& found, const std::string& wanted,
                                     const std::string& space = "");

// A user's own files. `space` "": read from the file names (space-<label> or tpl-<label>).
// ErrorKind::usage when no space is declared either way or the brain is missing.
struct TemplateFiles {
  std::filesystem::path brain, head, mask;
  std::string space;
};
[[nodiscard]] TemplateInfo template_from_files(const TemplateFiles& files);
struct AtlasFiles {
  std::filesystem::path image; // labels, a series of maps, or a table of points (.tsv, .csv, .txt)
  // Empty: <stem>.tsv, <stem>.txt, <stem>.csv, <image>.txt, <stem>_label.txt or, for BIDS names,
  // the same without res-, beside it.
  std::filesystem::path table;
  std::string space;
  std::string name; // "": the file name's stem
};
[[nodiscard]] AtlasInfo atlas_from_files(const AtlasFiles& files);

// The brain as an image and its mask, both on the brain's grid.
struct TemplateImages {
  Volume brain;
  Mask mask;
};
[[nodiscard]] TemplateImages load_template(const TemplateInfo& info, const Context& context = {});

} // namespace boldmill::spaces
