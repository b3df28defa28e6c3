#include "pipeline/graph/bold_run.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "pipeline/graph/archives.hpp"
#include "pipeline/graph/distortion_of_run.hpp"
#include "pipeline/graph/echoes.hpp"
#include "pipeline/graph/sbref.hpp"
#include "pipeline/graph/volumes.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/tissue.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/bold_resampling.hpp"
#include "stages/functional/distortion.hpp"
#include "stages/functional/kernels/mirror_evidence.hpp"
#include "stages/functional/smoothness.hpp"

namespace boldmill::graph {

void archive(cache::Archive& a, RunResult& r) {
  a(r.n_volumes, r.n_dummies, r.tr_s, r.tsnr, r.coreg_dice, r.coreg_cost, r.mirror_gain,
    r.coreg_displacement_mm, r.template_coverage, r.dropout, r.fwhm_mm, r.mean_fd_mm,
    r.mean_std_dvars, r.distortion, r.slice_reference_s, r.confound_names, r.confounds, r.series,
    r.coverage, r.warnings, r.notes);
}

namespace {

constexpr double kDropoutRim_mm = 4.0;       // the masks' own edge is no drop-out
constexpr std::size_t kCoverageStride = 101; // of the template's voxels, prime to its rows

struct Dummies {
  int n = 0;
};
void archive(cache::Archive& a, Dummies& d) { a(d.n); }

struct Keys {
  std::string dummies, reference, motion, sbref, distortion, mask, coregistration, tissue, echoes,
      slice_timing, confounds, result;
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
          params("framewise_displacement") + tr + std::to_string(dvars::kStage.version) + "." +
          std::to_string(tissue_signals::kStage.version) + "." +
          std::to_string(smoothness::kStage.version) + "." +
          std::to_string(framewise_displacement::kStage.version),
      {keys.motion, keys.coregistration, keys.slice_timing, keys.tissue});
  keys.result = cache::node_key(
      extraction::kStage, params("extraction"),
      {keys.confounds, study.target.key, std::to_string(bold_resampling::kStage.version)});
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

// Voxels whose share of a tissue, averaged over the BOLD voxel, passes; lowered step by step.
Mask carried_mask(const Volume& probability, const Grid& grid, const PointMap& bold_to_t1w,
                  double threshold, const Mask& brain, const Context& context) {
  const double fwhm = grid.spacing_mm().mean();
  const Volume smooth = gaussian_smooth(probability, fwhm / kFwhmPerSigma, context);
  const Volume share = resample(smooth, grid, bold_to_t1w, Interpolation::linear, context);
  Mask mask(grid, 0);
  constexpr std::size_t kEnough = 20;
  for (double limit = threshold; limit > 0.3; limit -= 0.1) {
    for (std::size_t v = 0; v < mask.data.size(); ++v) {
      mask.data[v] = brain.data[v] != 0 && share.data[v] >= static_cast<float>(limit) ? 1 : 0;
    }
    if (count(mask) >= kEnough) break;
  }
  return mask;
}

double median_tsnr(const Series& series, const Mask& mask, int n_dummies, const Context& context) {
  const std::vector<std::size_t> voxels = indices_of(mask);
  std::vector<double> tsnr(voxels.size(), std::nan(""));
  parallel_blocks(context, voxels.size(), 4096, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) {
      double sum = 0.0;
      double squares = 0.0;
      const int n_used = series.n_volumes - n_dummies;
      const double first = series.volume(n_dummies)[voxels[n]];
      for (int t = n_dummies; t < series.n_volumes; ++t) {
        const double x = series.volume(t)[voxels[n]] - first;
        sum += x;
        squares += x * x;
      }
      const double mean = sum / n_used;
      const double variance = (squares - sum * mean) / std::max(1, n_used - 1);
      if (variance > 0.0) tsnr[n] = (mean + first) / std::sqrt(variance);
    }
  });
  return median(std::move(tsnr));
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
    if (study_.write_volumes != "none") write_volumes(opened, keys);
    check(out_.result);
    return std::move(out_);
  }

