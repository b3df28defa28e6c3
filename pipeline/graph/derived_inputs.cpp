#include "pipeline/graph/derived_inputs.hpp"

#include <nlohmann/json.hpp>

#include "pipeline/bids/metadata.hpp"
#include "pipeline/bids/text.hpp"
#include "pipeline/graph/voxel_regressors.hpp"
#include "pipeline/image_io/cifti.hpp"

namespace boldmill::graph {
namespace {

DerivedInput input_of(const Study& study, const std::string& name,
                      const std::filesystem::path& root, const std::string& file) {
  const auto path = root / file;
  const auto digest = study.digests.of(path);
  std::error_code code;
  const bool dataset = std::filesystem::equivalent(root, study.index.root, code);
  const std::string shown = dataset ? file : "derivatives:" + name + "/" + file;
  return {path, {shown, digest.bytes, digest.sha256}};
}

// The sidecar beside the series; older generations have none, or one without a repetition time.
bids::Sidecar sidecar_of(const DerivedSource& source, const bids::BidsFile& bold) {
  std::string json = bold.path;
  json = json.substr(0, json.size() - bold.extension.size()) + ".json";
  std::error_code code;
  if (!std::filesystem::exists(source.index->root / json, code)) return {};
  return bids::make_sidecar(bold.path, {json}, bids::read_json_object(source.index->root, json));
}

} // namespace

bool is_dense(const Study& study) { return study.config.input.file_format == "cifti"; }

std::vector<store::InputRecord> DerivedInputs::records() const {
  std::vector<store::InputRecord> out;
  for (const DerivedInput* input : {&bold, &mask, &confounds}) {
    if (!input->record.path.empty()) out.push_back(input->record);
  }
  if (aroma) out.push_back(aroma->record);
  if (sidecar) out.push_back(sidecar->record);
  for (const DerivedInput& regressor : regressors) out.push_back(regressor.record);
  return out;
}

DerivedInputs open_derived(const Study& study, const DerivedSource& source) {
  std::string missing;
  for (const std::string& what : source.files.missing) {
    if (what.find("no reference (boldref)") != std::string::npos) continue; // not needed
    if (is_dense(study) && what.find("no confounds") == std::string::npos) continue;
    missing += (missing.empty() ? "" : "; ") + what;
  }
  const auto& files = source.files;
  if (is_dense(study) && !files.dense) {
    missing +=
        std::string(missing.empty() ? "" : "; ") + "no dense series (space-fsLR .dtseries.nii)";
  }
  if (!missing.empty()) throw Error(ErrorKind::input, source.index->name + ": " + missing);
  const auto input = [&](const bids::BidsFile& file) {
    return input_of(study, source.index->name, source.index->root, file.path);
  };
  const bids::BidsFile& bold = is_dense(study) ? *files.dense : *files.bold;
  DerivedInputs opened{input(bold), is_dense(study) ? DerivedInput{} : input(*files.mask),
                       input(*files.confounds)};
  if (files.confounds_json) opened.sidecar = input(*files.confounds_json);
  if (source.aroma) {
    opened.aroma = input_of(study, source.aroma_name, source.aroma_root, source.aroma->path);
  }
  if (is_dense(study)) {
    const image_io::DenseShape shape = image_io::read_dense_shape(opened.bold.path);
    opened.header.n_volumes = static_cast<int>(shape.n_volumes);
    opened.header.tr_s = shape.tr_s;
  } else {
    opened.header = image_io::read_header(opened.bold.path);
  }
  if (opened.header.n_volumes < 2) {
    throw Error(ErrorKind::input, opened.bold.record.path + ": found " +
                                      std::to_string(opened.header.n_volumes) +
                                      " volume, expected a 4-D series");
  }
  if (!is_dense(study)) {
    for (const VoxelRegressor& found : find_voxel_regressors(study, source)) {
      opened.regressors.push_back(input_of(study, found.dataset, found.root, found.path));
    }
  }
  const bids::Sidecar sidecar = sidecar_of(source, bold);
  const auto tr = bids::resolve_repetition_time(sidecar, opened.header.tr_s);
  if (sidecar.values && sidecar.values->contains("StartTime")) {
    const auto& start = (*sidecar.values)["StartTime"];
    if (start.is_number()) opened.start_s = start.get<double>();
  }
  opened.tr_s = tr.tr_s;
  if (!tr.warning.empty()) opened.warnings.push_back(tr.warning);
  return opened;
}

std::string key_of(const Study& study, const DerivedInputs& opened) {
  const config::Json c = config::to_json(study.config);
  std::string text = c["extraction"].dump() + c["input"]["dummy_scans"].dump() +
                     c["framewise_displacement"].dump() + config::Json(opened.tr_s).dump() +
                     config::Json(opened.start_s).dump();
  text += voxel_steps(study.config);
  std::vector<std::string> parts{opened.bold.record.sha256,
                                 opened.mask.record.sha256,
                                 opened.confounds.record.sha256,
                                 opened.aroma ? opened.aroma->record.sha256 : std::string(),
                                 opened.sidecar ? opened.sidecar->record.sha256 : std::string(),
                                 is_dense(study) ? study.config.files.at("atlas").sha256
                                                 : std::string(),
                                 study.target.key};
  for (const DerivedInput& regressor : opened.regressors) {
    parts.push_back(regressor.record.sha256);
  }
  return cache::node_key(kDerivedStage, text, parts);
}

} // namespace boldmill::graph
