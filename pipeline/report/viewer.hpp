// What the viewer of a participant's page shows: small volumes of the shard as compressed NIfTI in
// a script file beside the page, which the page loads on demand. A page from disk may load scripts
// but not data, so the data are a script. Internal.
#pragma once

#include <string>
#include <vector>

#include "pipeline/report/pages.hpp"
#include "pipeline/store/figures.hpp"

namespace boldmill::report {

inline constexpr const char* kViewerFile = "figures/viewer.js";
inline constexpr const char* kTemplateVolumesFile = "figures/template_volumes.js"; // of all pages

// NIfTI-1 in one piece, gzip: uint8, or int16 for regions. Same voxels, same bytes.
[[nodiscard]] std::string nifti_gz(const store::VolumeRecord& volume);

// "figures/sub-01_volumes.js", and its text: "" when no shard has volumes of the person, or the
// program has no viewer. A shard that cannot be read has none.
[[nodiscard]] std::string volumes_file(const std::string& page);
[[nodiscard]] std::string volumes_script(const std::vector<Session>& sessions);

// Template and regions, which are the same for everybody; "" when this shard has none.
[[nodiscard]] std::string template_script(const Session& session);

// The section of the page.
void add_viewer(Page& page, const std::string& file);

} // namespace boldmill::report
