#include <numbers>

#include "stages/functional/coregistration.hpp"
#include "stages/functional/distortion.hpp"
#include "stages/functional/fieldmap_alignment.hpp"
#include "stages/functional/fieldmap_free.hpp"
#include "stages/functional/fieldmap_pepolar.hpp"
#include "stages/functional/fieldmap_phase.hpp"
#include "tests/memory/declared.hpp"
#include "tests/memory/inputs.hpp"

namespace boldmill::memory_test {
namespace {

struct Images {
  Grid grid, t1w_grid;
  Volume bold, t1w, field_hz;
  Mask bold_mask, t1w_mask;
  explicit Images(bool large)
      : grid(bold_grid(large)),
        t1w_grid(large ? phantom::scanner_grid({116, 128, 104}, {1.7, 1.7, 1.7})
                       : phantom::scanner_grid({72, 84, 64}, {2.5, 2.5, 2.5})),
        bold(first_volume(noisy_head(grid, 1))), t1w(first_volume(noisy_head(t1w_grid, 1, 2))),
        field_hz(grid), bold_mask(head_mask(grid)), t1w_mask(head_mask(t1w_grid)) {
    for (std::size_t v = 0; v < t1w.data.size(); ++v) { // the opposite contrast
      t1w.data[v] = t1w_mask.data[v] != 0 ? std::abs(1700.0F - t1w.data[v]) : 0.0F;
    }
    for (std::size_t v = 0; v < field_hz.data.size(); ++v) {
      const auto [i, j, k] = grid.coordinates(v);
      const Eigen::Vector3d p = grid.to_mm(Eigen::Vector3d(i, j, k)) - Eigen::Vector3d(0, 45, -30);
      field_hz.data[v] = static_cast<float>(250.0 * std::exp(-p.squaredNorm() / 800.0));
    }
  }
  [[nodiscard]] std::size_t n_bold() const { return grid.n_voxels(); }
  [[nodiscard]] std::string shape() const { return text(grid); }
  [[nodiscard]] std::string both() const { return text(grid) + " " + text(t1w_grid); }
};

class FieldmapMemory : public ::testing::TestWithParam<bool> {
protected:
  const Images images_{GetParam()};
};

TEST_P(FieldmapMemory, Coregistration) {
  const coregistration::Shape shape{images_.n_bold(), images_.t1w_grid.n_voxels()};
  expect_declared(
      "coregistration " + images_.both(), 8, coregistration::peak_bytes(shape, {}), [&] {
        return coregistration::run(
            {&images_.bold, &images_.bold_mask, &images_.t1w, &images_.t1w_mask}, {}, {});
      });
}

TEST_P(FieldmapMemory, Distortion) {
  const auto encoding = distortion::phase_encoding("j-", 0.03);
  expect_declared("distortion " + images_.shape(), 8,
                  distortion::peak_bytes({images_.n_bold(), images_.n_bold()}, {}), [&] {
                    return distortion::run({&images_.field_hz, images_.grid, encoding}, {}, {});
                  });
}

TEST_P(FieldmapMemory, Alignment) {
  const auto encoding = distortion::phase_encoding("j-", 0.03);
  for (const int threads : {1, 8}) {
    expect_declared("fieldmap_alignment " + images_.shape(), threads,
                    fieldmap_alignment::peak_bytes({images_.n_bold(), images_.n_bold()}, {}), [&] {
                      return fieldmap_alignment::run({&images_.bold, &images_.bold_mask,
                                                      &images_.field_hz, &images_.bold, encoding},
                                                     {}, {});
                    });
  }
}

TEST_P(FieldmapMemory, Phase) {
  constexpr double kFirst = 0.00492;
  constexpr double kSecond = 0.00738;
  constexpr double kTurn = 2.0 * std::numbers::pi;
  const auto wrapped = [&](double time_s) {
    Volume phase = images_.field_hz;
    for (float& x : phase.data) {
      const double turns = static_cast<double>(x) * time_s;
      x = static_cast<float>(kTurn * (turns - std::round(turns)));
    }
    return phase;
  };
  const Volume one = wrapped(kFirst);
  const Volume two = wrapped(kSecond);
  const Volume difference = wrapped(kSecond - kFirst);
  const auto declared = fieldmap_phase::peak_bytes({images_.n_bold()}, {});
  const auto measure = [&](const std::string& what, const fieldmap_phase::Inputs& inputs) {
    expect_declared("fieldmap_phase " + images_.shape() + what, 8, declared,
                    [&] { return fieldmap_phase::run(inputs, {}, {}); });
  };
  measure(" difference", {{&difference}, nullptr, "", &images_.bold_mask, kFirst, kSecond});
  measure(" two phases", {{&one, &two}, nullptr, "", &images_.bold_mask, kFirst, kSecond});
  measure(" direct", {{}, &images_.field_hz, "Hz", &images_.bold_mask});
}

TEST_P(FieldmapMemory, Pepolar) {
  using distortion::phase_encoding;
  const auto scan = [&](const distortion::PhaseEncoding& encoding) {
    const auto shift =
        distortion::from_field(images_.field_hz, images_.grid, encoding, Affine::Identity(), {});
    return distortion::warp(images_.bold, shift, {});
  };
  const auto up = phase_encoding("j", 0.03);
  const auto down = phase_encoding("j-", 0.03);
  const auto side = phase_encoding("i", 0.03);
  const Volume a = scan(up);
  const Volume b = scan(down);
  const Volume c = scan(side);
  const fieldmap_pepolar::Params params{.max_iterations = 3};
  const auto measure = [&](int threads, const fieldmap_pepolar::Inputs& inputs) {
    const auto n = inputs.images.size();
    expect_declared("fieldmap_pepolar " + images_.shape() + " images " + std::to_string(n), threads,
                    fieldmap_pepolar::peak_bytes({images_.n_bold(), n}, params),
                    [&] { return fieldmap_pepolar::run(inputs, params, {}); });
  };
  measure(1, {{{&a, up}, {&b, down}}});
  measure(8, {{{&a, up}, {&b, down}}});
  measure(8, {{{&a, up}, {&b, down}, {&c, side}}});
}

TEST_P(FieldmapMemory, FreeOfMaps) {
  const fieldmap_free::Shape shape{images_.n_bold(), images_.t1w_grid.n_voxels()};
  for (const int threads : {1, 8}) {
    const fieldmap_free::Params params{.max_iterations = 3};
    expect_declared("fieldmap_free " + images_.both(), threads,
                    fieldmap_free::peak_bytes(shape, params), [&] {
                      return fieldmap_free::run({&images_.bold, &images_.bold_mask, &images_.t1w,
                                                 &images_.t1w_mask, Affine::Identity(), 1},
                                                params, {});
                    });
  }
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, FieldmapMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
