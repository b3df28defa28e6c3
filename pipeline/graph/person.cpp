#include "pipeline/graph/person.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "pipeline/graph/circuit_measures.hpp"
#include "pipeline/graph/connectivity_of_task.hpp"
#include "pipeline/graph/derived_run.hpp"
#include "pipeline/graph/figures.hpp"
#include "pipeline/graph/nuisance.hpp"
#include "pipeline/graph/regional.hpp"
#include "pipeline/report/report.hpp"
#include "pipeline/store/shard.hpp"
#include "stages/core/joined.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kPersonStage = "person";
constexpr int kPersonVersion = 2;

std::string share(double value) {
  return std::to_string(static_cast<int>(std::lround(100.0 * value))) + " %";
}

store::RunRecord empty_run(const bids::BoldRun& run) {
  store::RunRecord record;
  record.run_id = run.run_id;
  record.task = run.task;
  record.tr_s = record.mean_fd_mm = record.fd_above_threshold = record.mean_std_dvars = kNaN;
  record.slice_reference_s = record.tsnr = record.coreg_dice = record.norm_dice = record.dof_left =
      kNaN;
  record.coreg_displacement_mm = record.mirror_gain = record.template_coverage = record.dropout =
      record.fwhm_mm = kNaN;
  record.t1w_mirror_gain = record.norm_correlation = record.norm_min_jacobian =
      record.norm_max_jacobian = kNaN;
  return record;
}

// One run after denoising, kept for the measures.
struct DenoisedRun {
  std::size_t index = 0; // in the session
  nuisance_regression::Design design;
};

class PersonBuilder {
public:
  PersonBuilder(const Study& study, const bids::ParticipantSession& session,
                const PersonInputs& inputs, const Context& context)
      : study_(study), c_(study.config), session_(session), inputs_(inputs), context_(context) {}

  store::PersonRecord build() {
    person_.participant_id = session_.participant_id;
    person_.session_id = session_.session_id;
    for (const std::string& column : study_.header.participant_columns) {
      const auto found = session_.columns.find(column);
      person_.columns[column] = found == session_.columns.end() ? "" : found->second;
    }
    if (const auto* anatomy = std::get_if<Anatomy>(&inputs_.anatomy)) {
      take(anatomy->stages, anatomy->resources, anatomy->inputs);
    }
    for (std::size_t r = 0; r < session_.runs.size(); ++r) add_run(r);
    add_connectivity();
    add_voxel_measures();
    add_measures();
    return std::move(person_);
  }

private:
  void take(const std::vector<store::StageRecord>& stages,
            const std::vector<store::ResourceRecord>& resources,
            const std::vector<store::InputRecord>& inputs) {
    person_.stages.insert(person_.stages.end(), stages.begin(), stages.end());
    person_.resources.insert(person_.resources.end(), resources.begin(), resources.end());
    for (const store::InputRecord& input : inputs) { // runs share inherited sidecars
      const bool known =
          std::any_of(person_.inputs.begin(), person_.inputs.end(),
                      [&](const store::InputRecord& other) { return other.path == input.path; });
      if (!known) person_.inputs.push_back(input);
    }
  }

  void add_run(std::size_t r) {
    store::RunRecord record = empty_run(session_.runs[r]);
    const ReviewDecision review = decision_of(study_.review, record.run_id, session_.id);
    record.qc_decision = review.decision;
    record.qc_rater = review.raters;
    if (const auto* anatomy = std::get_if<Anatomy>(&inputs_.anatomy)) {
      const normalization::Outputs& fit = anatomy->fit.normalization;
      record.t1w_mirror_gain = anatomy->fit.affine.mirror_gain;
      record.norm_dice = fit.dice;
      record.norm_correlation = fit.correlation;
      record.norm_min_jacobian = fit.min_jacobian;
      record.norm_max_jacobian = fit.max_jacobian;
    }
    if (const auto* failure = std::get_if<Failure>(&inputs_.runs[r])) {
      record.status = "failed";
      record.reason = failure->message;
      if (review.decision == "include") record.reason += "; no review can overrule a failure";
      person_.runs.push_back(std::move(record));
      return;
    }
    const RunOutput& output = std::get<RunOutput>(inputs_.runs[r]);
    take(output.stages, output.resources, output.inputs);
    fill(output.result, record);
    record.quality = output.quality.values;
    record.carpet = output.quality.carpet;
    denoise(r, output.result, record);
    person_.runs.push_back(std::move(record));
  }

