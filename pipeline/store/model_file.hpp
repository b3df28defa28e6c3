// model.h5: what is needed to score a new person, and nothing of the people it was learned from.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/store/records.hpp"

namespace boldmill::store {

struct ModelRecord {
  std::string created_by, build, config_json, config_sha256, taxonomy_sha256;
  std::vector<std::string> measure, feature, score; // names, taxonomy order
  ReferenceRecord reference;
  std::map<std::string, std::vector<std::string>> known; // values of site and scanner columns
  std::vector<FrozenPrediction> predictions;
};

void write_model(const std::filesystem::path& path, const ModelRecord& model);
// Error{input}: not a model file, or of another format version.
[[nodiscard]] ModelRecord read_model(const std::filesystem::path& path);

} // namespace boldmill::store
