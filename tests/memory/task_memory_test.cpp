#include "stages/ppi/neural_deconvolution.hpp"
#include "stages/ppi/ppi.hpp"
#include "stages/ppi/test_data.hpp"
#include "stages/task/glm.hpp"
#include "stages/task/task_design.hpp"
#include "tests/memory/declared.hpp"

namespace boldmill::memory_test {
namespace {

constexpr double kTrS = 2.0;

class TaskMemory : public ::testing::TestWithParam<bool> {
protected:
  const Eigen::Index volumes_ = GetParam() ? 240 : 120;
  [[nodiscard]] std::size_t n_volumes() const { return static_cast<std::size_t>(volumes_); }
  [[nodiscard]] Eigen::MatrixXd drifts(Eigen::Index n) const {
    Eigen::MatrixXd out(volumes_, n);
    for (Eigen::Index k = 0; k < n; ++k) {
      for (Eigen::Index t = 0; t < volumes_; ++t) {
        out(t, k) = std::cos(std::numbers::pi * static_cast<double>((k + 1) * (2 * t + 1)) /
                             static_cast<double>(2 * volumes_));
      }
    }
    return out;
  }
  // Columns from none to long memory, so that many noise models are in use.
  [[nodiscard]] Eigen::MatrixXf remembering(Eigen::Index columns) const {
    Eigen::MatrixXf out = Eigen::MatrixXf::Random(volumes_, columns);
    for (Eigen::Index c = 0; c < columns; ++c) {
      const float rho = 0.9F * static_cast<float>(c) / static_cast<float>(columns);
      for (Eigen::Index t = 1; t < volumes_; ++t) out(t, c) += rho * out(t - 1, c);
    }
    return out.array() + 100.0F;
  }
};

TEST_P(TaskMemory, TaskDesign) {
  const Eigen::Index n = GetParam() ? 1200 : 240;
  std::vector<task_design::Event> events;
  for (Eigen::Index i = 0; i < n / 4; ++i) {
    events.push_back({8.0 * static_cast<double>(i), 1.0, "type" + std::to_string(i % 6)});
  }
  std::vector<std::string> names;
  for (int c = 0; c < 36; ++c) names.push_back("confound" + std::to_string(c));
  const Eigen::MatrixXd confounds = Eigen::MatrixXd::Random(n, 36);
  std::vector<std::uint8_t> keep(static_cast<std::size_t>(n), 1);
  for (std::size_t t = 0; t < keep.size(); t += 12) keep[t] = 0;
  task_design::Inputs inputs{.events = events, .n_volumes = static_cast<int>(n), .tr_s = kTrS};
  inputs.confound_names = &names;
  new (&inputs.confounds) Eigen::Map<const Eigen::MatrixXd>(confounds.data(), n, 36);
  inputs.keep = keep;
  for (const char* variant : {"exact", "spm", "nilearn"}) {
    for (const char* censoring : {"drop", "spikes"}) {
      const task_design::Params params{
          .variant = variant, .hrf = "spm+derivative+dispersion", .censoring = censoring};
      const auto columns = static_cast<std::size_t>(task_design::run(inputs, params).matrix.cols());
      expect_declared("task_design " + std::to_string(n) + " " + variant + " " + censoring, 1,
                      task_design::peak_bytes({static_cast<std::size_t>(n), columns}, params),
                      [&] { return task_design::run(inputs, params); });
    }
  }
}

TEST_P(TaskMemory, Glm) {
  const Eigen::Index n_regressors = 20;
  Eigen::MatrixXd design(volumes_, n_regressors);
  design << drifts(n_regressors - 1), Eigen::VectorXd::Ones(volumes_);
  std::vector<Contrast> contrasts(3);
  for (std::size_t c = 0; c < 3; ++c) {
    contrasts[c].name = "contrast " + std::to_string(c);
    contrasts[c].weights = Eigen::MatrixXd::Zero(1, n_regressors);
    contrasts[c].weights(0, static_cast<Eigen::Index>(c)) = 1.0;
  }
  for (const char* noise : {"mixture", "ar1", "ar1_global", "ols"}) {
    const bool heavy = std::string_view(noise) == "mixture";
    const Eigen::Index columns = heavy ? 60 : GetParam() ? 20000 : 5000;
    const Eigen::MatrixXf series = remembering(columns);
    for (const int threads : {1, 8}) {
      const glm::Params params{.noise = noise};
      const glm::Shape shape{n_volumes(), static_cast<std::size_t>(columns), 20, 3};
      expect_declared("glm " + std::to_string(volumes_) + " x " + std::to_string(columns) + " " +
                          noise,
                      threads, glm::peak_bytes(shape, params), [&] {
                        return glm::run({.series = {series.data(), volumes_, columns},
                                         .design = &design,
                                         .tr_s = kTrS,
                                         .contrasts = contrasts,
                                         .influence = heavy},
                                        params, {});
                      });
    }
  }
}

TEST_P(TaskMemory, NeuralDeconvolution) {
  const Eigen::VectorXd series = ppi_data::sequence(volumes_, 3);
  const Eigen::MatrixXd confounds = drifts(8);
  for (const char* prior : {"power_law", "white"}) {
    for (const int threads : {1, 8}) {
      const neural_deconvolution::Params params{.prior = prior};
      expect_declared("neural_deconvolution " + std::to_string(volumes_) + " " + prior, threads,
                      neural_deconvolution::peak_bytes({n_volumes(), 16, 8}, params), [&] {
                        auto basis =
                            neural_deconvolution::prepare({.n_volumes = static_cast<int>(volumes_),
                                                           .hrf = ppi_data::canonical(kTrS),
                                                           .confounds = confounds},
                                                          params, {});
                        auto out = neural_deconvolution::run({&basis, series}, params, {});
                        return std::pair(std::move(basis), std::move(out));
                      });
    }
  }
}

TEST_P(TaskMemory, Ppi) {
  constexpr Eigen::Index kRegions = 20;
  ppi::Inputs inputs;
  inputs.series = ppi_data::sequence(volumes_ * kRegions, 7).reshaped(volumes_, kRegions);
  inputs.confounds = drifts(8);
  inputs.tr_s = kTrS;
  inputs.hrf = ppi_data::canonical(kTrS);
  inputs.conditions = {"a", "b"};
  inputs.psychological = Eigen::MatrixXd::Zero(volumes_ * 16, 2);
  for (Eigen::Index i = 0; i < inputs.psychological.rows(); ++i) {
    inputs.psychological(i, i / 160 % 2) = i / 80 % 2 == 0 ? 1.0 : 0.0;
  }
  inputs.contrasts = {{"difference", Eigen::Vector2d(1, -1)}};
  for (std::size_t seed = 0; seed < 8; ++seed) {
    for (std::size_t target = 8; target < kRegions; ++target) {
      inputs.questions.push_back({seed, target, 0});
    }
  }
  const ppi::Shape shape{n_volumes(), kRegions, 2, 8, inputs.questions.size()};
  for (const char* noise : {"mixture", "white"}) {
    for (const int threads : {1, 8}) {
      const ppi::Params params{.noise = noise};
      expect_declared("ppi " + std::to_string(volumes_) + " " + noise, threads,
                      ppi::peak_bytes(shape, params), [&] { return ppi::run(inputs, params, {}); });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, TaskMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
