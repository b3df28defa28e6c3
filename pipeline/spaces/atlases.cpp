#include <algorithm>
#include <map>
#include <system_error>

#include "pipeline/image_io/digest.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/spaces/files.hpp"
#include "pipeline/spaces/templates.hpp"

namespace boldmill::spaces {
namespace {

namespace fs = std::filesystem;

struct KnownAtlas {
  std::string_view name, space, image, table, note;
};

// Debian's mricron-data. The space of AICHA and Harvard-Oxford follows from their FSL grid and from
// where their labels' edges fit the templates best, see METHOD.md.
constexpr KnownAtlas kMricron[] = {
    {"AAL", "MNIColin27", "aal.nii.gz", "aal.nii.txt", ""},
    {"AICHA", "MNI152NLin6Asym", "AICHAmc.nii.gz", "AICHAmc.nii.txt", ""},
    {"HarvardOxford", "MNI152NLin6Asym", "HarvardOxford-cort-maxprob-thr0-1mm.nii.gz", "",
     "the package has no names for these labels"},
};

AtlasInfo described(AtlasInfo info) {
  info.sha256 = image_io::digest_file(info.image_path).sha256;
  if (!info.table_path.empty()) info.table_sha256 = image_io::digest_file(info.table_path).sha256;
  return info;
}

// The name without its res- entity: the tables of BIDS templates serve every resolution.
std::string without_resolution(std::string name) {
  const std::size_t at = name.find("_res-");
  if (at == std::string::npos) return name;
  return name.erase(at, std::min(name.find('_', at + 1), name.size()) - at);
}

fs::path table_beside(const fs::path& image) {
  const std::string stem = stem_of(image);
  for (const std::string& name : {stem, without_resolution(stem)}) {
    for (const std::string extension : {".tsv", ".txt", ".csv", ".nii.txt", "_label.txt"}) {
      fs::path table = image.parent_path() / (name + extension);
      if (is_filled_file(table)) return table;
    }
  }
  return {};
}

AtlasKind kind_of(const fs::path& path) {
  const std::string extension = path.extension().string();
  for (const std::string_view table : {".tsv", ".csv", ".txt"}) {
    if (extension == table) return AtlasKind::points;
  }
  return image_io::read_header(path).n_volumes > 1 ? AtlasKind::maps : AtlasKind::labels;
}

// tpl-<space>/tpl-<space>[_res-<r>]_atlas-<atlas>[_desc-<d>]_{dseg,probseg}.nii.gz, finest first.
void add_templateflow_atlases(const fs::path& home, std::vector<AtlasInfo>& found) {
  std::error_code error;
  std::vector<fs::path> images;
  for (const fs::directory_entry& folder : fs::directory_iterator(home, error)) {
    if (!folder.path().filename().string().starts_with("tpl-")) continue;
    for (const fs::directory_entry& file : fs::directory_iterator(folder.path(), error)) {
      const std::string name = file.path().filename().string();
      const bool segmentation = name.ends_with("_dseg.nii.gz") || name.ends_with("_probseg.nii.gz");
      if (segmentation && !entity_of(file.path(), "atlas").empty() && is_filled_file(file.path())) {
        images.push_back(file.path());
      }
    }
  }
  std::sort(images.begin(), images.end());
  std::map<std::string, int> resolutions; // per space and name
  for (const fs::path& image : images) {
    AtlasInfo info;
    const std::string desc = entity_of(image, "desc");
    info.name = entity_of(image, "atlas") + (desc.empty() ? "" : "-" + desc);
    info.space = declared_space(image);
    info.image_path = image;
    info.table_path = table_beside(image);
    if (image.filename().string().ends_with("_probseg.nii.gz")) info.kind = AtlasKind::maps;
    const std::string kind = info.kind == AtlasKind::maps ? "_probseg" : "";
    info.name += kind;
    if (resolutions[info.space + " " + info.name]++ > 0) {
      info.name += "_res-" + entity_of(image, "res");
    }
    found.push_back(std::move(info));
  }
}

} // namespace

std::vector<AtlasInfo> find_atlases(const SearchPath& search) {
  std::vector<AtlasInfo> found;
  for (const KnownAtlas& known : kMricron) {
    const fs::path image = search.mricron / known.image;
    if (search.mricron.empty() || !is_filled_file(image)) continue;
    AtlasInfo info{.name = std::string(known.name),
                   .space = std::string(known.space),
                   .image_path = image,
                   .note = std::string(known.note)};
    if (!known.table.empty() && is_filled_file(search.mricron / known.table)) {
      info.table_path = search.mricron / known.table;
    }
    found.push_back(described(std::move(info)));
  }
  if (!search.templateflow.empty()) add_templateflow_atlases(search.templateflow, found);
  return found;
}

AtlasInfo select_atlas(const std::vector<AtlasInfo>& found, const std::string& wanted,
                       const std::string& space) {
  std::string known;
  const AtlasInfo* chosen = nullptr;
  for (const AtlasInfo& info : found) {
    if (info.name == wanted && (chosen == nullptr || (info.space == space && //
                                                      chosen->space != space))) {
      chosen = &info;
    }
    if (known.find(info.name) == std::string::npos)
      known += (known.empty() ? "" : ", ") + info.name;
  }
  if (chosen != nullptr) return chosen->sha256.empty() ? described(*chosen) : *chosen;
  throw Error(ErrorKind::usage, "atlas: found '" + wanted + "', expected one of " +
                                    (known.empty() ? "none on this machine" : known));
}

AtlasInfo atlas_from_files(const AtlasFiles& files) {
  if (!is_filled_file(files.image)) {
    throw Error(ErrorKind::usage,
                files.image.string() +
                    ": not found, expected a label image, maps or a table of points");
  }
  if (!files.table.empty() && !is_filled_file(files.table)) {
    throw Error(ErrorKind::usage, files.table.string() + ": not found, expected a label table");
  }
  AtlasInfo info;
  info.name = files.name.empty() ? stem_of(files.image) : files.name;
  info.space = files.space.empty() ? declared_space(files.image) : canonical_space(files.space);
  if (info.space.empty()) {
    throw Error(ErrorKind::usage, files.image.string() +
                                      ": declares no space, expected space-<label> or tpl-<label> "
                                      "in its name or the space beside it");
  }
  info.image_path = files.image;
  info.kind = kind_of(files.image);
  info.table_path = files.table;
  if (files.table.empty() && info.kind != AtlasKind::points) {
    info.table_path = table_beside(files.image);
  }
  return described(std::move(info));
}

} // namespace boldmill::spaces
