#include "pipeline/graph/derivative_folder.hpp"

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/text.hpp"

namespace boldmill::graph {
namespace fs = std::filesystem;

DerivativeFolder::DerivativeFolder(const Study& study, const bids::ParticipantSession& session,
                                   const char* datatype, const std::string& prefix)
    : folder_(study.shard_path(session).parent_path() / datatype),
      relative_(folder_.lexically_relative(study.out).generic_string()),
      prefix_(bids::safe_component(prefix)) {
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code) throw Error(ErrorKind::disk, relative_ + ": cannot be made: " + code.message());
}

fs::path DerivativeFolder::path(const std::string& name, const char* extension) const {
  return folder_ / (prefix_ + name + extension);
}

std::string DerivativeFolder::uri(const std::string& name, const char* extension) const {
  return "bids::" + relative_ + "/" + prefix_ + name + extension;
}

void DerivativeFolder::put_json(const std::string& name, const Json& sidecar) const {
  bids::write_file_atomically(path(name, ".json"),
                              sidecar.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void DerivativeFolder::put(const std::string& name, const Volume& volume, int space_code,
                           const Json& sidecar) const {
  image_io::write_volume(path(name, ".nii.gz"), volume, {.space_code = space_code});
  put_json(name, sidecar);
}

void DerivativeFolder::put(const std::string& name, const Mask& mask, int space_code,
                           const Json& sidecar) const {
  image_io::write_mask(path(name, ".nii.gz"), mask, {.space_code = space_code});
  put_json(name, sidecar);
}

void DerivativeFolder::put(const std::string& name, const LabelImage& labels, int space_code,
                           const Json& sidecar) const {
  image_io::write_labels(path(name, ".nii.gz"), labels, {.space_code = space_code});
  put_json(name, sidecar);
}

} // namespace boldmill::graph
