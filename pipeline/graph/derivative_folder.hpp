// The files of one person or run in one folder of the output tree: names and JSON sidecars.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/graph/study.hpp"
#include "pipeline/image_io/nifti.hpp"

namespace boldmill::graph {

class DerivativeFolder {
public:
  using Json = nlohmann::ordered_json;

  // sub-X/[ses-Y/]<datatype>; all names start with `prefix`, e.g. "sub-01_task-rest".
  DerivativeFolder(const Study& study, const bids::ParticipantSession& session,
                   const char* datatype, const std::string& prefix);

  // `name` is what follows the prefix: "_desc-brain_mask".
  [[nodiscard]] std::filesystem::path path(const std::string& name, const char* extension) const;
  // "bids::sub-01/anat/sub-01_desc-preproc_T1w.nii.gz"
  [[nodiscard]] std::string uri(const std::string& name, const char* extension = ".nii.gz") const;

  void put(const std::string& name, const Volume& volume, int space_code,
           const Json& sidecar) const;
  void put(const std::string& name, const Mask& mask, int space_code, const Json& sidecar) const;
  void put(const std::string& name, const LabelImage& labels, int space_code,
           const Json& sidecar) const;
  void put_json(const std::string& name, const Json& sidecar) const;

private:
  std::filesystem::path folder_;
  std::string relative_, prefix_;
};

// "bids:raw:sub-01/anat/sub-01_T1w.nii.gz"
[[nodiscard]] inline std::string raw_uri(const bids::BidsFile& file) {
  return "bids:raw:" + file.path;
}

} // namespace boldmill::graph
