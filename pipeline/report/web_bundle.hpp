// The script of the pages, bundled at build time from web/; empty when npm was not there. Internal.
#pragma once

#include <string_view>

namespace boldmill::report {

[[nodiscard]] std::string_view page_script();
[[nodiscard]] std::string_view page_script_sha256(); // base64, for the content security policy
[[nodiscard]] std::string_view viewer_script();      // a file of its own, loaded on demand

} // namespace boldmill::report