  void fill(const RunResult& result, store::RunRecord& record) const {
    record.tr_s = result.tr_s;
    record.n_volumes = result.n_volumes;
    record.mean_fd_mm = result.mean_fd_mm;
    record.mean_std_dvars = result.mean_std_dvars;
    record.distortion = result.distortion;
    record.slice_reference_s = result.slice_reference_s;
    record.tsnr = result.tsnr;
    record.coreg_dice = result.coreg_dice;
    if (!std::isnan(result.norm_dice)) record.norm_dice = result.norm_dice;
    record.coreg_displacement_mm = result.coreg_displacement_mm;
    record.mirror_gain = result.mirror_gain;
    record.template_coverage = result.template_coverage;
    record.dropout = result.dropout;
    record.fwhm_mm = result.fwhm_mm;
    record.confound_names = result.confound_names;
    record.confounds = result.confounds;
    record.confound_metadata = result.confound_metadata;
    record.status = result.warnings.empty() ? "ok" : "warning";
    std::vector<std::string> said = result.warnings;
    said.insert(said.end(), result.notes.begin(), result.notes.end());
    record.reason = joined(said, "; ");
    for (std::size_t s = 0; s < study_.target.sets.size(); ++s) {
      record.series[study_.target.sets[s].name] = {result.series[s], {}, result.coverage[s]};
    }
  }

  // What decides stands first: warnings and notes of the steps follow.
  void exclude(store::RunRecord& record, const std::string& status, const std::string& why) const {
    record.reason = why + (record.reason.empty() ? "" : "; ") + record.reason;
    record.status = status;
  }

  // The filtered traces beside the original ones, as XCP-D names them.
  static void add_filtered(const Nuisance& nuisance, store::RunRecord& record) {
    for (const char* name :
         {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "framewise_displacement"}) {
      const int column = confounds::column_index(nuisance.names, name);
      if (column < 0) continue;
      record.confound_names.push_back(std::string(name) + "_filtered");
      record.confounds.conservativeResize(Eigen::NoChange, record.confounds.cols() + 1);
      record.confounds.rightCols(1) = nuisance.values.col(column);
    }
  }

