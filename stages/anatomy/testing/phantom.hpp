// An analytic head for the tests: every value is a function of the point in millimetres, so known
// maps are applied without interpolation. Nothing in it is symmetric.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>

#include "stages/core/image.hpp"

namespace boldmill::anatomy::testing {

using Point = Eigen::Vector3d;
using Scene = std::function<double(const Point&)>;

inline double inside(double signed_distance_mm) { // soft edge of about 2 mm
  return 1.0 / (1.0 + std::exp(signed_distance_mm / 1.0));
}

inline double ellipsoid(const Point& p, const Point& center, const Point& half) {
  const double r = ((p - center).cwiseQuotient(half)).norm();
  return (r - 1.0) * half.minCoeff();
}

inline double brain_distance(const Point& p) {
  const double egg = ellipsoid(p, Point(0, -5, 0), Point(66 + 0.06 * p[1], 82, 58));
  const double stem = ellipsoid(p, Point(0, -22, -52), Point(14, 14, 26));
  return std::min(egg, stem);
}

// Grey 80, white 110, CSF 30; zero outside.
inline double brain(const Point& p) {
  const double edge = brain_distance(p);
  const double folds = 5.0 * std::sin(p[0] / 8.0 + 0.3 * std::sin(p[2] / 11.0)) *
                       std::sin(p[1] / 9.0) * std::cos(p[2] / 10.0);
  const double white = inside(edge + 11.0 + folds);
  const double texture = std::sin(p[0] / 5.5 + p[2] / 15.0) * std::sin(p[1] / 6.0) *
                         std::sin(p[2] / 5.0 + p[1] / 17.0);
  double value = 80.0 + 30.0 * white + 14.0 * texture;
  const auto put = [&](double distance, double level) {
    const double share = inside(distance);
    value = (1.0 - share) * value + share * level;
  };
  put(ellipsoid(p, Point(12, -2, 12), Point(7, 26, 10)), 30.0);
  put(ellipsoid(p, Point(-14, 2, 10), Point(6, 22, 9)), 30.0);
  put(ellipsoid(p, Point(26, 8, 0), Point(9, 16, 10)), 82.0);
  put(ellipsoid(p, Point(-27, 4, 0), Point(10, 15, 9)), 82.0);
  put(ellipsoid(p, Point(8, -62, -28), Point(30, 16, 14)), 78.0);
  put(ellipsoid(p, Point(0, 55, -14), Point(20, 6, 5)), 35.0);
  return inside(edge) * value;
}

// The brain in CSF and skull (dark), scalp (bright), on a neck.
inline double head(const Point& p) {
  const double neck = std::max(Point(p[0], p[1] + 20, 0).norm() - 55.0, p[2] + 10.0);
  const double outer = std::min(ellipsoid(p, Point(0, -4, -4), Point(84, 102, 80)), neck);
  const double scalp = inside(outer) * inside(-(outer + 7.0));
  const double muscle =
      60.0 * inside(outer) * inside(ellipsoid(p, Point(0, -30, -110), Point(40, 40, 36)));
  const double around = std::max(15.0 * inside(outer), muscle) * (1.0 - scalp) + 150.0 * scalp;
  return (1.0 - inside(brain_distance(p))) * around + brain(p);
}

inline Grid cube_grid(int n, double spacing_mm, const Point& center = Point::Zero()) {
  Grid grid;
  grid.shape = {n, n, n};
  grid.affine.topLeftCorner<3, 3>() *= spacing_mm;
  grid.affine.topRightCorner<3, 1>() = center - Point::Constant(0.5 * (n - 1) * spacing_mm);
  return grid;
}

// The scene at to_scene(x) for every voxel centre x.
inline Volume render(
    const Grid& grid, const Scene& scene,
    const std::function<Point(const Point&)>& to_scene = [](const Point& p) { return p; }) {
  Volume out(grid);
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    out.data[v] = static_cast<float>(scene(to_scene(grid.to_mm(Point(i, j, k)))));
  }
  return out;
}

inline Mask brain_truth(
    const Grid& grid,
    const std::function<Point(const Point&)>& to_scene = [](const Point& p) { return p; }) {
  Mask out(grid);
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    out.data[v] = brain_distance(to_scene(grid.to_mm(Point(i, j, k)))) < 0.0 ? 1 : 0;
  }
  return out;
}

} // namespace boldmill::anatomy::testing
