// Strategies by name, XCP-D's order to the letter, AFNI's model, regressors of a voxel's own.
#include <gtest/gtest.h>

#include "stages/denoise/kernels/fourier_basis.hpp"
#include "stages/denoise/nuisance_phantom.hpp"

namespace boldmill::nuisance_regression {
namespace {

Phantom reference_phantom() {
  Phantom p;
  p.censor({0, 1, 3, 4, 5, 40, 41, 77, 100, 118, 119});
  return p;
}

Params xcpd() {
  Params params = custom();
  params.filter = "butterworth";
  params.high_pass_hz = 0.01;
  params.low_pass_hz = 0.08;
  params.intercept = false;
  params.standardize = false;
  params.min_dof = 1;
  return params;
}

// Series of about 100: 1e-6 of that is float32.
TEST(NuisanceOrders, XcpdToTheLetter) {
  const Phantom p = reference_phantom();
  Params params = xcpd();
  const Eigen::MatrixXd expected = test_data::reference("xcpd_interpolated.tsv");
  const Design design = p.design(params);
  EXPECT_EQ(design.n_kept, 109);
  EXPECT_EQ(design.names.front(), "c0");
  const Eigen::MatrixXf censored = p.denoised(params);
  EXPECT_TRUE(std::isnan(censored(0, 0)) && std::isnan(censored(77, 3)));
  EXPECT_LT(test_data::relative_error(kept(censored, design.keep),
                                      kept(expected.cast<float>(), design.keep)),
            1e-6);
  params.output = "interpolated";
  EXPECT_LT(test_data::relative_error(p.denoised(params).cast<double>(), expected), 1e-6);
}

TEST(NuisanceOrders, VoxelwiseRegressorsAsXcpd) {
  Phantom p = reference_phantom();
  for (const std::uint64_t seed : {23U, 24U}) {
    p.voxelwise.emplace_back(
        test_data::lcg(6 * Phantom::kVolumes, seed).reshaped(Phantom::kVolumes, 6).cast<float>());
  }
  const Params params = xcpd();
  const Eigen::MatrixXd found = kept(p.denoised(params), p.design(params).keep);
  EXPECT_LT(test_data::relative_error(found, test_data::reference("xcpd_voxelwise.tsv")), 1e-6);
  Phantom without = p;
  without.voxelwise.clear();
  EXPECT_EQ(p.design(params).dof_left, without.design(params).dof_left - 2);
  EXPECT_GT((found - kept(without.denoised(params), p.design(params).keep)).norm(), 1.0);
}

TEST(NuisanceOrders, VoxelwiseRegressorsInOneModel) {
  Phantom p = reference_phantom();
  p.voxelwise.emplace_back(p.series * 0.5F); // the series itself: nothing is left
  Params params = custom();
  params.standardize = false;
  EXPECT_TRUE(p.denoised(params).array().isNaN().all());
  // A column of the common model, a repeated regressor and a missing one remove nothing more.
  p.voxelwise[0] = p.confounds.col(2).cast<float>().replicate(1, 6);
  p.voxelwise.push_back(p.voxelwise[0]);
  p.voxelwise.emplace_back(Eigen::MatrixXf::Constant(Phantom::kVolumes, 6, NAN));
  Phantom without = reference_phantom();
  EXPECT_LT((kept(p.denoised(params), p.design(params).keep) -
             kept(without.denoised(params), p.design(params).keep))
                .cwiseAbs()
                .maxCoeff(),
            2e-4);
  p.voxelwise.pop_back();
  const Design design = p.design(params);
  const Inputs none{{p.series.data(), p.series.rows(), p.series.cols()}, &design, {}};
  EXPECT_THROW((void)run(none, params, {}), Error);
  Inputs short_one = none;
  for (int n = 0; n < 2; ++n) short_one.voxelwise.emplace_back(p.series.data(), 60, 6);
  EXPECT_THROW((void)run(short_one, params, {}), Error);
}

// The rank of the whole model on the volumes kept, filter included, is what AFNI prints.
TEST(NuisanceOrders, OneModelAsAfni) {
  const Phantom p = reference_phantom();
  Params params = xcpd();
  params.filter = "fourier";
  const Design design = p.design(params);
  EXPECT_EQ(design.dof_left, 15); // matrix_rank of numpy: 109 volumes, 94 columns
  EXPECT_LT(test_data::relative_error(kept(p.denoised(params), design.keep),
                                      test_data::reference("tproject.tsv")),
            1e-6);
  std::vector<std::string> names;
  const Eigen::MatrixXd basis = fourier_stop_band(150, 2.0, 0.01, 0.08, &names);
  EXPECT_EQ(basis.cols(), 6 + 2 * 51 + 1); // k = 1..3 and 24..75, the last without a sine
  EXPECT_EQ(names.back(), "fast_cos75");
}

// 0.01 to 0.08 Hz over 300 s leaves 2 * 300 * 0.07 = 42 in the cosine basis; AFNI's rule takes the
// frequencies on the edges too: 40.
TEST(NuisanceOrders, BandLeaves42AndAfnis40) {
  Phantom p;
  p.confounds = Eigen::MatrixXd::Constant(150, 6, 0.1);
  Params params = xcpd();
  params.strategy = "none";
  params.detrend = false;
  for (const auto& [filter, dof] :
       {std::pair{"cosine", 42}, std::pair{"butterworth", 42}, std::pair{"fourier", 40}}) {
    params.filter = filter;
    EXPECT_EQ(p.design(params).dof_left, dof) << filter;
  }
}

TEST(NuisanceOrders, InterpolatedNeedsTheFilter) {
  Params params = custom();
  params.output = "interpolated";
  try {
    (void)Phantom().design(params);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
  }
}

// Noise that looks like a signal to be kept is not removed.
TEST(NuisanceOrders, SignalsAreSpared) {
  Phantom p;
  p.names[0] = "signal__task";
  Params params = custom();
  params.columns[0] = "signal__task";
  params.high_pass_hz = 0.0;
  params.detrend = false;
  params.standardize = false;
  p.series.col(0) = (p.confounds.col(0) * 100).cast<float>();
  const Design design = p.design(params);
  EXPECT_EQ(design.names.size(), 5U); // intercept and the four others
  const Eigen::VectorXd before = p.confounds.col(0).array() * 100;
  const Eigen::VectorXd after = p.denoised(params).col(0).cast<double>();
  EXPECT_LT((after.array() - before.array() + before.mean()).abs().maxCoeff(), 1e-4);
  params.columns = {"c1", "c2", "c3", "c4"};
  EXPECT_EQ(p.design(params).rank, design.rank);
}

std::vector<std::string> fmriprep_names() {
  std::vector<std::string> names;
  for (const char* base : {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z",
                           "global_signal", "csf", "white_matter"}) {
    for (const char* suffix : {"", "_derivative1", "_power2", "_derivative1_power2"}) {
      names.push_back(std::string(base) + suffix);
    }
  }
  for (int k = 0; k < 7; ++k) {
    for (const char* prefix : {"a_comp_cor_0", "c_comp_cor_0", "w_comp_cor_0", "cosine0"}) {
      names.push_back(prefix + std::to_string(k));
    }
  }
  return names;
}

TEST(NuisanceStrategies, ByName) {
  std::vector<std::string> names = fmriprep_names();
  Params params;
  const std::vector<std::pair<const char*, std::size_t>> sizes{
      {"circuit", 14},           {"24P", 24},          {"27P", 27}, {"36P", 36}, {"gsr_only", 1},
      {"acompcor", 12 + 10 + 7}, {"acompcor_gsr", 30}, {"none", 0}};
  for (const auto& [strategy, size] : sizes) {
    params.strategy = strategy;
    EXPECT_EQ(strategy_columns(params, names).size(), size) << strategy;
  }
  params.strategy = "aroma";
  EXPECT_THROW((void)strategy_columns(params, names), Error);
  names.insert(names.end(), {"aroma_motion_02", "aroma_motion_11"});
  EXPECT_EQ(strategy_columns(params, names).size(), 4U); // fMRIPrep before 23.1
  names.insert(names.end(),
               {"aroma_orth_motion_02", "aroma_orth_motion_05", "aroma_orth_motion_7"});
  const std::vector<std::string> expected{"csf", "white_matter", "aroma_orth_motion_02",
                                          "aroma_orth_motion_05", "aroma_orth_motion_7"};
  EXPECT_EQ(strategy_columns(params, names), expected);
  params.strategy = "aroma_gsr";
  EXPECT_EQ(strategy_columns(params, names).size(), 6U);
  params.strategy = "24P";
  EXPECT_THROW((void)strategy_columns(params, {"trans_x"}), Error);
  params.strategy = "acompcor";
  std::erase_if(names, [](const std::string& n) { return n.starts_with("w_comp_cor"); });
  EXPECT_THROW((void)strategy_columns(params, names), Error);
  names.emplace_back("w_comp_cor_00"); // half of the variance with one component
  EXPECT_EQ(strategy_columns(params, names).size(), 25U);
}

TEST(NuisanceStrategies, PatternsAndTaskRegressors) {
  std::vector<std::string> names = fmriprep_names();
  names.insert(names.end(), {"task_faces", "task_shapes", "cue"});
  Params params;
  params.strategy = "custom";
  const auto n = [&](std::vector<std::string> columns) {
    params.columns = std::move(columns);
    return strategy_columns(params, names).size();
  };
  EXPECT_EQ(n({"csf", "rot_*", "csf_power2", "csf", "nothing*"}), 1U + 12U + 1U);
  EXPECT_EQ(n({"*_power2"}), 18U);
  EXPECT_EQ(n({"trans_*_derivative1"}), 3U);
  EXPECT_EQ(n({"*comp_cor_*"}), 21U);
  EXPECT_EQ(n({"*"}), names.size());
  EXPECT_EQ(n({"t*_x*2", "**csf"}), 3U);
  EXPECT_EQ(n({"a*b"}), 0U);
  EXPECT_THROW((void)n({"cfs"}), Error);
  params.strategy = "24P";
  params.extra_columns = {"task_*", "cue", "trans_x"};
  EXPECT_EQ(strategy_columns(params, names).size(), 24U + 3U);
  params.extra_columns = {"absent"};
  EXPECT_THROW((void)strategy_columns(params, names), Error);
}

} // namespace
} // namespace boldmill::nuisance_regression
