#include "stages/functional/fieldmap_phase.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::fieldmap_phase {
namespace {

constexpr double kTurn = 2.0 * std::numbers::pi;
constexpr double kHzPerTesla = 42.577478518e6; // proton, CODATA 2018
constexpr std::size_t kBlock = 8192;

float wrapped(float radians) {
  return radians - static_cast<float>(kTurn) * std::round(radians / static_cast<float>(kTurn));
}

void require(bool fine, const std::string& message) {
  if (!fine) throw Error(ErrorKind::input, "fieldmap_phase: " + message);
}

// What one turn is in stored units: radians, or the full range of common converters when the image
// nearly fills one, else its own range.
double turn_of(const Volume& image, std::vector<std::string>& warnings) {
  float low = 0.0F;
  float high = 0.0F;
  bool first = true;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const float x = image.data[v];
    if (!std::isfinite(x)) continue;
    low = first ? x : std::min(low, x);
    high = first ? x : std::max(high, x);
    first = false;
  }
  const auto width = static_cast<double>(high) - static_cast<double>(low);
  require(width > 0.0, "the phase image is constant");
  for (const double full : {kTurn, 4096.0, 8192.0, 1000.0 * kTurn, 65536.0, 360.0}) {
    if (width > 0.9 * full && width < 1.002 * full) return full;
  }
  if (width < 1.001 * kTurn) return kTurn; // radians of a small field
  warnings.push_back("the phase image spans " + std::to_string(width) +
                     " units, which are taken for one turn");
  return width;
}

Volume in_radians(const Volume& image, double turn) {
  Volume out = image;
  const auto scale = static_cast<float>(kTurn / turn);
  for (float& x : out.data) x = std::isfinite(x) ? wrapped(scale * x) : 0.0F;
  return out;
}

struct Edge {
  float unreliability;
  std::uint32_t from;
  std::uint8_t axis;
};

std::array<std::size_t, 3> strides(const Grid& grid) {
  const auto nx = static_cast<std::size_t>(grid.shape[0]);
  return {1, nx, nx * static_cast<std::size_t>(grid.shape[1])};
}

// Root of the summed squared second differences along the axes; large at the mask's border.
std::vector<float> unreliability(const Volume& phase, const Mask& mask, const Context& context) {
  const auto stride = strides(phase.grid);
  std::vector<float> out(phase.data.size(), 0.0F);
  parallel_blocks(context, out.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      if (mask.data[v] == 0) continue;
      const auto ijk = phase.grid.coordinates(v);
      float sum = 0.0F;
      for (std::size_t a = 0; a < 3; ++a) {
        const bool inside = ijk[a] > 0 && ijk[a] + 1 < phase.grid.shape[a];
        if (!inside || mask.data[v - stride[a]] == 0 || mask.data[v + stride[a]] == 0) {
          sum += 10.0F;
          continue;
        }
        const float d = wrapped(phase.data[v - stride[a]] - phase.data[v]) -
                        wrapped(phase.data[v] - phase.data[v + stride[a]]);
        sum += d * d;
      }
      out[v] = std::sqrt(sum);
    }
  });
  return out;
}

// Groups of voxels with a common offset, joined by size.
class Groups {
public:
  explicit Groups(std::size_t n) : parent_(n), turns_(n, 0), size_(n, 1) {
    std::iota(parent_.begin(), parent_.end(), 0U);
  }
  // Root of v, and the turns of v against it.
  std::pair<std::uint32_t, std::int32_t> find(std::uint32_t v) {
    std::uint32_t root = v;
    std::int32_t total = 0;
    while (parent_[root] != root) {
      total += turns_[root];
      root = parent_[root];
    }
    const std::int32_t result = total;
    while (parent_[v] != v) { // shorten the path
      const std::uint32_t next = parent_[v];
      const std::int32_t own = turns_[v];
      parent_[v] = root;
      turns_[v] = total;
      total -= own;
      v = next;
    }
    return {root, result};
  }
  // b's group gets `turns` more than a's, both given as roots.
  void join(std::uint32_t a, std::uint32_t b, std::int32_t turns) {
    if (size_[a] < size_[b]) {
      std::swap(a, b);
      turns = -turns;
    }
    parent_[b] = a;
    turns_[b] = turns;
    size_[a] += size_[b];
  }

private:
  std::vector<std::uint32_t> parent_;
  std::vector<std::int32_t> turns_;
  std::vector<std::uint32_t> size_;
};

