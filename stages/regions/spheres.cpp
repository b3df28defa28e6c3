#include "stages/regions/spheres.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "stages/core/parallel.hpp"
#include "stages/regions/kernels/nearest_labels.hpp"
#include "stages/regions/kernels/text_table.hpp"

namespace boldmill::spheres {
namespace {

constexpr double kRoundingMm = 1e-9; // a voxel at the radius exactly is inside

struct Layout {
  char separator = ' ';
  bool has_header = false;
  std::size_t x = 0, y = 1, z = 2;
  std::optional<std::size_t> label, index, radius;
};

bool is_number(const std::string& cell) {
  try {
    (void)text_table::number(cell, "");
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::string> cells_of(std::string_view line, char separator) {
  return separator == ' ' ? text_table::split_blank(line) : text_table::split(line, separator);
}

Layout layout_of(std::string_view first_line, const std::string& source) {
  Layout layout;
  for (const char separator : {'\t', ';', ','}) {
    if (first_line.find(separator) == std::string_view::npos) continue;
    layout.separator = separator;
    break;
  }
  const std::vector<std::string> cells = cells_of(first_line, layout.separator);
  const auto column =
      [&cells](std::initializer_list<std::string_view> names) -> std::optional<std::size_t> {
    for (const std::string_view name : names) {
      for (std::size_t c = 0; c < cells.size(); ++c) {
        if (text_table::lower(cells[c]) == name) return c;
      }
    }
    return std::nullopt;
  };
  const auto x = column({"x"}), y = column({"y"}), z = column({"z"});
  if (x && y && z) {
    layout.has_header = true;
    layout.x = *x;
    layout.y = *y;
    layout.z = *z;
    layout.label = column({"name", "label", "region"});
    layout.index = column({"index", "roi", "number", "id"});
    layout.radius = column({"radius", "radius_mm", "radius(mm)", "r"});
    return layout;
  }
  const std::size_t first = cells.size() == 3 ? 0 : 1;
  const bool numbers =
      cells.size() >= 3 && cells.size() <= 5 &&
      std::all_of(cells.begin() + static_cast<std::ptrdiff_t>(first), cells.end(), is_number);
  if (!numbers) {
    throw Error(ErrorKind::input, source + ": found '" + std::string(first_line.substr(0, 80)) +
                                      "', expected columns x, y and z, or label x y z [radius]");
  }
  layout.x = first;
  layout.y = first + 1;
  layout.z = first + 2;
  if (first == 1) layout.label = 0;
  if (cells.size() == 5) layout.radius = 4;
  return layout;
}

Seed seed_of(const std::vector<std::string>& cells, const Layout& layout, int row,
             const std::string& where) {
  Seed seed;
  seed.center_mm = {text_table::number(cells[layout.x], where + ": x"),
                    text_table::number(cells[layout.y], where + ": y"),
                    text_table::number(cells[layout.z], where + ": z")};
  seed.index = row;
  if (layout.radius) {
    seed.radius_mm = text_table::number(cells[*layout.radius], where + ": radius");
    if (seed.radius_mm < 0.0) {
      throw Error(ErrorKind::input,
                  where + ": found the radius " + cells[*layout.radius] + ", expected 0 or more");
    }
  }
  const std::string given = layout.label ? cells[*layout.label] : std::string();
  const bool named = !given.empty() && !is_number(given);
  const std::string number = layout.index ? cells[*layout.index] : given;
  seed.label = named ? given : "sphere-" + (number.empty() ? std::to_string(row) : number);
  return seed;
}

void make_names_unique(std::vector<Seed>& seeds) {
  std::map<std::string, int> uses;
  for (const Seed& seed : seeds) ++uses[seed.label];
  for (Seed& seed : seeds) {
    if (uses[seed.label] > 1) seed.label += "_" + std::to_string(seed.index);
  }
}

Region sphere(const Seed& seed, double radius_mm, const Grid& grid,
              const std::optional<std::size_t>& home) {
  Region region;
  region.label = seed.label;
  region.index = seed.index;
  const Eigen::Vector3d center = grid.to_voxel(seed.center_mm);
  // Half the box: the largest step along each index within the radius.
  const Eigen::Matrix3d to_voxel = grid.affine.topLeftCorner<3, 3>().inverse();
  std::array<int, 3> low{}, high{};
  for (int axis = 0; axis < 3; ++axis) {
    const double reach = radius_mm * to_voxel.row(axis).norm() + 1e-6;
    const auto a = static_cast<std::size_t>(axis);
    low[a] = static_cast<int>(std::max(0.0, std::ceil(center[axis] - reach)));
    high[a] = static_cast<int>(
        std::min(static_cast<double>(grid.shape[a] - 1), std::floor(center[axis] + reach)));
  }
  for (int k = low[2]; k <= high[2]; ++k) {
    for (int j = low[1]; j <= high[1]; ++j) {
      for (int i = low[0]; i <= high[0]; ++i) {
        const Eigen::Vector3d point = grid.to_mm({i * 1.0, j * 1.0, k * 1.0});
        const std::size_t v = grid.index(i, j, k);
        if ((point - seed.center_mm).norm() <= radius_mm + kRoundingMm || v == home) {
          region.voxels.push_back(v);
        }
      }
    }
  }
  if (home && !std::binary_search(region.voxels.begin(), region.voxels.end(), *home)) {
    region.voxels.push_back(*home);
  }
  return region;
}

void give_to_nearest(std::vector<Region>& regions, std::span<const Seed> seeds, const Grid& grid) {
  std::map<std::size_t, std::pair<double, std::size_t>> owner; // voxel -> distance, region
  for (std::size_t r = 0; r < regions.size(); ++r) {
    for (const std::size_t v : regions[r].voxels) {
      const auto at = grid.coordinates(v);
      const double distance =
          (grid.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0}) - seeds[r].center_mm).norm();
      const auto [entry, fresh] = owner.try_emplace(v, distance, r);
      if (!fresh && distance < entry->second.first) entry->second = {distance, r};
    }
  }
  for (std::size_t r = 0; r < regions.size(); ++r) {
    std::erase_if(regions[r].voxels, [&](std::size_t v) { return owner.at(v).second != r; });
  }
}

void refuse_overlap(const std::vector<Region>& regions, std::string_view name) {
  std::map<std::size_t, std::size_t> owner;
  for (std::size_t r = 0; r < regions.size(); ++r) {
    for (const std::size_t v : regions[r].voxels) {
      const auto [entry, fresh] = owner.try_emplace(v, r);
      if (fresh) continue;
      throw Error(ErrorKind::input,
                  std::string(name) + ": the spheres '" + regions[entry->second].label + "' and '" +
                      regions[r].label + "' share a voxel, expected none with overlap refuse");
    }
  }
}

} // namespace

std::vector<Seed> parse_seeds(std::string_view text, std::string_view source) {
  const std::vector<std::string_view> lines = text_table::lines(text);
  const std::string name(source);
  if (lines.empty()) throw Error(ErrorKind::input, name + ": found no rows, expected points");
  const Layout layout = layout_of(lines.front(), name);
  const std::size_t needed = 1 + std::max({layout.x, layout.y, layout.z, layout.label.value_or(0),
                                           layout.index.value_or(0), layout.radius.value_or(0)});
  std::vector<Seed> seeds;
  for (std::size_t i = layout.has_header ? 1 : 0; i < lines.size(); ++i) {
    const std::vector<std::string> cells = cells_of(lines[i], layout.separator);
    const std::string where = name + ": row " + std::to_string(i + 1);
    if (cells.size() < needed) {
      throw Error(ErrorKind::input, where + ": found " + std::to_string(cells.size()) +
                                        " cells, expected " + std::to_string(needed));
    }
    seeds.push_back(seed_of(cells, layout, static_cast<int>(seeds.size()) + 1, where));
  }
  if (seeds.empty()) throw Error(ErrorKind::input, name + ": found no rows, expected points");
  make_names_unique(seeds);
  return seeds;
}

RegionSet run(const Inputs& inputs, const Params& params, const Context& context) {
  const std::string name(inputs.name);
  if (inputs.seeds.empty()) throw Error(ErrorKind::input, name + ": found no points");
  RegionSet set;
  set.name = name;
  set.space = inputs.space;
  set.grid = *inputs.target;
  set.regions.resize(inputs.seeds.size());
  const NearestVoxel nearest(*inputs.target);
  parallel_blocks(context, inputs.seeds.size(), 1, [&](std::size_t r, std::size_t) {
    const Seed& seed = inputs.seeds[r];
    const double radius = std::isnan(seed.radius_mm) ? params.radius_mm : seed.radius_mm;
    set.regions[r] = sphere(seed, radius, *inputs.target, nearest(seed.center_mm));
    std::sort(set.regions[r].voxels.begin(), set.regions[r].voxels.end());
  });
  if (params.overlap == "refuse") refuse_overlap(set.regions, inputs.name);
  if (params.overlap == "nearest") give_to_nearest(set.regions, inputs.seeds, set.grid);
  std::string outside;
  for (Region& region : set.regions) {
    measure_region(region, set.grid);
    if (region.voxels.empty()) outside += (outside.empty() ? "" : ", ") + region.label;
  }
  if (!outside.empty()) set.notes.push_back(name + ": spheres without voxels: " + outside);
  name_regions(set);
  return set;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  // A list of voxels and, where spheres must not overlap, a tree of their owners.
  constexpr std::size_t kTreeNode = 64;
  return shape.n_region_voxels * (sizeof(std::size_t) + kTreeNode);
}

} // namespace boldmill::spheres
