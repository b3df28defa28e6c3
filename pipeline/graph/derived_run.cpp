#include "pipeline/graph/derived_run.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/bids/metadata.hpp"
#include "pipeline/bids/text.hpp"
#include "pipeline/graph/dense_run.hpp"
#include "pipeline/graph/given_confounds.hpp"
#include "pipeline/graph/quality_of_run.hpp"
#include "pipeline/graph/region_series.hpp"
#include "pipeline/graph/regional.hpp"
#include "pipeline/graph/run_gates.hpp"
#include "pipeline/graph/target_space.hpp"
#include "pipeline/image_io/columns.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::graph {
namespace {

constexpr StageInfo kStage{.name = "derived_run",
                           .version = 2,
                           .summary = "series and confounds of a run preprocessed elsewhere",
                           .references = {}};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// As given, with the digest that enters the key.
struct Input {
  std::filesystem::path path;
  store::InputRecord record;
};

Input input_of(const Study& study, const std::string& name, const std::filesystem::path& root,
               const bids::BidsFile& file) {
  const auto path = root / file.path;
  const auto digest = study.digests.of(path);
  std::error_code code;
  const bool dataset = std::filesystem::equivalent(root, study.index.root, code);
  const std::string shown = dataset ? file.path : "derivatives:" + name + "/" + file.path;
  return {path, {shown, digest.bytes, digest.sha256}};
}

bool is_dense(const Study& study) { return study.config.input.file_format == "cifti"; }

struct Opened {
  Input bold, mask, confounds;
  std::optional<Input> aroma{};
  std::optional<Input> sidecar{}; // of the confounds
  image_io::NiftiHeader header{};
  double tr_s = 0.0;
  double start_s = kNaN; // StartTime: what moment of a volume slices were brought to
  std::vector<std::string> warnings{};
};

// The sidecar beside the series; older generations have none, or one without a repetition time.
bids::Sidecar sidecar_of(const DerivedSource& source, const bids::BidsFile& bold) {
  std::string json = bold.path;
  json = json.substr(0, json.size() - bold.extension.size()) + ".json";
  std::error_code code;
  if (!std::filesystem::exists(source.index->root / json, code)) return {};
  return bids::make_sidecar(bold.path, {json}, bids::read_json_object(source.index->root, json));
}

Opened open_derived(const Study& study, const DerivedSource& source) {
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
    return input_of(study, source.index->name, source.index->root, file);
  };
  const bids::BidsFile& bold = is_dense(study) ? *files.dense : *files.bold;
  Opened opened{input(bold), is_dense(study) ? Input{} : input(*files.mask),
                input(*files.confounds)};
  if (files.confounds_json) opened.sidecar = input(*files.confounds_json);
  if (source.aroma) {
    opened.aroma = input_of(study, source.aroma_name, source.aroma_root, *source.aroma);
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

std::string key_of(const Study& study, const Opened& opened) {
  const config::Json c = config::to_json(study.config);
  std::string text = c["extraction"].dump() + c["input"]["dummy_scans"].dump() +
                     c["framewise_displacement"].dump() + config::Json(opened.tr_s).dump() +
                     config::Json(opened.start_s).dump();
  text += voxel_steps(study.config);
  return cache::node_key(
      kStage, text,
      {opened.bold.record.sha256, opened.mask.record.sha256, opened.confounds.record.sha256,
       opened.aroma ? opened.aroma->record.sha256 : std::string(),
       opened.sidecar ? opened.sidecar->record.sha256 : std::string(),
       is_dense(study) ? study.config.files.at("atlas").sha256 : std::string(), study.target.key});
}

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

// Sums over the volumes after the dummies, for the temporal SNR of every voxel.
class VoxelSums {
public:
  VoxelSums(std::size_t n_voxels, int n_dummies)
      : n_dummies_(n_dummies), first_(n_voxels), sum_(n_voxels), squares_(n_voxels) {}

  void add(const image_io::SeriesBlock& block) {
    if (block.volume < n_dummies_) return;
    float* first = first_.data() + block.begin;
    double* sum = sum_.data() + block.begin;
    double* squares = squares_.data() + block.begin;
    const float* values = block.values.data();
    const std::size_t n = block.values.size();
    if (block.volume == n_dummies_) {
      std::copy_n(values, n, first);
      return;
    }
    for (std::size_t v = 0; v < n; ++v) {
      const double x = static_cast<double>(values[v]) - static_cast<double>(first[v]);
      sum[v] += x;
      squares[v] += x * x;
    }
  }

  [[nodiscard]] double median_tsnr(const Mask& mask, int n_volumes) const {
    const double n = n_volumes - n_dummies_;
    std::vector<double> tsnr;
    for (const std::size_t v : indices_of(mask)) {
      const double mean = sum_[v] / n;
      const double variance = (squares_[v] - sum_[v] * mean) / std::max(1.0, n - 1.0);
      if (variance > 0.0) {
        tsnr.push_back((mean + static_cast<double>(first_[v])) / std::sqrt(variance));
      }
    }
    return median(std::move(tsnr));
  }

private:
  int n_dummies_;
  std::vector<float> first_;
  std::vector<double> sum_, squares_;
};

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
  DerivedChain(const Study& study, const bids::BoldRun& run, const Opened& opened,
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
    const Mask mask = read_mask();
    compare_with_template(mask, result);
    read_series(mask, result);
    note_gaps(study_, result);
    return result;
  }

  RunRegional regional(const RunResult& result) {
    if (is_dense(study_)) return {{}, "found a CIFTI series, expected voxels"};
    const Mask mask = read_mask();
    Eigen::MatrixXf columns =
        image_io::read_columns(opened_.bold.path, indices_of(mask), 0, context_);
    const VoxelMeasures found = voxel_measures(std::move(columns), mask, result, c_, context_);
    const auto sets = regions_on(study_, mask.grid, context_);
    return regional_of(found, *sets, positions_in(mask), c_.extraction.min_coverage);
  }

  // Everything that a run of our own has; which tissue a voxel is we do not know.
  RunQuality quality(const RunResult& result) {
    NativeRun native;
    native.brain = read_mask();
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

  void read_series(const Mask& mask, RunResult& result) {
    const auto sets = regions_on(study_, mask.grid, context_);
    VoxelSums sums(mask.grid.n_voxels(), result.n_dummies);
    RegionSeries regions(*sets, {&mask.grid, nullptr}, mask.data, result.n_volumes, c_);
    const image_io::ReadReport seen = image_io::for_each_block(
        opened_.bold.path, context_, [&](const image_io::SeriesBlock& block) {
          sums.add(block);
          regions.add(block.volume, block.begin, block.values);
        });
    if (seen.n_nonfinite > 0) {
      result.notes.push_back(std::to_string(seen.n_nonfinite) +
                             " voxel values are NaN or infinite, left out");
    }
    regions.finish(result.n_dummies, context_, result);
    result.tsnr = sums.median_tsnr(mask, result.n_volumes);
  }

  const Study& study_;
  const config::Config& c_;
  const bids::BoldRun& run_;
  const Opened& opened_;
  const Context& context_;
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

RunOutput process_derived_run(const Study& study, const bids::BoldRun& run,
                              const DerivedSource& source, const Context& context) {
  const Opened opened = open_derived(study, source);
  const std::string key = key_of(study, opened);
  const std::string quality_key = quality_key_of(study, key);
  RunOutput out;
  for (const Input* input : {&opened.bold, &opened.mask, &opened.confounds}) {
    if (!input->record.path.empty()) out.inputs.push_back(input->record);
  }
  if (opened.aroma) out.inputs.push_back(opened.aroma->record);
  if (opened.sidecar) out.inputs.push_back(opened.sidecar->record);
  out.stages.push_back({std::string(kStage.name), kStage.version, key});
  out.stages.push_back(
      {std::string(run_quality::kStage.name), run_quality::kStage.version, quality_key});
  out.result = study.cache.value<RunResult>(key, [&] {
    return timed(out.resources, kStage.name, run.run_id,
                 [&] { return DerivedChain(study, run, opened, context).compute(); });
  });
  out.quality = study.cache.value<RunQuality>(quality_key, [&] {
    if (!study.config.voxels.quality_of_derivatives || is_dense(study)) {
      return quality_of_table(out.result, study.config, context);
    }
    return timed(out.resources, run_quality::kStage.name, run.run_id,
                 [&] { return DerivedChain(study, run, opened, context).quality(out.result); });
  });
  if (wants_voxel_measures(study.config)) {
    const std::string regional_key = regional_key_of(study, key);
    out.stages.push_back({"regional", kRegionalVersion, regional_key});
    out.regional = study.cache.value<RunRegional>(regional_key, [&] {
      return timed(out.resources, "regional", run.run_id,
                   [&] { return DerivedChain(study, run, opened, context).regional(out.result); });
    });
  }
  return out;
}

std::size_t derived_run_peak_bytes(const Study& study, const RunShape& shape) {
  const double finer =
      static_cast<double>(shape.n_voxels) / static_cast<double>(study.target.grid.n_voxels());
  const auto& c = study.config;
  const std::size_t in_brain = shape.n_voxels / 3;
  std::size_t work = region_series_bytes(study.target, finer, shape.n_volumes, c);
  if (wants_voxel_measures(c)) {
    work = std::max(work, image_io::columns_bytes(in_brain, shape.n_volumes) +
                              voxel_measures_bytes(in_brain, shape.n_volumes, c));
  }
  if (c.voxels.quality_of_derivatives) {
    work =
        std::max(work, shape.n_voxels * shape.n_volumes * sizeof(float) + quality_bytes(shape, c));
  }
  return shape.n_voxels * (sizeof(float) + 2 * sizeof(double) + 16) + work +
         (std::size_t{32} << 20U);
}

} // namespace boldmill::graph
