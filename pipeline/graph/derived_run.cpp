#include "pipeline/graph/derived_run.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "pipeline/graph/denoised_images.hpp"
#include "pipeline/graph/dense_run.hpp"
#include "pipeline/graph/derived_inputs.hpp"
#include "pipeline/graph/figures.hpp"
#include "pipeline/graph/given_confounds.hpp"
#include "pipeline/graph/quality_of_run.hpp"
#include "pipeline/graph/region_series.hpp"
#include "pipeline/graph/regional.hpp"
#include "pipeline/graph/run_gates.hpp"
#include "pipeline/graph/target_space.hpp"
#include "pipeline/graph/voxel_moments.hpp"
#include "pipeline/graph/voxel_regressors.hpp"
#include "pipeline/image_io/columns.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string quality_key_of(const Study& study, const std::string& result) {
  const config::Json c = config::to_json(study.config);
  std::string text = c["motion_filter"].dump() + c["nuisance_regression"].dump();
  if (study.config.voxels.quality_of_derivatives) {
    text += c["run_quality"].dump() + c["carpet"].dump() + c["dvars"].dump();
  }
  return cache::node_key(run_quality::kStage, text, {result});
}

std::string regional_key_of(const Study& study, const std::string& result) {
  return cache::node_key("regional", kRegionalVersion, regional_key_text(study.config), {result});
}

double mean_after(const Eigen::VectorXd& values, int n_dummies) {
  double sum = 0.0;
  int n = 0;
  for (Eigen::Index t = n_dummies; t < values.size(); ++t) {
    if (std::isnan(values[t])) continue;
    sum += values[t];
    ++n;
  }
  return n == 0 ? kNaN : sum / n;
}

Eigen::VectorXd column_or_nan(const RunResult& run, const char* name) {
  const int at = confounds::column_index(run.confound_names, name);
  if (at < 0) return Eigen::VectorXd::Constant(run.confounds.rows(), kNaN);
  return run.confounds.col(at);
}

class DerivedChain {
public:
  DerivedChain(const Study& study, const bids::BoldRun& run, const DerivedInputs& opened,
               const Context& context)
      : study_(study), c_(study.config), run_(run), opened_(opened), context_(context) {}

  RunResult compute() {
    RunResult result;
    result.tr_s = opened_.tr_s;
    result.warnings = opened_.warnings;
    result.n_volumes = opened_.header.n_volumes;
    result.distortion = "as given";
    result.coreg_dice = result.coreg_cost = result.mirror_gain = kNaN;
    result.coreg_displacement_mm = result.fwhm_mm = kNaN;
    result.slice_reference_s = opened_.start_s;
    take_confounds(result);
    if (is_dense(study_)) {
      add_dense_series(study_, opened_.bold.path, result, context_);
      return result;
    }
    compare_with_template(mask(), result);
    read_series(result);
    note_gaps(study_, result);
    return result;
  }

  // Measures of voxels, and of regions what has to be denoised by voxels.
  RunRegional regional(const RunResult& result) {
    if (is_dense(study_)) return {{}, "found a CIFTI series, expected voxels", {}};
    BrainVoxels& voxels = denoised_voxels(result);
    const auto sets = regions_on(study_, mask().grid, context_);
    RunRegional out =
        regional_of(voxels.measures(), *sets, positions_in(mask()), c_.extraction.min_coverage);
    if (!c_.voxels.regressors.empty() && voxels.design() != nullptr) {
      out.denoised = region_series_of(voxels, *sets, context_);
    }
    return out;
  }

  Figures figures(const RunResult& result) {
    if (!sums_) {
      sums_.emplace(mask().grid.n_voxels(), result.n_dummies);
      (void)image_io::for_each_block(
          opened_.bold.path, context_,
          [this](const image_io::SeriesBlock& block) { sums_->add(block); });
    }
    Figures out = figures_of_derived(study_.target, sums_->moments(mask(), result.n_volumes),
                                     mask(), context_);
    sums_.reset();
    return out;
  }

  // desc-denoised_bold and the maps. Uses the voxels up.
  void write_volumes(const DerivativeFolder& folder, const std::string& entities,
                     const RunResult& result) {
    if (is_dense(study_)) return;
    BrainVoxels& voxels = denoised_voxels(result);
    DerivedImages images{&folder, entities, opened_.header.space_code, {}};
    if (images.space_code == 0) images.space_code = 2;
    images.sidecar = {{"TaskName", run_.task},
                      {"SpatialReference", study_.target.name},
                      {"Sources", {uri_of(opened_.bold)}}};
    write_measures(voxels.measures(), mask(), images);
    write_denoised(voxels, mask(), result, c_, images, context_);
  }

