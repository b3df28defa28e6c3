#include "pipeline/graph/nuisance.hpp"

namespace boldmill::graph {

Nuisance filtered_confounds(const config::Config& config, const RunResult& run,
                            const Context& context) {
  Nuisance nuisance;
  nuisance.names = run.confound_names;
  nuisance.values = run.confounds;
  if (config.motion_filter.type == "none") return nuisance;
  const auto done = motion_filter::filter_table(nuisance.names, nuisance.values, run.tr_s,
                                                config.framewise_displacement.head_radius_mm,
                                                config.motion_filter, context);
  nuisance.filtered = done.applied;
  nuisance.note = done.warning;
  return nuisance;
}

Outcome<Nuisance> nuisance_of(const config::Config& config, const RunResult& run,
                              const Context& context) {
  auto outcome = capture([&] {
    Nuisance nuisance = filtered_confounds(config, run, context);
    nuisance_regression::DesignInputs inputs;
    inputs.confound_names = &nuisance.names;
    new (&inputs.confounds) Eigen::Map<const Eigen::MatrixXd>(
        nuisance.values.data(), nuisance.values.rows(), nuisance.values.cols());
    inputs.n_dummy = run.n_dummies;
    inputs.tr_s = run.tr_s;
    inputs.n_voxelwise = static_cast<int>(config.voxels.regressors.size());
    nuisance.design = nuisance_regression::make_design(inputs, config.nuisance_regression);
    return nuisance;
  });
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    if (failure->kind != ErrorKind::gate && failure->kind != ErrorKind::input) {
      throw Error(failure->kind, failure->message);
    }
  }
  return outcome;
}

double moving_share(const config::Config& config, const Nuisance& nuisance, int n_dummies) {
  const int column = confounds::column_index(nuisance.names, "framewise_displacement");
  if (column < 0) return std::numeric_limits<double>::quiet_NaN();
  int above = 0;
  int n = 0;
  for (Eigen::Index t = n_dummies; t < nuisance.values.rows(); ++t, ++n) {
    above += nuisance.values(t, column) > config.gates.fd_exclusion_mm ? 1 : 0;
  }
  return n == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(above) / n;
}

} // namespace boldmill::graph
