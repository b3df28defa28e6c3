#include "pipeline/graph/bold_run.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "pipeline/graph/archives.hpp"
#include "pipeline/graph/confounds_of_run.hpp"
#include "pipeline/graph/distortion_of_run.hpp"
#include "pipeline/graph/echoes.hpp"
#include "pipeline/graph/figures.hpp"
#include "pipeline/graph/native_run.hpp"
#include "pipeline/graph/quality_of_run.hpp"
#include "pipeline/graph/region_series.hpp"
#include "pipeline/graph/regional.hpp"
#include "pipeline/graph/run_gates.hpp"
#include "pipeline/graph/sbref.hpp"
#include "pipeline/graph/volumes.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/tissue.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/denoise/kernels/gather.hpp"
#include "stages/functional/bold_resampling.hpp"
#include "stages/functional/distortion.hpp"
#include "stages/functional/kernels/mirror_evidence.hpp"
#include "stages/functional/smoothness.hpp"

namespace boldmill::graph {

void archive(cache::Archive& a, RunResult& r) {
  a(r.n_volumes, r.n_dummies, r.tr_s, r.tsnr, r.coreg_dice, r.norm_dice, r.coreg_cost,
    r.mirror_gain, r.coreg_displacement_mm, r.template_coverage, r.dropout, r.fwhm_mm, r.mean_fd_mm,
    r.mean_std_dvars, r.distortion, r.slice_reference_s, r.confound_names, r.confounds,
    r.confound_metadata, r.series, r.coverage, r.warnings, r.notes);
}

void archive(cache::Archive& a, RunRegional& r) { a(r.values, r.missing, r.denoised); }

namespace {

constexpr const char* kTargetMask = "brain mask by linear interpolation"; // a part of a key
constexpr int kFewestForSmoothness = 4; // volumes after the dummies

struct Dummies {
  int n = 0;
};
void archive(cache::Archive& a, Dummies& d) { a(d.n); }

struct Keys {
  std::string dummies, reference, motion, sbref, distortion, mask, coregistration, tissue, echoes,
      slice_timing, confounds, result, quality, regional;
};

struct Opened {
  std::string sha256;
  std::uint64_t bytes = 0;
  double tr_s = 0.0;
  std::string sbref_sha256;    // "" when there is none, or it is not used
  slice_timing::Timing slices; // without times when they are not known
  DistortionPlan distortion;
  EchoPlan echoes;
  std::vector<store::InputRecord> sidecars;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;
};

std::string text_of(const slice_timing::Timing& slices) {
  return config::Json{slices.times_s, slices.axis, slices.reversed}.dump();
}

// The stages that a field may come from, with their versions.
template <class ParamsOf>
std::string field_stages(ParamsOf&& params) {
  std::string text;
  for (const StageInfo& stage : {fieldmap_pepolar::kStage, fieldmap_phase::kStage,
                                 fieldmap_free::kStage, fieldmap_alignment::kStage}) {
    text += params(stage.name) + std::to_string(stage.version);
  }
  return text;
}

Keys keys_of(const Study& study, const Opened& opened, const std::string& anatomy) {
  const config::Json c = config::to_json(study.config);
  const auto params = [&c](std::string_view section) { return c[std::string(section)].dump(); };
  const std::string tr = config::Json(opened.tr_s).dump();
  Keys keys;
  keys.dummies =
      cache::node_key(dummy_scans::kStage, params("dummy_scans") + c["input"]["dummy_scans"].dump(),
                      {opened.sha256});
  keys.reference = cache::node_key(boldref::kStage, params("boldref"), {keys.dummies});
  keys.motion = cache::node_key(head_motion::kStage, params("head_motion"), {keys.reference});
  keys.sbref = opened.sbref_sha256.empty()
                   ? keys.reference
                   : cache::node_key("sbref", 1, "{}", {keys.reference, opened.sbref_sha256});
  keys.distortion = cache::node_key(
      distortion::kStage,
      opened.distortion.key + params("distortion") + params("bold_mask") + field_stages(params),
      {keys.sbref, needs_anatomy(study) ? anatomy + params("coregistration") : std::string()});
  keys.mask = cache::node_key(bold_mask::kStage, params("bold_mask"), {keys.distortion});
  keys.coregistration =
      cache::node_key(coregistration::kStage, params("coregistration"), {keys.mask, anatomy});
  keys.tissue = tissue_key(study, anatomy);
  keys.echoes =
      opened.echoes.inputs.empty()
          ? keys.dummies
          : cache::node_key(multi_echo::kStage,
                            params("multi_echo") + params("bold_mask") + opened.echoes.key(),
                            {keys.motion, keys.mask});
  keys.slice_timing = cache::node_key(
      slice_timing::kStage, params("slice_timing") + text_of(opened.slices) + tr, {keys.echoes});
  keys.confounds = cache::node_key(
      confounds::kStage,
      params("confounds") + params("dvars") + params("tissue_signals") + params("tissue_masks") +
          params("compcor") + params("framewise_displacement") + tr +
          std::to_string(compcor::kStage.version) + "." + std::to_string(dvars::kStage.version) +
          "." + std::to_string(tissue_signals::kStage.version) + "." +
          std::to_string(smoothness::kStage.version) + "." +
          std::to_string(framewise_displacement::kStage.version),
      {keys.motion, keys.coregistration, keys.slice_timing, keys.tissue});
  keys.result = cache::node_key(
      extraction::kStage, params("extraction") + voxel_steps(study.config) + kTargetMask,
      {keys.confounds, study.target.key, std::to_string(bold_resampling::kStage.version)});
  keys.quality =
      cache::node_key(run_quality::kStage,
                      params("run_quality") + params("carpet") + params("motion_filter") +
                          params("nuisance_regression") + std::to_string(carpet::kStage.version) +
                          "." + std::to_string(motion_filter::kStage.version) + "." +
                          std::to_string(nuisance_regression::kStage.version),
                      {keys.confounds});
  keys.regional =
      cache::node_key("regional", kRegionalVersion, regional_key_text(study.config), {keys.result});
  return keys;
}

// What the sidecar says of the slices; what cannot be used is a warning, not an error.
slice_timing::Timing slices_of(const bids::Sidecar& sidecar, const image_io::NiftiHeader& header,
                               double tr_s, Opened& opened) {
  slice_timing::Timing slices;
  const std::string& direction = sidecar.slice_encoding_direction;
  if (!direction.empty()) slices.axis = direction[0] - 'i';
  slices.reversed = direction.ends_with('-');
  try {
    const int n_slices = header.grid.shape.at(static_cast<std::size_t>(slices.axis));
    slices.times_s = bids::resolve_slice_timing(sidecar, n_slices, tr_s);
    if (slices.times_s.empty())
      opened.notes.push_back("slice timing not corrected: no SliceTiming");
  } catch (const Error& error) {
    opened.warnings.push_back(std::string("slice timing not corrected: ") + error.what());
  }
  return slices;
}

Opened open_run(const Study& study, const bids::ParticipantSession& session,
                const bids::BoldRun& run) {
  if (!run.file.problem.empty()) {
    throw Error(ErrorKind::input, run.file.path + ": " + run.file.problem);
  }
  if (!study.config.voxels.regressors.empty()) {
    throw Error(ErrorKind::input, run.file.path + ": voxels.regressors stand beside preprocessed "
                                                  "series, found a raw one");
  }
  const auto path = study.index.absolute(run.file);
  const image_io::NiftiHeader header = image_io::read_header(path);
  if (header.n_volumes < 2) {
    throw Error(ErrorKind::input, run.file.path + ": found " + std::to_string(header.n_volumes) +
                                      " volume, expected a 4-D series");
  }
  const bids::Sidecar sidecar = study.index.metadata(session, run.file);
  const bids::RepetitionTime tr = bids::resolve_repetition_time(sidecar, header.tr_s);
  const auto digest = study.digests.of(path);
  Opened opened{digest.sha256, digest.bytes, tr.tr_s, {}, {}, {}, {}, {}, {}, {}};
  for (const std::string& source : sidecar.sources) {
    const auto file = study.digests.of(study.index.root / source);
    opened.sidecars.push_back({source, file.bytes, file.sha256});
  }
  opened.sbref_sha256 = sbref_digest(study, run);
  opened.distortion = plan_distortion(study, session, run);
  if (study.config.slice_timing.enabled) {
    opened.slices = slices_of(sidecar, header, tr.tr_s, opened);
  }
  if (!tr.warning.empty()) opened.warnings.push_back(tr.warning);
  opened.echoes = plan_echoes(study, session, run, header);
  opened.warnings.insert(opened.warnings.end(), opened.echoes.warnings.begin(),
                         opened.echoes.warnings.end());
  return opened;
}

class RunChain {
public:
  RunChain(const Study& study, const bids::ParticipantSession& session, const bids::BoldRun& run,
           const Anatomy& anatomy, const Context& context)
      : study_(study), c_(study.config), session_(session), run_(run), anatomy_(anatomy),
        context_(context) {}

