#include "pipeline/graph/volumes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "pipeline/bids/files.hpp"
#include "pipeline/graph/denoised_images.hpp"
#include "pipeline/image_io/columns.hpp"
#include "pipeline/image_io/itk_transform.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/functional/bold_resampling.hpp"

namespace boldmill::graph {
namespace {

using Json = DerivativeFolder::Json;
using Kind = OutputSpace::Kind;

constexpr int kScanner = 1; // NIfTI's codes of a space
constexpr int kAligned = 2;
constexpr int kMni = 4;

int code_of(const OutputSpace& space) {
  if (space.kind == Kind::standard) return kMni;
  return space.kind == Kind::t1w ? kAligned : kScanner;
}

// With what every image of a space says of it.
Json in_space(const OutputSpace& space, double spacing_mm, const std::string& t1w, Json sidecar) {
  if (space.kind == Kind::standard) sidecar["SpatialReference"] = space.reference;
  if (space.kind == Kind::t1w) sidecar["SpatialReference"] = t1w;
  if (space.spacing_mm > 0.0) {
    sidecar["Resolution"] = "isotropic voxels of " + Json(spacing_mm).dump() + " mm";
  }
  return sidecar;
}

PointMap space_to_t1w(const OutputSpace& space, const Anatomy& anatomy) {
  if (space.kind == Kind::t1w) return {};
  return PointMap(space.to_target).then(anatomy.fit.normalization.template_to_moving);
}

PointMap t1w_to_space(const OutputSpace& space, const Anatomy& anatomy) {
  return PointMap(anatomy.fit.normalization.moving_to_template).then(space.from_target);
}

// 1 grey matter, 2 white matter, 3 csf, as fMRIPrep numbers them.
struct Tissue {
  const char* label;
  const char* name;
  const Volume* probability;
};
constexpr const char* kT1wText = "T1w corrected for intensity non-uniformity";
constexpr const char* kBrainText = "brain mask";
constexpr const char* kSegmentsText = "most probable tissue: 1 gray matter, 2 white matter, 3 CSF";
std::string probability_text(const Tissue& tissue) {
  return std::string("probability of ") + tissue.name;
}
constexpr const char* kReferenceText = "BOLD reference, robust average of aligned volumes";

std::array<Tissue, 3> named_tissues(const tissue::Outputs& tissues) {
  return {{{"GM", "gray matter", &tissues.gm},
           {"WM", "white matter", &tissues.wm},
           {"CSF", "cerebrospinal fluid", &tissues.csf}}};
}

LabelImage segmentation(const std::array<Tissue, 3>& tissues, const Mask& mask) {
  LabelImage labels(mask.grid, 0);
  for (std::size_t v = 0; v < labels.data.size(); ++v) {
    if (mask.data[v] == 0) continue;
    std::size_t best = 0;
    for (std::size_t t = 1; t < tissues.size(); ++t) {
      if (tissues[t].probability->data[v] > tissues[best].probability->data[v]) best = t;
    }
    if (tissues[best].probability->data[v] > 0.0F) { // a lesion is no tissue
      labels.data[v] = static_cast<std::int32_t>(best) + 1;
    }
  }
  return labels;
}

void write_lookup(const DerivativeFolder& folder, const std::string& name,
                  const std::array<Tissue, 3>& tissues) {
  std::string table = "index\tname\tabbreviation\n";
  for (std::size_t t = 0; t < tissues.size(); ++t) {
    table += std::to_string(t + 1) + "\t" + tissues[t].name + "\t" + tissues[t].label + "\n";
  }
  bids::write_file_atomically(folder.path(name, ".tsv"), table);
}

struct AnatomyImages {
  const DerivativeFolder& folder;
  const Anatomy& anatomy;
  const std::array<Tissue, 3>& tissues;
  const LabelImage& labels;
};

void write_native(const AnatomyImages& images, const Json& raw) {
  const DerivativeFolder& folder = images.folder;
  const Json corrected = Json::array({folder.uri("_desc-preproc_T1w")});
  folder.put("_desc-preproc_T1w", images.anatomy.t1w, kScanner,
             {{"Description", kT1wText},
              {"SkullStripped", images.anatomy.fit.skull_stripped},
              {"Sources", raw}});
  folder.put("_desc-brain_mask", images.anatomy.fit.mask, kScanner,
             {{"Description", kBrainText}, {"Type", "Brain"}, {"Sources", corrected}});
  folder.put("_dseg", images.labels, kScanner,
             {{"Description", kSegmentsText}, {"Manual", false}, {"Sources", corrected}});
  write_lookup(folder, "_dseg", images.tissues);
  for (const Tissue& tissue : images.tissues) {
    folder.put(
        std::string("_label-") + tissue.label + "_probseg", *tissue.probability, kScanner,
        {{"Description", probability_text(tissue)}, {"Manual", false}, {"Sources", corrected}});
  }
}

std::string xfm_name(const std::string& from, const std::string& to) {
  return "_from-" + from + "_to-" + to + "_mode-image_xfm";
}

// Each image once through one map; the T1w by B-splines, probabilities linearly, labels nearest.
void write_in_space(const AnatomyImages& images, const OutputSpace& space, const Context& context) {
  const DerivativeFolder& folder = images.folder;
  const PointMap map = space_to_t1w(space, images.anatomy);
  const Grid grid = space.kind == Kind::t1w
                        ? regular_grid_over(images.anatomy.t1w.grid, space.spacing_mm)
                        : space.anat_grid;
  const auto sidecar = [&](const std::string& of, Json more) {
    more["Sources"] = Json::array({folder.uri(of)});
    if (space.kind == Kind::standard) {
      more["Sources"].push_back(folder.uri(xfm_name("T1w", space.space), ".h5"));
    }
    return in_space(space, grid.spacing_mm().mean(), folder.uri("_desc-preproc_T1w"), more);
  };
  const std::string in = space.entities();
  folder.put(in + "_desc-preproc_T1w",
             resample(images.anatomy.t1w, grid, map, Interpolation::cubic_bspline, context),
             code_of(space),
             sidecar("_desc-preproc_T1w", {{"Description", kT1wText},
                                           {"SkullStripped", images.anatomy.fit.skull_stripped}}));
  folder.put(in + "_desc-brain_mask", resample_mask(images.anatomy.fit.mask, grid, map, context),
             code_of(space),
             sidecar("_desc-brain_mask", {{"Description", kBrainText}, {"Type", "Brain"}}));
  folder.put(in + "_dseg", resample_labels(images.labels, grid, map, context), code_of(space),
             sidecar("_dseg", {{"Description", kSegmentsText}, {"Manual", false}}));
  write_lookup(folder, in + "_dseg", images.tissues);
  for (const Tissue& tissue : images.tissues) {
    const std::string name = std::string("_label-") + tissue.label + "_probseg";
    folder.put(in + name, resample(*tissue.probability, grid, map, Interpolation::linear, context),
               code_of(space),
               sidecar(name, {{"Description", probability_text(tissue)}, {"Manual", false}}));
  }
}

void write_transforms(const DerivativeFolder& folder, const OutputSpace& space,
                      const Anatomy& anatomy) {
  image_io::write_composite_xfm(folder.path(xfm_name("T1w", space.space), ".h5"),
                                space_to_t1w(space, anatomy));
  image_io::write_composite_xfm(folder.path(xfm_name(space.space, "T1w"), ".h5"),
                                t1w_to_space(space, anatomy));
}

// The T1w's field of view at the size of the BOLD's voxels, or at the size asked for.
Grid bold_grid(const OutputSpace& space, const Grid& t1w, const Grid& bold) {
  if (space.kind == Kind::boldref) return bold;
  if (space.kind == Kind::standard) return space.bold_grid;
  const double own = std::round(100.0 * std::cbrt(bold.voxel_volume_mm3())) / 100.0;
  return regular_grid_over(t1w, space.spacing_mm > 0.0 ? space.spacing_mm : own);
}

class RunWriter {
public:
  RunWriter(const Study& study, const bids::ParticipantSession& session, const bids::BoldRun& run,
            const RunVolumes& volumes, const Context& context)
      : study_(study), session_(session), run_(run), volumes_(volumes), context_(context),
        folder_(study, session, "func", run.run_id), anat_(study, session, "anat", session.id),
        t1w_(anat_.uri("_desc-preproc_T1w")) {}

