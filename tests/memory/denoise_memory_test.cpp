#include "stages/denoise/carpet.hpp"
#include "stages/denoise/compcor.hpp"
#include "stages/denoise/confounds.hpp"
#include "stages/denoise/despike.hpp"
#include "stages/denoise/dvars.hpp"
#include "stages/denoise/framewise_displacement.hpp"
#include "stages/denoise/motion_filter.hpp"
#include "stages/denoise/nuisance_regression.hpp"
#include "stages/denoise/qc_fc.hpp"
#include "stages/denoise/run_quality.hpp"
#include "stages/denoise/tissue_signals.hpp"
#include "tests/memory/declared.hpp"
#include "tests/memory/inputs.hpp"

namespace boldmill::memory_test {
namespace {

struct Cleaned {
  Series series;
  Mask brain, csf, white_matter, edge;
  LabelImage tissue;
  Eigen::MatrixXd motion;
  Eigen::MatrixXf columns; // of the brain
  explicit Cleaned(bool large)
      : series(noisy_head(bold_grid(large), large ? 100 : 40)), brain(head_mask(series.grid)),
        csf(head_mask(series.grid, 0.3)), white_matter(head_mask(series.grid, 0.6)),
        edge(head_mask(series.grid, 1.1)), tissue(series.grid) {
    for (std::size_t v = 0; v < brain.data.size(); ++v) {
      tissue.data[v] = brain.data[v] + white_matter.data[v] + csf.data[v];
      edge.data[v] = edge.data[v] != 0 && brain.data[v] == 0 ? 1 : 0;
      if (csf.data[v] != 0) white_matter.data[v] = 0;
    }
    Random random(5);
    motion.resize(series.n_volumes, 6);
    for (double& x : motion.reshaped()) x = 0.003 * random.normal();
    const std::vector<std::size_t> voxels = indices_of(brain);
    columns.resize(series.n_volumes, static_cast<Eigen::Index>(voxels.size()));
    for (int t = 0; t < series.n_volumes; ++t) {
      for (std::size_t p = 0; p < voxels.size(); ++p) {
        columns(t, static_cast<Eigen::Index>(p)) = series.volume(t)[voxels[p]];
      }
    }
  }
  [[nodiscard]] std::size_t n_voxels() const { return series.grid.n_voxels(); }
  [[nodiscard]] std::size_t n_volumes() const { return static_cast<std::size_t>(series.n_volumes); }
  [[nodiscard]] std::size_t n_in_brain() const { return static_cast<std::size_t>(columns.cols()); }
  [[nodiscard]] std::string shape() const { return text(series.grid, series.n_volumes); }
  [[nodiscard]] Eigen::Map<const Eigen::MatrixXf> view() const {
    return {columns.data(), columns.rows(), columns.cols()};
  }
  [[nodiscard]] Eigen::Map<const Eigen::MatrixXd> motion_view() const {
    return {motion.data(), motion.rows(), motion.cols()};
  }
};

class DenoiseMemory : public ::testing::TestWithParam<bool> {
protected:
  const Cleaned data_{GetParam()};
};

TEST_P(DenoiseMemory, Dvars) {
  for (const int threads : {1, 8}) {
    expect_declared("dvars " + data_.shape(), threads,
                    dvars::peak_bytes({data_.n_volumes(), data_.n_in_brain()}, {}), [&] {
                      return dvars::run({&data_.series, &data_.brain}, {}, {});
                    });
  }
}

TEST_P(DenoiseMemory, Compcor) {
  compcor::Inputs inputs{&data_.series, &data_.brain};
  inputs.csf = &data_.csf;
  inputs.white_matter = &data_.white_matter;
  inputs.combined = &data_.brain;
  inputs.edge = &data_.edge;
  inputs.tr_s = 2.0;
  for (const int threads : {1, 8}) {
    expect_declared("compcor " + data_.shape(), threads,
                    compcor::peak_bytes({data_.n_volumes(), data_.n_in_brain()}, {}),
                    [&] { return compcor::run(inputs, {}, {}); });
  }
}

TEST_P(DenoiseMemory, TissueSignals) {
  expect_declared("tissue_signals " + data_.shape(), 8,
                  tissue_signals::peak_bytes({data_.n_voxels(), data_.n_volumes()}, {}), [&] {
                    return tissue_signals::run(
                        {&data_.series, &data_.csf, &data_.white_matter, &data_.brain}, {}, {});
                  });
}

TEST_P(DenoiseMemory, Carpet) {
  for (const int rows : {400, 20000}) {
    const carpet::Params params{.max_rows = rows};
    expect_declared("carpet " + data_.shape() + " rows " + std::to_string(rows), 8,
                    carpet::peak_bytes({data_.n_voxels(), data_.n_volumes()}, params), [&] {
                      return carpet::run({&data_.series, &data_.tissue}, params, {});
                    });
  }
}

TEST_P(DenoiseMemory, RunQuality) {
  for (const bool index : {true, false}) {
    run_quality::Inputs inputs{.bold = &data_.series, .brain = &data_.brain};
    new (&inputs.motion) Eigen::Map<const Eigen::MatrixXd>(data_.motion_view());
    inputs.fd_mm = Eigen::VectorXd::Constant(data_.series.n_volumes, 0.1);
    const run_quality::Params params{.quality_index = index};
    const run_quality::Shape shape{data_.n_voxels(), data_.n_in_brain(), data_.n_volumes()};
    expect_declared("run_quality " + data_.shape() + (index ? " with index" : ""), 8,
                    run_quality::peak_bytes(shape, params),
                    [&] { return run_quality::run(inputs, params, {}); });
  }
}

TEST_P(DenoiseMemory, Despike) {
  for (const int threads : {1, 8}) {
    expect_declared("despike " + data_.shape(), threads,
                    despike::peak_bytes({data_.n_volumes(), data_.n_in_brain()}, {}),
                    [&] { return despike::run({data_.view()}, {}, {}); });
  }
}

TEST_P(DenoiseMemory, NuisanceRegression) {
  using namespace nuisance_regression;
  const std::vector<std::string> names{"a", "b", "c", "d", "e", "f", "framewise_displacement"};
  Eigen::MatrixXd table(data_.series.n_volumes, 7);
  table << data_.motion, Eigen::VectorXd::Constant(data_.series.n_volumes, 0.1);
  for (const char* filter : {"cosine", "butterworth"}) {
    Params params{.strategy = "custom", .columns = {"a", "b", "c", "d", "e", "f"}};
    params.filter = filter;
    params.min_dof = 1;
    DesignInputs inputs{.confound_names = &names};
    new (&inputs.confounds) Eigen::Map<const Eigen::MatrixXd>(table.data(), table.rows(), 7);
    inputs.tr_s = 2.0;
    for (const std::size_t voxelwise : {std::size_t{0}, std::size_t{1}}) {
      inputs.n_voxelwise = static_cast<int>(voxelwise);
      const Shape shape{data_.n_volumes(), data_.n_in_brain(), 16, voxelwise};
      for (const int threads : {1, 8}) {
        expect_declared("nuisance_regression " + data_.shape() + " " + filter + " images " +
                            std::to_string(voxelwise),
                        threads, peak_bytes(shape, params), [&] {
                          const Design design = make_design(inputs, params);
                          Inputs given{data_.view(), &design, {}};
                          if (voxelwise > 0) given.voxelwise.push_back(data_.view());
                          return run(given, params, {});
                        });
      }
    }
  }
}

TEST_P(DenoiseMemory, TablesOfARun) {
  const auto n = static_cast<std::size_t>(GetParam() ? 1200 : 300);
  const auto rows = static_cast<Eigen::Index>(n);
  const Eigen::MatrixXd motion = Eigen::MatrixXd::Random(rows, 6);
  const Eigen::Map<const Eigen::MatrixXd> view(motion.data(), rows, 6);
  confounds::Inputs inputs{.motion = view};
  inputs.framewise_displacement = Eigen::VectorXd::Ones(rows); // every volume an outlier
  inputs.dvars = inputs.std_dvars = inputs.rmsd = inputs.framewise_displacement;
  inputs.csf = inputs.white_matter = inputs.global_signal = inputs.csf_wm = inputs.tcompcor =
      motion.col(0);
  inputs.tr_s = 0.8;
  inputs.components.push_back({"a_comp_cor_", "aCompCor", "WM", 100, motion.col(1),
                               Eigen::MatrixXd::Random(rows, 50), Eigen::VectorXd::Ones(50),
                               Eigen::VectorXd::Ones(50), Eigen::VectorXd::Ones(50)});
  const std::string shape = std::to_string(n) + " volumes";
  expect_declared("confounds " + shape, 1, confounds::peak_bytes({n, 50}, {}),
                  [&] { return confounds::run(inputs, {}, {}); });
  expect_declared("framewise_displacement " + shape, 1, framewise_displacement::peak_bytes({n}, {}),
                  [&] { return framewise_displacement::run({view}, {}, {}); });
  const motion_filter::Params notch{.type = "notch"};
  expect_declared("motion_filter " + shape, 1, motion_filter::peak_bytes({n}, notch), [&] {
    return motion_filter::run({view, 0.8}, notch, {});
  });
}

TEST_P(DenoiseMemory, QcFc) {
  const Eigen::Index people = GetParam() ? 200 : 60;
  const Eigen::Index n_edges = GetParam() ? 6000 : 2000;
  const Eigen::MatrixXf edges = Eigen::MatrixXf::Random(people, n_edges);
  const Eigen::VectorXd motion = Eigen::VectorXd::Random(people).array() + 1.5;
  const Eigen::VectorXd distance = Eigen::VectorXd::Random(n_edges).array() + 50.0;
  const qc_fc::Params params{.permutations = 200};
  for (const int threads : {1, 8}) {
    expect_declared(
        "qc_fc " + std::to_string(people) + " x " + std::to_string(n_edges), threads,
        qc_fc::peak_bytes({static_cast<std::size_t>(people), static_cast<std::size_t>(n_edges)},
                          params),
        [&] {
          return qc_fc::run(
              {{edges.data(), people, n_edges}, motion, Eigen::MatrixXd(people, 0), distance},
              params, {});
        });
  }
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, DenoiseMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