  RunOutput process(const Opened& opened, const Keys& keys) {
    out_.inputs.push_back({run_.file.path, opened.bytes, opened.sha256});
    for (const store::InputRecord& input : opened.sidecars) out_.inputs.push_back(input);
    tr_s_ = opened.tr_s;
    slices_ = opened.slices;
    add_stage(dummy_scans::kStage, keys.dummies);
    add_stage(boldref::kStage, keys.reference);
    add_stage(head_motion::kStage, keys.motion);
    add_stage(distortion::kStage, keys.distortion);
    if (run_.sbref && !opened.sbref_sha256.empty()) {
      const auto digest = study_.digests.of(study_.index.absolute(*run_.sbref));
      out_.inputs.push_back({run_.sbref->path, digest.bytes, digest.sha256});
    }
    for (const store::InputRecord& input : opened.distortion.inputs) out_.inputs.push_back(input);
    if (!opened.echoes.inputs.empty()) {
      for (const store::InputRecord& input : opened.echoes.inputs) out_.inputs.push_back(input);
      add_stage(multi_echo::kStage, keys.echoes);
    }
    add_stage(bold_mask::kStage, keys.mask);
    add_stage(coregistration::kStage, keys.coregistration);
    // Of the run, not of the anatomy: it is not computed again for a run in the cache.
    add_stage(tissue::kStage, keys.tissue);
    add_stage(slice_timing::kStage, keys.slice_timing);
    add_stage(confounds::kStage, keys.confounds);
    add_stage(extraction::kStage, keys.result);
    out_.result = study_.cache.value<RunResult>(keys.result, [&] { return compute(opened, keys); });
    keep_figures(study_, keys.result, out_.stages, [&] { return make_figures(opened, keys); });
    if (study_.write_volumes != "none") write_volumes(opened, keys);
    check_alignment(c_.gates, run_.run_id, out_.result);
    add_stage(run_quality::kStage, keys.quality);
    out_.quality = study_.cache.value<RunQuality>(keys.quality, [&] {
      need_native(opened, keys);
      return timed(out_.resources, "run_quality", run_.run_id,
                   [&] { return quality_of_run(*native_, out_.result, c_, context_); });
    });
    if (wants_voxel_measures(c_)) {
      out_.stages.push_back({"regional", kRegionalVersion, keys.regional});
      std::optional<VoxelMeasures> found;
      const auto of_voxels = [&]() -> const VoxelMeasures& {
        need_native(opened, keys);
        if (!found) found = measure_voxels();
        return *found;
      };
      out_.regional =
          study_.cache.value<RunRegional>(keys.regional, [&] { return regional(of_voxels()); });
      if (study_.write_volumes == "all") {
        write_run_measures(study_, session_, run_, of_voxels(), native_->brain);
      }
    }
    return std::move(out_);
  }

private:
  void need_native(const Opened& opened, const Keys& keys) {
    if (!estimates_) estimates_ = estimate(opened, keys);
    if (native_) return;
    combine(opened, *estimates_);
    (void)correct_slices(estimates_->dummies.n);
    make_native(*estimates_);
  }

