// glm_false_positives RUNS: share of null runs with p < 0.05 (two-sided t), per repetition time,
// kind of noise and noise model, for the faces design: 30 blocks of 10 s, five of each of six
// categories in random order (another one for every 100 runs), fear - neutral, cosines above 128 s.
// Noise: sums of white noise and stationary Ornstein-Uhlenbeck processes sampled at the TR.
//   white, fast (tau 1.5 s), slow (0.6 white, 0.4 tau 10 s), two (0.5 white, 0.25 tau 2 s, 0.25
//   tau 15 s), one_over_f (0.4 white, 0.15 of each tau 1, 4, 16 and 64 s).
// The last column of a row says whether the default model lies in the 99.9 % binomial interval.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"
#include "stages/task/glm.hpp"
#include "stages/task/task_design.hpp"

namespace {

using namespace boldmill;
constexpr Eigen::Index kBatch = 100; // runs that share an order of blocks

struct Part {
  double variance, tau_s; // tau 0: white
};
struct Kind {
  const char* name;
  std::vector<Part> parts;
};

task_design::Design faces(double tr_s, int n_volumes, std::size_t batch) {
  const std::vector<std::string> names{"fear", "anger", "disgust", "sad", "happy", "neutral"};
  Random random(stream_seed(1, "blocks", std::to_string(batch)));
  const std::vector<std::size_t> order = random.permutation(30);
  std::vector<task_design::Event> events;
  for (std::size_t b = 0; b < order.size(); ++b) {
    events.push_back({10.0 * static_cast<double>(b), 10.0, names[order[b] % 6]});
  }
  return task_design::run({.events = events, .n_volumes = n_volumes, .tr_s = tr_s}, {});
}

Eigen::MatrixXf null_runs(const Kind& kind, double tr_s, int n_volumes, std::size_t batch) {
  Eigen::MatrixXf y(n_volumes, kBatch);
  parallel_blocks(Context{}, kBatch, 50, [&](std::size_t begin, std::size_t end) {
    for (std::size_t c = begin; c < end; ++c) {
      Random random(stream_seed(2, kind.name, std::to_string(batch) + "/" + std::to_string(c)));
      Eigen::VectorXd sum = Eigen::VectorXd::Constant(n_volumes, 1000.0);
      for (const Part& part : kind.parts) {
        const double a = part.tau_s > 0.0 ? std::exp(-tr_s / part.tau_s) : 0.0;
        double state = random.normal();
        for (double& value : sum) {
          value += std::sqrt(part.variance) * 10.0 * state;
          state = a * state + std::sqrt(1.0 - a * a) * random.normal();
        }
      }
      y.col(static_cast<Eigen::Index>(c)) = sum.cast<float>();
    }
  });
  return y;
}

} // namespace

int main(int argc, char** argv) {
  const std::size_t batches =
      (argc > 1 ? static_cast<std::size_t>(std::atol(argv[1])) : 5000) / kBatch;
  const std::vector<Kind> kinds{
      {"white", {{1.0, 0.0}}},
      {"fast", {{1.0, 1.5}}},
      {"slow", {{0.6, 0.0}, {0.4, 10.0}}},
      {"two", {{0.5, 0.0}, {0.25, 2.0}, {0.25, 15.0}}},
      {"one_over_f", {{0.4, 0.0}, {0.15, 1.0}, {0.15, 4.0}, {0.15, 16.0}, {0.15, 64.0}}}};
  const std::vector<std::string> models{"mixture", "ar1", "ar1_global", "ols"};
  std::printf(
      "| TR s | noise | runs | mixture (default) | ar1 (nilearn's) | ar1_global | ols | median "
      "dof | 99.9 %% interval of 5 %% |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- "
      "|\n");
  bool slow_held = true;
  for (const auto& [tr_s, n_volumes] : {std::pair{0.7, 429}, {2.0, 150}, {2.5, 120}}) {
    for (const Kind& kind : kinds) {
      std::vector<double> rate(models.size(), 0.0);
      std::vector<float> dofs;
      for (std::size_t b = 0; b < batches; ++b) {
        const task_design::Design design = faces(tr_s, n_volumes, b);
        const Eigen::MatrixXf y = null_runs(kind, tr_s, n_volumes, b);
        const std::vector<Contrast> contrasts{
            {"fear - neutral", contrast_weights("fear - neutral", design.names())}};
        for (std::size_t m = 0; m < models.size(); ++m) {
          glm::Params params;
          params.noise = models[m];
          const glm::Outputs out = glm::run({.series = {y.data(), y.rows(), y.cols()},
                                             .design = &design.matrix,
                                             .tr_s = tr_s,
                                             .contrasts = contrasts},
                                            params, Context{});
          const auto& result = out.contrasts[0];
          rate[m] += static_cast<double>((result.z.array().abs() > 1.959964F).count());
          if (m == 0) dofs.insert(dofs.end(), result.dof.begin(), result.dof.end());
        }
      }
      const auto n = static_cast<double>(batches * kBatch);
      for (double& r : rate) r /= n;
      std::nth_element(dofs.begin(), dofs.begin() + static_cast<long>(dofs.size() / 2), dofs.end());
      const double half = 3.2905 * std::sqrt(0.05 * 0.95 / n);
      const bool held = std::abs(rate[0] - 0.05) <= half;
      const bool slow = kind.parts.size() > 1;
      slow_held = slow_held && (held || !slow);
      std::printf("| %.1f | %s | %.0f | %.4f | %.4f | %.4f | %.4f | %.0f | %.4f to %.4f: %s |\n",
                  tr_s, kind.name, n, rate[0], rate[1], rate[2], rate[3],
                  static_cast<double>(dofs[dofs.size() / 2]), 0.05 - half, 0.05 + half,
                  held             ? "inside"
                  : rate[0] < 0.05 ? "below"
                                   : "above");
      std::fflush(stdout);
    }
  }
  return slow_held ? 0 : 1;
}