  void denoise(std::size_t r, const RunResult& result, store::RunRecord& record) {
    auto filtered = filtered_confounds(c_, result, context_);
    record.fd_above_threshold = moving_share(c_, filtered, result.n_dummies);
    if (filtered.filtered) add_filtered(filtered, record);
    if (!filtered.note.empty()) exclude(record, "warning", filtered.note);
    auto outcome = nuisance_of(c_, result, context_);
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
      record.kept.assign(static_cast<std::size_t>(result.n_volumes), 0);
      exclude(record, "excluded", failure->message);
      return;
    }
    auto& design = std::get<Nuisance>(outcome).design;
    record.kept = design.keep;
    record.n_kept = design.n_kept;
    record.dof_left = design.dof_left;
    if (!design.warning.empty()) exclude(record, "warning", design.warning);
    denoise_series(r, design, record);
    const ReviewDecision review = decision_of(study_.review, record.run_id, session_.id);
    const std::string gate = gate_of(record, design.n_kept * result.tr_s);
    if (review.decision == "exclude") {
      exclude(record, "excluded", "review: " + review.reason);
      return;
    }
    if (!gate.empty() && review.decision != "include") {
      exclude(record, "excluded", gate);
      return;
    }
    if (!gate.empty()) exclude(record, "warning", gate + ", included by review");
    usable_.push_back({r, std::move(design)});
  }

  // Why a run does not count by itself, "" when it does.
  [[nodiscard]] std::string gate_of(const store::RunRecord& record, double kept_s) const {
    if (record.fd_above_threshold > c_.gates.max_fd_share) {
      return share(record.fd_above_threshold) + " of the volumes move more than " +
             config::Json(c_.gates.fd_exclusion_mm).dump() + " mm, the limit is " +
             share(c_.gates.max_fd_share);
    }
    if (kept_s < c_.gates.min_time_s) {
      return std::to_string(static_cast<int>(kept_s)) + " s are kept, expected " +
             std::to_string(static_cast<int>(c_.gates.min_time_s)) + " s";
    }
    return "";
  }

  // Denoising a mean is denoising its voxels, unless these have regressors of their own.
  void denoise_series(std::size_t r, const nuisance_regression::Design& design,
                      store::RunRecord& record) const {
    const auto& of_voxels = std::get<RunOutput>(inputs_.runs[r]).regional.denoised;
    for (std::size_t s = 0; s < study_.target.sets.size(); ++s) {
      store::ParcelSeries& series = record.series.at(study_.target.sets[s].name);
      if (!c_.voxels.regressors.empty()) {
        series.denoised = of_voxels.at(s);
        continue;
      }
      series.denoised =
          nuisance_regression::run(
              {{series.values.data(), series.values.rows(), series.values.cols()}, &design},
              c_.nuisance_regression, context_)
              .denoised;
    }
  }

  // Runs of one task are put one after the other; each was z-scored on its own.
  void add_connectivity() {
    std::vector<std::string> tasks;
    for (const DenoisedRun& run : usable_) {
      const std::string& task = person_.runs[run.index].task;
      if (std::find(tasks.begin(), tasks.end(), task) == tasks.end()) tasks.push_back(task);
    }
    std::sort(tasks.begin(), tasks.end());
    for (const std::string& task : tasks) {
      note_repetition_times(task);
      for (const RegionSet& set : study_.target.sets) {
        if (set.regions.size() >= 2 && !is_elsewhere(task, set.name)) add_matrix(task, set.name);
      }
    }
  }

  // Runs are combined by volumes, so a shorter repetition time weighs more.
  void note_repetition_times(const std::string& task) {
    std::set<double> times;
    for (const DenoisedRun& run : usable_) {
      if (person_.runs[run.index].task == task) times.insert(person_.runs[run.index].tr_s);
    }
    if (times.size() < 2) return;
    std::string found;
    for (const double tr_s : times) {
      found += (found.empty() ? "" : ", ") + config::Json(tr_s).dump();
    }
    for (const DenoisedRun& run : usable_) {
      store::RunRecord& record = person_.runs[run.index];
      if (record.task != task) continue;
      exclude(record, "warning",
              "runs of task " + task + " are combined: found repetition times " + found +
                  " s, expected one");
    }
  }

  // The series of the task hold no place of this atlas: circuits in grayordinates.
  [[nodiscard]] bool is_elsewhere(const std::string& task, const std::string& atlas) const {
    for (const DenoisedRun& run : usable_) {
      const store::RunRecord& record = person_.runs[run.index];
      if (record.task != task) continue;
      for (const double share : record.series.at(atlas).coverage) {
        if (!std::isnan(share)) return false;
      }
    }
    return true;
  }

  void add_matrix(const std::string& task, const std::string& atlas) {
    std::vector<volume_selection::Run> runs;
    for (const DenoisedRun& run : usable_) {
      const store::RunRecord& record = person_.runs[run.index];
      if (record.task != task) continue;
      const Eigen::MatrixXf& part = record.series.at(atlas).denoised;
      runs.push_back({{part.data(), part.rows(), part.cols()}, run.design.keep});
    }
    const auto made = capture([&] {
      return connectivity_of({runs, person_.participant_id + person_.session_id + task}, c_,
                             context_);
    });
    if (const auto* failure = std::get_if<Failure>(&made)) {
      if (failure->kind != ErrorKind::gate) throw Error(failure->kind, failure->message);
      note_matrix(task, atlas, failure->message);
      return;
    }
    for (const Matrix& matrix : std::get<Matrices>(made).matrices) {
      person_.connectivity.push_back({task, atlas, matrix.kind, matrix.edges, matrix.n_volumes});
      if (wants_graph_measures(c_) && matrix.kind == c_.regional.graph_kind) {
        add_graph(task, atlas, matrix);
      }
    }
    for (const auto& [name, value] : std::get<Matrices>(made).numbers) {
      person_.regional.push_back({task, atlas, name, false, {value}});
    }
    for (const std::string& reason : std::get<Matrices>(made).refused) {
      note_matrix(task, atlas, reason);
    }
  }

  void add_graph(const std::string& task, const std::string& atlas, const Matrix& matrix) {
    const std::size_t n_regions =
        person_.runs[usable_.front().index].series.at(atlas).coverage.size();
    std::vector<std::string> why;
    for (auto& record : graph_records(matrix.edges, n_regions, c_, context_, why)) {
      record.source = task;
      record.atlas = atlas;
      person_.regional.push_back(std::move(record));
    }
    for (const std::string& reason : why) note_matrix(task, atlas, reason);
  }

  // The mean over the runs of a task, weighted by the volumes kept; of a region over those that
  // have it.
  void add_voxel_measures() {
    std::map<std::pair<std::string, std::string>, std::vector<std::pair<const RunRegional*, int>>>
        found; // by task and measure, with volumes
    for (const DenoisedRun& run : usable_) {
      store::RunRecord& record = person_.runs[run.index];
      const RunRegional& part = std::get<RunOutput>(inputs_.runs[run.index]).regional;
      if (!part.missing.empty()) exclude(record, "warning", "regional: " + part.missing);
      for (const auto& [name, values] : part.values) {
        found[{record.task, name}].emplace_back(&part, run.design.n_kept);
      }
    }
    for (const auto& [key, parts] : found) {
      const auto& [task, name] = key;
      for (std::size_t s = 0; s < study_.target.sets.size(); ++s) {
        const std::size_t n_regions = study_.target.sets[s].regions.size();
        store::RegionalRecord record{task, study_.target.sets[s].name, name, true,
                                     std::vector<double>(n_regions, kNaN)};
        for (std::size_t r = 0; r < n_regions; ++r) {
          double sum = 0.0;
          double weight = 0.0;
          for (const auto& [part, n_kept] : parts) {
            const double value = part->values.at(name).at(s).at(r);
            if (std::isnan(value)) continue;
            sum += n_kept * value;
            weight += n_kept;
          }
          if (weight > 0.0) record.values[r] = sum / weight;
        }
        person_.regional.push_back(std::move(record));
      }
    }
  }

  // On the first run of the task, for a matrix has no status of its own.
  void note_matrix(const std::string& task, const std::string& atlas, const std::string& reason) {
    for (const DenoisedRun& run : usable_) {
      store::RunRecord& record = person_.runs[run.index];
      if (record.task != task) continue;
      exclude(record, "warning", "connectivity of " + atlas + ": " + reason);
      return;
    }
  }

  void add_measures() {
    std::vector<UsableRun> usable;
    for (const DenoisedRun& run : usable_) usable.push_back({run.index, &run.design});
    CircuitMeasures made = timed(person_.resources, "circuit_measures", session_.id, [&] {
      return circuit_measures(study_, session_, inputs_, person_, usable, context_);
    });
    person_.source = std::move(made.source);
    person_.measures = std::move(made.measures);
    person_.error_correlation = std::move(made.error_correlation);
    take(made.stages, {}, made.inputs);
    for (const RunRemark& remark : made.remarks) {
      store::RunRecord& record = person_.runs[remark.index];
      for (const auto& [name, value] : remark.figures) record.quality[name] = value;
      if (!remark.design.name.empty()) record.design = remark.design;
      if (remark.text.empty()) continue;
      exclude(record, remark.is_warning ? "warning" : record.status, remark.text);
    }
  }

  const Study& study_;
  const config::Config& c_;
  const bids::ParticipantSession& session_;
  const PersonInputs& inputs_;
  const Context& context_;
  store::PersonRecord person_;
  std::vector<DenoisedRun> usable_;
};