  void release_voxels() { voxels_.reset(); }

  // Everything that a run of our own has; which tissue a voxel is we do not know.
  RunQuality quality(const RunResult& result) {
    NativeRun native;
    native.brain = mask();
    for (const DerivedInput& each : opened_.regressors) {
      native.regressors.push_back(read_regressor(each));
    }
    native.series = image_io::read_series(opened_.bold.path, context_, {.nonfinite_to_zero = true});
    native.series.tr_s = result.tr_s;
    native.tissue = LabelImage(native.brain.grid, 0);
    for (const std::size_t v : indices_of(native.brain)) native.tissue.data[v] = kOther;
    return quality_of_run(native, result, c_, context_);
  }

private:
  void take_confounds(RunResult& result) const {
    auto given = read_given_confounds(
        opened_.confounds.path, opened_.aroma ? opened_.aroma->path : std::filesystem::path(),
        opened_.confounds.record.path, result.n_volumes, c_.framewise_displacement.head_radius_mm);
    const int asked = c_.input.dummy_scans;
    result.n_dummies = asked >= 0 ? asked : n_nonsteady(given);
    if (result.n_dummies >= result.n_volumes) {
      throw Error(ErrorKind::input, run_.run_id + ": found " + std::to_string(result.n_volumes) +
                                        " volumes, expected more than " +
                                        std::to_string(result.n_dummies) + " dummies");
    }
    result.confound_names = std::move(given.names);
    result.confounds = std::move(given.values);
    if (opened_.sidecar) {
      result.confound_metadata = given_metadata(opened_.sidecar->path, opened_.sidecar->record.path,
                                                result.confound_names, result.notes);
    }
    result.notes.insert(result.notes.end(), given.notes.begin(), given.notes.end());
    result.mean_fd_mm =
        mean_after(column_or_nan(result, "framewise_displacement"), result.n_dummies);
    result.mean_std_dvars = mean_after(column_or_nan(result, "std_dvars"), result.n_dummies);
  }

  [[nodiscard]] static std::string uri_of(const DerivedInput& input) {
    const std::string& path = input.record.path;
    const std::string prefix = "derivatives:";
    if (!path.starts_with(prefix)) return "bids:raw:" + path; // the dataset is the derivatives
    const std::size_t slash = path.find('/');
    return "bids:" + path.substr(prefix.size(), slash - prefix.size()) + ":" +
           path.substr(slash + 1);
  }

  [[nodiscard]] Eigen::MatrixXf read_regressor(const DerivedInput& input) {
    return read_voxel_regressor(input.path, input.record.path, mask(), opened_.header.n_volumes,
                                context_);
  }

  [[nodiscard]] bool wants_columns() const {
    return wants_voxels(c_) || study_.write_volumes == "all";
  }

  const Mask& mask() {
    if (!mask_) mask_ = read_mask();
    return *mask_;
  }

  // The voxels as read_series left them, or read anew.
  BrainVoxels& denoised_voxels(const RunResult& result) {
    if (denoised_) return *voxels_;
    if (!voxels_) {
      voxels_.emplace(image_io::read_columns(opened_.bold.path, indices_of(mask()), 0, context_),
                      mask(), c_, context_);
    }
    for (const DerivedInput& each : opened_.regressors) {
      voxels_->add_regressor(read_regressor(each));
    }
    voxels_->denoise(result);
    denoised_ = true;
    return *voxels_;
  }

  [[nodiscard]] Mask read_mask() const {
    Mask mask = image_io::read_mask(opened_.mask.path);
    if (!mask.grid.same_as(opened_.header.grid, 0.01)) {
      throw Error(ErrorKind::input, opened_.mask.record.path + ": its grid differs from that of " +
                                        opened_.bold.record.path);
    }
    mask.grid = opened_.header.grid;
    if (count(mask) == 0) {
      throw Error(ErrorKind::input, opened_.mask.record.path + ": the brain mask is empty");
    }
    return mask;
  }

  // The brain must lie where the template's does.
  void compare_with_template(const Mask& mask, RunResult& result) const {
    const Mask expected = resample_mask(study_.target.mask, mask.grid, PointMap{}, context_);
    const double overlap = count(expected) == 0 ? 0.0 : dice(mask, expected);
    if (!(overlap >= c_.gates.min_derived_dice)) {
      char text[32];
      std::snprintf(text, sizeof text, "%.2f", overlap);
      throw Error(ErrorKind::gate, opened_.mask.record.path +
                                       ": overlaps the template's brain with Dice " + text +
                                       ", is it in the space " + study_.target.space + "?");
    }
    result.template_coverage =
        template_coverage_of(study_.target.mask, mask.grid, PointMap{}, context_);
    std::size_t n = 0;
    std::size_t dark = 0;
    for (std::size_t v = 0; v < expected.data.size(); ++v) {
      if (expected.data[v] == 0) continue;
      ++n;
      dark += mask.data[v] == 0 ? 1 : 0;
    }
    result.dropout = static_cast<double>(dark) / static_cast<double>(n);
    result.norm_dice = overlap;
  }

