// Stands in for the bundle where npm was not there at set-up.
#include "pipeline/report/web_bundle.hpp"

namespace boldmill::report {
std::string_view page_script() { return {}; }
std::string_view page_script_sha256() { return {}; }
std::string_view viewer_script() { return {}; }
} // namespace boldmill::report
