#include "stages/anatomy/kernels/vector_field.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::anatomy {
namespace {

// Lower corner and weights of a clamped position.
struct Corner {
  std::size_t base;
  float fx, fy, fz;
};

struct Lattice {
  int n[3];
  float last[3];
  std::size_t sx, sy, sz; // steps to the next corner, 0 on axes of one voxel

  explicit Lattice(const std::array<int, 3>& shape)
      : n{shape[0], shape[1], shape[2]},
        last{static_cast<float>(shape[0] - 1), static_cast<float>(shape[1] - 1),
             static_cast<float>(shape[2] - 1)},
        sx(shape[0] > 1 ? 1 : 0), sy(shape[1] > 1 ? static_cast<std::size_t>(shape[0]) : 0),
        sz(shape[2] > 1 ? static_cast<std::size_t>(shape[0]) * static_cast<std::size_t>(shape[1])
                        : 0) {}

  [[nodiscard]] Corner corner(float x, float y, float z) const {
    x = std::clamp(x, 0.0F, last[0]);
    y = std::clamp(y, 0.0F, last[1]);
    z = std::clamp(z, 0.0F, last[2]);
    const int i = std::min(static_cast<int>(x), std::max(n[0] - 2, 0));
    const int j = std::min(static_cast<int>(y), std::max(n[1] - 2, 0));
    const int k = std::min(static_cast<int>(z), std::max(n[2] - 2, 0));
    const auto row = static_cast<std::size_t>(n[0]);
    const std::size_t base = static_cast<std::size_t>(i) +
                             row * (static_cast<std::size_t>(j) +
                                    static_cast<std::size_t>(n[1]) * static_cast<std::size_t>(k));
    return {base, x - static_cast<float>(i), y - static_cast<float>(j), z - static_cast<float>(k)};
  }
};

// body(v, i, j, k) over the lattice, a row at a time.
template <class Body>
void for_each_voxel(const std::array<int, 3>& shape, const Context& context, Body&& body) {
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto ny = static_cast<std::size_t>(shape[1]);
  const std::size_t rows = ny * static_cast<std::size_t>(shape[2]);
  parallel_blocks(context, rows, 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      const auto j = static_cast<float>(row % ny);
      const auto k = static_cast<float>(row / ny);
      for (std::size_t i = 0; i < nx; ++i) body(row * nx + i, static_cast<float>(i), j, k);
    }
  });
}

Eigen::Array4f sample(const float* u, const Lattice& lattice, const Corner& at) {
  using Quad = Eigen::Map<const Eigen::Array4f>; // the fourth value is not used
  const float* p = u + 3 * at.base;
  const std::size_t sx = 3 * lattice.sx, sy = 3 * lattice.sy, sz = 3 * lattice.sz;
  const auto line = [&](const float* q) -> Eigen::Array4f {
    const Eigen::Array4f a = Quad(q);
    return a + at.fx * (Quad(q + sx) - a);
  };
  const auto plane = [&](const float* q) -> Eigen::Array4f {
    const Eigen::Array4f a = line(q);
    return a + at.fy * (line(q + sy) - a);
  };
  const Eigen::Array4f a = plane(p);
  return a + at.fz * (plane(p + sz) - a);
}

void store(float* u, const Eigen::Array4f& value) {
  u[0] = value[0];
  u[1] = value[1];
  u[2] = value[2];
}

} // namespace

VectorField::VectorField(const std::array<int, 3>& s)
    : shape(s), u(3 * static_cast<std::size_t>(s[0]) * static_cast<std::size_t>(s[1]) *
                          static_cast<std::size_t>(s[2]) +
                      1,
                  0.0F) {}