  void add_stage(const StageInfo& stage, const std::string& key) {
    out_.stages.push_back({std::string(stage.name), stage.version, key});
  }

  // As acquired, until combine() and correct_slices().
  const Series& bold() {
    if (bold_.data.empty()) {
      bold_ = timed(out_.resources, "read_bold", run_.run_id, [&] {
        return image_io::read_series(study_.index.absolute(run_.file), context_,
                                     {.nonfinite_to_zero = true, .report = &report_});
      });
      bold_.tr_s = tr_s_;
    }
    return bold_;
  }

  // The estimates of the run, each from the cache or computed.
  struct Estimates {
    Dummies dummies;
    boldref::Outputs reference;
    Volume base; // what masks and coregistration start from: the sbref, or the reference
    std::vector<std::string> warnings;
    head_motion::Outputs motion;
    RunDistortion distortion;
    bold_mask::Outputs mask;
    coregistration::Outputs coreg;

    // What masks and coregistration see.
    [[nodiscard]] const Volume& undistorted() const {
      return distortion.corrected ? distortion.reference : base;
    }
  };

  Estimates estimate(const Opened& opened, const Keys& keys) {
    Estimates e;
    e.dummies = study_.cache.value<Dummies>(keys.dummies, [&]() -> Dummies {
      if (c_.input.dummy_scans >= 0) return {c_.input.dummy_scans};
      return {dummy_scans::run({bold()}, c_.dummy_scans, context_).n_dummies};
    });
    e.reference = study_.cache.value<boldref::Outputs>(keys.reference, [&] {
      if (e.dummies.n >= bold().n_volumes) {
        throw Error(ErrorKind::input, run_.run_id + ": found " + std::to_string(bold().n_volumes) +
                                          " volumes, expected more than " +
                                          std::to_string(e.dummies.n) + " dummies");
      }
      return timed(out_.resources, "boldref", run_.run_id, [&] {
        return boldref::run({bold(), e.dummies.n}, c_.boldref, context_);
      });
    });
    e.motion = study_.cache.value<head_motion::Outputs>(keys.motion, [&] {
      return timed(out_.resources, "head_motion", run_.run_id, [&] {
        return head_motion::run({bold(), &e.reference.reference}, c_.head_motion, context_);
      });
    });
    e.base = opened.sbref_sha256.empty()
                 ? e.reference.reference
                 : sbref_or(study_, run_, e.reference.reference, e.warnings, context_);
    e.distortion = study_.cache.value<RunDistortion>(keys.distortion, [&] {
      return timed(out_.resources, "distortion", run_.run_id, [&] {
        return correct_distortion(study_, opened.distortion, anatomy_, e.base, context_);
      });
    });
    const Volume& reference = e.undistorted();
    e.mask = bold_mask::run({&reference, nullptr}, c_.bold_mask, context_);
    e.coreg = study_.cache.value<coregistration::Outputs>(keys.coregistration, [&] {
      const Affine mirror = mid_sagittal_reflection(anatomy_.fit.affine.t1w_to_template);
      return timed(out_.resources, "coregistration", run_.run_id, [&] {
        return coregistration::run(
            {&reference, &e.mask.mask, &anatomy_.t1w, &anatomy_.fit.mask, &mirror},
            c_.coregistration, context_);
      });
    });
    return e;
  }

