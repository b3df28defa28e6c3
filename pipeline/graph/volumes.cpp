#include "pipeline/graph/volumes.hpp"

#include "pipeline/bids/text.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/functional/bold_resampling.hpp"

namespace boldmill::graph {
namespace fs = std::filesystem;
namespace {

fs::path folder_of(const Study& study, const bids::ParticipantSession& session,
                   const char* datatype) {
  const fs::path folder = study.shard_path(session).parent_path() / datatype;
  std::error_code code;
  fs::create_directories(folder, code);
  if (code)
    throw Error(ErrorKind::disk,
                folder.filename().string() + ": cannot be made: " + code.message());
  return folder;
}

// A label of letters and digits for the space entity.
std::string space_of(const Study& study) {
  std::string label;
  for (const char c : study.target.space) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) label += c;
  }
  return "space-" + label;
}

const image_io::WriteOptions kInTemplateSpace{.space_code = 4};

} // namespace

void write_anatomy_volumes(const Study& study, const bids::ParticipantSession& session,
                           const Anatomy& anatomy, const Context& context) {
  const fs::path folder = folder_of(study, session, "anat");
  const std::string name = bids::safe_component(session.id);
  const std::string space = space_of(study);
  const PointMap& to_t1w = anatomy.fit.normalization.template_to_moving;
  image_io::write_volume(folder / (name + "_desc-preproc_T1w.nii.gz"), anatomy.t1w,
                         {.space_code = 1});
  image_io::write_mask(folder / (name + "_desc-brain_mask.nii.gz"), anatomy.fit.mask,
                       {.space_code = 1});
  image_io::write_volume(
      folder / (name + "_" + space + "_desc-preproc_T1w.nii.gz"),
      resample(anatomy.t1w, study.target.grid, to_t1w, Interpolation::cubic_bspline, context),
      kInTemplateSpace);
  image_io::write_mask(folder / (name + "_" + space + "_desc-brain_mask.nii.gz"),
                       resample_mask(anatomy.fit.mask, study.target.grid, to_t1w, context),
                       kInTemplateSpace);
  for (const auto& [label, image] : {std::pair<const char*, const Volume*>{"CSF", &anatomy.csf},
                                     {"WM", &anatomy.white_matter}}) {
    image_io::write_volume(folder / (name + "_label-" + label + "_probseg.nii.gz"), *image,
                           {.space_code = 1});
  }
}

void write_run_volumes(const Study& study, const bids::ParticipantSession& session,
                       const bids::BoldRun& run, const RunVolumes& volumes,
                       const Context& context) {
  const fs::path folder = folder_of(study, session, "func");
  const std::string name = bids::safe_component(run.run_id);
  const std::string space = space_of(study);
  PointMap to_bold = volumes.template_to_t1w;
  to_bold.then(Affine(volumes.bold_to_t1w.inverse()));
  image_io::write_volume(folder / (name + "_desc-coreg_boldref.nii.gz"), volumes.boldref,
                         {.space_code = 1});
  image_io::write_mask(folder / (name + "_desc-brain_mask.nii.gz"), volumes.mask,
                       {.space_code = 1});
  image_io::write_volume(
      folder / (name + "_" + space + "_boldref.nii.gz"),
      resample(volumes.boldref, study.target.grid, to_bold, Interpolation::cubic_bspline, context),
      kInTemplateSpace);
  const Mask mask = resample_mask(volumes.mask, study.target.grid, to_bold, context);
  image_io::write_mask(folder / (name + "_" + space + "_desc-brain_mask.nii.gz"), mask,
                       kInTemplateSpace);
  if (study.write_volumes != "all") return;
  const std::vector<std::size_t> voxels = indices_of(mask);
  const bold_resampling::Inputs inputs{volumes.bold, study.target.grid, voxels, to_bold,
                                       volumes.ref_to_volume};
  image_io::SeriesWriter writer(folder / (name + "_" + space + "_desc-preproc_bold.nii.gz"),
                                study.target.grid, volumes.bold.n_volumes, volumes.bold.tr_s,
                                kInTemplateSpace);
  std::vector<float> whole(study.target.grid.n_voxels());
  bold_resampling::for_each_volume(inputs, context, [&](int, std::span<const float> values) {
    for (std::size_t n = 0; n < voxels.size(); ++n)
      whole[voxels[n]] = std::isnan(values[n]) ? 0.0F : values[n];
    writer.append(whole);
  });
  writer.close();
}

} // namespace boldmill::graph
