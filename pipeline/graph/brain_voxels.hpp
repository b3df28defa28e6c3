// The voxels of a run's brain on their way: as given, despiked, denoised; what is measured of each
// of them (config section regional), and what desc-denoised images hold. The steps are those that
// the region series take: despiked (voxels.despike), then nuisance regression with the voxel-wise
// regressors of voxels.regressors, never z-scored.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/graph/nuisance.hpp"

namespace boldmill::graph {

struct VoxelMeasures {
  std::map<std::string, std::vector<float>> map; // by measure: P, NaN is missing
  std::string missing;                           // why there are none, "" when there are
};

class BrainVoxels {
public:
  // columns: T x P, the brain's voxels in ascending order, as given. The rest must live as long.
  BrainVoxels(Eigen::MatrixXf columns, const Mask& brain, const config::Config& config,
              const Context& context);

  // Series of the same shape whose value in a voxel is removed from that voxel.
  void add_regressor(Eigen::MatrixXf columns);

  // tSNR (of what was given) and despiking. Errors: input. Done by denoise() unless it was called.
  void despike(int n_dummies);

  // Everything else, once. What cannot be had is said in measures().missing.
  void denoise(const RunResult& run);
  [[nodiscard]] const VoxelMeasures& measures() const { return found_; }

  // Null when the design refuses the run.
  [[nodiscard]] const nuisance_regression::Design* design() const {
    return design_ ? &*design_ : nullptr;
  }
  // T x P as far as they have come; denoised: of dummies NaN, of censored volumes NaN or what is
  // interpolated there.
  [[nodiscard]] const Eigen::MatrixXf& columns() const { return columns_; }
  [[nodiscard]] Eigen::MatrixXf take_columns() { return std::move(columns_); }

private:
  [[nodiscard]] bool wants(const char* measure) const;
  void add_fraction(const RunResult& run);
  void add_measures(const RunResult& run);
  void regress(Eigen::MatrixXf& columns, const nuisance_regression::Design& design,
               nuisance_regression::Params params) const;

  const Mask& brain_;
  const config::Config& config_;
  const Context& context_;
  Eigen::MatrixXf columns_;
  std::vector<Eigen::MatrixXf> regressors_;
  std::optional<nuisance_regression::Design> design_;
  VoxelMeasures found_;
  bool begun_ = false;
};

// All of it, the columns included.
[[nodiscard]] std::size_t brain_voxels_bytes(std::size_t n_in_brain, std::size_t n_volumes,
                                             const config::Config& config);

} // namespace boldmill::graph