  // One pass over the file for everything that wants its voxels.
  void read_series(RunResult& result) {
    const auto sets = regions_on(study_, mask().grid, context_);
    const std::vector<std::size_t> voxels = indices_of(mask());
    VoxelSums& sums = sums_.emplace(mask().grid.n_voxels(), result.n_dummies);
    const bool despiked = wants_columns() && c_.voxels.despike; // once for all that want it
    RegionSeries regions(*sets, {&mask().grid, nullptr, despiked}, mask().data, result.n_volumes,
                         c_);
    std::optional<image_io::ColumnCollector> columns;
    if (wants_columns()) columns.emplace(voxels, mask().grid.n_voxels(), result.n_volumes);
    const image_io::ReadReport seen = image_io::for_each_block(
        opened_.bold.path, context_, [&](const image_io::SeriesBlock& block) {
          sums.add(block);
          if (columns) columns->add(block, context_);
          if (!despiked) regions.add(block.volume, block.begin, block.values);
        });
    if (seen.n_nonfinite > 0) {
      result.notes.push_back(std::to_string(seen.n_nonfinite) +
                             " voxel values are NaN or infinite, left out");
    }
    if (columns) voxels_.emplace(columns->take(), mask(), c_, context_);
    if (despiked) {
      voxels_->despike(result.n_dummies);
      regions.finish(voxels_->columns(), voxels, context_, result);
    } else {
      regions.finish(result.n_dummies, context_, result);
    }
    result.tsnr = sums.moments(mask(), result.n_volumes).tsnr;
  }

  // As nuisance_regression gives them, from voxels that are denoised.
  std::vector<Eigen::MatrixXf> region_series_of(BrainVoxels& voxels, const GridRegions::Sets& sets,
                                                const Context& context) {
    const RegionSeries regions(sets, {&mask().grid, nullptr, true}, mask().data,
                               opened_.header.n_volumes, c_);
    std::vector<Eigen::MatrixXf> out =
        regions.of_columns(voxels.columns(), indices_of(mask()), context);
    for (Eigen::MatrixXf& series : out) {
      nuisance_regression::finish_in_place(series, *voxels.design(), c_.nuisance_regression);
    }
    return out;
  }

  const Study& study_;
  const config::Config& c_;
  const bids::BoldRun& run_;
  const DerivedInputs& opened_;
  const Context& context_;
  std::optional<Mask> mask_;
  std::optional<VoxelSums> sums_; // of the pass that made the result
  std::optional<BrainVoxels> voxels_;
  bool denoised_ = false;
};

// What can be told without the images: XCP-D's row.
RunQuality quality_of_table(const RunResult& run, const config::Config& config,
                            const Context& context) {
  run_quality::Inputs inputs;
  inputs.fd_mm = column_or_nan(run, "framewise_displacement");
  inputs.rmsd_mm = column_or_nan(run, "rmsd");
  inputs.std_dvars = column_or_nan(run, "std_dvars");
  inputs.n_dummy = run.n_dummies;
  const auto outcome = nuisance_of(config, run, context);
  const auto* nuisance = std::get_if<Nuisance>(&outcome);
  if (nuisance != nullptr) inputs.keep = nuisance->design.keep;
  RunQuality quality;
  for (const auto& [name, value] :
       run_quality::named_row(run_quality::qc_row(inputs, run.n_volumes))) {
    quality.values[name] = value;
  }
  return quality;
}

std::optional<bids::BidsFile> find_aroma(const Study& study, const bids::BoldRun& run,
                                         DerivedSource& source) {
  for (const bids::DerivativesIndex& index : study.derivatives) {
    if (!index.has_participant(run.participant_id)) continue;
    const auto found = index.find(run, study.target.space).aroma;
    if (!found) continue;
    source.aroma_root = index.root;
    source.aroma_name = index.name;
    return found;
  }
  return std::nullopt;
}

} // namespace

