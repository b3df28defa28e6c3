#include "pipeline/spaces/templates.hpp"

#include <algorithm>
#include <system_error>

#include "pipeline/image_io/digest.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/spaces/files.hpp"
#include "stages/anatomy/template_mask.hpp"

namespace boldmill::spaces {
namespace {

namespace fs = std::filesystem;

// src/mni152.nii.gz of the npm package @niivue/niivue 0.12.4. Its header says ICBM152NLin2009;
// which of the 2009 templates it is was found by comparison, see METHOD.md.
constexpr std::string_view kNiivueSha256 =
    "dbbd4542823c1e2b12265c9b7e3cf959ee02ff7829bbf05cdcfbecc0013a00fa";

void add_niivue(const SearchPath& search, std::vector<TemplateInfo>& found) {
  for (const fs::path& folder : search.data) {
    const fs::path brain = folder / "templates" / "mni152.nii.gz";
    if (!is_filled_file(brain)) continue;
    TemplateInfo info{.name = "MNI152NLin2009 niivue",
                      .space = "MNI152NLin2009cAsym",
                      .brain_path = brain,
                      .sha256 = image_io::digest_file(brain).sha256};
    if (info.sha256 != kNiivueSha256) {
      info.note = "the template file differs from the release whose space was examined";
    }
    found.push_back(std::move(info));
    return;
  }
}

// tpl-<space>_res-<..>_<suffix> in a TemplateFlow folder, 1 mm before others; "" when not there.
fs::path templateflow_file(const fs::path& folder, const std::string& space,
                           const std::string& suffix) {
  for (const std::string resolution : {"_res-01", "_res-1", "", "_res-02", "_res-2"}) {
    const fs::path path = folder / ("tpl-" + space + resolution + suffix);
    if (is_filled_file(path)) return path;
  }
  return {};
}

void add_templateflow(const SearchPath& search, std::vector<TemplateInfo>& found) {
  std::error_code error;
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::directory_iterator(search.templateflow, error)) {
    if (entry.path().filename().string().starts_with("tpl-")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    TemplateInfo info;
    info.space = folder.filename().string().substr(4);
    info.name = info.space;
    info.brain_path = templateflow_file(folder, info.space, "_desc-brain_T1w.nii.gz");
    if (info.brain_path.empty()) continue;
    info.head_path = templateflow_file(folder, info.space, "_T1w.nii.gz");
    info.mask_path = templateflow_file(folder, info.space, "_desc-brain_mask.nii.gz");
    info.sha256 = image_io::digest_file(info.brain_path).sha256;
    info.single_subject = info.space == "MNIColin27";
    if (info.single_subject) info.note = "single-subject template";
    found.push_back(std::move(info));
  }
}

void add_colin27(const SearchPath& search, std::vector<TemplateInfo>& found) {
  const fs::path brain = search.mricron / "ch2bet.nii.gz";
  if (search.mricron.empty() || !is_filled_file(brain)) return;
  TemplateInfo info{.name = "Colin27",
                    .space = "MNIColin27",
                    .brain_path = brain,
                    .sha256 = image_io::digest_file(brain).sha256,
                    .single_subject = true,
                    .note = "single-subject template"};
  if (is_filled_file(search.mricron / "ch2.nii.gz")) info.head_path = search.mricron / "ch2.nii.gz";
  found.push_back(std::move(info));
}

// Smaller is a better default target.
int preference(const TemplateInfo& info) {
  if (info.space == "MNI152NLin6Asym") return 0; // the published circuit regions' own space
  if (info.name == "MNI152NLin2009 niivue") return 1;
  if (info.space == "MNI152NLin2009cAsym") return 2;
  return info.single_subject ? 4 : 3;
}

} // namespace

SearchPath default_search_path() {
  SearchPath search;
  const fs::path program = program_folder();
  for (const fs::path& folder :
       {environment_path("BOLDMILL_DATA"),
        program.empty() ? fs::path() : program.parent_path() / "share" / "boldmill",
        fs::path(BOLDMILL_SOURCE_DIR) / "share" / "boldmill"}) {
    if (!folder.empty()) search.data.push_back(folder);
  }
  search.mricron = "/usr/share/mricron/templates";
  search.templateflow = environment_path("TEMPLATEFLOW_HOME");
  return search;
}

fs::path find_config(const fs::path& relative) {
  const fs::path program = program_folder();
  for (const fs::path& folder :
       {environment_path("BOLDMILL_CONFIGS"),
        program.empty() ? fs::path() : program.parent_path() / "share" / "boldmill" / "configs",
        fs::path(BOLDMILL_SOURCE_DIR) / "configs"}) {
    if (!folder.empty() && is_filled_file(folder / relative)) return folder / relative;
  }
  throw Error(ErrorKind::usage, "configs/" + relative.string() +
                                    ": not found, expected it beside the program, in the source "
                                    "tree or in BOLDMILL_CONFIGS");
}

std::vector<TemplateInfo> find_templates(const SearchPath& search) {
  std::vector<TemplateInfo> found;
  add_niivue(search, found);
  if (!search.templateflow.empty()) add_templateflow(search, found);
  add_colin27(search, found);
  std::stable_sort(found.begin(), found.end(), [](const TemplateInfo& a, const TemplateInfo& b) {
    return preference(a) < preference(b);
  });
  return found;
}

TemplateInfo select_template(const std::vector<TemplateInfo>& found, const std::string& wanted) {
  if (wanted.empty() || wanted == "default") {
    if (!found.empty()) return found.front();
    throw Error(ErrorKind::usage,
                "template: found none on this machine, expected the set-up's mni152.nii.gz, "
                "mricron-data or a TEMPLATEFLOW_HOME");
  }
  std::string known;
  for (const TemplateInfo& info : found) {
    if (info.name == wanted) return info;
    known += (known.empty() ? "'" : ", '") + info.name + "' (" + info.space + ")";
  }
  if (auto of_space = template_of_space(found, canonical_space(wanted))) return *of_space;
  throw Error(ErrorKind::usage, "template: found '" + wanted + "', expected one of " +
                                    (known.empty() ? "none on this machine" : known));
}

std::optional<TemplateInfo> template_of_space(const std::vector<TemplateInfo>& found,
                                              const std::string& space) {
  for (const TemplateInfo& info : found) {
    if (info.space == space) return info;
  }
  return std::nullopt;
}

TemplateInfo template_from_files(const TemplateFiles& files) {
  TemplateInfo info;
  info.space = files.space.empty() ? declared_space(files.brain) : canonical_space(files.space);
  if (info.space.empty()) {
    throw Error(ErrorKind::usage, files.brain.string() +
                                      ": declares no space, expected space-<label> or tpl-<label> "
                                      "in its name or the space beside it");
  }
  for (const fs::path& path : {files.brain, files.head, files.mask}) {
    if (!path.empty() && !is_filled_file(path)) {
      throw Error(ErrorKind::usage, path.string() + ": not found, expected a template image");
    }
  }
  if (files.brain.empty()) {
    throw Error(ErrorKind::usage, "template: found no brain image, expected a file");
  }
  info.name = info.space;
  info.brain_path = files.brain;
  info.head_path = files.head;
  info.mask_path = files.mask;
  info.sha256 = image_io::digest_file(files.brain).sha256;
  info.single_subject = info.space == "MNIColin27";
  if (info.single_subject) info.note = "single-subject template";
  return info;
}

TemplateImages load_template(const TemplateInfo& info, const Context& context) {
  TemplateImages images;
  images.brain = image_io::read_volume(info.brain_path, {.nonfinite_to_zero = true});
  if (info.mask_path.empty()) {
    images.mask = template_mask(images.brain, context);
    return images;
  }
  images.mask = image_io::read_mask(info.mask_path);
  if (!images.mask.grid.same_as(images.brain.grid)) {
    throw Error(ErrorKind::input, info.mask_path.string() +
                                      ": found another grid than the template brain's, expected "
                                      "the same");
  }
  return images;
}

} // namespace boldmill::spaces