// Median of the mask's voxels in a 3 x 3 x 3 neighbourhood: single voxels of noise go.
Volume despiked(const Volume& field, const Mask& mask, const Context& context) {
  Volume out = field;
  parallel_blocks(context, out.data.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    std::vector<float> near;
    for (std::size_t v = begin; v < end; ++v) {
      if (mask.data[v] == 0) continue;
      const auto [i, j, k] = field.grid.coordinates(v);
      near.clear();
      for (int n = 0; n < 27; ++n) {
        const int a = i + n % 3 - 1;
        const int b = j + n / 3 % 3 - 1;
        const int c = k + n / 9 - 1;
        if (!field.grid.contains(a, b, c)) continue;
        const std::size_t w = field.grid.index(a, b, c);
        if (mask.data[w] != 0) near.push_back(field.data[w]);
      }
      const auto middle = near.begin() + static_cast<std::ptrdiff_t>(near.size() / 2);
      std::nth_element(near.begin(), middle, near.end());
      out.data[v] = *middle;
    }
  });
  return out;
}

// Normalised convolution inside the mask; outside, the narrowest of a series of widening ones that
// sees the mask.
Volume continued(const Volume& field, const Mask& mask, double fwhm_mm, const Context& context) {
  constexpr float kEnough = 0.02F;
  Volume out(field.grid);
  std::vector<std::uint8_t> known(out.data.size(), 0);
  double sigma = fwhm_mm / kFwhmPerSigma;
  const Eigen::Vector3d spacing = field.grid.spacing_mm();
  for (int level = 0; level < 8; ++level) {
    std::vector<float> weight(out.data.size());
    std::vector<float> sum(out.data.size());
    for (std::size_t v = 0; v < weight.size(); ++v) {
      weight[v] = mask.data[v] != 0 ? 1.0F : 0.0F;
      sum[v] = weight[v] * field.data[v];
    }
    const Eigen::Vector3d voxels = sigma * spacing.cwiseInverse();
    gaussian_smooth_in_place(weight, field.grid.shape, voxels, context);
    gaussian_smooth_in_place(sum, field.grid.shape, voxels, context);
    for (std::size_t v = 0; v < weight.size(); ++v) {
      if (known[v] != 0 || (mask.data[v] == 0 && weight[v] < kEnough)) continue;
      out.data[v] = weight[v] > 0.0F ? sum[v] / weight[v] : field.data[v];
      known[v] = 1;
    }
    sigma = std::max(2.0 * sigma, 2.0 * spacing.minCoeff());
  }
  std::vector<double> inside;
  for (std::size_t v = 0; v < known.size(); ++v) {
    if (mask.data[v] != 0) inside.push_back(static_cast<double>(out.data[v]));
  }
  const auto far = static_cast<float>(median(std::move(inside)));
  for (std::size_t v = 0; v < known.size(); ++v) {
    if (known[v] == 0) out.data[v] = far;
  }
  return out;
}

double hz_per_unit(const std::string& units) {
  if (units == "Hz") return 1.0;
  if (units == "rad/s") return 1.0 / kTurn;
  require(units == "T", "Units: found '" + units + "', expected Hz, rad/s or T");
  return kHzPerTesla;
}

Mask usable_mask(const Inputs& inputs, const Grid& grid) {
  require(inputs.mask->grid.same_as(grid), "the mask is not on the grid of the field map");
  Mask mask = *inputs.mask;
  const auto drop = [&](const Volume& image) {
    require(image.grid.same_as(grid), "the images are not on one grid");
    for (std::size_t v = 0; v < mask.data.size(); ++v) {
      if (!std::isfinite(image.data[v])) mask.data[v] = 0;
    }
  };
  for (const Volume* image : inputs.phase) drop(*image);
  if (inputs.field != nullptr) drop(*inputs.field);
  require(count(mask) > 0, "the mask is empty");
  return mask;
}