  // The sum of the echoes takes the place of the one that the estimates were made on.
  void combine(const Opened& opened, const Estimates& e) {
    if (opened.echoes.inputs.empty() || combined_) return;
    (void)bold();
    timed(out_.resources, "multi_echo", run_.run_id, [&] {
      t2star_ms_ = combine_echoes(study_, run_,
                                  {opened.echoes, e.dummies.n, e.motion.ref_to_volume, e.mask.mask},
                                  bold_, context_)
                       .t2star_ms;
      return true;
    });
    combined_ = true;
  }

  // Estimates are made on the raw series; what is sampled afterwards is brought to one moment
  // first.
  double correct_slices(int n_dummies) {
    (void)bold();
    const auto& params = c_.slice_timing;
    if (!slice_timing::reason_to_skip(slices_, bold_.n_volumes, n_dummies, params).empty()) {
      return std::nan("");
    }
    if (!corrected_) {
      timed(out_.resources, "slice_timing", run_.run_id, [&] {
        return slice_timing::run({bold_, slices_, n_dummies}, params, context_).reference_s;
      });
      corrected_ = true;
    }
    return slice_timing::reference_time_s(slices_.times_s, params.reference);
  }

  RunResult compute(const Opened& opened, const Keys& keys) {
    RunResult result;
    result.tr_s = opened.tr_s;
    result.warnings = opened.warnings;
    result.notes = opened.notes;
    const Estimates& e = estimates_.emplace(estimate(opened, keys));
    result.n_volumes = bold().n_volumes;
    result.n_dummies = e.dummies.n;
    result.distortion = e.distortion.corrected ? e.distortion.method : "none";
    result.coreg_dice = e.coreg.dice;
    result.coreg_cost = e.coreg.cost;
    result.mirror_gain = e.coreg.mirror_similarity_gain;
    result.coreg_displacement_mm = e.coreg.header_displacement_mm;
    result.dropout = dropout_of(anatomy_.fit.mask, e.mask.mask, e.coreg.bold_to_t1w, context_);
    result.template_coverage =
        template_coverage_of(study_.target.mask, e.mask.mask.grid, target_to_ref(e), context_);
    result.warnings.insert(result.warnings.end(), e.distortion.warnings.begin(),
                           e.distortion.warnings.end());
    result.warnings.insert(result.warnings.end(), e.warnings.begin(), e.warnings.end());
    result.notes.insert(result.notes.end(), e.distortion.notes.begin(), e.distortion.notes.end());
    if (!e.coreg.edge_reason.empty()) {
      result.notes.push_back(
          "BOLD was aligned to T1w by mutual information, not by the white-matter edge: " +
          e.coreg.edge_reason);
    }
    note_doubts(report_.n_nonfinite, e.motion, e.coreg, e.mask, anatomy_, result);
    combine(opened, e);
    result.slice_reference_s = correct_slices(e.dummies.n);
    add_confounds(e, result);
    add_series(e, result);
    note_gaps(study_, result);
    return result;
  }

