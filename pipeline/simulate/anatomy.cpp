#include "pipeline/simulate/anatomy.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/image_io/digest.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::simulate {
namespace {

constexpr double kUnit = 200.0; // stored steps per unit fraction
constexpr double kTextureZero = 100.0;
constexpr double kHalfRadius_mm = 9.0;

std::uint8_t stored(double value, double offset = 0.0) {
  return static_cast<std::uint8_t>(std::clamp(std::lround(value * kUnit + offset), 0L, 255L));
}

struct Fractions {
  double csf = 0, grey = 0, white = 0;
};

// Between two class means a voxel is a mixture of the two; beyond the outer means it is pure.
Fractions mixture(double value, const std::array<double, 3>& means) {
  Fractions f;
  if (value <= means[1]) {
    f.grey = std::clamp((value - means[0]) / (means[1] - means[0]), 0.0, 1.0);
    f.csf = 1.0 - f.grey;
  } else {
    f.white = std::clamp((value - means[1]) / (means[2] - means[1]), 0.0, 1.0);
    f.grey = 1.0 - f.white;
  }
  return f;
}

Volume read_anatomy(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorKind::usage, "anatomy " + path.string() +
                                      ": not found; expected Colin27 of Debian's mricron-data, or "
                                      "give --anatomy HEAD BRAIN");
  }
  return image_io::read_volume(path, {.nonfinite_to_zero = true, .report = nullptr});
}

// Skull and scalp around a brain-only image: shells of the smoothed mask stand in for distances.
Volume synthetic_head(const Volume& brain, double white, const Context& context) {
  Volume shells(brain.grid);
  for (std::size_t v = 0; v < shells.data.size(); ++v)
    shells.data[v] = brain.data[v] > 0 ? 1.F : 0.F;
  shells = gaussian_smooth(std::move(shells), 6.0, context);
  for (std::size_t v = 0; v < shells.data.size(); ++v) {
    const float s = shells.data[v];
    float value = 0.0F;
    if (s > 0.25F)
      value = 0.25F; // meninges and fluid
    else if (s > 0.06F)
      value = 0.08F; // bone
    else if (s > 0.004F)
      value = 0.9F; // scalp
    shells.data[v] = brain.data[v] > 0 ? brain.data[v] : value * static_cast<float>(white);
  }
  return shells;
}

// Muscle and skin are visible in an EPI; fat (bright in a T1w image) is suppressed, bone is dark.
double epi_of_head(double t1w) {
  const double fat = 1.0 / (1.0 + std::exp((t1w - 1.25) / 0.08));
  return 0.55 * std::clamp(t1w, 0.0, 1.3) * (0.25 + 0.75 * fat);
}

} // namespace

std::array<double, 3> three_class_means(const std::vector<float>& positive) {
  float top = 0.0F;
  for (const float v : positive) top = std::max(top, v);
  if (!(top > 0.0F)) throw Error(ErrorKind::usage, "anatomy: the brain image is empty");
  std::vector<double> histogram(256, 0.0);
  for (const float v : positive) {
    if (v > 0.0F) histogram[static_cast<std::size_t>(std::min(255.0F, v / top * 255.0F))] += 1.0;
  }
  std::array<double, 3> means{80.0, 170.0, 230.0};
  for (int iteration = 0; iteration < 200; ++iteration) {
    std::array<double, 3> sum{};
    std::array<double, 3> n{};
    for (std::size_t bin = 0; bin < 256; ++bin) {
      const double value = static_cast<double>(bin) + 0.5;
      std::size_t best = 0;
      for (std::size_t c = 1; c < 3; ++c) {
        if (std::abs(value - means[c]) < std::abs(value - means[best])) best = c;
      }
      sum[best] += histogram[bin] * value;
      n[best] += histogram[bin];
    }
    const std::array<double, 3> before = means;
    for (std::size_t c = 0; c < 3; ++c) {
      if (n[c] > 0) means[c] = sum[c] / n[c];
    }
    if (before == means) break;
  }
  for (double& m : means) m *= top / 255.0;
  return means;
}

Tissue Anatomy::at(const Eigen::Vector3d& point_mm) const {
  const Eigen::Vector3d p = (grid.affine.topLeftCorner<3, 3>().inverse() *
                             (point_mm - grid.affine.topRightCorner<3, 1>()));
  const double fx = std::floor(p[0]);
  const double fy = std::floor(p[1]);
  const double fz = std::floor(p[2]);
  const int i = static_cast<int>(fx);
  const int j = static_cast<int>(fy);
  const int k = static_cast<int>(fz);
  if (i < 0 || j < 0 || k < 0 || i + 1 >= grid.shape[0] || j + 1 >= grid.shape[1] ||
      k + 1 >= grid.shape[2]) {
    return {};
  }
  const std::array<float, 2> wx{static_cast<float>(1.0 - (p[0] - fx)),
                                static_cast<float>(p[0] - fx)};
  const std::array<float, 2> wy{static_cast<float>(1.0 - (p[1] - fy)),
                                static_cast<float>(p[1] - fy)};
  const std::array<float, 2> wz{static_cast<float>(1.0 - (p[2] - fz)),
                                static_cast<float>(p[2] - fz)};
  std::array<float, 6> sum{};
  for (int corner = 0; corner < 8; ++corner) {
    const auto dx = static_cast<std::size_t>(corner & 1);
    const auto dy = static_cast<std::size_t>((corner >> 1) & 1);
    const auto dz = static_cast<std::size_t>(corner >> 2);
    const float w = wx[dx] * wy[dy] * wz[dz] / static_cast<float>(kUnit);
    const auto& voxel =
        voxels[grid.index(i + (corner & 1), j + ((corner >> 1) & 1), k + (corner >> 2))];
    for (std::size_t c = 0; c < 6; ++c) sum[c] += w * static_cast<float>(voxel[c]);
  }
  return {sum[0], sum[1], sum[2],
          sum[3], sum[4], sum[5] - static_cast<float>(kTextureZero / kUnit)};
}