  [[nodiscard]] Json echo_uris() const {
    Json uris = Json::array();
    for (const bids::BidsFile& echo : run_.echoes) uris.push_back(raw_uri(echo));
    return uris;
  }

  void write() {
    const Json raw = Json::array({raw_uri(run_.file)});
    folder_.put("_desc-coreg_boldref", volumes_.boldref, kScanner,
                {{"Description", kReferenceText}, {"Sources", raw}});
    folder_.put("_desc-brain_mask", volumes_.mask, kScanner,
                {{"Description", kBrainText},
                 {"Type", "Brain"},
                 {"Sources", {folder_.uri("_desc-coreg_boldref")}}});
    if (volumes_.t2star_ms != nullptr) {
      folder_.put("_T2starmap", *volumes_.t2star_ms, kScanner,
                  {{"Description", "T2* of the voxels before distortion correction"},
                   {"Units", "ms"},
                   {"EstimationAlgorithm", "weighted log-linear fit of the echoes' means"},
                   {"Sources", echo_uris()}});
    }
    image_io::write_affine_xfm(folder_.path(kCoreg, ".txt"), volumes_.bold_to_t1w.inverse());
    image_io::write_affine_xfms(folder_.path(kMotion, ".txt"), volumes_.ref_to_volume);
    for (const OutputSpace& space : study_.output_spaces) write_in(space);
  }

private:
  static constexpr const char* kCoreg = "_from-boldref_to-T1w_mode-image_desc-coreg_xfm";
  static constexpr const char* kMotion = "_from-orig_to-boldref_mode-image_desc-hmc_xfm";

