#include "pipeline/image_io/itk_transform.hpp"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "pipeline/image_io/itk_parts.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

// No field has more voxels on an axis, nor more in all (0.4 mm whole head: 2^28).
constexpr double kLargestSize = 4096.0;
constexpr double kMostVoxels = 1U << 28U;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorKind::input, name + ": " + what);
}

const Eigen::Vector4d kFlip(-1.0, -1.0, 1.0, 1.0);

// Adding 0 turns -0 into 0.
Affine flipped(const Affine& map) {
  return (kFlip.asDiagonal() * map * kFlip.asDiagonal()).array() + 0.0;
}

void require_count(const ItkLinear& transform, std::size_t n, const std::string& name) {
  if (transform.parameters.size() != n) {
    fail(name, transform.type + " has " + std::to_string(transform.parameters.size()) +
                   " parameters, expected " + std::to_string(n));
  }
  const auto finite = [](double x) { return std::isfinite(x); };
  if (!std::all_of(transform.parameters.begin(), transform.parameters.end(), finite) ||
      !std::all_of(transform.fixed.begin(), transform.fixed.end(), finite)) {
    fail(name, transform.type + " has parameters that are not finite");
  }
}

Eigen::Vector3d center_of(const ItkLinear& transform, const std::string& name) {
  if (transform.fixed.empty()) return Eigen::Vector3d::Zero();
  if (transform.fixed.size() < 3) {
    fail(name, transform.type + " has " + std::to_string(transform.fixed.size()) +
                   " fixed parameters, expected a centre of 3");
  }
  return {transform.fixed[0], transform.fixed[1], transform.fixed[2]};
}

// y = M (x - c) + c + t
Affine about(const Eigen::Matrix3d& matrix, const Eigen::Vector3d& center,
             const Eigen::Vector3d& translation) {
  Affine map = Affine::Identity();
  map.topLeftCorner<3, 3>() = matrix;
  map.topRightCorner<3, 1>() = center + translation - matrix * center;
  return map;
}

Affine affine_of(const ItkLinear& transform, const std::string& name) {
  require_count(transform, 12, name);
  const auto& p = transform.parameters;
  const Eigen::Map<const Eigen::Matrix<double, 3, 3, Eigen::RowMajor>> matrix(p.data());
  return about(matrix, center_of(transform, name), {p[9], p[10], p[11]});
}

// Angles about x, y, z in radians; R = Rz Rx Ry, or Rz Ry Rx when the fourth fixed number is not 0.
Affine euler_of(const ItkLinear& transform, const std::string& name) {
  require_count(transform, 6, name);
  const auto& p = transform.parameters;
  const Eigen::AngleAxisd x(p[0], Eigen::Vector3d::UnitX());
  const Eigen::AngleAxisd y(p[1], Eigen::Vector3d::UnitY());
  const Eigen::AngleAxisd z(p[2], Eigen::Vector3d::UnitZ());
  const bool zyx = transform.fixed.size() > 3 && transform.fixed[3] != 0.0;
  const Eigen::Matrix3d rotation =
      zyx ? (z * y * x).toRotationMatrix() : (z * x * y).toRotationMatrix();
  return about(rotation, center_of(transform, name), {p[3], p[4], p[5]});
}

Affine translation_of(const ItkLinear& transform, const std::string& name) {
  require_count(transform, 3, name);
  const auto& p = transform.parameters;
  return about(Eigen::Matrix3d::Identity(), Eigen::Vector3d::Zero(), {p[0], p[1], p[2]});
}

} // namespace

std::string itk_class(const std::string& type, const std::string& name) {
  const std::size_t end = type.find('_');
  if (end == std::string::npos || !type.ends_with("_3_3")) {
    fail(name, "transform type \"" + type.substr(0, 80) +
                   "\", expected one of three dimensions such as AffineTransform_double_3_3");
  }
  return type.substr(0, end);
}

bool is_itk_field(const std::string& itk_class) {
  return itk_class.ends_with("DisplacementFieldTransform");
}