// Hz inside the mask.
Volume from_phase(const Inputs& inputs, const Mask& mask, Outputs& out, const Context& context) {
  const double delay = inputs.echo_time2_s - inputs.echo_time1_s;
  require(delay > 0.0 && delay < 0.2,
          "echo times: found a difference of " + std::to_string(delay) + " s, expected (0, 0.2) s");
  for (const Volume* image : inputs.phase) {
    out.raw_range.push_back(turn_of(*image, out.warnings));
  }
  Volume phase = in_radians(*inputs.phase.back(), out.raw_range.back());
  if (inputs.phase.size() == 2) {
    const Volume first = in_radians(*inputs.phase[0], out.raw_range[0]);
    for (std::size_t v = 0; v < phase.data.size(); ++v) {
      phase.data[v] = wrapped(phase.data[v] - first.data[v]);
    }
  }
  const Volume before = phase;
  unwrap_in_place(phase, mask, context);
  std::vector<double> inside;
  for (const std::size_t v : indices_of(mask)) {
    inside.push_back(static_cast<double>(phase.data[v]));
  }
  const auto offset = static_cast<float>(kTurn * std::round(median(inside) / kTurn));
  std::size_t changed = 0;
  for (std::size_t v = 0; v < phase.data.size(); ++v) {
    phase.data[v] -= offset;
    if (mask.data[v] != 0 && std::abs(phase.data[v] - before.data[v]) > 1.0F) ++changed;
    phase.data[v] /= static_cast<float>(kTurn * delay);
  }
  out.wrapped_share = static_cast<double>(changed) / static_cast<double>(inside.size());
  return phase;
}

} // namespace

void unwrap_in_place(Volume& phase, const Mask& mask, const Context& context) {
  const Grid& grid = phase.grid;
  const auto stride = strides(grid);
  const std::vector<float> worse = unreliability(phase, mask, context);
  std::vector<Edge> edges;
  for (std::size_t v = 0; v < phase.data.size(); ++v) {
    if (mask.data[v] == 0) continue;
    const auto ijk = grid.coordinates(v);
    for (std::size_t a = 0; a < 3; ++a) {
      if (ijk[a] + 1 >= grid.shape[a] || mask.data[v + stride[a]] == 0) continue;
      edges.push_back({worse[v] + worse[v + stride[a]], static_cast<std::uint32_t>(v),
                       static_cast<std::uint8_t>(a)});
    }
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    return std::tie(a.unreliability, a.from, a.axis) < std::tie(b.unreliability, b.from, b.axis);
  });
  Groups groups(phase.data.size());
  for (const Edge& edge : edges) {
    const auto to = static_cast<std::uint32_t>(edge.from + stride[edge.axis]);
    const auto [root_from, turns_from] = groups.find(edge.from);
    const auto [root_to, turns_to] = groups.find(to);
    if (root_from == root_to) continue;
    // phase(to) + T (turns_to + x) within half a turn of phase(from) + T turns_from.
    const auto jump = static_cast<std::int32_t>(
        std::lround((phase.data[edge.from] - phase.data[to]) / static_cast<float>(kTurn)));
    groups.join(root_from, root_to, jump + turns_from - turns_to);
  }
  for (std::size_t v = 0; v < phase.data.size(); ++v) {
    if (mask.data[v] == 0) continue;
    const auto turns = groups.find(static_cast<std::uint32_t>(v)).second;
    phase.data[v] += static_cast<float>(kTurn) * static_cast<float>(turns);
  }
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const bool direct = inputs.field != nullptr;
  if (inputs.mask == nullptr || (!direct && (inputs.phase.empty() || inputs.phase.size() > 2))) {
    throw Error(ErrorKind::internal, "fieldmap_phase: an image is missing");
  }
  const Grid& grid = direct ? inputs.field->grid : inputs.phase[0]->grid;
  const Mask mask = usable_mask(inputs, grid);
  Outputs out;
  Volume field;
  if (direct) {
    const double scale = hz_per_unit(inputs.units);
    field = *inputs.field;
    for (float& x : field.data) {
      x = std::isfinite(x) ? static_cast<float>(scale * static_cast<double>(x)) : 0.0F;
    }
  } else {
    field = from_phase(inputs, mask, out, context);
  }
  const auto limit = static_cast<float>(params.max_hz);
  for (float& x : field.data) x = std::clamp(x, -limit, limit);
  out.field_hz = continued(despiked(field, mask, context), mask, params.smoothing_fwhm_mm, context);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  // Phases, reliability, groups (12 bytes), edges (12 bytes, three a voxel), fields.
  return shape.n_voxels * (6 * sizeof(float) + 12 + 36);
}

} // namespace boldmill::fieldmap_phase