// What a shard depends on: configuration (in the header) and the digests of the inputs it could
// use, metadata and participant columns.
std::string person_key(const Study& study, const bids::ParticipantSession& session) {
  std::vector<std::string> parts;
  for (const bids::BoldRun& run : session.runs) {
    const DerivedSource* source = derived_source(study, run);
    const auto key = capture([&] {
      return source != nullptr ? derived_run_key(study, *source) : run_key(study, session, run);
    });
    parts.push_back(run.run_id + " " +
                    (std::holds_alternative<Failure>(key) ? std::string("failed")
                                                          : std::get<std::string>(key)));
    if (!run.events) continue;
    const auto events =
        capture([&] { return study.digests.of(study.index.absolute(*run.events)).sha256; });
    parts.push_back("events " + (std::holds_alternative<Failure>(events)
                                     ? std::string("failed")
                                     : std::get<std::string>(events)));
  }
  for (const std::string& column : study.header.participant_columns) {
    const auto found = session.columns.find(column);
    parts.push_back(column + "=" + (found == session.columns.end() ? "" : found->second));
  }
  return cache::node_key(kPersonStage, kPersonVersion, study.header.config_sha256, parts);
}

} // namespace

store::PersonRecord make_person(const Study& study, const bids::ParticipantSession& session,
                                const PersonInputs& inputs, const Context& context) {
  store::PersonRecord person = PersonBuilder(study, session, inputs, context).build();
  const std::string key = person_key(study, session);
  for (store::StageRecord& stage : person.stages) {
    if (stage.key.empty()) stage.key = key; // stages of the measures
  }
  person.stages.push_back({std::string(kPersonStage), kPersonVersion, key});
  return person;
}