Affine linear_map(const ItkLinear& transform, const std::string& name) {
  const std::string kind = itk_class(transform.type, name);
  Affine map = Affine::Identity();
  if (kind == "AffineTransform" || kind == "MatrixOffsetTransformBase") {
    map = affine_of(transform, name);
  } else if (kind == "Euler3DTransform") {
    map = euler_of(transform, name);
  } else if (kind == "TranslationTransform") {
    map = translation_of(transform, name);
  } else if (kind != "IdentityTransform") {
    fail(name, "a transform of type " + transform.type.substr(0, 80) +
                   " is not read, expected affine, matrix-offset, Euler, translation or "
                   "displacement field transforms");
  }
  if (!(std::abs(map.topLeftCorner<3, 3>().determinant()) > 1e-9)) {
    fail(name, "the matrix of a transform is singular");
  }
  return flipped(map);
}

std::vector<double> affine_parameters(const Affine& map) {
  if (!map.allFinite() || map.topLeftCorner<3, 3>().determinant() == 0.0) {
    throw Error(ErrorKind::internal, "write transform: found a singular or non-finite matrix");
  }
  const Affine lps = flipped(map);
  std::vector<double> parameters;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) parameters.push_back(lps(i, j));
  }
  for (int i = 0; i < 3; ++i) parameters.push_back(lps(i, 3));
  return parameters;
}

Grid field_grid(const std::vector<double>& fixed, const std::string& name) {
  if (fixed.size() != 18) {
    fail(name, "a displacement field has " + std::to_string(fixed.size()) +
                   " fixed parameters, expected 18 (size, origin, spacing, direction)");
  }
  Grid grid;
  double voxels = 1.0;
  for (std::size_t a = 0; a < 3; ++a) {
    const double size = fixed[a];
    if (!(size >= 1.0 && size <= kLargestSize) || size != std::floor(size)) {
      fail(name, "a displacement field of " + std::to_string(size) + " voxels on axis " +
                     std::to_string(a) + ", expected 1 to 4096");
    }
    grid.shape[a] = static_cast<int>(size);
    voxels *= size;
  }
  if (voxels > kMostVoxels) {
    fail(name,
         "a displacement field of " + std::to_string(voxels) + " voxels, expected less than 2^28");
  }
  for (int i = 0; i < 3; ++i) {
    grid.affine(i, 3) = fixed[static_cast<std::size_t>(3 + i)];
    for (int j = 0; j < 3; ++j) {
      grid.affine(i, j) =
          fixed[static_cast<std::size_t>(9 + 3 * i + j)] * fixed[static_cast<std::size_t>(6 + j)];
    }
  }
  if (!grid.affine.allFinite() ||
      !(std::abs(grid.affine.topLeftCorner<3, 3>().determinant()) > 1e-9)) {
    fail(name, "spacing and direction of a displacement field give no grid");
  }
  grid.affine = kFlip.asDiagonal() * grid.affine;
  return grid;
}

std::vector<double> field_parameters(const Grid& grid) {
  const Eigen::Vector3d spacing = grid.spacing_mm();
  const Affine lps = kFlip.asDiagonal() * grid.affine;
  std::vector<double> fixed(grid.shape.begin(), grid.shape.end());
  for (int i = 0; i < 3; ++i) fixed.push_back(lps(i, 3));
  for (int i = 0; i < 3; ++i) fixed.push_back(spacing[i]);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) fixed.push_back(lps(i, j) / spacing[j]);
  }
  return fixed;
}

bool flip_vectors(std::vector<float>& vectors) {
  bool finite = true;
  for (std::size_t v = 0; v + 2 < vectors.size(); v += 3) {
    vectors[v] = -vectors[v];
    vectors[v + 1] = -vectors[v + 1];
    finite &=
        std::isfinite(vectors[v]) && std::isfinite(vectors[v + 1]) && std::isfinite(vectors[v + 2]);
  }
  return finite;
}

PointMap composite_of(std::vector<PointMap::Step> steps) {
  std::reverse(steps.begin(), steps.end());
  return PointMap{std::move(steps)};
}

PointMap read_xfm(const std::filesystem::path& path) {
  const std::string file = path.filename().string();
  if (file.ends_with(".h5")) return read_itk_hdf5(path);
  if (file.ends_with(".txt") || file.ends_with(".tfm")) return read_itk_text(path);
  if (file.ends_with(".nii.gz") || file.ends_with(".nii")) return read_field_image(path);
  fail(file, "not a transform that is read, expected .h5, .txt, .tfm, .nii.gz or .nii");
}

} // namespace boldmill::image_io
