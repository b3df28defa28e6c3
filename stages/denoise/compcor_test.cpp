#include "stages/denoise/compcor.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include "stages/denoise/kernels/voxel_gram.hpp"
#include "stages/denoise/test_data.hpp"

namespace boldmill::compcor {
namespace {

// The first phantom of make_components.py: 12 x 10 x 6 voxels, 80 volumes, five latent series.
struct Phantom {
  static constexpr int kVolumes = 80;
  Series bold;
  Mask brain, csf, wm, both, edge;

  Phantom() {
    bold.grid.shape = {12, 10, 6};
    bold.n_volumes = kVolumes;
    const auto n = static_cast<Eigen::Index>(bold.grid.n_voxels());
    const Eigen::MatrixXd raw = test_data::lcg(n * kVolumes, 31).reshaped(kVolumes, n).array() - .5;
    const Eigen::MatrixXd latent =
        test_data::lcg(5 * kVolumes, 32).reshaped(kVolumes, 5).array() - .5;
    const Eigen::MatrixXd weight = test_data::lcg(n * 5, 33).reshaped(5, n).array() - .5;
    bold.data.resize(static_cast<std::size_t>(n * kVolumes));
    for (int t = 0; t < kVolumes; ++t) {
      for (Eigen::Index v = 0; v < n; ++v) {
        double value =
            800.0 + static_cast<double>(v) + 0.1 * t + 12 * raw(t, v) * (v % 50 == 0 ? 7 : 1);
        for (int k = 0; k < 5; ++k) value += 40.0 * (5 - k) * weight(k, v) * latent(t, k);
        bold.volume(t)[v] = static_cast<float>(value);
      }
    }
    brain = csf = wm = both = edge = Mask(bold.grid);
    for (std::size_t v = 0; v < brain.data.size(); ++v) {
      const auto [i, j, k] = bold.grid.coordinates(v);
      const bool inside = i >= 1 && i < 11 && j >= 1 && j < 9;
      brain.data[v] = inside ? 1 : 0;
      edge.data[v] = inside ? 0 : 1;
      csf.data[v] = inside && v % 7 == 0 ? 1 : 0;
      wm.data[v] = inside && v % 5 == 1 ? 1 : 0;
      both.data[v] = csf.data[v] | wm.data[v];
    }
  }
  [[nodiscard]] Inputs inputs() const { return {&bold, &brain, &csf, &wm, &both, &edge, 2, 2.0}; }
};

Params reference_params() {
  Params params;
  params.cosine_cutoff_s = 40.0;
  params.n_edge_components = 6;
  return params;
}

const ComponentSet& set_called(const Outputs& out, const std::string& prefix) {
  for (const ComponentSet& set : out.sets) {
    if (set.prefix == prefix) return set;
  }
  ADD_FAILURE() << "no " << prefix;
  return out.sets.front();
}

// Largest angle between the spaces of two sets of columns [rad].
double subspace_angle(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  const auto orthonormal = [](const Eigen::MatrixXd& x) {
    return Eigen::MatrixXd(Eigen::HouseholderQR<Eigen::MatrixXd>(x).householderQ() *
                           Eigen::MatrixXd::Identity(x.rows(), x.cols()));
  };
  const Eigen::MatrixXd p = orthonormal(a), q = orthonormal(b);
  const Eigen::MatrixXd outside = q - p * (p.transpose() * q);
  return std::asin(std::min(1.0, Eigen::JacobiSVD<Eigen::MatrixXd>(outside).singularValues()[0]));
}

// nipype writes nine digits and works on the same float32 series.
TEST(CompCor, AgreesWithNipype) {
  const Phantom p;
  const Outputs out = run(p.inputs(), reference_params(), {});
  const Eigen::MatrixXd expected = test_data::reference("compcor.tsv");
  Eigen::Index column = 0;
  for (const char* prefix :
       {"c_comp_cor_", "w_comp_cor_", "a_comp_cor_", "t_comp_cor_", "edge_comp_"}) {
    const ComponentSet& set = set_called(out, prefix);
    const Eigen::Index k = set.components.cols();
    ASSERT_LE(column + k, expected.cols());
    const Eigen::MatrixXd theirs = expected.middleCols(column, k);
    EXPECT_LT(subspace_angle(set.components, theirs), 1e-6) << prefix;
    EXPECT_TRUE((set.components.topRows(2).array() == 0.0).all());
    for (Eigen::Index c = 0; c < k; ++c) {
      EXPECT_NEAR(std::abs(set.components.col(c).dot(theirs.col(c))), 1.0, 1e-6) << prefix << c;
    }
    column += k;
  }
  EXPECT_EQ(column, expected.cols()); // the same numbers of components
  std::ifstream table(std::string(BOLDMILL_SOURCE_DIR) +
                      "/tests/reference/denoise/compcor_metadata.tsv");
  std::string mask;
  std::getline(table, mask);
  for (const char* prefix :
       {"c_comp_cor_", "w_comp_cor_", "a_comp_cor_", "t_comp_cor_", "edge_comp_"}) {
    const ComponentSet& set = set_called(out, prefix);
    for (Eigen::Index k = 0; k < set.components.cols(); ++k) {
      double value = 0, share = 0, sum = 0;
      ASSERT_TRUE(table >> mask >> value >> share >> sum);
      EXPECT_EQ(mask, set.mask.empty() ? "t" : set.mask);
      EXPECT_NEAR(set.singular_value[k] / value, 1.0, 1e-6);
      EXPECT_NEAR(set.variance_explained[k] / share, 1.0, 1e-6);
      EXPECT_NEAR(set.cumulative_variance_explained[k] / sum, 1.0, 1e-6);
    }
  }
}

TEST(CompCor, PicksTheSameVoxelsOfHighVariance) {
  const Phantom p;
  const Outputs out = run(p.inputs(), reference_params(), {});
  const Eigen::MatrixXd expected = test_data::reference("compcor_high_variance.tsv");
  const auto found = indices_of(out.high_variance);
  ASSERT_EQ(static_cast<Eigen::Index>(found.size()), expected.rows());
  for (std::size_t n = 0; n < found.size(); ++n) {
    EXPECT_EQ(static_cast<double>(found[n]), expected(static_cast<Eigen::Index>(n), 0));
  }
}

TEST(CompCor, MasksAgreeWithFmriprepAndNiworkflows) {
  Grid grid;
  grid.shape = {16, 14, 12};
  grid.affine.diagonal() << 1.5, 1, 2, 1; // balls are counted in voxels
  Volume grey(grid), white(grid), fluid(grid);
  Mask brain(grid);
  for (std::size_t v = 0; v < grey.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    const double r = std::hypot(i - 8.0, j - 7.0, k - 6.0);
    grey.data[v] = r > 6.2 && i < 12 ? 0.9F : 0.02F;
    white.data[v] = r <= 5.5 ? 0.95F : 0.03F;
    fluid.data[v] = r <= 1.6 || i > 13 ? 0.99F : 0.01F;
    brain.data[v] = r <= 4.1 ? 1 : 0;
  }
  const Eigen::MatrixXd expected = test_data::reference("compcor_masks.tsv");
  const TissueMaps maps = tissue_maps(grey, white, fluid, {});
  const auto check = [&](const auto& image, Eigen::Index row) {
    double n = 0, sum = 0;
    for (std::size_t v = 0; v < image.data.size(); ++v) {
      n += image.data[v] != 0 ? 1 : 0;
      sum += static_cast<double>(image.data[v]) * static_cast<double>(1 + v % 101);
    }
    EXPECT_EQ(n, expected(row, 0)) << row;
    EXPECT_NEAR(sum, expected(row, 1), 1e-5 * sum) << row;
  };
  check(maps.csf, 0);
  check(maps.white_matter, 1);
  check(maps.combined, 2);
  check(crown_mask(brain, nullptr, {}), 3);
  const Mask in_csf = binarize(maps.csf, brain);
  EXPECT_EQ(count(in_csf), 19U); // |x| <= 1.6 voxels: 1 + 6 + 12
}

// One series in every voxel, scaled and shifted: one component, that series.
TEST(CompCor, FindsTheOnlySeriesThereIs) {
  Phantom p;
  const Eigen::VectorXd s = test_data::lcg(Phantom::kVolumes, 3);
  for (int t = 0; t < Phantom::kVolumes; ++t) {
    for (std::size_t v = 0; v < p.brain.data.size(); ++v) {
      p.bold.volume(t)[v] = static_cast<float>(1000 + static_cast<double>(v % 3 + 1) * 10 * s[t]);
    }
  }
  p.bold.volume(5)[indices_of(p.csf)[0]] = NAN;
  for (int t = 0; t < Phantom::kVolumes; ++t) p.bold.volume(t)[indices_of(p.csf)[1]] = 812.3F;
  Inputs inputs = p.inputs();
  inputs.n_dummy = 0;
  inputs.edge = nullptr;
  Params params;
  params.variance_fraction = 0.9999;
  const Outputs out = run(inputs, params, {});
  EXPECT_EQ(out.sets.size(), 4U);
  const ComponentSet& csf = set_called(out, "c_comp_cor_");
  ASSERT_EQ(csf.components.cols(), 1);
  EXPECT_NEAR(csf.variance_explained[0], 1.0, 1e-6);
  // The missing and the constant voxel count as zero.
  EXPECT_NEAR(csf.singular_value[0],
              std::sqrt(static_cast<double>((csf.n_voxels - 2) * Phantom::kVolumes)), 1e-3);
  const Eigen::VectorXd centred = s.array() - s.mean(); // 160 s: order 2, one cosine
  Eigen::VectorXd cosine(Phantom::kVolumes);
  for (int t = 0; t < Phantom::kVolumes; ++t) {
    cosine[t] = std::cos(std::numbers::pi * (t + 0.5) / Phantom::kVolumes);
  }
  const Eigen::VectorXd left = centred - cosine * cosine.dot(centred) / cosine.squaredNorm();
  EXPECT_NEAR(std::abs(csf.components.col(0).dot(left.normalized())), 1.0, 1e-8);
}

TEST(CompCor, CountsOfComponents) {
  const Phantom p;
  Params params = reference_params();
  params.n_components = 3;
  EXPECT_EQ(set_called(run(p.inputs(), params, {}), "w_comp_cor_").components.cols(), 3);
  params.n_components = -1;
  params.n_edge_components = 0;
  params.top_fraction = 0.0;
  const Outputs all = run(p.inputs(), params, {});
  EXPECT_EQ(all.sets.size(), 3U);
  const ComponentSet& csf = set_called(all, "c_comp_cor_");
  EXPECT_EQ(csf.components.cols(),
            static_cast<Eigen::Index>(std::min<std::size_t>(78, csf.n_voxels)));
  EXPECT_NEAR(csf.cumulative_variance_explained.tail(1)[0], 1.0, 1e-9);
}

TEST(CompCor, GainOffsetAndThreadsDoNotMatter) {
  const Phantom p;
  const Outputs plain = run(p.inputs(), reference_params(), {});
  Phantom scaled = p;
  for (float& value : scaled.bold.data) value = 4.0F * value;
  const Outputs other = run(scaled.inputs(), reference_params(), {});
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena arena(8);
  const Outputs threads = arena.execute([&] { return run(p.inputs(), reference_params(), {}); });
  for (std::size_t s = 0; s < plain.sets.size(); ++s) {
    EXPECT_LT(subspace_angle(plain.sets[s].components, other.sets[s].components), 1e-9);
    EXPECT_EQ(plain.sets[s].components, threads.sets[s].components);
  }
}

TEST(CompCor, RefusesWhatDoesNotFit) {
  const Phantom p;
  Inputs inputs = p.inputs();
  inputs.tr_s = 0.0;
  EXPECT_THROW((void)run(inputs, {}, {}), Error);
  inputs = p.inputs();
  inputs.n_dummy = 78;
  EXPECT_THROW((void)run(inputs, {}, {}), Error);
  const Mask empty(p.bold.grid);
  inputs = p.inputs();
  inputs.csf = &empty; // left out, not an error
  EXPECT_EQ(run(inputs, {}, {}).sets.size(), 4U);
  inputs.brain = &empty;
  EXPECT_THROW((void)run(inputs, {}, {}), Error);
  Grid grid;
  grid.shape = {2, 2, 2};
  const Mask other(grid, 1);
  inputs = p.inputs();
  inputs.edge = &other;
  EXPECT_THROW((void)run(inputs, {}, {}), Error);
}

} // namespace
} // namespace boldmill::compcor
