#include "pipeline/graph/plan.hpp"

#include <algorithm>
#include <cstdio>

#include "pipeline/bids/text.hpp"
#include "pipeline/graph/anatomy.hpp"
#include "pipeline/graph/bold_run.hpp"
#include "pipeline/graph/dense_run.hpp"
#include "pipeline/graph/derived_run.hpp"
#include "pipeline/image_io/cifti.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/bias_field.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/tissue.hpp"
#include "stages/core/outcome.hpp"
#include "stages/functional/bold_resampling.hpp"
#include "stages/functional/distortion.hpp"
#include "stages/ppi/ppi.hpp"
#include "stages/task/task_design.hpp"

namespace boldmill::graph {
namespace {

// Seconds per million voxels (anatomy) and per million voxel-volumes (runs) on one core, measured
// on the machine of benchmarks/results.md. For admission order and ETA only.
constexpr double kAnatomySecondsPerMillion = 0.2;
constexpr double kAnatomySeconds = 9.0;
constexpr double kRunSecondsPerMillion = 0.15;
constexpr double kRunSeconds = 4.0;
constexpr double kDerivedSecondsPerMillion = 0.01;           // reading a compressed series
constexpr std::size_t kPersonBytes = std::size_t{64} << 20U; // without the models of its runs
constexpr std::size_t kCohortBytes = std::size_t{256} << 20U;

std::string versioned(const StageInfo& stage) {
  return std::string(stage.name) + " v" + std::to_string(stage.version);
}

const std::vector<std::string>& anatomy_stages() {
  static const std::vector<std::string> stages{
      versioned(bias_field::kStage), versioned(affine::kStage), versioned(brain_mask::kStage),
      versioned(normalization::kStage), versioned(tissue::kStage)};
  return stages;
}

const std::vector<std::string>& run_stages() {
  static const std::vector<std::string> stages{
      versioned(dummy_scans::kStage),  versioned(boldref::kStage),
      versioned(head_motion::kStage),  versioned(distortion::kStage),
      versioned(bold_mask::kStage),    versioned(coregistration::kStage),
      versioned(slice_timing::kStage), versioned(bold_resampling::kStage),
      versioned(confounds::kStage),    versioned(extraction::kStage)};
  return stages;
}

const std::vector<std::string>& person_stages() {
  static const std::vector<std::string> stages{versioned(nuisance_regression::kStage),
                                               versioned(correlation::kStage),
                                               versioned(intrinsic_measures::kStage),
                                               versioned(task_design::kStage),
                                               versioned(glm::kStage),
                                               versioned(ppi::kStage),
                                               versioned(measure_covariance::kStage)};
  return stages;
}

PlanNode anatomy_node(const Study& study, std::size_t s) {
  const bids::ParticipantSession& session = study.index.sessions[s];
  PlanNode node{TaskKind::anatomy, "anatomy:" + session.id, s, 0, {}, anatomy_stages(), 0, 0.0, ""};
  if (!anatomy_is_needed(study, session)) {
    node.stages = {"not needed"};
    return node;
  }
  const auto header =
      capture([&] { return image_io::read_header(study.index.absolute(t1w_of(session))); });
  if (const auto* failure = std::get_if<Failure>(&header)) {
    node.problem = failure->message;
    return node;
  }
  const Grid& grid = std::get<image_io::NiftiHeader>(header).grid;
  node.peak_bytes = anatomy_peak_bytes(study, grid);
  node.kept_bytes = anatomy_kept_bytes(study, grid);
  node.estimated_s =
      kAnatomySeconds + kAnatomySecondsPerMillion * 1e-6 * static_cast<double>(grid.n_voxels());
  return node;
}

// Returns the number of volumes, 0 when it is not known.
std::size_t plan_derived(const Study& study, const DerivedSource& source, PlanNode& node) {
  node.stages = {"derived_run", versioned(extraction::kStage)};
  node.problem.clear();
  if (study.config.input.file_format == "cifti" && source.files.dense) {
    std::size_t n_volumes = 0;
    const auto peak = capture([&] {
      const std::filesystem::path series = source.index->absolute(*source.files.dense);
      n_volumes = image_io::read_dense_shape(series).n_volumes;
      return dense_run_peak_bytes(study, series);
    });
    if (const auto* failure = std::get_if<Failure>(&peak)) {
      node.problem = failure->message;
    } else {
      node.peak_bytes = std::get<std::size_t>(peak);
    }
    return n_volumes;
  }
  if (!source.files.bold) {
    node.problem = source.files.missing.empty() ? "" : source.files.missing.front();
    return 0;
  }
  const auto header =
      capture([&] { return image_io::read_header(source.index->absolute(*source.files.bold)); });
  if (const auto* failure = std::get_if<Failure>(&header)) {
    node.problem = failure->message;
    return 0;
  }
  const auto& h = std::get<image_io::NiftiHeader>(header);
  const RunShape shape{h.grid.n_voxels(), static_cast<std::size_t>(h.n_volumes), 1};
  node.peak_bytes = derived_run_peak_bytes(study, shape);
  node.estimated_s = kDerivedSecondsPerMillion * 1e-6 * static_cast<double>(shape.n_voxels) *
                     static_cast<double>(shape.n_volumes);
  return shape.n_volumes;
}

// A person's longest run, with square matrices over its volumes for every noise model in use and
// every seed at work; see glm and ppi.
std::size_t person_bytes(const Study& study, std::size_t n_volumes) {
  const std::size_t n_regions =
      study.target.sets.empty() ? 0 : study.target.sets.back().regions.size();
  const std::size_t n_matrices = 2 * n_regions + 16;
  return kPersonBytes + n_matrices * n_volumes * n_volumes * sizeof(double);
}

PlanNode run_node(const Study& study, std::size_t s, std::size_t r, std::size_t anatomy,
                  std::size_t& n_volumes) {
  const bids::BoldRun& run = study.index.sessions[s].runs[r];
  PlanNode node{TaskKind::bold_run, "bold:" + run.run_id, s, r, {anatomy}, run_stages(), 0, 0.0,
                run.file.problem};
  if (const DerivedSource* source = derived_source(study, run)) {
    n_volumes = plan_derived(study, *source, node);
    return node;
  }
  if (!node.problem.empty()) return node;
  const auto header =
      capture([&] { return image_io::read_header(study.index.absolute(run.file)); });
  if (const auto* failure = std::get_if<Failure>(&header)) {
    node.problem = failure->message;
    return node;
  }
  const auto& h = std::get<image_io::NiftiHeader>(header);
  n_volumes = static_cast<std::size_t>(h.n_volumes);
  const RunShape shape{h.grid.n_voxels(), static_cast<std::size_t>(h.n_volumes),
                       std::max<std::size_t>(run.echoes.size(), 1)};
  node.peak_bytes = run_peak_bytes(study, shape);
  node.estimated_s = kRunSeconds + kRunSecondsPerMillion * 1e-6 *
                                       static_cast<double>(shape.n_voxels) *
                                       static_cast<double>(shape.n_volumes * shape.n_echoes);
  return node;
}

// The tables of edges of one source that tangent space (all atlases of it are kept) and QC-FC hold.
std::size_t cohort_bytes(const Study& study) {
  const std::size_t n = study.index.sessions.size();
  const auto& kinds = study.config.connectivity.kinds;
  const bool tangents = std::find(kinds.begin(), kinds.end(), "tangent") != kinds.end();
  std::size_t kept = 0;
  std::size_t largest = 0;
  for (const RegionSet& set : study.target.sets) {
    const std::size_t edges = set.regions.size() * (set.regions.size() + 1) / 2;
    kept += tangents ? n * edges * sizeof(double) : 0;
    largest = std::max(largest, n * edges * (sizeof(double) + sizeof(float)));
  }
  return kCohortBytes + kept + largest;
}

std::string megabytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

} // namespace

std::string_view to_string(TaskKind kind) {
  switch (kind) {
  case TaskKind::anatomy: return "anatomy";
  case TaskKind::bold_run: return "bold_run";
  case TaskKind::person: return "person";
  case TaskKind::cohort: return "cohort";
  }
  return "";
}

double Plan::estimated_s() const {
  double sum = 0.0;
  for (const PlanNode& node : nodes) sum += node.estimated_s;
  return sum;
}

Plan make_plan(const Study& study, bool participants, bool group) {
  Plan plan;
  std::vector<std::size_t> persons;
  for (std::size_t s = 0; participants && s < study.index.sessions.size(); ++s) {
    const bids::ParticipantSession& session = study.index.sessions[s];
    const std::size_t anatomy = plan.nodes.size();
    plan.nodes.push_back(anatomy_node(study, s));
    std::vector<std::size_t> before{anatomy};
    std::size_t longest = 0;
    for (std::size_t r = 0; r < session.runs.size(); ++r) {
      before.push_back(plan.nodes.size());
      std::size_t n_volumes = 0;
      plan.nodes.push_back(run_node(study, s, r, anatomy, n_volumes));
      longest = std::max(longest, n_volumes);
    }
    persons.push_back(plan.nodes.size());
    plan.nodes.push_back({TaskKind::person, "person:" + session.id, s, 0, before, person_stages(),
                          person_bytes(study, longest), 0.5, session.problem});
  }
  if (group) {
    plan.nodes.push_back({TaskKind::cohort,
                          "cohort",
                          0,
                          0,
                          persons,
                          {versioned(scores::kStage), versioned(penalised_regression::kStage)},
                          cohort_bytes(study),
                          5.0,
                          ""});
  }
  return plan;
}

std::string plan_text(const Plan& plan) {
  std::string text;
  std::size_t largest = 0;
  for (const PlanNode& node : plan.nodes) {
    char line[64];
    std::snprintf(line, sizeof line, "  %7.1f s  ", node.estimated_s);
    text += bids::display(node.id) + line + megabytes(node.peak_bytes) + "  ";
    for (std::size_t i = 0; i < node.stages.size(); ++i)
      text += (i > 0 ? " > " : "") + node.stages[i];
    if (!node.problem.empty()) text += "  FAILS: " + bids::display(node.problem);
    text += "\n";
    largest = std::max(largest, node.peak_bytes);
  }
  const auto n_cohort = std::count_if(plan.nodes.begin(), plan.nodes.end(), [](const auto& node) {
    return node.kind == TaskKind::cohort;
  });
  char line[160];
  std::snprintf(line, sizeof line, "%zu tasks%s, about %.0f s of one core, largest task %s\n",
                plan.nodes.size() - static_cast<std::size_t>(n_cohort),
                n_cohort > 0 ? " of people and one of the cohort" : "", plan.estimated_s(),
                megabytes(largest).c_str());
  return text + line;
}

std::string plan_json(const Plan& plan) {
  config::Json nodes = config::Json::array();
  for (const PlanNode& node : plan.nodes) {
    config::Json after = config::Json::array();
    for (const std::size_t before : node.after) after.push_back(plan.nodes[before].id);
    nodes.push_back({{"id", node.id},
                     {"kind", to_string(node.kind)},
                     {"after", after},
                     {"stages", node.stages},
                     {"peak_bytes", node.peak_bytes},
                     {"kept_bytes", node.kept_bytes},
                     {"estimated_s", node.estimated_s},
                     {"problem", node.problem}});
  }
  return config::Json{{"nodes", nodes}, {"estimated_s", plan.estimated_s()}}.dump(
             2, ' ', false, config::Json::error_handler_t::replace) +
         "\n";
}

std::string plan_dot(const Plan& plan) {
  std::string text = "digraph boldmill {\n  rankdir=LR;\n  node [shape=box];\n";
  const auto quoted = [](const std::string& id) {
    std::string out = "\"";
    for (const char c : bids::display(id)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + "\"";
  };
  for (const PlanNode& node : plan.nodes) {
    text += "  " + quoted(node.id) + ";\n";
    for (const std::size_t before : node.after) {
      text += "  " + quoted(plan.nodes[before].id) + " -> " + quoted(node.id) + ";\n";
    }
  }
  return text + "}\n";
}

} // namespace boldmill::graph
