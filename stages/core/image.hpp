// Grids and images. The affine is always attached: an image without a place does not exist here.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace boldmill {

// A regular lattice: voxel (i, j, k) has its centre at affine * (i, j, k, 1) in RAS millimetres.
// Any orientation and handedness. Memory order: i fastest.
struct Grid {
  std::array<int, 3> shape{0, 0, 0};
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();

  [[nodiscard]] std::size_t n_voxels() const {
    return static_cast<std::size_t>(shape[0]) * static_cast<std::size_t>(shape[1]) *
           static_cast<std::size_t>(shape[2]);
  }
  [[nodiscard]] std::size_t index(int i, int j, int k) const {
    return static_cast<std::size_t>(i) +
           static_cast<std::size_t>(shape[0]) *
               (static_cast<std::size_t>(j) +
                static_cast<std::size_t>(shape[1]) * static_cast<std::size_t>(k));
  }
  [[nodiscard]] std::array<int, 3> coordinates(std::size_t index) const;
  [[nodiscard]] bool contains(int i, int j, int k) const {
    return i >= 0 && j >= 0 && k >= 0 && i < shape[0] && j < shape[1] && k < shape[2];
  }
  [[nodiscard]] Eigen::Vector3d spacing_mm() const; // length of each voxel edge
  [[nodiscard]] double voxel_volume_mm3() const;    // always positive
  [[nodiscard]] Eigen::Vector3d to_mm(const Eigen::Vector3d& voxel) const;
  [[nodiscard]] Eigen::Vector3d to_voxel(const Eigen::Vector3d& mm) const; // inverts each call
  [[nodiscard]] Eigen::Vector3d center_mm() const; // middle of the field of view
  [[nodiscard]] bool left_handed() const;          // determinant of the affine < 0
  [[nodiscard]] std::string orientation() const;   // nearest axis codes, e.g. "LAS"
  // Same shape, and every corner within `tolerance_mm`.
  [[nodiscard]] bool same_as(const Grid& other, double tolerance_mm = 1e-3) const;
};

// An axis-aligned RAS grid that covers `box` of `grid` at an isotropic spacing.
[[nodiscard]] Grid regular_grid_over(const Grid& grid, double spacing_mm);

template <class T>
struct Image {
  Grid grid;
  std::vector<T> data; // grid.n_voxels() values, i fastest

  Image() = default;
  explicit Image(const Grid& g, T value = T{}) : grid(g), data(g.n_voxels(), value) {}
  [[nodiscard]] T& at(int i, int j, int k) { return data[grid.index(i, j, k)]; }
  [[nodiscard]] const T& at(int i, int j, int k) const { return data[grid.index(i, j, k)]; }
};

using Volume = Image<float>;
using Mask = Image<std::uint8_t>;       // 0 or 1
using LabelImage = Image<std::int32_t>; // 0 is background

// A 4-D image, volume after volume: data[t * grid.n_voxels() + voxel].
struct Series {
  Grid grid;
  int n_volumes = 0;
  double tr_s = 0.0;
  std::vector<float> data;

  [[nodiscard]] const float* volume(int t) const {
    return data.data() + static_cast<std::size_t>(t) * grid.n_voxels();
  }
  [[nodiscard]] float* volume(int t) {
    return data.data() + static_cast<std::size_t>(t) * grid.n_voxels();
  }
};

[[nodiscard]] std::size_t count(const Mask& mask);
[[nodiscard]] std::vector<std::size_t> indices_of(const Mask& mask); // ascending
[[nodiscard]] double dice(const Mask& a, const Mask& b); // same grid; NaN when both are empty
// Centre of intensity in mm over positive finite voxels; the grid's centre when there are none.
[[nodiscard]] Eigen::Vector3d center_of_mass_mm(const Volume& volume);

} // namespace boldmill
