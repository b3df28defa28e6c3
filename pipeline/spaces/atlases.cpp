#include <system_error>

#include "pipeline/image_io/digest.hpp"
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

fs::path table_beside(const fs::path& image) {
  const fs::path stem = image.parent_path() / stem_of(image);
  for (const std::string extension : {".tsv", ".txt", ".csv", ".nii.txt"}) {
    fs::path table = stem;
    table += extension;
    if (is_filled_file(table)) return table;
  }
  return {};
}

} // namespace

std::vector<AtlasInfo> find_atlases(const SearchPath& search) {
  std::vector<AtlasInfo> found;
  if (search.mricron.empty()) return found;
  for (const KnownAtlas& known : kMricron) {
    const fs::path image = search.mricron / known.image;
    if (!is_filled_file(image)) continue;
    AtlasInfo info{.name = std::string(known.name),
                   .space = std::string(known.space),
                   .image_path = image,
                   .note = std::string(known.note)};
    if (!known.table.empty() && is_filled_file(search.mricron / known.table)) {
      info.table_path = search.mricron / known.table;
    }
    found.push_back(described(std::move(info)));
  }
  return found;
}

AtlasInfo select_atlas(const std::vector<AtlasInfo>& found, const std::string& wanted) {
  std::string known;
  for (const AtlasInfo& info : found) {
    if (info.name == wanted) return info;
    known += (known.empty() ? "" : ", ") + info.name;
  }
  throw Error(ErrorKind::usage, "atlas: found '" + wanted + "', expected one of " +
                                    (known.empty() ? "none on this machine" : known));
}

AtlasInfo atlas_from_files(const AtlasFiles& files) {
  if (!is_filled_file(files.image)) {
    throw Error(ErrorKind::usage, files.image.string() + ": not found, expected a label image");
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
  info.table_path = files.table.empty() ? table_beside(files.image) : files.table;
  return described(std::move(info));
}

} // namespace boldmill::spaces