std::shared_ptr<const Anatomy> load_anatomy(const AnatomyPaths& paths, const Context& context) {
  const Volume brain = read_anatomy(paths.brain);
  auto anatomy = std::make_shared<Anatomy>();
  anatomy->grid = brain.grid;
  std::vector<float> positive;
  for (const float v : brain.data) {
    if (v > 0.0F) positive.push_back(v);
  }
  anatomy->class_means = three_class_means(positive);
  const std::array<double, 3>& means = anatomy->class_means;
  const bool brain_only = paths.head.empty() || paths.head == paths.brain;
  const Volume head =
      brain_only ? synthetic_head(brain, means[2], context) : read_anatomy(paths.head);
  if (!head.grid.same_as(brain.grid)) {
    throw Error(ErrorKind::usage, "anatomy: " + paths.head.string() + " and " +
                                      paths.brain.string() + " have different grids");
  }
  const std::string of_brain = image_io::digest_file(paths.brain).sha256;
  anatomy->sha256 = brain_only ? of_brain : image_io::digest_file(paths.head).sha256;
  anatomy->places = load_places(paths.points, {of_brain, anatomy->sha256});
  anatomy->voxels.resize(brain.data.size());
  parallel_blocks(context, brain.data.size(), 1U << 18U, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      auto& voxel = anatomy->voxels[v];
      voxel = {0, 0, 0, 0, 0, static_cast<std::uint8_t>(kTextureZero)};
      if (brain.data[v] > 0.0F) {
        const double value = brain.data[v];
        const Fractions f = mixture(value, means);
        const double expected = f.csf * means[0] + f.grey * means[1] + f.white * means[2];
        voxel = {stored(f.grey),
                 stored(f.white),
                 stored(f.csf),
                 0,
                 0,
                 stored((value - expected) / means[2], kTextureZero)};
      } else {
        const double t1w = head.data[v] / means[2];
        voxel[3] = stored(std::min(t1w, 1.27));
        voxel[4] = stored(t1w < 0.12 ? 0.0 : epi_of_head(t1w));
      }
    }
  });
  return anatomy;
}

std::array<float, kSources> source_weights(const Places& places, const Eigen::Vector3d& point_mm) {
  std::array<float, kSources> weight{};
  float total = 0.0F;
  for (std::size_t s = 0; s < kSources; ++s) {
    double nearest = 1e9;
    for (const Eigen::Vector3d& place : places.source[s]) {
      nearest = std::min(nearest, (point_mm - place).squaredNorm());
    }
    const double ratio = nearest / (kHalfRadius_mm * kHalfRadius_mm);
    if (ratio > 4.0) continue;
    weight[s] = static_cast<float>(std::exp2(-ratio * ratio));
    total += weight[s];
  }
  if (total <= 0.0F) return weight;
  for (float& w : weight) w *= w / total;
  return weight;
}

double air_field_hz(const Eigen::Vector3d& point_mm) {
  struct Ball {
    double x, y, z, radius;
  };
  constexpr std::array<Ball, 5> balls{{{0.0, 14.0, -43.0, 11.0},
                                       {0.0, 42.0, -42.0, 10.0},
                                       {0.0, 70.0, -18.0, 6.0},
                                       {-47.0, -25.0, -40.0, 9.0},
                                       {47.0, -25.0, -40.0, 9.0}}};
  constexpr double kSurface_hz = 42.577e6 * 3.0 * 9.4e-6 / 3.0; // gamma B0 dchi / 3
  double field = 0.0;
  for (const Ball& ball : balls) {
    const Eigen::Vector3d d = point_mm - Eigen::Vector3d(ball.x, ball.y, ball.z);
    const double r2 = std::max(d.squaredNorm(), ball.radius * ball.radius);
    const double cos2 = d[2] * d[2] / std::max(d.squaredNorm(), 1e-9);
    const double a_r2 = ball.radius * ball.radius / r2;
    field += kSurface_hz * a_r2 * std::sqrt(a_r2) * (3.0 * cos2 - 1.0);
  }
  return field;
}

} // namespace boldmill::simulate
