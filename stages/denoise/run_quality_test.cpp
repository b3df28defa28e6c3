#include "stages/denoise/run_quality.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <map>

#include "stages/denoise/dvars.hpp"
#include "stages/denoise/kernels/gather.hpp"
#include "stages/denoise/test_data.hpp"

namespace boldmill::run_quality {
namespace {

// The run of make_quality.py: 14 x 12 x 6 voxels, 40 volumes, 2 dummies.
struct Phantom {
  static constexpr int kVolumes = 40;
  Series bold;
  Mask brain;
  Eigen::MatrixXd motion{kVolumes, 6};
  Eigen::VectorXd fd, rmsd, common;
  std::vector<std::uint8_t> keep;

  Phantom() : fd(kVolumes), rmsd(kVolumes), common(kVolumes), keep(kVolumes, 1) {
    bold.grid.shape = {14, 12, 6};
    bold.n_volumes = kVolumes;
    brain = Mask(bold.grid);
    const auto n = static_cast<Eigen::Index>(bold.grid.n_voxels());
    const Eigen::MatrixXd raw =
        test_data::lcg(n * kVolumes, 61).reshaped(kVolumes, n).array() - 0.5;
    bold.data.resize(static_cast<std::size_t>(n * kVolumes));
    for (int t = 0; t < kVolumes; ++t) common[t] = test_data::wave(t, 13);
    Eigen::Index inside = 0;
    const Eigen::VectorXd spike = test_data::lcg(152, 62);
    for (std::size_t v = 0; v < brain.data.size(); ++v) {
      const auto [i, j, k] = bold.grid.coordinates(v);
      const bool in =
          std::pow(i - 6.5, 2) / 16 + std::pow(j - 5.5, 2) / 9 + std::pow(k - 2.5, 2) / 9 <= 1;
      brain.data[v] = in ? 1 : 0;
      for (int t = 0; t < kVolumes; ++t) {
        const double noise = raw(t, static_cast<Eigen::Index>(v));
        double value = in ? 900 + 5 * i + 8 * common[t] + 40 * noise : 60 + 3 * j + 30 * noise;
        if (in && t == 20 && spike[inside] > 0.5) value += 90;
        bold.volume(t)[v] = static_cast<float>(value);
      }
      inside += in ? 1 : 0;
    }
    motion.leftCols(3) = test_data::lcg(3 * kVolumes, 63).reshaped<Eigen::RowMajor>(kVolumes, 3);
    motion.rightCols(3) =
        0.02 * test_data::lcg(3 * kVolumes, 64).reshaped<Eigen::RowMajor>(kVolumes, 3);
    fd[0] = rmsd[0] = NAN;
    rmsd.tail(kVolumes - 1) = test_data::lcg(kVolumes - 1, 65);
    for (int t = 1; t < kVolumes; ++t) {
      const Eigen::VectorXd step = (motion.row(t) - motion.row(t - 1)).cwiseAbs();
      fd[t] = step.head(3).sum() + 50 * step.tail(3).sum();
    }
    for (const std::size_t t : {0, 1, 7, 8, 20, 33}) keep[t] = 0;
  }
  // The volumes kept of the brain without what they share with `common`.
  [[nodiscard]] Eigen::MatrixXf denoised() const {
    const Eigen::MatrixXd y =
        gather_columns(bold, indices_of(brain)).bottomRows(kVolumes - 2).cast<double>();
    const Eigen::VectorXd x = common.tail(kVolumes - 2);
    const Eigen::MatrixXd centred = y.rowwise() - y.colwise().mean();
    const Eigen::MatrixXf left =
        (centred - x * (x.transpose() * centred) / x.squaredNorm()).cast<float>();
    std::vector<Eigen::Index> rows;
    for (int t = 2; t < kVolumes; ++t) {
      if (keep[static_cast<std::size_t>(t)] != 0) rows.push_back(t - 2);
    }
    return left(rows, Eigen::all);
  }
  [[nodiscard]] Inputs inputs() const {
    Inputs in{.bold = &bold, .brain = &brain};
    new (&in.motion) Eigen::Map<const Eigen::MatrixXd>(motion.data(), kVolumes, 6);
    in.fd_mm = fd;
    in.rmsd_mm = rmsd;
    Series steady = bold; // the reference looks at what follows the dummies only
    steady.n_volumes = kVolumes - 2;
    steady.data.erase(steady.data.begin(),
                      steady.data.begin() + static_cast<std::ptrdiff_t>(2 * bold.grid.n_voxels()));
    const auto change = dvars::run({&steady, &brain}, {}, {});
    const auto later = [](const Eigen::VectorXd& values) {
      Eigen::VectorXd out = Eigen::VectorXd::Constant(kVolumes, NAN);
      out.tail(kVolumes - 2) = values;
      return out;
    };
    in.dvars = later(change.dvars);
    in.std_dvars = later(change.std_dvars);
    in.voxel_std_dvars = later(change.voxel_std_dvars);
    in.std_dvars_after = dvars::std_dvars_of(denoised(), {});
    in.keep = keep;
    in.n_dummy = 2;
    in.dof_used = 5;
    in.dof_left = 29;
    return in;
  }
};

std::map<std::string, double> reference() {
  std::ifstream table(std::string(BOLDMILL_SOURCE_DIR) + "/tests/reference/denoise/quality.tsv");
  std::string name, value;
  table >> name >> value;
  std::map<std::string, double> out;
  while (table >> name >> value) out[name] = std::stod(value);
  return out;
}

// Tolerances: the tools work on float32 images; efc, fber, gsr sum or divide them.
TEST(RunQuality, AgreesWithMriqcXcpdAndAfnisDefinitions) {
  const Phantom p;
  const Outputs out = run(p.inputs(), {.fd_threshold_mm = 1.2}, {});
  const auto expected = reference();
  ASSERT_GT(expected.size(), 45U);
  std::map<std::string, double> found;
  for (const auto& [name, value] : named(out)) found[name] = value;
  for (const auto& [name, value] : expected) {
    ASSERT_TRUE(found.contains(name)) << name;
    const double tolerance = name.starts_with("gsr") ? 1e-7 : 2e-5 * std::abs(value) + 1e-9;
    EXPECT_NEAR(found[name], value, tolerance) << name;
  }
  EXPECT_EQ(found["afni_degrees_of_freedom_left"], 29);
  EXPECT_EQ(out.afni.trs_total, 34);
  EXPECT_TRUE(std::isnan(out.outlier_fraction[1]));
  Eigen::Index worst = 0;
  out.outlier_fraction.tail(38).maxCoeff(&worst);
  EXPECT_EQ(worst + 2, 20); // where the spikes are
}

TEST(RunQuality, GlobalCorrelationIsTheMeanOfAllCorrelations) {
  const Phantom p;
  const Outputs out = run(p.inputs(), {.quality_index = false}, {});
  const Eigen::MatrixXd y =
      gather_columns(p.bold, indices_of(p.brain)).bottomRows(38).cast<double>();
  Eigen::MatrixXd z = y.rowwise() - y.colwise().mean();
  z.colwise().normalize();
  EXPECT_NEAR(out.mriqc.gcor, (z.transpose() * z).mean(), 1e-10);
  EXPECT_TRUE(std::isnan(out.mriqc.aqi));
}

TEST(RunQuality, MissingInputsAreMissingOutputs) {
  const Phantom p;
  const Inputs bare{.bold = &p.bold, .brain = &p.brain};
  const Outputs out = run(bare, {}, {});
  EXPECT_TRUE(std::isnan(out.xcp.mean_fd) && std::isnan(out.mriqc.fd_num) &&
              std::isnan(out.afni.average_motion) && std::isnan(out.xcp.mean_dvars_final));
  EXPECT_EQ(out.xcp.num_retained_volumes, 40);
  EXPECT_FALSE(std::isnan(out.mriqc.efc));
}

TEST(RunQuality, ScaleDoesNotMatterWhereItShouldNot) {
  const Phantom p;
  Phantom scaled = p;
  for (float& value : scaled.bold.data) value *= 4.0F;
  const Outputs a = run(p.inputs(), {}, {});
  const Outputs b = run(scaled.inputs(), {}, {});
  EXPECT_DOUBLE_EQ(a.mriqc.efc, b.mriqc.efc);
  EXPECT_DOUBLE_EQ(a.mriqc.gcor, b.mriqc.gcor);
  EXPECT_DOUBLE_EQ(a.mriqc.aqi, b.mriqc.aqi);
  EXPECT_DOUBLE_EQ(a.mriqc.gsr_x, b.mriqc.gsr_x);
  EXPECT_EQ(a.outlier_fraction.tail(38), b.outlier_fraction.tail(38));
  EXPECT_NEAR(b.mriqc.fg.mean / a.mriqc.fg.mean, 4.0, 1e-3); // values are rounded
}

TEST(RunQuality, SameBitsAtAnyThreadCount) {
  const Phantom p;
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena one(1), eight(8);
  const auto numbers = [&] {
    std::vector<double> out;
    for (const auto& [name, value] : named(run(p.inputs(), {}, {}))) out.push_back(value);
    return out;
  };
  EXPECT_EQ(one.execute(numbers), eight.execute(numbers));
}

TEST(RunQuality, MasksAgree) {
  Grid grid;
  grid.shape = {4, 5, 5};
  Mask a(grid), b(grid);
  for (std::size_t v = 0; v < 30; ++v) a.data[v] = 1;
  for (std::size_t v = 20; v < 40; ++v) b.data[v] = 1;
  const MaskAgreement m = mask_agreement(a, b);
  EXPECT_DOUBLE_EQ(m.dice, 2.0 * 10 / 50);
  EXPECT_DOUBLE_EQ(m.overlap, 10.0 / 20);
  // phi coefficient: (n11 n00 - n10 n01) / sqrt(30 70 20 80)
  EXPECT_NEAR(m.correlation, (10.0 * 60 - 20 * 10) / std::sqrt(30.0 * 70 * 20 * 80), 1e-12);
  EXPECT_DOUBLE_EQ(mask_agreement(a, a).correlation, 1.0);
  EXPECT_TRUE(std::isnan(mask_agreement(Mask(grid), Mask(grid)).dice));
}

TEST(RunQuality, RefusesWhatDoesNotFit) {
  const Phantom p;
  Inputs few = p.inputs();
  few.n_dummy = 38;
  EXPECT_THROW((void)run(few, {}, {}), Error);
  Inputs ragged = p.inputs();
  ragged.fd_mm = Eigen::VectorXd::Zero(39);
  EXPECT_THROW((void)run(ragged, {}, {}), Error);
  const Mask whole(p.bold.grid, 1), none(p.bold.grid);
  Inputs masked = p.inputs();
  masked.brain = &whole;
  EXPECT_THROW((void)run(masked, {}, {}), Error);
  masked.brain = &none;
  EXPECT_THROW((void)run(masked, {}, {}), Error);
  Grid grid;
  grid.shape = {2, 2, 2};
  EXPECT_THROW((void)mask_agreement(none, Mask(grid)), Error);
}

} // namespace
} // namespace boldmill::run_quality
