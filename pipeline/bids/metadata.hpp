// Merging of JSON sidecars. Internal to pipeline/bids.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace boldmill::bids {

// Parsed JSON files of the dataset's root. Thread-safe.
class SidecarCache {
public:
  std::shared_ptr<const nlohmann::json> read(const std::filesystem::path& root,
                                             const std::string& name);

private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const nlohmann::json>> parsed_;
};

// An object from a JSON file. Error{input}: unreadable, broken (line and column), not an object.
[[nodiscard]] nlohmann::json read_json_object(const std::filesystem::path& root,
                                              const std::string& relative);

} // namespace boldmill::bids