  Figures make_figures(const Opened& opened, const Keys& keys) {
    need_native(opened, keys);
    return timed(out_.resources, "figures", run_.run_id, [&] {
      const Estimates& e = *estimates_;
      RunPictures run{e.undistorted(), e.mask.mask, e.coreg.bold_to_t1w,
                      anatomy_,        *native_,    moments(e),
                      study_.target,   nullptr,     nullptr};
      Mask before;
      if (e.distortion.corrected) {
        before = bold_mask::run({&e.base, nullptr}, c_.bold_mask, context_).mask;
        run.distorted = &e.base;
        run.distorted_mask = &before;
      }
      return figures_of_run(run, context_);
    });
  }

  void write_volumes(const Opened& opened, const Keys& keys) {
    if (!estimates_) estimates_ = estimate(opened, keys);
    const Estimates& e = *estimates_;
    RunVolumes volumes{e.undistorted(),        e.mask.mask, e.coreg.bold_to_t1w,
                       e.motion.ref_to_volume, anatomy_,    {}};
    volumes.distortion = &e.distortion;
    if (!opened.echoes.inputs.empty()) {
      combine(opened, e);
      volumes.t2star_ms = &t2star_ms_;
    }
    volumes.result = &out_.result;
    if (study_.write_volumes == "all") {
      volumes.start_s = correct_slices(e.dummies.n);
      volumes.bold = VolumeSource(bold());
    }
    write_run_volumes(study_, session_, run_, volumes, context_);
  }

  [[nodiscard]] PointMap target_to_ref(const Estimates& e) const {
    PointMap map = anatomy_.fit.normalization.template_to_moving;
    map.then(Affine(e.coreg.bold_to_t1w.inverse()));
    return map;
  }

  void make_native(const Estimates& e) {
    native_ = timed(out_.resources, "bold_resampling_native", run_.run_id, [&] {
      return native_run({VolumeSource(bold()), e.mask.mask, e.coreg.bold_to_t1w, e.motion,
                         e.distortion, anatomy_},
                        c_, context_);
    });
  }

  // Of the corrected series, for its temporal SNR and the picture.
  const VoxelMoments& moments(const Estimates& e) {
    if (!moments_) moments_ = moments_of(native_->series, e.mask.mask, e.dummies.n, context_);
    return *moments_;
  }

