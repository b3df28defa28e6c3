#include "pipeline/graph/quality_of_run.hpp"

#include <cmath>

#include "pipeline/cache/archive.hpp"
#include "stages/denoise/kernels/gather.hpp"

namespace boldmill::graph {
namespace {

constexpr int kFewestVolumes = 3;
constexpr std::size_t kBrainShare = 3; // of a field of view, a third is brain

Eigen::VectorXd column_of(const RunResult& run, const char* name) {
  const int column = confounds::column_index(run.confound_names, name);
  if (column >= 0) return run.confounds.col(column);
  return Eigen::VectorXd::Constant(run.confounds.rows(),
                                   std::nan("")); // given confounds may lack it
}

Eigen::MatrixXd motion_of(const RunResult& run) {
  Eigen::MatrixXd motion(run.confounds.rows(), 6);
  Eigen::Index k = 0;
  for (const char* name : {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"}) {
    motion.col(k++) = column_of(run, name);
  }
  return motion;
}

using Bytes = Eigen::Matrix<std::int8_t, Eigen::Dynamic, Eigen::Dynamic>;

std::vector<std::int8_t> row_by_row(const Bytes& bytes) {
  std::vector<std::int8_t> out;
  out.reserve(static_cast<std::size_t>(bytes.size()));
  for (Eigen::Index r = 0; r < bytes.rows(); ++r) {
    for (Eigen::Index c = 0; c < bytes.cols(); ++c) out.push_back(bytes(r, c));
  }
  return out;
}

// The brain after denoising, volumes kept one after the other: T' x P.
Eigen::MatrixXf denoised_brain(const NativeRun& native, const std::vector<std::size_t>& voxels,
                               const Nuisance& nuisance, const config::Config& config,
                               const Context& context) {
  Eigen::MatrixXf columns = gather_columns(native.series, voxels);
  auto params = config.nuisance_regression;
  params.standardize = false;
  params.output = "censored";
  std::vector<Eigen::Map<const Eigen::MatrixXf>> regressors;
  for (const Eigen::MatrixXf& each : native.regressors) {
    regressors.emplace_back(each.data(), each.rows(), each.cols());
  }
  nuisance_regression::run_in_place(
      Eigen::Map<Eigen::MatrixXf>(columns.data(), columns.rows(), columns.cols()), nuisance.design,
      params, context, regressors);
  Eigen::MatrixXf kept(nuisance.design.n_kept, columns.cols());
  Eigen::Index at = 0;
  for (Eigen::Index t = 0; t < columns.rows(); ++t) {
    if (nuisance.design.keep[static_cast<std::size_t>(t)] != 0) kept.row(at++) = columns.row(t);
  }
  return kept;
}

// Columns of the voxels in `rows`, a selection of the ascending list `voxels`.
Eigen::MatrixXf columns_at(const Eigen::MatrixXf& columns, const std::vector<std::size_t>& voxels,
                           const std::vector<std::size_t>& rows) {
  Eigen::MatrixXf some(columns.rows(), static_cast<Eigen::Index>(rows.size()));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto at = std::lower_bound(voxels.begin(), voxels.end(), rows[r]) - voxels.begin();
    some.col(static_cast<Eigen::Index>(r)) = columns.col(at);
  }
  return some;
}

int volumes_per_column(Eigen::Index n_volumes, const carpet::Params& params) {
  return static_cast<int>((n_volumes + params.max_columns - 1) / params.max_columns);
}

} // namespace

void archive(cache::Archive& a, RunQuality& q) {
  a(q.values, q.carpet.before, q.carpet.after, q.carpet.tissue, q.carpet.volumes_per_column,
    q.carpet.volumes_per_column_after);
}

RunQuality quality_of_run(const NativeRun& native, const RunResult& run,
                          const config::Config& config, const Context& context) {
  RunQuality quality;
  if (run.n_volumes - run.n_dummies < kFewestVolumes) return quality;
  const Eigen::MatrixXd motion = motion_of(run);
  run_quality::Inputs inputs;
  inputs.bold = &native.series;
  inputs.brain = &native.brain;
  new (&inputs.motion)
      Eigen::Map<const Eigen::MatrixXd>(motion.data(), motion.rows(), motion.cols());
  inputs.fd_mm = column_of(run, "framewise_displacement");
  inputs.rmsd_mm = column_of(run, "rmsd");
  const auto change = dvars::run({&native.series, &native.brain}, config.dvars, context);
  inputs.dvars = change.dvars;
  inputs.std_dvars = change.std_dvars;
  inputs.voxel_std_dvars = change.voxel_std_dvars;
  inputs.n_dummy = run.n_dummies;
  const auto before = carpet::run({&native.series, &native.tissue}, config.carpet, context);
  quality.carpet.before = row_by_row(before.z);
  quality.carpet.tissue = before.row_tissue;
  quality.carpet.volumes_per_column = before.volumes_per_column;
  const auto outcome = nuisance_of(config, run, context);
  const auto* nuisance = std::get_if<Nuisance>(&outcome);
  if (nuisance != nullptr) {
    const std::vector<std::size_t> voxels = indices_of(native.brain);
    const Eigen::MatrixXf after = denoised_brain(native, voxels, *nuisance, config, context);
    inputs.std_dvars_after = dvars::std_dvars_of(after, context);
    inputs.keep = nuisance->design.keep;
    inputs.dof_used = nuisance->design.rank;
    inputs.dof_left = nuisance->design.dof_left;
    const Eigen::MatrixXf shown = columns_at(after, voxels, before.row_voxel);
    quality.carpet.after = row_by_row(carpet::bytes_of(shown, config.carpet));
    quality.carpet.volumes_per_column_after = volumes_per_column(shown.rows(), config.carpet);
  }
  for (const auto& [name, value] :
       run_quality::named(run_quality::run(inputs, config.run_quality, context))) {
    quality.values[name] = value;
  }
  return quality;
}

std::size_t quality_bytes(const RunShape& shape, const config::Config& config) {
  const std::size_t in_brain = shape.n_voxels / kBrainShare;
  return 2 * in_brain * shape.n_volumes * sizeof(float) +
         run_quality::peak_bytes({shape.n_voxels, in_brain, shape.n_volumes}, config.run_quality) +
         carpet::peak_bytes({shape.n_voxels, shape.n_volumes}, config.carpet);
}

} // namespace boldmill::graph
