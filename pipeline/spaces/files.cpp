#include "pipeline/spaces/files.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include "stages/core/error.hpp"

namespace boldmill::spaces {

namespace fs = std::filesystem;

fs::path environment_path(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? fs::path() : fs::path(value);
}

fs::path program_folder() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path();
}

bool is_filled_file(const fs::path& path) {
  std::error_code error;
  return !path.empty() && fs::is_regular_file(path, error) && fs::file_size(path, error) > 0 &&
         !error;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.good() || !text.good()) {
    throw Error(ErrorKind::input, path.string() + ": cannot be read");
  }
  return text.str();
}

std::string entity_of(const fs::path& path, std::string_view entity) {
  const std::string name = "_" + path.filename().string();
  const std::string key = "_" + std::string(entity) + "-";
  const std::size_t at = name.find(key);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + key.size();
  const std::size_t end = name.find_first_of("_.", begin);
  return name.substr(begin, end == std::string::npos ? end : end - begin);
}

std::string canonical_space(const std::string& space) {
  if (space == "MNI152NLin6") return "MNI152NLin6Asym";
  if (space == "Colin27") return "MNIColin27";
  return space;
}

std::string declared_space(const fs::path& path) {
  for (const std::string_view entity : {"space", "tpl"}) {
    const std::string space = entity_of(path, entity);
    if (!space.empty()) return canonical_space(space);
  }
  const std::string name = "_" + stem_of(path) + "_";
  for (const std::string space : {"MNI152NLin2009cAsym", "MNI152NLin2009cSym", "MNI152NLin6Asym",
                                  "MNI152NLin6Sym", "MNI152NLin6", "MNIColin27"}) {
    if (name.find("_" + space + "_") != std::string::npos) return canonical_space(space);
  }
  return {};
}

std::string stem_of(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const std::string_view extension : {".nii.gz", ".nii"}) {
    if (name.ends_with(extension)) return name.substr(0, name.size() - extension.size());
  }
  return path.stem().string();
}

} // namespace boldmill::spaces
