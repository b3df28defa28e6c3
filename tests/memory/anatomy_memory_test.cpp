#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/bias_field.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/normalization.hpp"
#include "stages/anatomy/t1w_average.hpp"
#include "stages/anatomy/testing/phantom.hpp"
#include "stages/anatomy/tissue.hpp"
#include "tests/memory/declared.hpp"

namespace boldmill::memory_test {
namespace {

using anatomy::testing::brain_truth;
using anatomy::testing::cube_grid;
using anatomy::testing::Point;
using anatomy::testing::render;

// A head of a 2 mm (or 3.5 mm) T1w and a template of 2.5 mm (4 mm).
struct Person {
  Volume t1w, template_brain;
  Mask brain, template_mask;
  Affine map = Affine::Identity();
  explicit Person(bool large)
      : t1w(render(cube_grid(large ? 104 : 60, large ? 2.0 : 3.5, Point(0, 0, -15)),
                   anatomy::testing::head)),
        template_brain(
            render(cube_grid(large ? 76 : 48, large ? 2.5 : 4.0), anatomy::testing::brain)),
        brain(brain_truth(t1w.grid)), template_mask(brain_truth(template_brain.grid)) {}
  [[nodiscard]] std::size_t n_voxels() const { return t1w.data.size(); }
  [[nodiscard]] std::size_t n_template() const { return template_brain.data.size(); }
  [[nodiscard]] std::string shape() const {
    return std::to_string(t1w.grid.shape[0]) + "^3 " +
           std::to_string(template_brain.grid.shape[0]) + "^3";
  }
};

class AnatomyMemory : public ::testing::TestWithParam<bool> {
protected:
  static const Person& person() {
    static const Person small(false);
    static const Person large(true);
    return GetParam() ? large : small;
  }
};

TEST_P(AnatomyMemory, BiasField) {
  for (const double spacing_mm : {2.0, 4.0}) {
    const bias_field::Params params{.working_spacing_mm = spacing_mm, .iterations = 2};
    expect_declared("bias_field " + person().shape() + " at " + std::to_string(spacing_mm), 8,
                    bias_field::peak_bytes({person().n_voxels()}, params),
                    [&] { return bias_field::run({person().t1w}, params, {}); });
  }
}

TEST_P(AnatomyMemory, Affine) {
  const affine::Shape shape{person().n_voxels(), person().n_template()};
  const affine::Params params{.search_rotations = false, .iterations = 3};
  const Person& p = person();
  expect_declared("affine " + p.shape(), 8, affine::peak_bytes(shape, params), [&] {
    return affine::run({p.t1w, p.template_brain, p.template_mask}, params, {});
  });
  expect_declared("affine second pass " + p.shape(), 8, affine::peak_bytes(shape, params), [&] {
    return affine::run({p.t1w, p.template_brain, p.template_mask, &p.brain, &p.map}, params, {});
  });
}

TEST_P(AnatomyMemory, BrainMask) {
  const Person& p = person();
  expect_declared(
      "brain_mask " + p.shape(), 8, brain_mask::peak_bytes({p.n_voxels(), p.n_template()}, {}),
      [&] {
        return brain_mask::run({p.t1w, p.template_brain, p.template_mask, p.map}, {}, {});
      });
}

TEST_P(AnatomyMemory, Normalization) {
  const Person& p = person();
  const double ml =
      static_cast<double>(p.n_template()) * p.template_brain.grid.voxel_volume_mm3() / 1000.0;
  // Levels finer than the image are left out.
  const std::vector<double> finest = GetParam() ? std::vector{2.0, 4.0} : std::vector{4.0};
  for (const double finest_mm : finest) {
    normalization::Params params;
    params.level_spacing_mm = {8.0, finest_mm};
    params.iterations = {3, 2};
    expect_declared("normalization " + p.shape() + " at " + std::to_string(finest_mm), 8,
                    normalization::peak_bytes({p.n_voxels(), p.n_template(), ml}, params), [&] {
                      return normalization::run(
                          {p.t1w, p.brain, p.template_brain, p.template_mask, p.map}, params, {});
                    });
  }
}

TEST_P(AnatomyMemory, Tissue) {
  const Person& p = person();
  const tissue::Params params{.iterations = 3};
  const tissue::Shape unknown{p.n_voxels(), 0};
  const tissue::Shape known{p.n_voxels(), count(p.brain)};
  tissue::Priors priors{Volume(p.t1w.grid, 0.2F), Volume(p.t1w.grid, 0.4F),
                        Volume(p.t1w.grid, 0.4F)};
  expect_declared("tissue " + p.shape(), 8, tissue::peak_bytes(known, params), [&] {
    return tissue::run({p.t1w, p.brain, nullptr}, params, {});
  });
  expect_declared("tissue with priors, mask unknown " + p.shape(), 8,
                  tissue::peak_bytes(unknown, params), [&] {
                    return tissue::run({p.t1w, p.brain, &priors}, params, {});
                  });
}

TEST_P(AnatomyMemory, T1wAverage) {
  const Person& p = person();
  const std::vector<Volume> images(2, p.t1w);
  expect_declared("t1w_average of 2 " + p.shape(), 8,
                  t1w_average::peak_bytes({2 * p.n_voxels()}, {}),
                  [&] { return t1w_average::run({images}, {}, {}); });
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, AnatomyMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
