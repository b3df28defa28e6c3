#include "pipeline/graph/confounds_of_run.hpp"

#include <cmath>

#include "stages/denoise/tissue_signals.hpp"

namespace boldmill::graph {
namespace {

constexpr std::size_t kEnough = 20;      // voxels of a mask whose mean is used
constexpr int kFewestForComponents = 10; // volumes after the dummies

compcor::Outputs components_of(const NativeRun& run, int n_dummies, double tr_s,
                               const compcor::Params& params, const Context& context) {
  if (run.series.n_volumes - n_dummies < kFewestForComponents) return {};
  compcor::Inputs inputs;
  inputs.bold = &run.series;
  inputs.brain = &run.brain;
  inputs.csf = &run.noise_csf;
  inputs.white_matter = &run.noise_white;
  inputs.combined = &run.both;
  inputs.edge = &run.crown;
  inputs.n_dummy = n_dummies;
  inputs.tr_s = tr_s;
  return compcor::run(inputs, params, context);
}

const ComponentSet* set_of(const compcor::Outputs& sets, std::string_view prefix) {
  for (const ComponentSet& set : sets.sets) {
    if (set.prefix == prefix) return &set;
  }
  return nullptr;
}

// The mean over the mask of aCompCor when it has enough voxels.
Eigen::VectorXd mean_or(const compcor::Outputs& sets, std::string_view prefix,
                        const tissue_signals::Signal& other, const char* column,
                        std::vector<std::string>& notes) {
  const ComponentSet* set = set_of(sets, prefix);
  if (set != nullptr && set->n_voxels >= kEnough) return set->mean;
  notes.push_back("confound " + std::string(column) + " is the mean over the eroded tissue mask (" +
                  std::to_string(other.n_voxels) + " voxels): fMRIPrep's, that of aCompCor, has " +
                  std::to_string(set == nullptr ? 0 : set->n_voxels) + " voxels here, needs " +
                  std::to_string(kEnough));
  return other.mean;
}

} // namespace

std::string metadata_json(const std::vector<confounds::ColumnMetadata>& columns) {
  config::Json json = config::Json::object();
  for (const confounds::ColumnMetadata& column : columns) {
    config::Json& entry = json[column.column];
    entry = config::Json::object();
    const auto text = [&entry](const char* key, const std::string& value) {
      if (!value.empty()) entry[key] = value;
    };
    const auto number = [&entry](const char* key, double value) {
      if (!std::isnan(value)) entry[key] = value;
    };
    text("Method", column.method);
    text("Mask", column.mask);
    text("Units", column.units);
    text("Description", column.description);
    number("SingularValue", column.singular_value);
    number("VarianceExplained", column.variance_explained);
    number("CumulativeVarianceExplained", column.cumulative_variance_explained);
    if (column.is_component) entry["Retained"] = true;
  }
  return json.dump();
}

RunConfounds confounds_of_run(const NativeRun& run, const head_motion::Outputs& motion,
                              int n_dummies, double tr_s, const config::Config& c,
                              const Context& context) {
  RunConfounds out;
  const auto sets = components_of(run, n_dummies, tr_s, c.compcor, context);
  const auto signals = tissue_signals::run({&run.series, &run.csf, &run.white_matter, &run.brain},
                                           c.tissue_signals, context);
  const auto change = dvars::run({&run.series, &run.brain}, c.dvars, context);
  const Eigen::Map<const Eigen::MatrixXd> table(motion.motion.data(), motion.motion.rows(),
                                                motion.motion.cols());
  confounds::Inputs columns{table};
  columns.framewise_displacement =
      framewise_displacement::run({table}, c.framewise_displacement, context).fd_mm;
  columns.rmsd = motion.rmsd_mm;
  columns.dvars = change.dvars;
  columns.std_dvars = change.std_dvars;
  columns.csf = mean_or(sets, "c_comp_cor_", signals.csf, "csf", out.notes);
  columns.white_matter =
      mean_or(sets, "w_comp_cor_", signals.white_matter, "white_matter", out.notes);
  columns.global_signal = signals.global_signal.mean;
  if (const auto* both = set_of(sets, "a_comp_cor_")) columns.csf_wm = both->mean;
  if (const auto* high = set_of(sets, "t_comp_cor_")) columns.tcompcor = high->mean;
  columns.n_dummy = n_dummies;
  columns.tr_s = tr_s;
  columns.components = sets.sets;
  out.table = confounds::run(columns, c.confounds, context);
  out.metadata = metadata_json(out.table.metadata);
  return out;
}

} // namespace boldmill::graph
