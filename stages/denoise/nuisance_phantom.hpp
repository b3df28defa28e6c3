// The second phantom of the reference scripts: 120 volumes, 6 series, 5 confounds.
#pragma once

#include <numbers>

#include "stages/denoise/nuisance_regression.hpp"
#include "stages/denoise/test_data.hpp"

namespace boldmill::nuisance_regression {

struct Phantom {
  static constexpr int kVolumes = 120;
  Eigen::MatrixXd confounds;
  Eigen::MatrixXf series;
  std::vector<std::string> names{"c0", "c1", "c2", "c3", "c4", "framewise_displacement"};
  std::vector<std::uint8_t> keep;
  double tr_s = 2.0;
  int n_dummy = 0;
  std::vector<Eigen::MatrixXf> voxelwise;

  Phantom() : confounds(kVolumes, 6), series(kVolumes, 6) {
    confounds.leftCols(4) = test_data::lcg(4 * kVolumes, 21).reshaped<Eigen::RowMajor>(kVolumes, 4);
    double walk = 0.0;
    for (int t = 0; t < kVolumes; ++t) {
      walk += confounds(t, 1) - 0.5;
      confounds(t, 1) = walk;
      confounds(t, 4) = std::cos(t / 9.0);
      confounds(t, 5) = 0.1;
    }
    const Eigen::VectorXd r = test_data::lcg(6 * kVolumes, 22);
    for (int v = 0; v < 6; ++v) {
      for (int t = 0; t < kVolumes; ++t) {
        const double wave = std::sin(2 * std::numbers::pi * t * tr_s * (0.015 + 0.01 * v));
        series(t, v) =
            static_cast<float>(500 + v * 10 + 40 * wave + 50 * (r[v * kVolumes + t] - 0.5) +
                               0.3 * v * t + 25 * confounds(t, v % 5));
      }
    }
  }
  void censor(std::initializer_list<int> volumes) {
    for (const int t : volumes) confounds(t, 5) = 1.0;
  }
  void censor_reference_volumes() { censor({3, 4, 5, 40, 41, 77, 100, 118}); }
  [[nodiscard]] Design design(const Params& params) const {
    DesignInputs inputs{.confound_names = &names};
    new (&inputs.confounds)
        Eigen::Map<const Eigen::MatrixXd>(confounds.data(), confounds.rows(), confounds.cols());
    inputs.keep = keep;
    inputs.n_dummy = n_dummy;
    inputs.tr_s = tr_s;
    inputs.n_voxelwise = static_cast<int>(voxelwise.size());
    return make_design(inputs, params);
  }
  [[nodiscard]] Eigen::MatrixXf denoised(const Params& params) const {
    const Design d = design(params);
    Inputs inputs{{series.data(), series.rows(), series.cols()}, &d, {}};
    for (const auto& one : voxelwise)
      inputs.voxelwise.emplace_back(one.data(), one.rows(), one.cols());
    return run(inputs, params, {}).denoised;
  }
};

inline Params custom() {
  Params params;
  params.strategy = "custom";
  params.columns = {"c0", "c1", "c2", "c3", "c4"};
  return params;
}

inline Eigen::MatrixXd kept(const Eigen::MatrixXf& all, const std::vector<std::uint8_t>& keep) {
  std::vector<Eigen::Index> rows;
  for (std::size_t t = 0; t < keep.size(); ++t) {
    if (keep[t] != 0) rows.push_back(static_cast<Eigen::Index>(t));
  }
  return all(rows, Eigen::all).cast<double>();
}

} // namespace boldmill::nuisance_regression
