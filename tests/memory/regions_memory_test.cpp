#include "stages/regions/circuit_regions.hpp"
#include "stages/regions/extraction.hpp"
#include "stages/regions/label_atlas.hpp"
#include "stages/regions/map_atlas.hpp"
#include "stages/regions/spheres.hpp"
#include "tests/memory/declared.hpp"
#include "tests/memory/inputs.hpp"

namespace boldmill::memory_test {
namespace {

// Boxes of `edge` voxels inside the head, numbered from 1.
LabelImage boxes(const Grid& grid, int edge) {
  LabelImage labels(grid);
  const Mask head = head_mask(grid);
  const int across = grid.shape[0] / edge + 1;
  for (std::size_t v = 0; v < labels.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    if (head.data[v] != 0) {
      labels.data[v] = 1 + i / edge + across * (j / edge + across * (k / edge));
    }
  }
  return labels;
}

Grid target_grid(bool large) {
  return large ? phantom::scanner_grid({97, 115, 97}, {2.0, 2.0, 2.0})
               : phantom::scanner_grid({65, 77, 65}, {3.0, 3.0, 3.0});
}

class RegionsMemory : public ::testing::TestWithParam<bool> {
protected:
  const Grid target_ = target_grid(GetParam());
};

TEST_P(RegionsMemory, LabelAtlas) {
  const LabelImage labels = boxes(phantom::scanner_grid({90, 108, 90}, {2.0, 2.0, 2.0}), 9);
  PointMap moved;
  moved.then(rigid_matrix({{1.0, 2.0, -1.0}, {0.01, 0.0, 0.02}}, Eigen::Vector3d::Zero()));
  const std::array<const PointMap*, 2> maps{nullptr, &moved};
  for (const PointMap* map : maps) {
    expect_declared("label_atlas onto " + text(target_) + (map != nullptr ? " by a map" : ""), 8,
                    label_atlas::peak_bytes({labels.data.size(), target_.n_voxels()}, {}), [&] {
                      return label_atlas::run(
                          {.labels = &labels, .target = &target_, .target_to_atlas = map}, {}, {});
                    });
  }
}

TEST_P(RegionsMemory, MapAtlas) {
  const Volume map(phantom::scanner_grid({90, 108, 90}, {2.0, 2.0, 2.0}), 0.4F);
  PointMap moved;
  moved.then(rigid_matrix({{1.0, 2.0, -1.0}, {0.01, 0.0, 0.02}}, Eigen::Vector3d::Zero()));
  expect_declared(
      "map_atlas onto " + text(target_), 8,
      map_atlas::peak_bytes({map.data.size(), target_.n_voxels(), target_.n_voxels()}, {}), [&] {
        return map_atlas::run({.map = &map, .target = &target_, .target_to_atlas = &moved}, {}, {});
      });
}

TEST_P(RegionsMemory, Spheres) {
  std::vector<spheres::Seed> seeds;
  for (int i = 0; i < 60; ++i) {
    seeds.push_back(
        {"seed" + std::to_string(i), i + 1,
         Eigen::Vector3d(-50 + 25 * (i % 5), -50 + 25 * (i / 5 % 4), -25 + 25 * (i / 20))});
  }
  for (const char* overlap : {"allow", "nearest"}) {
    const spheres::Params params{.radius_mm = 14.0, .overlap = overlap};
    const double volume_mm3 = 4.19 * 14.0 * 14.0 * 14.0 * 60.0;
    const auto n = static_cast<std::size_t>(volume_mm3 / target_.voxel_volume_mm3());
    expect_declared("spheres on " + text(target_) + " overlap " + overlap, 8,
                    spheres::peak_bytes({target_.n_voxels(), n}, params),
                    [&] { return spheres::run({.seeds = seeds, .target = &target_}, params, {}); });
  }
}

TEST_P(RegionsMemory, CircuitRegions) {
  std::vector<CircuitFact> facts;
  std::vector<Placement> places;
  std::vector<Mask> masks;
  for (int i = 0; i < 28; ++i) {
    const Eigen::Vector3d at(-40 + 20 * (i % 5), -60 + 25 * (i / 5 % 4), -20 + 20 * (i / 20));
    CircuitFact fact;
    fact.codes = {"region" + std::to_string(i)};
    fact.shape = i % 2 == 0 ? RegionShape::cut_sphere : RegionShape::sphere;
    fact.volume_mm3 = 4.19 * 10.0 * 10.0 * 10.0;
    fact.hemisphere = "M";
    facts.push_back(fact);
    places.push_back({at, at});
    Mask& mask = masks.emplace_back(phantom::scanner_grid({90, 108, 90}, {2.0, 2.0, 2.0}));
    for (std::size_t v = 0; v < mask.data.size(); ++v) {
      const auto [x, y, z] = mask.grid.coordinates(v);
      mask.data[v] = (mask.grid.to_mm(Eigen::Vector3d(x, y, z)) - at).norm() < 10.0 ? 1 : 0;
    }
  }
  circuit_regions::Shape shape{target_.n_voxels(), facts.size(), 0};
  expect_declared(
      "circuit_regions as spheres on " + text(target_), 8, circuit_regions::peak_bytes(shape, {}),
      [&] {
        return circuit_regions::run(
            {.facts = facts, .placements = places, .target = &target_, .space = "template"}, {},
            {});
      });
  shape.mask_voxels = masks[0].data.size();
  expect_declared("circuit_regions from masks on " + text(target_), 8,
                  circuit_regions::peak_bytes(shape, {}), [&] {
                    return circuit_regions::from_masks(
                        {.facts = facts, .masks = masks, .target = &target_, .space = "template"},
                        {});
                  });
}

TEST_P(RegionsMemory, Extraction) {
  const Series series = noisy_head(bold_grid(GetParam()), GetParam() ? 100 : 40);
  const std::vector<Region> regions = extraction::regions_from_labels(boxes(series.grid, 6));
  std::size_t members = 0;
  std::size_t largest = 0;
  for (const Region& region : regions) {
    members += region.voxels.size();
    largest = std::max(largest, region.voxels.size());
  }
  for (const char* statistic : {"mean", "median", "eigenvariate", "least_squares"}) {
    for (const int threads : {1, 8}) {
      const extraction::Params params{.statistic = statistic};
      const extraction::Shape shape{members, regions.size(),
                                    static_cast<std::size_t>(series.n_volumes), largest,
                                    static_cast<std::size_t>(threads)};
      expect_declared(
          "extraction " + text(series.grid, series.n_volumes) + " " + statistic, threads,
          extraction::peak_bytes(shape, params),
          [&] { return extraction::run({.series = &series, .regions = &regions}, params, {}); });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(TwoSizes, RegionsMemory, ::testing::Bool());

} // namespace
} // namespace boldmill::memory_test
