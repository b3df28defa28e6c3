// alff, reho, seed_map, signal_quality: measures of many columns.
#include <gtest/gtest.h>

#include "stages/connectivity/alff.hpp"
#include "stages/connectivity/reho.hpp"
#include "stages/connectivity/seed_map.hpp"
#include "stages/connectivity/signal_quality.hpp"
#include "stages/connectivity/test_data.hpp"

namespace boldmill {
namespace {

using test_data::kind_of;
using test_data::max_difference;
using test_data::reference;
using test_data::series;
using Columns = Eigen::Map<const Eigen::MatrixXf>;

Columns map(const Eigen::MatrixXf& x) { return {x.data(), x.rows(), x.cols()}; }

std::vector<std::uint8_t> censored(std::size_t n = 60) {
  std::vector<std::uint8_t> keep(n, 1);
  for (const std::size_t t : {0U, 7U, 8U, 30U, 59U}) keep[t] = 0;
  return keep;
}

Eigen::MatrixXd matrix(const std::vector<float>& values) {
  return Eigen::Map<const Eigen::VectorXf>(values.data(), static_cast<Eigen::Index>(values.size()))
      .cast<double>();
}

alff::Outputs alff_of(const Eigen::MatrixXf& x, std::span<const std::uint8_t> keep = {},
                      double tr_s = 2.0, alff::Params params = {}) {
  return alff::run({map(x), keep, tr_s}, params, {});
}

// scipy 1.17.1 periodogram and lombscargle; float32 output.
TEST(Alff, AgreesWithScipy) {
  const Eigen::MatrixXf even = series(60, 12, 1), odd = series(61, 12, 1);
  const alff::Params wide{.low_hz = 0.05, .high_hz = 0.3};
  const auto compare = [](const alff::Outputs& out, const std::string& name) {
    const Eigen::MatrixXd expected = reference(name);
    EXPECT_LT(max_difference(matrix(out.alff), expected.col(0)), 1e-6) << name;
    EXPECT_LT(max_difference(matrix(out.falff), expected.col(1)), 1e-6) << name;
  };
  compare(alff_of(even), "alff_all.tsv");
  compare(alff_of(odd, {}, 0.8, wide), "alff_odd.tsv");
  compare(alff_of(even, censored()), "alff_censored.tsv");
  compare(alff_of(odd, censored(61)), "alff_censored_odd.tsv");
}

// A sine of amplitude A in one of the m bins of the band: 2 A / sqrt 2 / m; all of it in the band.
TEST(Alff, OfASineIsKnown) {
  Eigen::MatrixXf x(200, 1);
  for (Eigen::Index t = 0; t < 200; ++t) {
    x(t, 0) = static_cast<float>(
        500 + 7 * std::sin(2 * std::numbers::pi * static_cast<double>(t) * 2.0 * 0.03 + 1.0));
  }
  const alff::Outputs out = alff_of(x);
  EXPECT_EQ(out.n_bins, 28);
  EXPECT_NEAR(static_cast<double>(out.alff[0]), 2 * 7 / std::numbers::sqrt2 / 28, 1e-4);
  EXPECT_GT(out.falff[0], 0.999F);
}

TEST(Alff, ScalesWithTheSignalAndKnowsWhatIsMissing) {
  Eigen::MatrixXf x = series(60, 4, 2);
  x.col(1) = 4.0F * x.col(0);
  x.col(2).setConstant(3.0F);
  x(5, 3) = NAN;
  const alff::Outputs out = alff_of(x);
  EXPECT_NEAR(out.alff[1], 4.0F * out.alff[0], 1e-5F);
  EXPECT_NEAR(out.falff[1], out.falff[0], 1e-6F);
  EXPECT_EQ(out.alff[2], 0.0F);
  EXPECT_TRUE(std::isnan(out.falff[2]) && std::isnan(out.alff[3]));
  std::vector<std::uint8_t> keep(60, 1);
  keep[5] = 0; // NaN at a censored volume is no harm
  EXPECT_FALSE(std::isnan(alff_of(x, keep).alff[3]));
}

TEST(Alff, RefusesWhatHasNoAnswer) {
  const Eigen::MatrixXf x = series(60, 2, 2);
  EXPECT_EQ(kind_of([&] { (void)alff_of(x, {}, 0.0); }), ErrorKind::input);
  EXPECT_EQ(kind_of([&] { (void)alff_of(x, std::vector<std::uint8_t>(9, 1)); }), ErrorKind::input);
  EXPECT_EQ(kind_of([&] { (void)alff_of(x, std::vector<std::uint8_t>(60, 0)); }), ErrorKind::gate);
  const alff::Params none{.low_hz = 0.08, .high_hz = 0.01};
  EXPECT_EQ(kind_of([&] { (void)alff_of(x, {}, 2.0, none); }), ErrorKind::input);
}

// 5 x 4 x 3 voxels of 24 volumes with ties; six voxels are outside the mask.
struct SmallVolume {
  Mask mask;
  Eigen::MatrixXf columns;
  SmallVolume() {
    mask.grid.shape = {5, 4, 3};
    mask.data.assign(60, 1);
    for (const std::size_t v : {0U, 7U, 22U, 23U, 41U, 58U}) mask.data[v] = 0;
    const Eigen::MatrixXf all = series(24, 60, 5).unaryExpr([](float v) {
      return static_cast<float>(std::nearbyint(static_cast<double>(v) * 10) / 10);
    });
    columns.resize(24, 54);
    Eigen::Index next = 0;
    for (const std::size_t v : indices_of(mask)) {
      columns.col(next++) = all.col(static_cast<Eigen::Index>(v));
    }
  }
};

reho::Outputs reho_of(const SmallVolume& volume, int neighbours,
                      std::span<const std::uint8_t> keep = {}) {
  return reho::run({map(volume.columns), &volume.mask, keep},
                   reho::Params{.neighbours = neighbours}, {});
}

// scipy 1.17.1 friedmanchisquare over k (n - 1), which corrects for ties.
TEST(ReHo, AgreesWithScipyOnTies) {
  const SmallVolume volume;
  const Eigen::MatrixXd expected = reference("reho.tsv");
  Eigen::Index column = 0;
  for (const int neighbours : {7, 19, 27}) {
    EXPECT_LT(max_difference(matrix(reho_of(volume, neighbours).reho), expected.col(column++)),
              1e-6)
        << neighbours;
  }
}

TEST(ReHo, IsOneForCopiesAndIgnoresMonotoneChanges) {
  SmallVolume volume;
  for (Eigen::Index v = 1; v < 54; ++v) volume.columns.col(v) = volume.columns.col(0);
  for (const float w : reho_of(volume, 27).reho) EXPECT_NEAR(w, 1.0F, 1e-6F);
  SmallVolume other;
  const auto before = reho_of(other, 19).reho;
  other.columns = (other.columns.array() - 100.0F).exp().matrix();
  EXPECT_EQ(reho_of(other, 19).reho, before);
}

// Independent noise: the mean of W is 1 / k.
TEST(ReHo, OfNoiseIsOneOverTheNumberOfVoxels) {
  SmallVolume volume;
  volume.mask.data.assign(60, 1);
  test_data::Sequence random(3);
  volume.columns.resize(400, 60);
  for (float& v : volume.columns.reshaped()) v = static_cast<float>(random.next());
  const auto w = reho_of(volume, 27).reho;
  const std::size_t inside = volume.mask.grid.index(2, 2, 1);
  EXPECT_NEAR(w[inside], 1.0F / 27.0F, 0.012F);
}

TEST(ReHo, GridAndListOfNeighboursAgree) {
  const SmallVolume volume;
  const Grid& grid = volume.mask.grid;
  const auto voxels = indices_of(volume.mask);
  reho::Neighbourhood list{{0}, {}};
  for (std::size_t p = 0; p < voxels.size(); ++p) {
    for (std::size_t q = 0; q < voxels.size(); ++q) {
      const auto a = grid.coordinates(voxels[p]), b = grid.coordinates(voxels[q]);
      int farthest = 0;
      for (std::size_t d = 0; d < 3; ++d) farthest = std::max(farthest, std::abs(a[d] - b[d]));
      if (p != q && farthest <= 1) list.neighbour.push_back(q);
    }
    list.first.push_back(list.neighbour.size());
  }
  EXPECT_EQ(reho::run(map(volume.columns), list, {}, {}, {}).reho, reho_of(volume, 27).reho);
}

TEST(ReHo, LeavesOutWhatCannotBeRanked) {
  SmallVolume volume;
  volume.columns.col(10).setConstant(5.0F);
  volume.columns(3, 20) = NAN;
  const auto w = reho_of(volume, 27).reho;
  EXPECT_TRUE(std::isnan(w[10]) && std::isnan(w[20]));
  EXPECT_EQ(std::count_if(w.begin(), w.end(), [](float v) { return std::isnan(v); }), 2);
  std::vector<std::uint8_t> keep(24, 1);
  keep[3] = 0;
  EXPECT_FALSE(std::isnan(reho_of(volume, 27, keep).reho[20]));
  EXPECT_EQ(reho_of(volume, 27, keep).n_volumes, 23);
}

TEST(ReHo, RefusesWhatHasNoAnswer) {
  SmallVolume volume;
  EXPECT_EQ(kind_of([&] { (void)reho_of(volume, 8); }), ErrorKind::input);
  EXPECT_EQ(kind_of([&] { (void)reho_of(volume, 7, std::vector<std::uint8_t>(24, 0)); }),
            ErrorKind::gate);
  volume.mask.data[0] = 1;
  EXPECT_EQ(kind_of([&] { (void)reho_of(volume, 27); }), ErrorKind::input);
}

// numpy 2.4.6 corrcoef; float32 output.
TEST(SeedMap, AgreesWithNumpy) {
  const Eigen::MatrixXf x = series(60, 12, 1), seeds = series(60, 2, 8);
  const auto out = seed_map::run({map(seeds), map(x), censored()}, {}, {});
  const Eigen::MatrixXd expected = reference("seed_map.tsv");
  EXPECT_LT(max_difference(out.correlation.cast<double>(), expected), 1e-7);
  EXPECT_LT(max_difference(out.fisher_z.cast<double>(),
                           expected.unaryExpr([](double r) { return std::atanh(r); })),
            1e-6);
  EXPECT_EQ(out.n_volumes, 55);
}

TEST(SeedMap, KnowsItselfAndWhatIsMissing) {
  Eigen::MatrixXf x = series(60, 4, 1);
  x.col(1) = -2.0F * x.col(0);
  x.col(2).setZero();
  x(4, 3) = NAN;
  const auto r = seed_map::run({map(x.leftCols(1)), map(x), {}}, {}, {}).correlation;
  EXPECT_NEAR(r(0, 0), 1.0F, 1e-7F);
  EXPECT_NEAR(r(1, 0), -1.0F, 1e-7F);
  EXPECT_TRUE(std::isnan(r(2, 0)) && std::isnan(r(3, 0)));
  EXPECT_EQ(kind_of([&] {
              (void)seed_map::run({map(series(59, 1, 1)), map(x), {}}, {}, {});
            }),
            ErrorKind::input);
  EXPECT_EQ(kind_of([&] {
              (void)seed_map::run({map(x), map(x), std::vector<std::uint8_t>(60, 0)}, {}, {});
            }),
            ErrorKind::gate);
}

// numpy 2.4.6: mean / std, and the mean of corrcoef over all pairs.
TEST(SignalQuality, AgreesWithNumpy) {
  const Eigen::MatrixXf x = series(60, 12, 1);
  const auto out = signal_quality::run({map(x), censored()}, {}, {});
  const Eigen::MatrixXd tsnr = reference("tsnr.tsv");
  EXPECT_LT(max_difference(matrix(out.tsnr), tsnr), 1e-5 * tsnr.maxCoeff());
  EXPECT_NEAR(out.gcor, reference("gcor.tsv")(0, 0), 1e-11);
}

TEST(SignalQuality, ColumnsWithoutSignalAreMissing) {
  Eigen::MatrixXf x = series(60, 3, 1);
  x.col(1) = x.col(0);
  x.col(2).setConstant(9.0F);
  const auto out = signal_quality::run({map(x), {}}, {}, {});
  EXPECT_TRUE(std::isnan(out.tsnr[2]));
  EXPECT_NEAR(out.gcor, 1.0, 1e-12);
  EXPECT_EQ(kind_of([&] {
              (void)signal_quality::run({map(x), std::vector<std::uint8_t>(60, 0)}, {}, {});
            }),
            ErrorKind::gate);
}

TEST(VoxelMeasures, SameBitsAtAnyThreadCount) {
  const Eigen::MatrixXf x = series(40, 300, 4);
  Mask mask;
  mask.grid.shape = {10, 6, 5};
  mask.data.assign(300, 1);
  const auto work = [&] {
    return std::tuple(
        alff_of(x).alff, reho::run({map(x), &mask, {}}, {}, {}).reho,
        signal_quality::run({map(x), {}}, {}, {}).gcor,
        Eigen::MatrixXf(seed_map::run({map(x.leftCols(3)), map(x), {}}, {}, {}).fisher_z));
  };
  EXPECT_TRUE(test_data::with_threads(1, work) == test_data::with_threads(8, work));
}

} // namespace
} // namespace boldmill
