#include "benchmarks/preprocessing/damage.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"

namespace boldmill::damage {

Affine random_move(Random& random, double mm, double degrees, const Eigen::Vector3d& center) {
  Eigen::Vector3d shift, turn;
  for (int a = 0; a < 3; ++a) {
    shift[a] = random.normal();
    turn[a] = random.normal();
  }
  shift *= mm / shift.norm();
  turn *= degrees * std::numbers::pi / 180.0 / turn.norm();
  return rigid_matrix({shift, turn}, center);
}

Affine quarter_turn(int which, const Eigen::Vector3d& center) {
  Eigen::Vector3d turn = Eigen::Vector3d::Zero();
  turn[which % 3] = (which / 3 % 2 == 0 ? 1.0 : -1.0) * std::numbers::pi / 2.0;
  return rigid_matrix({Eigen::Vector3d::Zero(), turn}, center);
}

Volume with_header(Volume image, const Affine& moved) {
  image.grid.affine = moved * image.grid.affine;
  return image;
}

Volume exchanged(const Volume& source) {
  int axis = 0;
  for (int a = 1; a < 3; ++a) {
    if (std::abs(source.grid.affine(0, a)) > std::abs(source.grid.affine(0, axis))) axis = a;
  }
  Volume image = source;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    auto at = image.grid.coordinates(v);
    auto& i = at[static_cast<std::size_t>(axis)];
    i = image.grid.shape[static_cast<std::size_t>(axis)] - 1 - i;
    image.data[v] = source.data[source.grid.index(at[0], at[1], at[2])];
  }
  return image;
}

Volume slab(const Volume& image, double share) {
  Volume out = image;
  out.grid.shape[2] = std::max(8, static_cast<int>(share * image.grid.shape[2]));
  const int from = (image.grid.shape[2] - out.grid.shape[2]) / 2;
  out.grid.affine.topRightCorner<3, 1>() = image.grid.to_mm(Eigen::Vector3d(0.0, 0.0, from));
  const auto begin = image.data.begin() + static_cast<std::ptrdiff_t>(image.grid.index(0, 0, from));
  out.data.assign(begin, begin + static_cast<std::ptrdiff_t>(out.grid.n_voxels()));
  return out;
}

Volume noisy(Volume image, double share, Random& random) {
  double mean = 0.0;
  for (const float v : image.data) {
    mean += static_cast<double>(v) / static_cast<double>(image.data.size());
  }
  double bright = 0.0;
  std::size_t n = 0;
  for (const float v : image.data) {
    if (static_cast<double>(v) > mean) {
      bright += static_cast<double>(v);
      ++n;
    }
  }
  const double sd = share * bright / static_cast<double>(n);
  for (float& v : image.data) {
    const double real = static_cast<double>(v) + sd * random.normal();
    v = static_cast<float>(std::hypot(real, sd * random.normal()));
  }
  return image;
}

Volume lesioned(Volume image, const Eigen::Vector3d& center_mm, double radius_mm) {
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const auto [i, j, k] = image.grid.coordinates(v);
    const Eigen::Vector3d at = image.grid.to_mm(Eigen::Vector3d(i, j, k));
    if ((at - center_mm).norm() < radius_mm) image.data[v] *= 0.3F;
  }
  return image;
}

Volume atrophied(const Volume& image, const Affine& image_to_head, const Mask& brain,
                 const Eigen::Vector3d& center_mm, double fluid) {
  constexpr double kReachMm = 25.0;
  constexpr double kWider = 1.5;
  constexpr double kRimMm = 3.0;
  const Mask core = erode(brain, kRimMm, {});
  const Affine to_image = image_to_head.inverse();
  const auto holds = [](const Mask& mask, const Eigen::Vector3d& mm) {
    const Eigen::Vector3d v = mask.grid.to_voxel(mm);
    const int i = static_cast<int>(std::lround(v[0]));
    const int j = static_cast<int>(std::lround(v[1]));
    const int k = static_cast<int>(std::lround(v[2]));
    return mask.grid.contains(i, j, k) && mask.at(i, j, k) != 0;
  };
  Volume out = image;
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    const auto [i, j, k] = image.grid.coordinates(v);
    const Eigen::Vector3d mm = image.grid.to_mm(Eigen::Vector3d(i, j, k));
    const Eigen::Vector3d x = (image_to_head * mm.homogeneous()).head<3>();
    if (!holds(brain, x)) continue;
    if (!holds(core, x)) {
      out.data[v] = static_cast<float>(fluid);
      continue;
    }
    const Eigen::Vector3d away = x - center_mm;
    const double near = std::exp(-away.squaredNorm() / (2.0 * kReachMm * kReachMm));
    const Eigen::Vector3d from = center_mm + away * (1.0 - (1.0 - 1.0 / kWider) * near);
    const Eigen::Vector3d y =
        image.grid.to_voxel(Eigen::Vector3d((to_image * from.homogeneous()).head<3>()));
    out.data[v] = sample_linear(image.data.data(), image.grid.shape, y[0], y[1], y[2]);
  }
  return out;
}

} // namespace boldmill::damage
