#include "stages/functional/bold_mask.hpp"
#include "stages/functional/bold_resampling.hpp"
#include "stages/functional/boldref.hpp"
#include "stages/functional/dummy_scans.hpp"
#include "stages/functional/head_motion.hpp"
#include "stages/functional/multi_echo.hpp"
#include "stages/functional/slice_timing.hpp"
#include "tests/memory/declared.hpp"
#include "tests/memory/inputs.hpp"

namespace boldmill::memory_test {
namespace {

struct BoldRun {
  Series series;
  Volume reference;
  std::vector<Affine> motion;
  explicit BoldRun(bool large)
      : series(noisy_head(bold_grid(large), large ? 40 : 24)), reference(first_volume(series)) {
    Random random(4);
    motion = phantom::random_motion(series.n_volumes, 0.4, 0.3, random);
  }
  [[nodiscard]] std::size_t n_voxels() const { return series.grid.n_voxels(); }
  [[nodiscard]] std::size_t n_volumes() const { return static_cast<std::size_t>(series.n_volumes); }
  [[nodiscard]] std::string shape() const { return text(series.grid, series.n_volumes); }
};

class FunctionalMemory : public ::testing::TestWithParam<bool> {
protected:
  const BoldRun run_{GetParam()};
};

TEST_P(FunctionalMemory, HeadMotion) {
  for (const int threads : {1, 8}) {
    const head_motion::Params params;
    expect_declared(
        "head_motion " + run_.shape(), threads,
        head_motion::peak_bytes(
            {run_.n_voxels(), run_.n_volumes(), static_cast<std::size_t>(threads)}, params),
        [&] {
          return head_motion::run({buffered(run_.series), &run_.reference}, params, {});
        });
  }
}

TEST_P(FunctionalMemory, Boldref) {
  for (const auto& [threads, n_average] : {std::pair(1, 20), std::pair(8, 10)}) {
    const boldref::Params params{.n_average = n_average};
    expect_declared("boldref " + run_.shape() + " of " + std::to_string(n_average), threads,
                    boldref::peak_bytes({run_.n_voxels(), run_.n_volumes()}, params),
                    [&] { return boldref::run({buffered(run_.series)}, params, {}); });
  }
}

TEST_P(FunctionalMemory, DummyScans) {
  for (const int threads : {1, 8}) {
    expect_declared("dummy_scans " + run_.shape(), threads,
                    dummy_scans::peak_bytes({run_.n_voxels(), run_.n_volumes()}, {}),
                    [&] { return dummy_scans::run({buffered(run_.series)}, {}, {}); });
  }
}

TEST_P(FunctionalMemory, BoldMask) {
  const Mask prior = head_mask(run_.series.grid);
  for (const Mask* given : {static_cast<const Mask*>(nullptr), &prior}) {
    expect_declared("bold_mask " + run_.shape() + (given != nullptr ? " with a prior" : ""), 8,
                    bold_mask::peak_bytes({run_.n_voxels()}, {}), [&] {
                      return bold_mask::run({&run_.reference, given}, {}, {});
                    });
  }
}

TEST_P(FunctionalMemory, SliceTiming) {
  for (const int threads : {1, 8}) {
    Series series = run_.series;
    slice_timing::Timing timing;
    const int n_slices = series.grid.shape[2];
    for (int k = 0; k < n_slices; ++k) timing.times_s.push_back(1.9 * k / n_slices);
    const slice_timing::Shape shape{run_.n_volumes(),
                                    static_cast<std::size_t>(series.grid.shape[0]),
                                    static_cast<std::size_t>(threads)};
    expect_declared("slice_timing " + run_.shape(), threads, slice_timing::peak_bytes(shape, {}),
                    [&] {
                      return slice_timing::run({series, timing}, {}, {});
                    });
  }
}

TEST_P(FunctionalMemory, BoldResampling) {
  const Grid target = phantom::scanner_grid({60, 72, 60}, {2.6, 2.6, 2.6});
  const Mask brain = head_mask(target);
  const std::vector<std::size_t> voxels = indices_of(brain);
  const std::vector<float> shift(voxels.size(), 0.5F);
  const std::vector<float> factor(voxels.size(), 1.0F);
  for (const int threads : {1, 8}) {
    bold_resampling::Inputs inputs{buffered(run_.series), target, voxels, PointMap{}, run_.motion};
    const bold_resampling::Shape shape{run_.n_voxels(), run_.n_volumes(), voxels.size(),
                                       static_cast<std::size_t>(threads)};
    const auto declared = bold_resampling::peak_bytes(shape, {});
    const std::string what = "bold_resampling " + run_.shape();
    expect_declared(what, threads, declared, [&] { return bold_resampling::run(inputs, {}, {}); });
    inputs.shift_voxels = shift;
    inputs.factor = factor;
    expect_declared(what + " with distortion", threads, declared,
                    [&] { return bold_resampling::run(inputs, {}, {}); });
  }
}

TEST_P(FunctionalMemory, MultiEcho) {
  const Mask brain = head_mask(run_.series.grid);
  const std::vector<double> times_s{0.014, 0.032, 0.050};
  std::vector<Volume> means;
  for (const double time_s : times_s) {
    means.push_back(run_.reference);
    for (float& value : means.back().data) value *= static_cast<float>(std::exp(-time_s / 0.04));
  }
  for (const int threads : {1, 8}) {
    const auto combined = [&] {
      multi_echo::Outputs out = multi_echo::run({means, times_s, brain}, {}, {});
      Series sum = run_.series; // beside the echo being added, which is an input
      std::fill(sum.data.begin(), sum.data.end(), 0.0F);
      multi_echo::add_weighted(sum, run_.series, out.weights[0], run_.motion, {});
      return std::pair(std::move(out), std::move(sum));
    };
    const multi_echo::Shape shape{run_.n_voxels(), run_.n_volumes(), times_s.size()};
    expect_declared("multi_echo " + run_.shape() + " 3 echoes", threads,
                    multi_echo::peak_bytes(shape, {}), combined);
  }
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, FunctionalMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
