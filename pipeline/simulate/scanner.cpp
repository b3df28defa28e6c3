#include "pipeline/simulate/scanner.hpp"

#include <cmath>
#include <numbers>

namespace boldmill::simulate {
namespace {

// Seconds at which each slice is acquired.
std::vector<double> slice_times(int slices, double tr_s, int kind) {
  std::vector<double> times(static_cast<std::size_t>(slices));
  const auto n = static_cast<std::size_t>(slices);
  if (kind == 0) { // ascending, odd slices (1st, 3rd, ...) first
    std::size_t order = 0;
    for (std::size_t first = 0; first < 2; ++first) {
      for (std::size_t k = first; k < n; k += 2) {
        times[k] = tr_s * static_cast<double>(order++) / static_cast<double>(n);
      }
    }
  } else if (kind == 1) { // two slices at once, ascending
    for (std::size_t k = 0; k < n; ++k) {
      times[k] = tr_s * static_cast<double>(k % (n / 2)) / static_cast<double>(n / 2);
    }
  } else { // descending
    for (std::size_t k = 0; k < n; ++k) {
      times[k] = tr_s * static_cast<double>(n - 1 - k) / static_cast<double>(n);
    }
  }
  return times;
}

void set_tiny(Site& site, int kind) {
  if (kind == 0) {
    site.t1w = {"RAS", {60, 76, 62}, {3.0, 3.0, 3.0}, 0.0};
    site.bold = {"LAS", {46, 56, 36}, {4.0, 4.0, 4.0}, 0.0};
  } else if (kind == 1) {
    site.t1w = {"PSR", {76, 62, 60}, {3.0, 3.0, 3.0}, 0.0};
    site.bold = {"RAS", {50, 60, 32}, {3.75, 3.75, 4.5}, 0.21};
  } else {
    site.t1w = {"LAS", {62, 80, 64}, {2.9, 2.9, 2.9}, 0.0};
    site.bold = {"LAS", {44, 54, 34}, {4.2, 4.2, 4.2}, -0.14};
  }
}

void set_real(Site& site, int kind) {
  if (kind == 0) {
    site.t1w = {"RAS", {180, 228, 186}, {1.0, 1.0, 1.0}, 0.0};
    site.bold = {"LAS", {64, 74, 48}, {3.0, 3.0, 3.0}, 0.0};
  } else if (kind == 1) {
    site.t1w = {"PSR", {240, 200, 176}, {0.95, 0.95, 1.05}, 0.0};
    site.bold = {"RAS", {66, 78, 42}, {2.9, 2.9, 3.5}, 0.21};
  } else {
    site.t1w = {"LAS", {176, 224, 184}, {1.05, 1.05, 1.05}, 0.0};
    site.bold = {"LAS", {60, 70, 46}, {3.2, 3.2, 3.2}, -0.14};
  }
}

Site make_site(const SimulationParams& params, int index) {
  const int kind = index % 3;
  Site site;
  site.name = std::string("site") + static_cast<char>('A' + index);
  site.scanner = std::string("scanner") + static_cast<char>('A' + index);
  site.manufacturer = "Simulated";
  site.model = std::string("Phantom") + static_cast<char>('A' + index);
  if (params.size == "tiny")
    set_tiny(site, kind);
  else
    set_real(site, kind);
  Random random(stream_seed(static_cast<std::uint64_t>(params.random_seed), "site", site.name));
  site.t1w_contrast = {0.28 + 0.03 * random.normal(), 0.68 + 0.02 * random.normal(), 1.0};
  site.gain = std::array<double, 3>{900.0, 620.0, 1300.0}[static_cast<std::size_t>(kind)] *
              (1.0 + 0.05 * random.normal());
  site.noise_factor = std::array<double, 3>{1.0, 1.2, 0.9}[static_cast<std::size_t>(kind)];
  site.phase_positive = kind != 0;
  site.readout_s = std::array<double, 3>{0.020, 0.024, 0.018}[static_cast<std::size_t>(kind)];
  site.te_s = std::array<double, 3>{0.030, 0.028, 0.030}[static_cast<std::size_t>(kind)];
  site.slice_times_s = slice_times(site.bold.shape[2], site.tr_s, kind);
  return site;
}

// Evenly spaced location effects with mean 0 and SD `site_effect`, in a random order per circuit.
void draw_effects(std::vector<Site>& sites, const SimulationParams& params) {
  const auto n = sites.size();
  if (n < 2) return;
  Random random(stream_seed(static_cast<std::uint64_t>(params.random_seed), "site effects"));
  const double middle = static_cast<double>(n - 1) / 2.0;
  const double sd = std::sqrt((static_cast<double>(n * n) - 1.0) / 12.0);
  for (std::size_t circuit = 0; circuit < 4; ++circuit) {
    const std::vector<std::size_t> order = random.permutation(n);
    for (std::size_t s = 0; s < n; ++s) {
      const double rank = (static_cast<double>(order[s]) - middle) / sd;
      sites[s].shift_sd[circuit] = params.site_effect * rank;
      sites[s].scale[circuit] = std::exp(0.15 * params.site_effect * random.normal());
    }
  }
}

} // namespace

std::vector<Site> make_sites(const SimulationParams& params) {
  std::vector<Site> sites;
  for (int s = 0; s < params.sites; ++s) sites.push_back(make_site(params, s));
  draw_effects(sites, params);
  return sites;
}

int volumes_of(const SimulationParams& params, std::string_view task) {
  if (params.volumes > 0) return params.volumes;
  if (params.size == "real") return task == "rest" ? 240 : 150;
  return task == "rest" || task == "gonogo" ? 100 : 150;
}

Grid make_grid(const ImageProtocol& protocol, const Eigen::Vector3d& center_mm) {
  Eigen::Matrix3d axes = Eigen::Matrix3d::Zero();
  for (int axis = 0; axis < 3; ++axis) {
    const char code = protocol.codes[static_cast<std::size_t>(axis)];
    const int row = code == 'R' || code == 'L' ? 0 : (code == 'A' || code == 'P' ? 1 : 2);
    const double sign = code == 'R' || code == 'A' || code == 'S' ? 1.0 : -1.0;
    axes(row, axis) = sign * protocol.spacing_mm[axis];
  }
  axes = Eigen::AngleAxisd(protocol.tilt_rad, Eigen::Vector3d::UnitX()).toRotationMatrix() * axes;
  Grid grid{.shape = protocol.shape, .affine = Affine::Identity()};
  grid.affine.topLeftCorner<3, 3>() = axes;
  const Eigen::Vector3d middle(0.5 * (protocol.shape[0] - 1), 0.5 * (protocol.shape[1] - 1),
                               0.5 * (protocol.shape[2] - 1));
  grid.affine.topRightCorner<3, 1>() = center_mm - axes * middle;
  return grid;
}

Waves::Waves(double shortest_mm, double longest_mm, int count, Random& random) {
  for (int w = 0; w < count; ++w) {
    Eigen::Vector3d direction(random.normal(), random.normal(), random.normal());
    direction.normalize();
    const double k = 2.0 * std::numbers::pi / random.uniform(shortest_mm, longest_mm);
    waves_.emplace_back(k * direction[0], k * direction[1], k * direction[2],
                        random.uniform(0.0, 2.0 * std::numbers::pi));
  }
}

double Waves::at(const Eigen::Vector3d& point_mm) const {
  double sum = 0.0;
  for (const Eigen::Vector4d& w : waves_) sum += std::cos(w.head<3>().dot(point_mm) + w[3]);
  return sum * std::sqrt(2.0 / static_cast<double>(waves_.size()));
}

} // namespace boldmill::simulate
