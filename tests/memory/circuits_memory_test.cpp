#include "stages/circuits/intrinsic_measures.hpp"
#include "stages/circuits/measure_covariance.hpp"
#include "stages/circuits/reliability.hpp"
#include "stages/circuits/scores.hpp"
#include "stages/core/random.hpp"
#include "tests/memory/declared.hpp"

namespace boldmill::memory_test {
namespace {

// The published system has 28 regions, 51 measures, 41 features and 12 scores.
struct Sizes {
  Eigen::Index people, regions, measures, volumes, runs;
};
constexpr Sizes kSmall{300, 28, 48, 240, 2};
constexpr Sizes kLarge{2000, 100, 200, 1200, 4};

Eigen::MatrixXd numbers(Eigen::Index rows, Eigen::Index columns) {
  Random random(3);
  Eigen::MatrixXd out(rows, columns);
  for (double& x : out.reshaped()) x = random.normal();
  return out;
}

// Edges between neighbours; two measures to a feature and four features to a score.
taxonomy::Taxonomy chain(const Sizes& sizes) {
  taxonomy::Taxonomy t;
  t.tasks["rest"].description = "rest";
  for (Eigen::Index r = 0; r < sizes.regions; ++r) {
    taxonomy::Region region;
    region.code = region.mask = "region" + std::to_string(r);
    t.regions.push_back(region);
  }
  for (Eigen::Index m = 0; m < sizes.measures; ++m) {
    taxonomy::Measure measure;
    measure.code = "measure" + std::to_string(m);
    measure.task = "rest";
    measure.region_a = t.regions[static_cast<std::size_t>(m % sizes.regions)].code;
    measure.region_b =
        t.regions[static_cast<std::size_t>((m + 1 + m / sizes.regions) % sizes.regions)].code;
    if (m % 2 == 0) t.features.push_back({"feature" + std::to_string(m / 2), {}});
    measure.feature = t.features.back().name;
    t.features.back().members.push_back(measure.code);
    t.measures.push_back(measure);
  }
  for (std::size_t f = 0; f < t.features.size(); ++f) {
    if (f % 4 == 0) t.scores.push_back({"score" + std::to_string(f / 4), "", "", "", {}, {}});
    t.scores.back().members.push_back(t.features[f].name);
  }
  return t;
}

class CircuitsMemory : public ::testing::TestWithParam<bool> {
protected:
  const Sizes sizes_ = GetParam() ? kLarge : kSmall;
  const std::size_t people_ = static_cast<std::size_t>(sizes_.people);
  const std::size_t measures_ = static_cast<std::size_t>(sizes_.measures);
  const std::size_t runs_ = static_cast<std::size_t>(sizes_.runs);
  const std::string table_ = std::to_string(people_) + " x " + std::to_string(measures_);
};

TEST_P(CircuitsMemory, IntrinsicMeasures) {
  const taxonomy::Taxonomy t = chain(sizes_);
  ASSERT_EQ(taxonomy::problems(t), std::vector<std::string>{});
  intrinsic_measures::Inputs inputs{
      .taxonomy = &t, .regions = {}, .runs = {}, .no_runs_reason = ""};
  for (const auto& region : t.regions) inputs.regions.push_back(region.code);
  const std::size_t n_regions = inputs.regions.size();
  const std::size_t n_edges = n_regions * (n_regions - 1) / 2;
  for (std::size_t r = 0; r < runs_; ++r) {
    inputs.runs.push_back({"run" + std::to_string(r), std::vector<double>(n_edges, 0.3),
                           std::vector<double>(n_edges, 0.1), std::vector<double>(n_regions, 1.0)});
  }
  expect_declared("intrinsic_measures " + std::to_string(n_regions) + " regions", 1,
                  intrinsic_measures::peak_bytes({n_regions, measures_, runs_}, {}),
                  [&] { return intrinsic_measures::run(inputs, {}, {}); });
}

TEST_P(CircuitsMemory, MeasureCovariance) {
  measure_covariance::Inputs inputs{Eigen::VectorXd::Constant(sizes_.measures, 0.1), {}};
  for (std::size_t r = 0; r < runs_; ++r) {
    inputs.runs.push_back(
        {"run" + std::to_string(r), 2.0, numbers(sizes_.volumes, sizes_.measures)});
  }
  expect_declared("measure_covariance " + std::to_string(sizes_.volumes) + " volumes", 1,
                  measure_covariance::peak_bytes(
                      {measures_, static_cast<std::size_t>(sizes_.volumes), runs_}, {}),
                  [&] { return measure_covariance::run(inputs, {}, {}); });
}

TEST_P(CircuitsMemory, Scores) {
  const taxonomy::Taxonomy t = chain(sizes_);
  const Eigen::MatrixXd values = numbers(sizes_.people, sizes_.measures);
  scores::Inputs inputs{&t, values, Eigen::MatrixXd::Constant(values.rows(), values.cols(), 0.1),
                        Eigen::MatrixXd::Ones(values.rows(), values.cols())};
  inputs.error_correlation = [&](Eigen::Index) {
    return Eigen::MatrixXd::Identity(sizes_.measures, sizes_.measures).eval();
  };
  const scores::Shape shape{people_, measures_, t.features.size(), t.scores.size()};
  for (const char* restandardise : {"none", "all"}) {
    const scores::Params params{.restandardise = restandardise};
    expect_declared("scores " + table_ + " restandardise " + restandardise, 1,
                    scores::peak_bytes(shape, params), [&] {
                      const scores::Model model = scores::fit(values, params);
                      return scores::apply(model, inputs, params);
                    });
  }
}

TEST_P(CircuitsMemory, Reliability) {
  const reliability::Params params{.resamples = GetParam() ? 400 : 100};
  reliability::Inputs inputs{numbers(sizes_.people, sizes_.measures), {}, {}, {}, {}};
  inputs.se = Eigen::MatrixXd::Constant(sizes_.people, sizes_.measures, 0.3);
  inputs.difference = 0.5 * inputs.values;
  for (std::size_t i = 0; i < people_; ++i) inputs.person.push_back(i / 2); // two sessions each
  for (const int threads : {1, 8}) {
    expect_declared(
        "reliability " + table_, threads,
        reliability::peak_bytes({people_, measures_, static_cast<std::size_t>(threads)}, params),
        [&] { return reliability::run(inputs, params, {}); });
  }
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, CircuitsMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
