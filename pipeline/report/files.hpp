// Small helpers of the report folder. Internal.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/text.hpp"

namespace boldmill::report {

using Json = nlohmann::ordered_json;

inline constexpr const char* kIntendedUse =
    "Research use only. Not a medical device; scores and predictions are not for decisions about a "
    "person.";

inline void write_json(const std::filesystem::path& path, const Json& json) {
  bids::write_file_atomically(path,
                              json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

// sub-X/[ses-Y/]func below `out`, from "sub-X[_ses-Y]_task-...".
[[nodiscard]] std::filesystem::path func_folder(const std::filesystem::path& out,
                                                const std::string& run_id);

} // namespace boldmill::report