void write_person(const Study& study, const bids::ParticipantSession& session,
                  const store::PersonRecord& person, const Context& context) {
  const auto folder = study.shard_path(session).parent_path();
  for (const auto& swept : {folder, folder / "func", folder / "anat"}) {
    cache::sweep_leftovers(swept);
  }
  for (const store::RunRecord& run : person.runs) {
    if (run.confounds.size() > 0) (void)report::write_confounds(study.out, run);
  }
  store::write_shard(study.shard_path(session), study.header, person,
                     kept_figures(study, session, context));
}

bool shard_is_current(const Study& study, const bids::ParticipantSession& session, Accept accept) {
  if (study.force && accept == Accept::whole) return false;
  const auto path = study.shard_path(session);
  std::error_code code;
  if (!std::filesystem::exists(path, code)) return false;
  const auto current = capture([&] {
    const auto [header, person] = store::read_shard(path);
    if (!store::header_difference(header, study.header).empty()) return false;
    for (const store::RunRecord& run : person.runs) {
      if (run.status == "failed" && accept == Accept::whole) return false;
    }
    const std::string key = person_key(study, session);
    return std::any_of(person.stages.begin(), person.stages.end(),
                       [&](const store::StageRecord& stage) {
                         return stage.name == kPersonStage && stage.key == key;
                       });
  });
  return std::holds_alternative<bool>(current) && std::get<bool>(current);
}

} // namespace boldmill::graph