  void write_in(const OutputSpace& space) {
    const Grid grid = bold_grid(space, volumes_.anatomy.t1w.grid, volumes_.boldref.grid);
    PointMap to_ref;
    Mask mask = volumes_.mask;
    if (space.kind != Kind::boldref) {
      to_ref = space_to_t1w(space, volumes_.anatomy);
      to_ref.then(Affine(volumes_.bold_to_t1w.inverse()));
      mask = resample_mask(volumes_.mask, grid, to_ref, context_);
      const auto sidecar = [&](const std::string& of, Json more) {
        more["Sources"] = Json::array({folder_.uri(of), folder_.uri(kCoreg, ".txt")});
        return in_space(space, grid.spacing_mm().mean(), t1w_, more);
      };
      folder_.put(space.entities() + "_boldref",
                  resample(volumes_.boldref, grid, to_ref, Interpolation::cubic_bspline, context_),
                  code_of(space),
                  sidecar("_desc-coreg_boldref", {{"Description", kReferenceText}}));
      folder_.put(space.entities() + "_desc-brain_mask", mask, code_of(space),
                  sidecar("_desc-brain_mask", {{"Description", kBrainText}, {"Type", "Brain"}}));
    }
    if (study_.write_volumes == "all") write_series(space, grid, mask, to_ref);
  }

  void write_series(const OutputSpace& space, const Grid& grid, const Mask& mask,
                    const PointMap& to_ref) {
    const std::vector<std::size_t> voxels = indices_of(mask);
    bold_resampling::Inputs inputs{volumes_.bold, grid, voxels, to_ref, volumes_.ref_to_volume};
    distortion::AtVoxels at;
    if (volumes_.distortion != nullptr) {
      at = distortion_at(*volumes_.distortion, grid, voxels, to_ref, context_);
      inputs.shift_voxels = at.shift_voxels;
      inputs.factor = at.factor;
      inputs.shift_axis = volumes_.distortion->map.axis;
    }
    const std::string name = space.entities() + "_desc-preproc_bold";
    image_io::SeriesWriter writer(folder_.path(name, ".nii.gz"), grid, volumes_.bold.n_volumes,
                                  volumes_.bold.tr_s, {.space_code = code_of(space)});
    std::vector<float> whole(grid.n_voxels());
    image_io::ColumnCollector columns(voxels, grid.n_voxels(), volumes_.bold.n_volumes);
    std::vector<std::uint8_t> leaves(voxels.size(), 0); // the field of view, in some volume
    bold_resampling::for_each_volume(inputs, context_, [&](int t, std::span<const float> values) {
      for (std::size_t n = 0; n < voxels.size(); ++n) {
        whole[voxels[n]] = std::isnan(values[n]) ? 0.0F : values[n];
        if (std::isnan(values[n])) leaves[n] = 1;
      }
      writer.append(whole);
      columns.add({t, 0, whole}, context_);
    });
    writer.close();
    folder_.put_json(name, in_space(space, grid.spacing_mm().mean(), t1w_, series_sidecar(space)));
    Eigen::MatrixXf kept = columns.take();
    for (std::size_t n = 0; n < leaves.size(); ++n) { // its jumps to 0 are not to be denoised
      if (leaves[n] != 0) kept.col(static_cast<Eigen::Index>(n)).setZero();
    }
    write_denoised_in(space, mask, std::move(kept));
  }

