#include "stages/anatomy/kernels/morphology.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "stages/core/parallel.hpp"

namespace boldmill::anatomy {
namespace {

constexpr float kFar = 1e12F; // squared millimetres

// Lower envelope of parabolas along one line; f and d have n values, step is the voxel edge.
struct Envelope {
  std::vector<float> f, d;
  std::vector<int> vertex;
  std::vector<double> border;

  explicit Envelope(std::size_t n) : f(n), d(n), vertex(n), border(n + 1) {}

  void run(int n, double step) {
    int k = -1;
    for (int q = 0; q < n; ++q) {
      const double fq = f[static_cast<std::size_t>(q)];
      if (fq >= static_cast<double>(kFar)) continue;
      double s = -std::numeric_limits<double>::infinity();
      while (k >= 0) {
        const int p = vertex[static_cast<std::size_t>(k)];
        const double fp = f[static_cast<std::size_t>(p)];
        s = ((fq - fp) / (step * step) + static_cast<double>(q) * q - static_cast<double>(p) * p) /
            (2.0 * (q - p));
        if (s > border[static_cast<std::size_t>(k)]) break;
        --k;
        s = -std::numeric_limits<double>::infinity();
      }
      ++k;
      vertex[static_cast<std::size_t>(k)] = q;
      border[static_cast<std::size_t>(k)] = s;
    }
    if (k < 0) {
      std::fill(d.begin(), d.end(), kFar);
      return;
    }
    int at = 0;
    for (int q = 0; q < n; ++q) {
      while (at < k && border[static_cast<std::size_t>(at + 1)] < q) ++at;
      const int p = vertex[static_cast<std::size_t>(at)];
      const double x = step * (q - p);
      d[static_cast<std::size_t>(q)] =
          static_cast<float>(x * x + static_cast<double>(f[static_cast<std::size_t>(p)]));
    }
  }
};

void transform_axis(std::vector<float>& data, const Grid& grid, int axis, const Context& context) {
  const auto& shape = grid.shape;
  const std::size_t nx = static_cast<std::size_t>(shape[0]);
  const std::size_t ny = static_cast<std::size_t>(shape[1]);
  const std::size_t nz = static_cast<std::size_t>(shape[2]);
  const std::size_t n = static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
  const std::size_t stride = axis == 0 ? 1 : axis == 1 ? nx : nx * ny;
  const std::size_t lines = nx * ny * nz / n;
  const double step = grid.spacing_mm()[axis];
  parallel_blocks(context, lines, 512, [&](std::size_t begin, std::size_t end) {
    Envelope envelope(n);
    for (std::size_t line = begin; line < end; ++line) {
      const std::size_t start = axis == 0   ? line * nx
                                : axis == 1 ? line / nx * nx * ny + line % nx
                                            : line;
      for (std::size_t q = 0; q < n; ++q) envelope.f[q] = data[start + q * stride];
      envelope.run(static_cast<int>(n), step);
      for (std::size_t q = 0; q < n; ++q) data[start + q * stride] = envelope.d[q];
    }
  });
}

std::vector<float> squared_distance(const Mask& mask, bool to_background, const Context& context) {
  std::vector<float> data(mask.data.size());
  for (std::size_t v = 0; v < data.size(); ++v) {
    data[v] = (mask.data[v] != 0) != to_background ? 0.0F : kFar;
  }
  for (int axis = 0; axis < 3; ++axis) transform_axis(data, mask.grid, axis, context);
  return data;
}

// Calls visit(neighbour) for the 6 neighbours of voxel v inside the grid.
template <class Visit>
void for_each_neighbour(const Grid& grid, std::size_t v, Visit&& visit) {
  const auto c = grid.coordinates(v);
  const std::size_t stride[3] = {1, static_cast<std::size_t>(grid.shape[0]),
                                 static_cast<std::size_t>(grid.shape[0]) *
                                     static_cast<std::size_t>(grid.shape[1])};
  for (std::size_t a = 0; a < 3; ++a) {
    if (c[a] > 0) visit(v - stride[a]);
    if (c[a] + 1 < grid.shape[a]) visit(v + stride[a]);
  }
}

// Marks with `label` everything of value `of` connected to the seeds; returns the number marked.
std::size_t flood(const Mask& mask, std::vector<std::size_t>& stack, std::uint8_t of,
                  std::vector<std::int32_t>& labels, std::int32_t label) {
  std::size_t n = 0;
  while (!stack.empty()) {
    const std::size_t v = stack.back();
    stack.pop_back();
    ++n;
    for_each_neighbour(mask.grid, v, [&](std::size_t w) {
      if ((mask.data[w] != 0) != (of != 0) || labels[w] != 0) return;
      labels[w] = label;
      stack.push_back(w);
    });
  }
  return n;
}

} // namespace

Volume distance_mm(const Mask& mask, const Context& context) {
  Volume out;
  out.grid = mask.grid;
  out.data = squared_distance(mask, false, context);
  for (float& value : out.data) value = std::sqrt(value);
  return out;
}

Mask dilate(const Mask& mask, double mm, const Context& context) {
  const auto squared = squared_distance(mask, false, context);
  const float limit = static_cast<float>(mm * mm * (1.0 + 1e-6));
  Mask out(mask.grid);
  for (std::size_t v = 0; v < squared.size(); ++v) out.data[v] = squared[v] <= limit ? 1 : 0;
  return out;
}

Mask erode(const Mask& mask, double mm, const Context& context) {
  const auto squared = squared_distance(mask, true, context);
  const float limit = static_cast<float>(mm * mm * (1.0 + 1e-6));
  Mask out(mask.grid);
  for (std::size_t v = 0; v < squared.size(); ++v) out.data[v] = squared[v] > limit ? 1 : 0;
  return out;
}

Mask largest_component(const Mask& mask) {
  std::vector<std::int32_t> labels(mask.data.size(), 0);
  std::vector<std::size_t> stack;
  std::int32_t label = 0;
  std::int32_t best = 0;
  std::size_t best_size = 0;
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    if (mask.data[v] == 0 || labels[v] != 0) continue;
    labels[v] = ++label;
    stack.assign(1, v);
    const std::size_t size = flood(mask, stack, 1, labels, label);
    if (size > best_size) {
      best_size = size;
      best = label;
    }
  }
  Mask out(mask.grid);
  for (std::size_t v = 0; v < labels.size(); ++v) {
    out.data[v] = best != 0 && labels[v] == best ? 1 : 0;
  }
  return out;
}

Mask fill_holes(const Mask& mask) {
  std::vector<std::int32_t> outside(mask.data.size(), 0);
  std::vector<std::size_t> stack;
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    const auto c = mask.grid.coordinates(v);
    const bool border = c[0] == 0 || c[1] == 0 || c[2] == 0 || c[0] + 1 == mask.grid.shape[0] ||
                        c[1] + 1 == mask.grid.shape[1] || c[2] + 1 == mask.grid.shape[2];
    if (!border || mask.data[v] != 0) continue;
    outside[v] = 1;
    stack.push_back(v);
  }
  flood(mask, stack, 0, outside, 1);
  Mask out(mask.grid);
  for (std::size_t v = 0; v < outside.size(); ++v) out.data[v] = outside[v] == 0 ? 1 : 0;
  return out;
}

} // namespace boldmill::anatomy
