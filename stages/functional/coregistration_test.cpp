#include "stages/functional/coregistration.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "stages/core/error.hpp"
#include "stages/core/smooth.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/head_phantom.hpp"
#include "stages/functional/kernels/mirror_evidence.hpp"
#include "stages/functional/kernels/powell.hpp"

namespace boldmill::coregistration {
namespace {

struct Pair {
  Volume bold, t1w;
  Mask bold_mask, t1w_mask;
  Affine truth;
};

// Tissue of a folded brain, asymmetric on purpose: 0 outside, 1 CSF, 2 grey, 3 white.
int tissue(const Eigen::Vector3d& p) {
  const Eigen::Vector3d q(p[0] / 65.0, (p[1] - 0.06 * p[0]) / 80.0, p[2] / (58.0 - 0.12 * p[1]));
  const double r = q.norm();
  if (r > 1.0) return 0;
  if (p[2] < -20.0 && p[1] > 15.0) return 0; // below the frontal lobes: no turn fits as well
  if ((p - Eigen::Vector3d(8, 8, 12)).norm() < 13.0) return 1;
  if ((p - Eigen::Vector3d(-10, -15, 10)).norm() < 10.0) return 1;
  const double fold =
      0.09 * std::sin(p[0] / 6.0 + 1.0) * std::sin(p[1] / 7.0) * std::cos(p[2] / 6.5);
  if (r > 0.97) return 1;
  return r > 0.80 + fold ? 2 : 3;
}

// A T1w (white brightest) and a BOLD (CSF brightest) of one brain; bold_to_t1w is `truth`.
Pair make_pair(const Grid& bold_grid, const Affine& truth) {
  Pair pair;
  pair.truth = truth;
  const Grid t1w_grid = phantom::scanner_grid({88, 104, 80}, {2.0, 2.0, 2.0});
  Random random(6);
  const auto paint = [&](const Grid& grid, const Affine& to_brain, const double(&level)[4],
                         double noise, Volume& image, Mask& mask) {
    image = Volume(grid);
    mask = Mask(grid);
    for (std::size_t v = 0; v < image.data.size(); ++v) {
      const auto [i, j, k] = grid.coordinates(v);
      // Partial volume: the mean over eight points of the voxel.
      double sum = 0.0;
      int inside = 0;
      for (int corner = 0; corner < 8; ++corner) {
        const Eigen::Vector3d voxel(i + ((corner & 1) != 0 ? 0.25 : -0.25),
                                    j + ((corner & 2) != 0 ? 0.25 : -0.25),
                                    k + ((corner & 4) != 0 ? 0.25 : -0.25));
        const Eigen::Vector3d mm = grid.to_mm(voxel);
        const int kind =
            tissue(to_brain.topLeftCorner<3, 3>() * mm + to_brain.topRightCorner<3, 1>());
        sum += level[kind];
        inside += kind != 0 ? 1 : 0;
      }
      image.data[v] = static_cast<float>(std::abs(sum / 8.0 + noise * random.normal()));
      mask.data[v] = inside > 4 ? 1 : 0;
    }
  };
  paint(t1w_grid, Affine::Identity(), {30.0, 200.0, 600.0, 900.0}, 15.0, pair.t1w, pair.t1w_mask);
  paint(bold_grid, truth, {20.0, 1100.0, 850.0, 700.0}, 15.0, pair.bold, pair.bold_mask);
  return pair;
}

Outputs align(const Pair& pair, const Params& params = {}) {
  return run({&pair.bold, &pair.bold_mask, &pair.t1w, &pair.t1w_mask}, params, {});
}

double error_mm(const Pair& pair, const Outputs& out) {
  return rms_displacement_mm(out.bold_to_t1w, pair.truth, Eigen::Vector3d::Zero(), 80.0);
}

const Grid kWhole = phantom::scanner_grid({48, 56, 34}, {3.5, 3.5, 4.0});

TEST(Coregistration, RecoversASmallMotion) {
  const Pair pair = make_pair(
      kWhole, rigid_matrix({{3.0, -5.0, 4.0}, {0.06, -0.04, 0.05}}, Eigen::Vector3d::Zero()));
  const Outputs out = align(pair);
  EXPECT_LT(error_mm(pair, out), 1.0); // under a third of a voxel
  EXPECT_GT(out.dice, 0.95);
  EXPECT_FALSE(out.doubtful) << out.reason;
}

// fMRIPrep's rule of 15 mm, here with a limit that the edge of a good pair already breaks; and a
// BOLD without contrast between grey and white.
TEST(Coregistration, FallsBackFromTheEdgeAndSaysWhy) {
  Pair pair = make_pair(
      kWhole, rigid_matrix({{3.0, -5.0, 4.0}, {0.06, -0.04, 0.05}}, Eigen::Vector3d::Zero()));
  const Outputs used = align(pair);
  ASSERT_TRUE(used.edges_used);
  EXPECT_TRUE(used.edge_reason.empty());
  ASSERT_GT(used.refinement_mm, 0.0);
  Params strict;
  strict.max_refinement_mm = 0.5 * used.refinement_mm;
  const Outputs kept = align(pair, strict);
  EXPECT_FALSE(kept.edges_used);
  EXPECT_EQ(kept.refinement_mm, 0.0);
  EXPECT_NE(kept.edge_reason.find("moves the head by"), std::string::npos) << kept.edge_reason;
  EXPECT_LT(error_mm(pair, kept), 1.0);
  for (std::size_t v = 0; v < pair.bold.data.size(); ++v) {
    if (pair.bold_mask.data[v] != 0) pair.bold.data[v] = 800.0F;
  }
  const Outputs flat = align(pair);
  EXPECT_FALSE(flat.edges_used);
  EXPECT_NE(flat.edge_reason.find("contrast"), std::string::npos) << flat.edge_reason;
  Params off;
  off.refine_on_edges = false;
  EXPECT_EQ(align(pair, off).edge_reason, "switched off");
}

// Scanner coordinates of two sessions: nothing matches.
TEST(Coregistration, RecoversFromForeignCoordinates) {
  const Pair pair = make_pair(
      kWhole, rigid_matrix({{45.0, -30.0, 38.0}, {0.3, -0.1, 0.15}}, Eigen::Vector3d::Zero()));
  const Outputs out = align(pair);
  EXPECT_LT(error_mm(pair, out), 1.0);
  EXPECT_FALSE(out.doubtful) << out.reason;
}

TEST(Coregistration, FlagsAHeaderTurnedByNinetyDegrees) {
  const Pair pair =
      make_pair(kWhole, rigid_matrix({{0.0, 0.0, 0.0}, {0.0, 0.0, 1.57}}, Eigen::Vector3d::Zero()));
  const Outputs out = align(pair);
  EXPECT_TRUE(out.doubtful);
  EXPECT_LT(error_mm(pair, out), 1.5);
}

TEST(Coregistration, WorksOnASlab) {
  Grid slab = phantom::scanner_grid({56, 64, 18}, {3.0, 3.0, 3.8});
  const Pair pair = make_pair(
      slab, rigid_matrix({{2.0, 3.0, -6.0}, {0.05, 0.02, -0.04}}, Eigen::Vector3d::Zero()));
  const Outputs out = align(pair);
  EXPECT_LT(error_mm(pair, out), 1.5);
  EXPECT_LT(out.t1w_coverage, 0.8);
  EXPECT_FALSE(out.doubtful) << out.reason;
}

TEST(Coregistration, AnotherImageInsteadOfTheBrainIsDoubtful) {
  Pair pair = make_pair(kWhole, Affine::Identity());
  for (std::size_t v = 0; v < pair.bold.data.size(); ++v) {
    const auto [i, j, k] = pair.bold.grid.coordinates(v);
    pair.bold_mask.data[v] = i < 12 && j < 14 && k < 12 ? 1 : 0;
    if (pair.bold_mask.data[v] == 0) pair.bold.data[v] = 0.0F;
  }
  EXPECT_TRUE(align(pair).doubtful);
}

// A BOLD whose voxels are 4 % longer along j than the header says.
TEST(Coregistration, NineDegreesOfFreedomFindAWrongVoxelSize) {
  Affine truth = rigid_matrix({{1.0, -2.0, 1.5}, {0.02, 0.01, -0.02}}, Eigen::Vector3d::Zero());
  Affine stretch = Affine::Identity();
  stretch(1, 1) = 1.04;
  truth = truth * stretch;
  const Pair pair = make_pair(phantom::scanner_grid({60, 68, 50}, {3.0, 3.0, 3.0}), truth);
  const auto error = [&](int dof) {
    Params params;
    params.degrees_of_freedom = dof;
    const Outputs out = align(pair, params);
    EXPECT_TRUE(out.edges_used) << dof;
    return rms_displacement_mm(out.bold_to_t1w, truth, Eigen::Vector3d::Zero(), 60.0);
  };
  const double rigid = error(6);
  EXPECT_GT(rigid, 1.2);
  EXPECT_LT(error(9), 0.6); // as rigid ones without a stretch
  EXPECT_LT(error(12), 0.6);
  Params wrong;
  wrong.degrees_of_freedom = 7;
  EXPECT_THROW((void)align(pair, wrong), Error);
}

TEST(Coregistration, SameBitsAtAnyThreadCountAndAnyScale) {
  Pair pair =
      make_pair(phantom::scanner_grid({36, 42, 26}, {4.6, 4.6, 5.0}),
                rigid_matrix({{3.0, -2.0, 4.0}, {0.05, 0.0, 0.0}}, Eigen::Vector3d::Zero()));
  const auto with_threads = [&](int n) {
    tbb::global_control control(tbb::global_control::max_allowed_parallelism,
                                static_cast<std::size_t>(n));
    tbb::task_arena arena(n);
    Outputs out;
    arena.execute([&] { out = align(pair); });
    return out.bold_to_t1w;
  };
  const Affine one = with_threads(1);
  EXPECT_EQ(one, with_threads(8));
  for (float& v : pair.bold.data) v *= 4.0F;
  EXPECT_EQ(one, with_threads(2));
}

TEST(Coregistration, RefusesEmptyOrForeignMasks) {
  Pair pair = make_pair(phantom::scanner_grid({20, 24, 14}, {8.0, 8.0, 9.0}), Affine::Identity());
  const Mask good = pair.bold_mask;
  std::fill(pair.bold_mask.data.begin(), pair.bold_mask.data.end(), std::uint8_t{0});
  EXPECT_THROW((void)align(pair), Error);
  pair.bold_mask = good;
  pair.bold_mask.grid.affine(0, 3) += 5.0;
  EXPECT_THROW((void)align(pair), Error);
}

TEST(Powell, FindsTheMinimumOfABentValley) {
  using Vector = Eigen::Matrix<double, 2, 1>;
  const auto rosenbrock = [](const Vector& x) {
    return std::pow(1.0 - x[0], 2) + 100.0 * std::pow(x[1] - x[0] * x[0], 2);
  };
  const auto result =
      powell<2>(rosenbrock, Vector(-1.2, 1.0),
                {.first_step = 0.5, .tolerance = 1e-4, .max_rounds = 200, .line_evaluations = 40});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(result.x[0], 1.0, 1e-2);
  EXPECT_NEAR(result.x[1], 1.0, 2e-2);
}

TEST(Mirror, ReflectsAboutThePlaneThatTheTemplateCallsMiddle) {
  Affine to_template = rigid_matrix({{4.0, -7.0, 2.0}, {0.1, -0.05, 0.2}}, {0.0, 0.0, 0.0});
  to_template.topLeftCorner<3, 3>() *= 1.1;
  const Affine mirror = mid_sagittal_reflection(to_template);
  EXPECT_NEAR(mirror.determinant(), -1.0, 1e-12);
  const Eigen::Vector4d p(30.0, -20.0, 10.0, 1.0);
  const Eigen::Vector4d at = to_template * p;
  const Eigen::Vector4d there = to_template * (mirror * p);
  EXPECT_NEAR(there[0], -at[0], 1e-9);
  EXPECT_NEAR(there[1], at[1], 1e-9);
  EXPECT_NEAR(there[2], at[2], 1e-9);
}

// The voxels of the BOLD in reverse order along x, under the same header: an exchanged brain.
TEST(Mirror, ExchangedSidesAreNoticedAndRightOnesAreNot) {
  Pair pair = make_pair(kWhole, rigid_matrix({{3.0, -2.0, 4.0}, {0.03, 0.02, -0.04}}, {0, 0, 0}));
  const Affine mirror = mid_sagittal_reflection(Affine::Identity());
  const auto with_mirror = [&] {
    return run({&pair.bold, &pair.bold_mask, &pair.t1w, &pair.t1w_mask, &mirror}, {}, {});
  };
  const Outputs right = with_mirror();
  EXPECT_LT(right.mirror_similarity_gain, -0.005);
  EXPECT_FALSE(right.doubtful) << right.reason;
  const auto reverse = [](auto& image) {
    const auto width = image.grid.shape[0];
    for (auto row = image.data.begin(); row != image.data.end(); row += width)
      std::reverse(row, row + width);
  };
  reverse(pair.bold);
  reverse(pair.bold_mask);
  const Outputs exchanged = with_mirror();
  EXPECT_GT(exchanged.mirror_similarity_gain, 0.005);
  EXPECT_TRUE(exchanged.doubtful);
  EXPECT_NE(exchanged.reason.find("left and right exchanged"), std::string::npos)
      << exchanged.reason << exchanged.start;
}

} // namespace
} // namespace boldmill::coregistration