private:
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
    result.dropout = dropout_of(e);
    result.template_coverage = template_coverage_of(e);
    result.warnings.insert(result.warnings.end(), e.distortion.warnings.begin(),
                           e.distortion.warnings.end());
    result.warnings.insert(result.warnings.end(), e.warnings.begin(), e.warnings.end());
    result.notes.insert(result.notes.end(), e.distortion.notes.begin(), e.distortion.notes.end());
    note_doubts(e.motion, e.coreg, e.mask, result);
    combine(opened, e);
    result.slice_reference_s = correct_slices(e.dummies.n);
    add_confounds(e, result);
    add_series(e, result);
    note_gaps(result);
    return result;
  }

  // Share of the T1w's brain inside the field of view that is too dark for the BOLD mask.
  [[nodiscard]] double dropout_of(const Estimates& e) const {
    const Mask& bold = e.mask.mask;
    const Mask carried =
        resample_mask(anatomy_.fit.mask, bold.grid, PointMap{{e.coreg.bold_to_t1w}}, context_);
    const Mask inner = erode(carried, kDropoutRim_mm, context_);
    std::size_t n = 0;
    std::size_t dark = 0;
    for (std::size_t v = 0; v < inner.data.size(); ++v) {
      if (inner.data[v] == 0) continue;
      ++n;
      dark += bold.data[v] == 0 ? 1 : 0;
    }
    return n == 0 ? std::nan("") : static_cast<double>(dark) / static_cast<double>(n);
  }

  [[nodiscard]] double template_coverage_of(const Estimates& e) const {
    const Mask& mask = study_.target.mask;
    std::vector<std::size_t> voxels = indices_of(mask);
    std::size_t n = 0;
    for (std::size_t v = 0; v < voxels.size(); v += kCoverageStride) voxels[n++] = voxels[v];
    voxels.resize(n);
    PointMap target_to_ref = anatomy_.fit.normalization.template_to_moving;
    target_to_ref.then(Affine(e.coreg.bold_to_t1w.inverse()));
    const Grid& bold = e.mask.mask.grid;
    const auto at = source_coordinates(bold, mask.grid, voxels, target_to_ref, context_);
    std::size_t seen = 0;
    for (std::size_t v = 0; v < n; ++v) {
      const double* x = at.data() + 3 * v;
      seen += inside_image(bold.shape, x[0], x[1], x[2]) ? 1 : 0;
    }
    return n == 0 ? std::nan("") : static_cast<double>(seen) / static_cast<double>(n);
  }

  // What is there but weak: signal, and coverage of the circuit regions.
  void note_gaps(RunResult& result) const {
    if (result.tsnr < c_.gates.warn_tsnr) {
      result.warnings.push_back("temporal SNR is " + std::to_string(result.tsnr).substr(0, 5) +
                                ", expected at least " +
                                std::to_string(c_.gates.warn_tsnr).substr(0, 5));
    }
    const auto of_brain = [&result](double value, const std::string& what) {
      result.warnings.push_back(std::to_string(static_cast<int>(std::lround(100.0 * value))) +
                                " % of the " + what);
    };
    if (result.dropout > c_.gates.warn_dropout) {
      of_brain(result.dropout, "brain in the field of view has no signal");
    }
    if (result.template_coverage < c_.gates.warn_template_coverage) {
      of_brain(1.0 - result.template_coverage, "template's brain is outside the field of view");
    }
    if (result.fwhm_mm > c_.gates.warn_fwhm_mm) {
      result.warnings.push_back("the noise is smooth over " +
                                std::to_string(result.fwhm_mm).substr(0, 4) +
                                " mm: was the series smoothed before?");
    }
    if (result.coreg_displacement_mm > c_.gates.warn_coreg_displacement_mm) {
      result.warnings.push_back(
          "the headers of BOLD and T1w disagree by " +
          std::to_string(static_cast<int>(std::lround(result.coreg_displacement_mm))) + " mm");
    }
    const auto& sets = study_.target.sets;
    for (std::size_t s = 0; s < sets.size(); ++s) {
      if (sets[s].name != "circuits") continue;
      std::string low;
      for (std::size_t r = 0; r < sets[s].regions.size(); ++r) {
        if (result.coverage[s][r] < c_.extraction.min_coverage)
          low += " " + sets[s].regions[r].label;
      }
      if (!low.empty()) result.warnings.push_back("circuit regions without enough coverage:" + low);
    }
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
    if (study_.write_volumes == "all") {
      volumes.start_s = correct_slices(e.dummies.n);
      volumes.bold = VolumeSource(bold());
    }
    write_run_volumes(study_, session_, run_, volumes, context_);
  }

  void note_doubts(const head_motion::Outputs& motion, const coregistration::Outputs& coreg,
                   const bold_mask::Outputs& mask, RunResult& result) const {
    if (report_.n_nonfinite > 0) {
      result.warnings.push_back(std::to_string(report_.n_nonfinite) +
                                " voxel values are NaN or infinite, taken as 0");
    }
    if (motion.n_failed > 0) {
      result.warnings.push_back("head motion did not settle in " + std::to_string(motion.n_failed) +
                                " volumes");
    }
    if (coreg.doubtful) result.warnings.push_back("coregistration is doubtful: " + coreg.reason);
    if (mask.doubtful)
      result.warnings.push_back("the brain mask of the BOLD reference is doubtful");
    for (const std::string& warning : anatomy_.warnings) result.warnings.push_back(warning);
  }

  void add_confounds(const Estimates& e, RunResult& result) {
    const head_motion::Outputs& motion = e.motion;
    const Mask& brain = e.mask.mask;
    const Grid& grid = brain.grid;
    const std::vector<std::size_t> voxels = indices_of(brain);
    const auto at = distortion_at(e.distortion, grid, voxels, PointMap{}, context_);
    const bold_resampling::Inputs inputs{bold(),
                                         grid,
                                         voxels,
                                         PointMap{},
                                         motion.ref_to_volume,
                                         at.shift_voxels,
                                         at.factor,
                                         e.distortion.map.axis};
    const Series native = timed(out_.resources, "bold_resampling_native", run_.run_id,
                                [&] { return bold_resampling::to_series(inputs, context_); });
    const PointMap bold_to_t1w = PointMap{}.then(e.coreg.bold_to_t1w);
    const Mask csf = carried_mask(anatomy_.csf, grid, bold_to_t1w, c_.tissue_masks.csf_threshold,
                                  brain, context_);
    const Mask white = carried_mask(anatomy_.white_matter, grid, bold_to_t1w,
                                    c_.tissue_masks.white_matter_threshold, brain, context_);
    const auto signals =
        tissue_signals::run({&native, &csf, &white, &brain}, c_.tissue_signals, context_);
    const auto change = dvars::run({&native, &brain}, c_.dvars, context_);
    const Eigen::Map<const Eigen::MatrixXd> table(motion.motion.data(), motion.motion.rows(),
                                                  motion.motion.cols());
    const auto fd = framewise_displacement::run({table}, c_.framewise_displacement, context_);
    confounds::Inputs columns{table};
    columns.framewise_displacement = fd.fd_mm;
    columns.rmsd = motion.rmsd_mm;
    columns.dvars = change.dvars;
    columns.std_dvars = change.std_dvars;
    columns.csf = signals.csf.mean;
    columns.white_matter = signals.white_matter.mean;
    columns.global_signal = signals.global_signal.mean;
    columns.n_dummy = result.n_dummies;
    columns.tr_s = result.tr_s;
    auto assembled = confounds::run(columns, c_.confounds, context_);
    result.confound_names = std::move(assembled.names);
    result.confounds = std::move(assembled.values);
    result.mean_fd_mm = assembled.mean_fd_mm;
    result.mean_std_dvars = assembled.mean_std_dvars;
    result.tsnr = median_tsnr(native, brain, result.n_dummies, context_);
    if (result.n_volumes - result.n_dummies >= 4) {
      result.fwhm_mm = smoothness::run({native, brain, result.n_dummies}, context_).mean_mm;
    } else {
      result.fwhm_mm = std::nan("");
    }
  }

  void add_series(const Estimates& e, RunResult& result) {
    const Mask& brain = e.mask.mask;
    const TargetSpace& target = study_.target;
    PointMap target_to_ref = anatomy_.fit.normalization.template_to_moving;
    target_to_ref.then(Affine(e.coreg.bold_to_t1w.inverse()));
    Grid line;
    line.shape = {static_cast<int>(target.voxels.size()), 1, 1};
    Mask covered(line, 0);
    const auto at =
        source_coordinates(brain.grid, target.grid, target.voxels, target_to_ref, context_);
    for (std::size_t n = 0; n < target.voxels.size(); ++n) {
      const double* x = at.data() + 3 * n;
      if (!inside_image(brain.grid.shape, x[0], x[1], x[2])) continue;
      const auto axis = [&](std::size_t a) {
        return std::clamp(static_cast<int>(std::lround(x[a])), 0, brain.grid.shape[a] - 1);
      };
      covered.data[n] = brain.data[brain.grid.index(axis(0), axis(1), axis(2))];
    }
    std::vector<extraction::ParcelAccumulator> accumulators;
    for (const auto& regions : target.compact) {
      accumulators.emplace_back(regions, target.voxels.size(), &covered, bold().n_volumes,
                                c_.extraction);
    }
    const auto distorted =
        distortion_at(e.distortion, target.grid, target.voxels, target_to_ref, context_);
    const bold_resampling::Inputs inputs{bold(),
                                         target.grid,
                                         target.voxels,
                                         target_to_ref,
                                         e.motion.ref_to_volume,
                                         distorted.shift_voxels,
                                         distorted.factor,
                                         e.distortion.map.axis};
    timed(out_.resources, "extraction", run_.run_id, [&] {
      bold_resampling::for_each_volume(inputs, context_, [&](int t, std::span<const float> values) {
        for (auto& accumulator : accumulators) accumulator.add(t, 0, values);
      });
      return true;
    });
    for (const auto& accumulator : accumulators) {
      extraction::Outputs parcels = accumulator.finish();
      result.series.push_back(std::move(parcels.parcel_series));
      result.coverage.emplace_back(parcels.coverage.data(),
                                   parcels.coverage.data() + parcels.coverage.size());
    }
  }

  void check(const RunResult& result) const {
    if (result.coreg_dice < c_.gates.min_coreg_dice) {
      throw Error(ErrorKind::gate, run_.run_id + ": BOLD and T1w brain masks overlap with Dice " +
                                       std::to_string(result.coreg_dice).substr(0, 5) +
                                       ", expected at least " +
                                       std::to_string(c_.gates.min_coreg_dice).substr(0, 5));
    }
    if (result.mirror_gain > c_.gates.max_mirror_gain) {
      throw Error(ErrorKind::gate,
                  run_.run_id + ": left and right look exchanged against the T1w (similarity " +
                      std::to_string(result.mirror_gain).substr(0, 6) +
                      " higher when mirrored, expected at most gates.max_mirror_gain = " +
                      std::to_string(c_.gates.max_mirror_gain).substr(0, 6) + ")");
    }
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
  image_io::ReadReport report_;
  double tr_s_ = 0.0;
};

} // namespace

std::string run_key(const Study& study, const bids::ParticipantSession& session,
                    const bids::BoldRun& run) {
  const Opened opened = open_run(study, session, run);
  return keys_of(study, opened, anatomy_key(study, session)).result;
}

bool run_is_cached(const Study& study, const std::string& key) {
  return study.cache.load(key).has_value();
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
  const std::size_t threads = 8;
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
  work = std::max(work, series + resampling +
                            dvars::peak_bytes({shape.n_volumes, shape.n_voxels / 3}, c.dvars));
  if (shape.n_echoes > 1) {
    work = std::max(work, series + resampling +
                              multi_echo::peak_bytes(
                                  {shape.n_voxels, shape.n_volumes, shape.n_echoes}, c.multi_echo));
  }
  return series + work;
}

} // namespace boldmill::graph
