#include "stages/core/image.hpp"

#include <cmath>
#include <limits>

#include "stages/core/error.hpp"

namespace boldmill {

std::array<int, 3> Grid::coordinates(std::size_t index) const {
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto ny = static_cast<std::size_t>(shape[1]);
  return {static_cast<int>(index % nx), static_cast<int>(index / nx % ny),
          static_cast<int>(index / (nx * ny))};
}

Eigen::Vector3d Grid::spacing_mm() const {
  return affine.topLeftCorner<3, 3>().colwise().norm().transpose();
}

double Grid::voxel_volume_mm3() const {
  return std::abs(affine.topLeftCorner<3, 3>().determinant());
}

Eigen::Vector3d Grid::to_mm(const Eigen::Vector3d& voxel) const {
  return affine.topLeftCorner<3, 3>() * voxel + affine.topRightCorner<3, 1>();
}

Eigen::Vector3d Grid::to_voxel(const Eigen::Vector3d& mm) const {
  return affine.topLeftCorner<3, 3>().inverse() * (mm - affine.topRightCorner<3, 1>());
}

Eigen::Vector3d Grid::center_mm() const {
  return to_mm({0.5 * (shape[0] - 1), 0.5 * (shape[1] - 1), 0.5 * (shape[2] - 1)});
}

bool Grid::left_handed() const { return affine.topLeftCorner<3, 3>().determinant() < 0.0; }

std::string Grid::orientation() const {
  static constexpr const char* kCodes[3] = {"RL", "AP", "SI"};
  std::string codes;
  for (int axis = 0; axis < 3; ++axis) {
    int strongest = 0;
    const Eigen::Vector3d column = affine.block<3, 1>(0, axis);
    column.cwiseAbs().maxCoeff(&strongest);
    codes += kCodes[strongest][column[strongest] < 0.0 ? 1 : 0];
  }
  return codes;
}

bool Grid::same_as(const Grid& other, double tolerance_mm) const {
  if (shape != other.shape) return false;
  for (int corner = 0; corner < 8; ++corner) {
    const Eigen::Vector3d voxel((corner & 1) != 0 ? shape[0] - 1 : 0,
                                (corner & 2) != 0 ? shape[1] - 1 : 0,
                                (corner & 4) != 0 ? shape[2] - 1 : 0);
    if (!((to_mm(voxel) - other.to_mm(voxel)).norm() <= tolerance_mm)) return false;
  }
  return true;
}

Grid regular_grid_over(const Grid& grid, double spacing_mm) {
  Eigen::Vector3d low = Eigen::Vector3d::Constant(std::numeric_limits<double>::infinity());
  Eigen::Vector3d high = -low;
  for (int corner = 0; corner < 8; ++corner) {
    const Eigen::Vector3d mm = grid.to_mm({(corner & 1) != 0 ? grid.shape[0] - 1.0 : 0.0,
                                           (corner & 2) != 0 ? grid.shape[1] - 1.0 : 0.0,
                                           (corner & 4) != 0 ? grid.shape[2] - 1.0 : 0.0});
    low = low.cwiseMin(mm);
    high = high.cwiseMax(mm);
  }
  Grid out;
  out.affine.setIdentity();
  for (int axis = 0; axis < 3; ++axis) {
    out.shape[static_cast<std::size_t>(axis)] =
        static_cast<int>(std::floor((high[axis] - low[axis]) / spacing_mm + 1e-6)) + 1;
    out.affine(axis, axis) = spacing_mm;
    out.affine(axis, 3) = low[axis];
  }
  return out;
}

std::size_t count(const Mask& mask) {
  std::size_t n = 0;
  for (const auto value : mask.data) n += value != 0 ? 1U : 0U;
  return n;
}

std::vector<std::size_t> indices_of(const Mask& mask) {
  std::vector<std::size_t> indices;
  indices.reserve(count(mask));
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    if (mask.data[v] != 0) indices.push_back(v);
  }
  return indices;
}

double dice(const Mask& a, const Mask& b) {
  if (a.data.size() != b.data.size()) {
    throw Error(ErrorKind::internal, "dice: the masks have different sizes");
  }
  std::size_t both = 0;
  std::size_t sum = 0;
  for (std::size_t v = 0; v < a.data.size(); ++v) {
    const bool in_a = a.data[v] != 0;
    const bool in_b = b.data[v] != 0;
    both += in_a && in_b ? 1U : 0U;
    sum += (in_a ? 1U : 0U) + (in_b ? 1U : 0U);
  }
  if (sum == 0) return std::numeric_limits<double>::quiet_NaN();
  return 2.0 * static_cast<double>(both) / static_cast<double>(sum);
}

Eigen::Vector3d center_of_mass_mm(const Volume& volume) {
  Eigen::Vector3d moment = Eigen::Vector3d::Zero();
  double mass = 0.0;
  std::size_t v = 0;
  for (int k = 0; k < volume.grid.shape[2]; ++k) {
    for (int j = 0; j < volume.grid.shape[1]; ++j) {
      for (int i = 0; i < volume.grid.shape[0]; ++i, ++v) {
        const double value = volume.data[v];
        if (!(value > 0.0) || !std::isfinite(value)) continue;
        mass += value;
        moment += value * Eigen::Vector3d(i, j, k);
      }
    }
  }
  return mass > 0.0 ? volume.grid.to_mm(moment / mass) : volume.grid.center_mm();
}

} // namespace boldmill