void find_derived_runs(Study& study, const Context& context) {
  const std::string& wanted = study.config.input.bold;
  const bool only = wanted == "derivatives" || study.index.description.dataset_type == "derivative";
  if (study.derivatives.empty() || (wanted == "raw" && !only)) return;
  for (const bids::ParticipantSession& session : study.index.sessions) {
    context.check_stop();
    for (const bids::BoldRun& run : session.runs) {
      std::optional<DerivedSource> best;
      for (const bids::DerivativesIndex& index : study.derivatives) {
        DerivedSource source{&index, index.find(run, study.target.space), {}, {}, {}};
        const bool usable =
            is_dense(study) ? source.files.dense.has_value() : source.files.bold.has_value();
        if (usable || (only && !best)) best = std::move(source);
        if (usable) break;
      }
      if (!best) continue;
      if (best->files.bold || best->files.dense) best->aroma = find_aroma(study, run, *best);
      study.derived.emplace(run.run_id, std::move(*best));
    }
  }
}

const DerivedSource* derived_source(const Study& study, const bids::BoldRun& run) {
  const auto found = study.derived.find(run.run_id);
  return found == study.derived.end() ? nullptr : &found->second;
}

bool anatomy_is_needed(const Study& study, const bids::ParticipantSession& session) {
  return session.runs.empty() ||
         std::any_of(session.runs.begin(), session.runs.end(), [&](const bids::BoldRun& run) {
           return derived_source(study, run) == nullptr;
         });
}

std::string derived_run_key(const Study& study, const DerivedSource& source) {
  return key_of(study, open_derived(study, source));
}

RunOutput process_derived_run(const Study& study, const bids::ParticipantSession& session,
                              const bids::BoldRun& run, const DerivedSource& source,
                              const Context& context) {
  const DerivedInputs opened = open_derived(study, source);
  const std::string key = key_of(study, opened);
  const std::string quality_key = quality_key_of(study, key);
  DerivedChain chain(study, run, opened, context);
  RunOutput out;
  out.inputs = opened.records();
  out.stages.push_back({std::string(kDerivedStage.name), kDerivedStage.version, key});
  out.stages.push_back(
      {std::string(run_quality::kStage.name), run_quality::kStage.version, quality_key});
  out.result = study.cache.value<RunResult>(key, [&] {
    return timed(out.resources, kDerivedStage.name, run.run_id, [&] { return chain.compute(); });
  });
  if (!is_dense(study)) {
    keep_figures(study, key, out.stages, [&] {
      return timed(out.resources, "figures", run.run_id, [&] { return chain.figures(out.result); });
    });
  }
  if (wants_voxels(study.config)) {
    const std::string regional_key = regional_key_of(study, key);
    out.stages.push_back({"regional", kRegionalVersion, regional_key});
    out.regional = study.cache.value<RunRegional>(regional_key, [&] {
      return timed(out.resources, "regional", run.run_id,
                   [&] { return chain.regional(out.result); });
    });
  }
  if (study.write_volumes == "all") {
    const DerivativeFolder folder(study, session, "func", run.run_id);
    std::string entities = "_space-" + space_label(study.target.space);
    const std::string& resolution = source.files.resolution;
    if (!resolution.empty()) entities += "_res-" + resolution;
    timed(out.resources, "write_volumes", run.run_id, [&] {
      chain.write_volumes(folder, entities, out.result);
      return true;
    });
  }
  chain.release_voxels();
  out.quality = study.cache.value<RunQuality>(quality_key, [&] {
    if (!study.config.voxels.quality_of_derivatives || is_dense(study)) {
      return quality_of_table(out.result, study.config, context);
    }
    return timed(out.resources, run_quality::kStage.name, run.run_id,
                 [&] { return chain.quality(out.result); });
  });
  return out;
}

std::size_t derived_run_peak_bytes(const Study& study, const RunShape& shape) {
  const double finer =
      static_cast<double>(shape.n_voxels) / static_cast<double>(study.target.grid.n_voxels());
  const auto& c = study.config;
  const std::size_t in_brain = shape.n_voxels / 3;
  std::size_t work = region_series_bytes(study.target, finer, shape.n_volumes, c);
  if (wants_voxels(c) || study.write_volumes == "all") {
    // The columns beside the regions, then alone; the compressor's blocks.
    work += image_io::columns_bytes(in_brain, shape.n_volumes);
    work =
        std::max(work, brain_voxels_bytes(in_brain, shape.n_volumes, c) + (std::size_t{64} << 20U));
  }
  if (c.voxels.quality_of_derivatives) {
    work =
        std::max(work, shape.n_voxels * shape.n_volumes * sizeof(float) + quality_bytes(shape, c));
  }
  return shape.n_voxels * (sizeof(float) + 2 * sizeof(double) + 16) + work +
         (std::size_t{32} << 20U);
}

} // namespace boldmill::graph
