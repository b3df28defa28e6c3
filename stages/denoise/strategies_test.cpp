// Each named strategy beside nilearn, which picks the columns itself (make_strategies.py).
#include <gtest/gtest.h>

#include <algorithm>

#include "stages/denoise/nuisance_regression.hpp"
#include "stages/denoise/test_data.hpp"

namespace boldmill::nuisance_regression {
namespace {

constexpr int kVolumes = 150;

struct Table {
  std::vector<std::string> names;
  Eigen::MatrixXd values{kVolumes, 0};

  void add(const std::string& name, const Eigen::VectorXd& column) {
    names.push_back(name);
    values.conservativeResize(Eigen::NoChange, values.cols() + 1);
    values.rightCols(1) = column;
  }
};

std::string numbered(const std::string& stem, int number) {
  return stem + "0" + std::to_string(number);
}

// The formulas of the script.
Table confounds() {
  Table table;
  const Eigen::VectorXd t = Eigen::VectorXd::LinSpaced(kVolumes, 0, kVolumes - 1);
  int k = 0;
  for (const char* base : {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z",
                           "global_signal", "csf", "white_matter"}) {
    Eigen::VectorXd x = test_data::lcg(kVolumes, 100 + static_cast<std::uint64_t>(k)).array() - 0.5;
    for (Eigen::Index i = 1; i < kVolumes; ++i) x[i] += x[i - 1];
    x.array() += 3 * (t.array() / (5 + k)).sin();
    Eigen::VectorXd step = Eigen::VectorXd::Zero(kVolumes);
    step.tail(kVolumes - 1) = x.tail(kVolumes - 1) - x.head(kVolumes - 1);
    table.add(base, x);
    table.add(std::string(base) + "_derivative1", step);
    table.add(std::string(base) + "_power2", x.array().square());
    table.add(std::string(base) + "_derivative1_power2", step.array().square());
    ++k;
  }
  std::uint64_t seed = 200;
  const auto noise = [&](const std::string& stem, int n) {
    for (int i = 0; i < n; ++i) {
      table.add(numbered(stem, i), test_data::lcg(kVolumes, seed++).array() - 0.5);
    }
  };
  noise("c_comp_cor_", 7);
  noise("w_comp_cor_", 7);
  noise("aroma_motion_", 3);
  for (int i = 0; i < 3; ++i) {
    table.add(numbered("cosine", i),
              std::sqrt(2.0 / kVolumes) *
                  (std::numbers::pi / kVolumes * (t.array() + 0.5) * (i + 1)).cos());
  }
  return table;
}

Eigen::MatrixXf series(const Table& table) {
  Eigen::MatrixXf out(kVolumes, 4);
  for (int v = 0; v < 4; ++v) {
    const auto seed = static_cast<std::uint64_t>(v);
    const Eigen::VectorXd weights = 2 * test_data::lcg(table.values.cols(), 400 + seed).array() - 1;
    Eigen::VectorXd y = table.values * weights;
    y.array() += 500 + 40 * test_data::lcg(kVolumes, 300 + seed).array();
    y += 0.2 * v * Eigen::VectorXd::LinSpaced(kVolumes, 0, kVolumes - 1);
    out.col(v) = y.cast<float>();
  }
  return out;
}

// What is left of the series, beside what nilearn leaves. Series of some 500 in float32, residuals
// of some 10: 2e-6 of a z-score.
double error_of(const Table& table, Params params, const std::string& name) {
  const Eigen::MatrixXf y = series(table);
  params.high_pass_hz = 0.0;
  params.fd_threshold_mm = 0.0;
  DesignInputs inputs;
  inputs.confound_names = &table.names;
  new (&inputs.confounds)
      Eigen::Map<const Eigen::MatrixXd>(table.values.data(), kVolumes, table.values.cols());
  inputs.tr_s = 2.0;
  const Design design = make_design(inputs, params);
  const Eigen::MatrixXf left =
      run({{y.data(), y.rows(), y.cols()}, &design, {}}, params, {}).denoised;
  return test_data::relative_error(left.cast<double>(),
                                   test_data::reference("strategy_" + name + ".tsv"));
}

TEST(Strategies, LeaveWhatNilearnLeaves) {
  for (const char* name : {"24P", "27P", "36P", "gsr_only", "acompcor", "acompcor_gsr", "aroma",
                           "aroma_gsr", "circuit", "none"}) {
    Params params;
    params.strategy = name;
    EXPECT_LT(error_of(confounds(), params, name), 2e-5) << name;
  }
}

TEST(Strategies, CustomColumnsAndSignalsAsNilearn) {
  Params params;
  params.strategy = "custom";
  params.columns = {"rot_*", "csf", "*comp_cor_00"};
  params.extra_columns = {"cosine*"};
  EXPECT_LT(error_of(confounds(), params, "custom"), 2e-5);
  Table spared = confounds();
  *std::find(spared.names.begin(), spared.names.end(), "csf") = "signal__csf";
  params.columns = {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "signal__*"};
  params.extra_columns = {};
  EXPECT_LT(error_of(spared, params, "signal"), 2e-5);
}

} // namespace
} // namespace boldmill::nuisance_regression