  // The same steps as the region series, on every voxel.
  void write_denoised_in(const OutputSpace& space, const Mask& mask, Eigen::MatrixXf columns) {
    config::Config config = study_.config;
    config.regional.measures.clear(); // those are of the run's own grid
    BrainVoxels voxels(std::move(columns), mask, config, context_);
    voxels.denoise(*volumes_.result);
    DerivedImages images{&folder_, space.entities(), code_of(space), {}};
    images.sidecar =
        in_space(space, mask.grid.spacing_mm().mean(), t1w_,
                 {{"TaskName", series_sidecar(space)["TaskName"]},
                  {"Sources", {folder_.uri(space.entities() + "_desc-preproc_bold")}}});
    write_denoised(voxels, mask, *volumes_.result, config, images, context_);
  }

  Json series_sidecar(const OutputSpace& space) const {
    const bids::Sidecar raw = study_.index.metadata(session_, run_.file);
    Json sidecar{{"Description", "preprocessed BOLD series, inside the brain mask"},
                 {"RepetitionTime", volumes_.bold.tr_s},
                 {"TaskName", raw.task_name.empty() ? run_.task : raw.task_name},
                 {"SkullStripped", true},
                 {"SliceTimingCorrected", !std::isnan(volumes_.start_s)}};
    if (!std::isnan(volumes_.start_s)) sidecar["StartTime"] = volumes_.start_s;
    if (volumes_.t2star_ms != nullptr) {
      sidecar["Description"] = "preprocessed BOLD series, echoes combined, inside the brain mask";
      sidecar["Sources"] = echo_uris();
    } else {
      if (raw.echo_time_s) sidecar["EchoTime"] = *raw.echo_time_s;
      sidecar["Sources"] = {raw_uri(run_.file)};
    }
    sidecar["Sources"].push_back(folder_.uri(kMotion, ".txt"));
    if (space.kind != Kind::boldref) sidecar["Sources"].push_back(folder_.uri(kCoreg, ".txt"));
    if (space.kind == Kind::standard) {
      sidecar["Sources"].push_back(anat_.uri(xfm_name("T1w", space.space), ".h5"));
    }
    return sidecar;
  }

  const Study& study_;
  const bids::ParticipantSession& session_;
  const bids::BoldRun& run_;
  const RunVolumes& volumes_;
  const Context& context_;
  DerivativeFolder folder_, anat_;
  std::string t1w_;
};

} // namespace

void write_anatomy_volumes(const Study& study, const bids::ParticipantSession& session,
                           const Anatomy& anatomy, const tissue::Outputs& probabilities,
                           const Context& context) {
  const DerivativeFolder folder(study, session, "anat", session.id);
  const std::array<Tissue, 3> tissues = named_tissues(probabilities);
  const LabelImage labels = segmentation(tissues, anatomy.fit.mask);
  const AnatomyImages images{folder, anatomy, tissues, labels};
  write_native(images, Json::array({raw_uri(t1w_of(session))}));
  std::set<std::string> written;
  for (const OutputSpace& space : study.output_spaces) {
    if (space.kind == Kind::boldref) continue;
    if (space.kind == Kind::t1w && space.spacing_mm == 0.0) continue; // the T1w's own grid
    if (space.kind == Kind::standard && written.insert(space.space).second) {
      write_transforms(folder, space, anatomy);
    }
    write_in_space(images, space, context);
  }
}

void write_run_volumes(const Study& study, const bids::ParticipantSession& session,
                       const bids::BoldRun& run, const RunVolumes& volumes,
                       const Context& context) {
  RunWriter(study, session, run, volumes, context).write();
}

void write_run_measures(const Study& study, const bids::ParticipantSession& session,
                        const bids::BoldRun& run, const VoxelMeasures& measures,
                        const Mask& brain) {
  const DerivativeFolder folder(study, session, "func", run.run_id);
  write_measures(
      measures, brain,
      {&folder, {}, kScanner, {{"TaskName", run.task}, {"Sources", {raw_uri(run.file)}}}});
}

std::size_t largest_output_voxels(const Study& study) {
  if (study.write_volumes != "all") return 0;
  // The series is computed inside the mask of the brain and its reference, two litres at most.
  constexpr double kBrainMm3 = 2e6;
  double finest_mm3 = 1e9;
  for (const OutputSpace& space : study.output_spaces) {
    if (space.kind == Kind::standard) {
      finest_mm3 = std::min(finest_mm3, space.bold_grid.voxel_volume_mm3());
    } else if (space.spacing_mm > 0.0) {
      finest_mm3 = std::min(finest_mm3, std::pow(space.spacing_mm, 3.0));
    }
  }
  return static_cast<std::size_t>(kBrainMm3 / finest_mm3);
}

} // namespace boldmill::graph