  void add_confounds(const Estimates& e, RunResult& result) {
    make_native(e);
    auto found = timed(out_.resources, "confounds", run_.run_id, [&] {
      return confounds_of_run(*native_, e.motion, result.n_dummies, result.tr_s, c_, context_);
    });
    result.confound_names = std::move(found.table.names);
    result.confounds = std::move(found.table.values);
    result.confound_metadata = std::move(found.metadata);
    result.notes.insert(result.notes.end(), found.notes.begin(), found.notes.end());
    result.mean_fd_mm = found.table.mean_fd_mm;
    result.mean_std_dvars = found.table.mean_std_dvars;
    result.tsnr = moments(e).tsnr;
    result.fwhm_mm = std::nan("");
    if (result.n_volumes - result.n_dummies >= kFewestForSmoothness) {
      result.fwhm_mm =
          smoothness::run({native_->series, native_->brain, result.n_dummies}, context_).mean_mm;
    }
  }

  // For each voxel of the target the nearest of the run's own grid, -1 outside its brain.
  std::vector<std::int64_t> nearest_in_brain(const Estimates& e) const {
    const Mask& brain = e.mask.mask;
    const TargetSpace& target = study_.target;
    std::vector<std::int64_t> nearest(target.voxels.size(), -1);
    const auto at =
        source_coordinates(brain.grid, target.grid, target.voxels, target_to_ref(e), context_);
    for (std::size_t n = 0; n < target.voxels.size(); ++n) {
      const double* x = at.data() + 3 * n;
      if (!inside_image(brain.grid.shape, x[0], x[1], x[2])) continue;
      const auto axis = [&](std::size_t a) {
        return std::clamp(static_cast<int>(std::lround(x[a])), 0, brain.grid.shape[a] - 1);
      };
      const std::size_t voxel = brain.grid.index(axis(0), axis(1), axis(2));
      if (brain.data[voxel] != 0) nearest[n] = static_cast<std::int64_t>(voxel);
    }
    return nearest;
  }

  // Of the run's own grid.
  VoxelMeasures measure_voxels() {
    return timed(out_.resources, "regional", run_.run_id, [&] {
      BrainVoxels voxels(gather_columns(native_->series, indices_of(native_->brain)),
                         native_->brain, c_, context_);
      voxels.denoise(out_.result);
      return voxels.measures();
    });
  }

  RunRegional regional(const VoxelMeasures& found) const {
    const std::vector<std::int64_t> position = positions_in(native_->brain);
    const std::vector<std::int64_t> nearest = nearest_in_brain(*estimates_);
    std::vector<std::int64_t> at(study_.target.grid.n_voxels(), -1);
    for (std::size_t n = 0; n < nearest.size(); ++n) {
      if (nearest[n] < 0) continue;
      at[study_.target.voxels[n]] = position[static_cast<std::size_t>(nearest[n])];
    }
    GridRegions::Sets sets;
    for (const RegionSet& set : study_.target.sets) sets.push_back(set.regions);
    return regional_of(found, sets, at, c_.extraction.min_coverage);
  }

  void add_series(const Estimates& e, RunResult& result) {
    const TargetSpace& target = study_.target;
    const PointMap to_ref = target_to_ref(e);
    const Mask brain =
        resample_mask(e.mask.mask, target.grid, to_ref, context_); // as it is written
    std::vector<std::uint8_t> covered;
    for (const std::size_t v : target.voxels) covered.push_back(brain.data[v]);
    GridRegions::Sets sets;
    for (const RegionSet& set : target.sets) sets.push_back(set.regions);
    RegionSeries regions(sets, {&target.grid, &target.voxels}, covered, bold().n_volumes, c_);
    const auto distorted =
        distortion_at(e.distortion, target.grid, target.voxels, to_ref, context_);
    const bold_resampling::Inputs inputs{bold(),
                                         target.grid,
                                         target.voxels,
                                         to_ref,
                                         e.motion.ref_to_volume,
                                         distorted.shift_voxels,
                                         distorted.factor,
                                         e.distortion.map.axis};
    timed(out_.resources, "extraction", run_.run_id, [&] {
      bold_resampling::for_each_volume(inputs, context_, [&](int t, std::span<const float> values) {
        regions.add(t, 0, values);
      });
      return true;
    });
    regions.finish(result.n_dummies, context_, result);
  }

