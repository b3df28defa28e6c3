// Small helpers of this folder: where the program is, what a file name declares, whole text files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace boldmill::spaces {

// The value of an environment variable, empty when it is not set.
[[nodiscard]] std::filesystem::path environment_path(const char* name);
// The folder of the running program; empty when it cannot be told.
[[nodiscard]] std::filesystem::path program_folder();
// A file with content: TemplateFlow leaves empty files where nothing was fetched.
[[nodiscard]] bool is_filled_file(const std::filesystem::path& path);
// ErrorKind::input when the file cannot be read.
[[nodiscard]] std::string read_text(const std::filesystem::path& path);
// The label of `entity` in a file name, "MNI152NLin6Asym" of "tpl-MNI152NLin6Asym_T1w.nii.gz" for
// "tpl"; "" without it.
[[nodiscard]] std::string entity_of(const std::filesystem::path& path, std::string_view entity);
// One name per space: "MNI152NLin6" is MNI152NLin6Asym, "Colin27" is MNIColin27; others unchanged.
[[nodiscard]] std::string canonical_space(const std::string& space);
// space- of the name, else tpl-, else a part of the name that is a space
// ("..._MNI152NLin6Asym_2mm"), else "", canonical.
[[nodiscard]] std::string declared_space(const std::filesystem::path& path);
// The file name without .nii, .nii.gz and other extensions.
[[nodiscard]] std::string stem_of(const std::filesystem::path& path);

} // namespace boldmill::spaces
