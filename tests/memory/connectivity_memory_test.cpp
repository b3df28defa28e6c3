#include "stages/connectivity/alff.hpp"
#include "stages/connectivity/connectivity_matrix.hpp"
#include "stages/connectivity/correlation.hpp"
#include "stages/connectivity/reho.hpp"
#include "stages/connectivity/seed_map.hpp"
#include "stages/connectivity/tangent.hpp"
#include "tests/memory/declared.hpp"
#include "tests/memory/inputs.hpp"

namespace boldmill::memory_test {
namespace {

using View = Eigen::Map<const Eigen::MatrixXf>;
View view_of(const Eigen::MatrixXf& m) { return {m.data(), m.rows(), m.cols()}; }

class ConnectivityMemory : public ::testing::TestWithParam<bool> {
protected:
  const Eigen::Index volumes_ = GetParam() ? 300 : 100;
  const Eigen::Index regions_ = GetParam() ? 200 : 100;
  const Mask brain_ = head_mask(bold_grid(GetParam()));
  const Eigen::MatrixXf voxels_ =
      Eigen::MatrixXf::Random(volumes_, static_cast<Eigen::Index>(count(brain_)));
  const Eigen::MatrixXf parcels_ = Eigen::MatrixXf::Random(volumes_, regions_);
  [[nodiscard]] std::size_t n_volumes() const { return static_cast<std::size_t>(volumes_); }
  [[nodiscard]] std::size_t n_regions() const { return static_cast<std::size_t>(regions_); }
  [[nodiscard]] std::size_t n_voxels() const { return static_cast<std::size_t>(voxels_.cols()); }
  [[nodiscard]] std::string voxel_shape() const {
    return std::to_string(volumes_) + " x " + std::to_string(voxels_.cols());
  }
  [[nodiscard]] std::string region_shape() const {
    return std::to_string(volumes_) + " x " + std::to_string(regions_);
  }
};

TEST_P(ConnectivityMemory, Alff) {
  for (const std::size_t threads : {std::size_t{1}, std::size_t{8}}) {
    expect_declared("alff " + voxel_shape(), static_cast<int>(threads),
                    alff::peak_bytes({n_volumes(), n_voxels(), threads}, {}), [&] {
                      return alff::run({view_of(voxels_), {}, 2.0}, {}, {});
                    });
  }
}

TEST_P(ConnectivityMemory, Reho) {
  const auto plane = static_cast<std::size_t>(brain_.grid.shape[0] * brain_.grid.shape[1]);
  for (const int threads : {1, 8}) {
    expect_declared("reho " + voxel_shape(), threads,
                    reho::peak_bytes({n_volumes(), plane, n_voxels()}, {}), [&] {
                      return reho::run({view_of(voxels_), &brain_, {}}, {}, {});
                    });
  }
}

TEST_P(ConnectivityMemory, SeedMap) {
  const Eigen::MatrixXf seeds = Eigen::MatrixXf::Random(volumes_, 3);
  for (const std::size_t threads : {std::size_t{1}, std::size_t{8}}) {
    expect_declared("seed_map " + voxel_shape(), static_cast<int>(threads),
                    seed_map::peak_bytes({n_volumes(), n_voxels(), 3, threads}, {}), [&] {
                      return seed_map::run({view_of(seeds), view_of(voxels_), {}}, {}, {});
                    });
  }
}

TEST_P(ConnectivityMemory, Correlation) {
  for (const int threads : {1, 8}) {
    expect_declared("correlation " + region_shape(), threads,
                    correlation::peak_bytes({n_volumes(), n_regions()}, {}), [&] {
                      return correlation::run({view_of(parcels_), {}, 0}, {}, {});
                    });
  }
}

TEST_P(ConnectivityMemory, ConnectivityMatrix) {
  for (const std::string_view kind : connectivity_matrix::kKinds) {
    const connectivity_matrix::Params params{.kind = std::string(kind)};
    if (n_volumes() <= n_regions() && (kind == "precision" || kind == "partial")) continue;
    expect_declared("connectivity_matrix " + region_shape() + " " + params.kind, 8,
                    connectivity_matrix::peak_bytes({n_volumes(), n_regions()}, params), [&] {
                      return connectivity_matrix::run({view_of(parcels_), {}}, params, {});
                    });
  }
}

TEST_P(ConnectivityMemory, Tangent) {
  constexpr std::size_t kPeople = 12;
  const tangent::People people{kPeople, [&](std::size_t k, tangent::Person& person) {
                                 person.series = parcels_;
                                 person.series.col(0) *= static_cast<float>(k + 1);
                               }};
  for (const std::size_t threads : {std::size_t{1}, std::size_t{8}}) {
    const tangent::Params params{.max_iterations = 2};
    expect_declared("tangent " + region_shape(), static_cast<int>(threads),
                    tangent::peak_bytes({n_volumes(), n_regions(), kPeople, threads}, params), [&] {
                      const tangent::Model model = tangent::fit(people, params, {});
                      tangent::apply(model, people, params,
                                     [](std::size_t, const Eigen::MatrixXd&) {}, {});
                      return model;
                    });
  }
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, ConnectivityMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