void warp(const std::vector<float>& image, const VectorField& field, std::vector<float>& out,
          const Context& context) {
  const Lattice lattice(field.shape);
  out.resize(image.size());
  const auto [sx, sy, sz] = std::array{lattice.sx, lattice.sy, lattice.sz};
  for_each_voxel(field.shape, context, [&](std::size_t v, float i, float j, float k) {
    const float* u = field.u.data() + 3 * v;
    const Corner at = lattice.corner(i + u[0], j + u[1], k + u[2]);
    const float* p = image.data() + at.base;
    const float a = p[0] + at.fx * (p[sx] - p[0]);
    const float b = p[sy] + at.fx * (p[sy + sx] - p[sy]);
    const float c = p[sz] + at.fx * (p[sz + sx] - p[sz]);
    const float d = p[sz + sy] + at.fx * (p[sz + sy + sx] - p[sz + sy]);
    const float e = a + at.fy * (b - a);
    const float f = c + at.fy * (d - c);
    out[v] = e + at.fz * (f - e);
  });
}

void compose(const VectorField& first, const VectorField& second, VectorField& out,
             const Context& context) {
  const Lattice lattice(second.shape);
  out.shape = first.shape;
  out.u.resize(first.u.size());
  for_each_voxel(first.shape, context, [&](std::size_t v, float i, float j, float k) {
    const float* d = first.u.data() + 3 * v;
    const Corner at = lattice.corner(i + d[0], j + d[1], k + d[2]);
    const Eigen::Array4f s = sample(second.u.data(), lattice, at);
    store(out.u.data() + 3 * v, s + Eigen::Array4f(d[0], d[1], d[2], 0.0F));
  });
}

VectorField invert(const VectorField& field, int iterations, const Context& context,
                   const VectorField* start) {
  const Lattice lattice(field.shape);
  VectorField inverse = start != nullptr ? *start : VectorField(field.shape);
  for_each_voxel(field.shape, context, [&](std::size_t v, float i, float j, float k) {
    float* w = inverse.u.data() + 3 * v;
    for (int n = 0; n < iterations; ++n) {
      const Corner at = lattice.corner(i + w[0], j + w[1], k + w[2]);
      const Eigen::Array4f next = -sample(field.u.data(), lattice, at);
      const float change =
          std::abs(next[0] - w[0]) + std::abs(next[1] - w[1]) + std::abs(next[2] - w[2]);
      store(w, next);
      if (change < 1e-4F) break;
    }
  });
  return inverse;
}

void smooth_in_place(VectorField& field, double sigma_voxels, const Context& context) {
  if (!(sigma_voxels > 0.0)) return;
  gaussian_smooth_in_place(field.u, field.shape, Eigen::Vector3d::Constant(sigma_voxels), context,
                           3);
}

VectorField on_grid(const VectorField& field, const Grid& from, const Grid& to,
                    const Context& context) {
  VectorField out(to.shape);
  const Lattice lattice(field.shape);
  const Eigen::Matrix4d map = from.affine.inverse() * to.affine;
  const Eigen::Matrix3f linear = map.topLeftCorner<3, 3>().cast<float>();
  const Eigen::Vector3f shift = map.topRightCorner<3, 1>().cast<float>();
  const Eigen::Matrix3f back = Eigen::Matrix3d(map.topLeftCorner<3, 3>().inverse()).cast<float>();
  for_each_voxel(to.shape, context, [&](std::size_t v, float i, float j, float k) {
    const Eigen::Vector3f x = linear * Eigen::Vector3f(i, j, k) + shift;
    const Eigen::Array4f s = sample(field.u.data(), lattice, lattice.corner(x[0], x[1], x[2]));
    const Eigen::Vector3f value = back * Eigen::Vector3f(s[0], s[1], s[2]);
    store(out.u.data() + 3 * v, Eigen::Array4f(value[0], value[1], value[2], 0.0F));
  });
  return out;
}

double largest(const VectorField& field) {
  float most = 0.0F;
  for (std::size_t v = 0; v < field.n_voxels(); ++v) {
    const float* u = field.u.data() + 3 * v;
    most = std::max(most, u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);
  }
  return std::sqrt(static_cast<double>(most));
}

} // namespace boldmill::anatomy
