// model.h5: what is needed to score a new person. Of the people it was learned from it holds no
// names and no rows; donors of imputation are values of measures without who they are.
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
  std::vector<GroupRecord> learned; // steps, norms and biotypes by their paths
};

void write_model(const std::filesystem::path& path, const ModelRecord& model);
// Error{input}: not a model file, or of a format version that is not known. Version 1 had nothing
// learned beside reference and predictions.
[[nodiscard]] ModelRecord read_model(const std::filesystem::path& path);

} // namespace boldmill::store