  const Study& study_;
  const config::Config& c_;
  const bids::ParticipantSession& session_;
  const bids::BoldRun& run_;
  const Anatomy& anatomy_;
  const Context& context_;
  RunOutput out_;
  Series bold_;
  slice_timing::Timing slices_;
  bool combined_ = false;
  bool corrected_ = false;
  Volume t2star_ms_;
  std::optional<Estimates> estimates_;
  std::optional<NativeRun> native_;
  std::optional<VoxelMoments> moments_;
  image_io::ReadReport report_;
  double tr_s_ = 0.0;
};

} // namespace

std::string voxel_steps(const config::Config& config) {
  std::string text;
  if (config.voxels.smoothing_mm > 0.0) {
    text += "smoothing in the mask, mirrored" + config::Json(config.voxels.smoothing_mm).dump();
  }
  if (config.voxels.despike) {
    text += "despike" + std::to_string(despike::kStage.version) +
            config::to_json(config)["despike"].dump();
  }
  return text;
}

std::string run_key(const Study& study, const bids::ParticipantSession& session,
                    const bids::BoldRun& run) {
  const Opened opened = open_run(study, session, run);
  return keys_of(study, opened, anatomy_key(study, session)).result;
}

bool run_is_cached(const Study& study, const bids::ParticipantSession& session,
                   const bids::BoldRun& run) {
  const Keys keys = keys_of(study, open_run(study, session, run), anatomy_key(study, session));
  const cache::Cache& cache = study.cache;
  return cache.has(keys.result) && cache.has(keys.quality) &&
         figures_are_kept(study, keys.result) &&
         (!wants_voxel_measures(study.config) || cache.has(keys.regional));
}

RunOutput process_run(const Study& study, const bids::ParticipantSession& session,
                      const bids::BoldRun& run, const Anatomy& anatomy, const Context& context) {
  const Opened opened = open_run(study, session, run);
  return RunChain(study, session, run, anatomy, context)
      .process(opened, keys_of(study, opened, anatomy.key));
}

std::size_t run_peak_bytes(const Study& study, const RunShape& shape) {
  const auto& c = study.config;
  const std::size_t series = shape.n_voxels * shape.n_volumes * sizeof(float);
  const std::size_t threads = kPlannedThreads;
  std::size_t work =
      head_motion::peak_bytes({shape.n_voxels, shape.n_volumes, threads}, c.head_motion);
  work = std::max(work, boldref::peak_bytes({shape.n_voxels, shape.n_volumes}, c.boldref));
  constexpr std::size_t kFieldmapImages = 4; // on grids like the run's
  work = std::max(
      work, fieldmap_pepolar::peak_bytes({shape.n_voxels, kFieldmapImages}, c.fieldmap_pepolar));
  const std::size_t resampling = bold_resampling::working_bytes(
      {shape.n_voxels, shape.n_volumes,
       std::max(study.target.voxels.size(), largest_output_voxels(study)), threads},
      {});
  // The corrected series is held beside the raw one while confounds and quality are measured.
  const std::size_t in_brain = shape.n_voxels / 3;
  std::size_t measuring = dvars::peak_bytes({shape.n_volumes, in_brain}, c.dvars);
  measuring = std::max(measuring, compcor::peak_bytes({shape.n_volumes, in_brain}, c.compcor));
  measuring = std::max(measuring, quality_bytes(shape, c));
  if (wants_voxel_measures(c)) {
    measuring = std::max(measuring, brain_voxels_bytes(in_brain, shape.n_volumes, c));
  }
  measuring = std::max(measuring, region_series_bytes(study.target, 1.0, shape.n_volumes, c));
  work = std::max(work, series + resampling + measuring);
  if (study.write_volumes == "all") {
    const std::size_t written = std::max(in_brain, largest_output_voxels(study));
    work = std::max(work, series + resampling + brain_voxels_bytes(written, shape.n_volumes, c));
  }
  if (shape.n_echoes > 1) {
    work = std::max(work, series + resampling +
                              multi_echo::peak_bytes(
                                  {shape.n_voxels, shape.n_volumes, shape.n_echoes}, c.multi_echo));
  }
  return series + work;
}

} // namespace boldmill::graph
