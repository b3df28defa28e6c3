#include "stages/functional/kernels/rigid_matching.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "stages/core/error.hpp"
#include "stages/core/smooth.hpp"
#include "stages/functional/kernels/rigid_search.hpp"

namespace boldmill {
namespace {

constexpr double kHeadRadiusMm = 80.0;
constexpr double kGainScaleMm = 60.0;
constexpr std::size_t kFewestPoints = 50;
constexpr double kGoodCorrelation = 0.95;
constexpr double kFarStepMm = 1.5;

// Points keep this distance (voxels) from the border of an axis in the reference: what smoothing
// mirrors in there is not the head.
int border_margin(int n) { return n >= 12 ? 2 : n >= 5 ? 1 : 0; }

// And nearly this distance in the volume, so that small motion does not lose them.
struct Interior {
  explicit Interior(const std::array<int, 3>& shape) {
    for (int a = 0; a < 3; ++a) {
      const int n = shape[static_cast<std::size_t>(a)];
      const float margin = static_cast<float>(border_margin(n)) - 0.75F;
      low[a] = std::max(margin, -0.5F);
      high[a] = static_cast<float>(n - 1) - low[a];
    }
  }
  [[nodiscard]] bool contains(const Eigen::Vector3f& p) const {
    return (p.array() >= low.array()).all() && (p.array() <= high.array()).all();
  }
  Eigen::Vector3f low, high;
};

// W(delta): x -> c + t + R(w)(x - c).
Affine small_motion(const Eigen::Matrix<double, 6, 1>& delta, const Eigen::Vector3d& center) {
  const Eigen::Vector3d w = delta.tail<3>();
  const double angle = w.norm();
  Affine matrix = Affine::Identity();
  if (angle > 0.0) {
    matrix.topLeftCorner<3, 3>() = Eigen::AngleAxisd(angle, w / angle).toRotationMatrix();
  }
  matrix.topRightCorner<3, 1>() = center + delta.head<3>() - matrix.topLeftCorner<3, 3>() * center;
  return matrix;
}

} // namespace

RigidReference::RigidReference(const Volume& reference, const RigidMatchOptions& options)
    : grid_(reference.grid), options_(options), center_mm_(center_of_mass_mm(reference)) {
  levels_.push_back(make_level(reference, options.fine_fwhm_mm, options.n_points));
  levels_.push_back(make_level(reference, std::max(options.coarse_fwhm_mm, options.fine_fwhm_mm),
                               std::max(1000, options.n_points / 4)));
}

RigidReference::Level RigidReference::make_level(const Volume& reference, double fwhm_mm,
                                                 int n_points) const {
  Level level;
  level.sigma_voxels = fwhm_mm / kFwhmPerSigma * grid_.spacing_mm().cwiseInverse();
  BsplineCoefficients smooth;
  smooth.smooth(reference.data.data(), grid_.shape, level.sigma_voxels);
  const Eigen::Matrix3d to_mm_gradient = grid_.affine.topLeftCorner<3, 3>().inverse().transpose();

  struct Point {
    std::size_t voxel;
    float value;
    Eigen::Vector3f gradient;
  };
  std::vector<Point> points;
  const int mx = border_margin(grid_.shape[0]);
  const int my = border_margin(grid_.shape[1]);
  const int mz = border_margin(grid_.shape[2]);
  for (int k = mz; k < grid_.shape[2] - mz; ++k) {
    for (int j = my; j < grid_.shape[1] - my; ++j) {
      for (int i = mx; i < grid_.shape[0] - mx; ++i) {
        const auto x = static_cast<float>(i);
        const auto y = static_cast<float>(j);
        const auto z = static_cast<float>(k);
        const Eigen::Vector3d slope(smooth.slope(0, x, y, z), smooth.slope(1, x, y, z),
                                    smooth.slope(2, x, y, z));
        points.push_back({grid_.index(i, j, k), smooth.evaluate(x, y, z),
                          (to_mm_gradient * slope).cast<float>()});
      }
    }
  }
  const auto wanted = std::min(points.size(), static_cast<std::size_t>(n_points));
  const auto steeper = [](const Point& a, const Point& b) {
    const float ga = a.gradient.squaredNorm();
    const float gb = b.gradient.squaredNorm();
    return ga != gb ? ga > gb : a.voxel < b.voxel;
  };
  std::nth_element(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(wanted),
                   points.end(), steeper);
  points.resize(wanted);
  std::erase_if(points, [](const Point& p) { return !(p.gradient.squaredNorm() > 0.0F); });
  if (points.size() < kFewestPoints) {
    throw Error(ErrorKind::input, "motion reference: found " + std::to_string(points.size()) +
                                      " voxels with contrast, expected at least " +
                                      std::to_string(kFewestPoints));
  }
  std::sort(points.begin(), points.end(),
            [](const Point& a, const Point& b) { return a.voxel < b.voxel; });

  level.design.resize(kUnknowns, static_cast<Eigen::Index>(points.size()));
  level.normal.setZero();
  for (std::size_t n = 0; n < points.size(); ++n) {
    const auto [i, j, k] = grid_.coordinates(points[n].voxel);
    level.x.push_back(static_cast<float>(i));
    level.y.push_back(static_cast<float>(j));
    level.z.push_back(static_cast<float>(k));
    const Eigen::Vector3d g = points[n].gradient.cast<double>();
    const Eigen::Vector3d arm = grid_.to_mm(Eigen::Vector3d(i, j, k)) - center_mm_;
    Row row;
    const Eigen::Vector3d at = arm / kGainScaleMm;
    const auto value = static_cast<double>(points[n].value);
    row << value, 1.0, g, arm.cross(g), value * at, value * at.cwiseProduct(at),
        value * at[0] * at[1], value * at[0] * at[2], value * at[1] * at[2];
    level.design.col(static_cast<Eigen::Index>(n)) = row.cast<float>();
    level.normal += row * row.transpose();
  }
  return level;
}

RigidMatch RigidReference::run_level(const Level& level, const Affine& start,
                                     const BsplineCoefficients& volume, double tolerance_mm) const {
  RigidMatch match;
  match.ref_to_volume = start;
  const Affine from_mm = grid_.affine.inverse();
  const auto n_points = level.x.size();
  const Interior interior(grid_.shape);
  double previous_step = 0.0;
  for (int iteration = 0; iteration < options_.max_iterations; ++iteration) {
    const Eigen::Matrix4f to_voxel = (from_mm * match.ref_to_volume * grid_.affine).cast<float>();
    Normal normal = level.normal;
    Row right = Row::Zero();
    double square = 0.0;
    double sum = 0.0;
    std::size_t n_inside = 0;
    constexpr std::size_t kBlock = 512;
    for (std::size_t begin = 0; begin < n_points; begin += kBlock) {
      const std::size_t end = std::min(n_points, begin + kBlock);
      Eigen::Matrix<float, kUnknowns, 1> block = Eigen::Matrix<float, kUnknowns, 1>::Zero();
      float block_sum = 0.0F;
      float block_square = 0.0F;
      for (std::size_t n = begin; n < end; ++n) {
        const Eigen::Vector3f p =
            to_voxel.topLeftCorner<3, 3>() * Eigen::Vector3f(level.x[n], level.y[n], level.z[n]) +
            to_voxel.topRightCorner<3, 1>();
        const auto row = level.design.col(static_cast<Eigen::Index>(n));
        if (!interior.contains(p)) {
          const Row r = row.cast<double>();
          normal -= r * r.transpose();
          continue;
        }
        const float v = volume.evaluate(p[0], p[1], p[2]);
        block += v * row;
        block_sum += v;
        block_square += v * v;
        ++n_inside;
      }
      right += block.cast<double>();
      sum += static_cast<double>(block_sum);
      square += static_cast<double>(block_square);
    }
    match.inside = static_cast<double>(n_inside) / static_cast<double>(n_points);
    match.iterations = iteration + 1;
    if (n_inside < kFewestPoints) return match;
    // Scale to unit diagonal: intensities and millimetres have nothing in common.
    const Row scale = normal.diagonal().cwiseMax(1e-30).cwiseSqrt().cwiseInverse();
    const Normal scaled = scale.asDiagonal() * normal * scale.asDiagonal();
    const Row solution = scale.asDiagonal() * scaled.ldlt().solve(scale.asDiagonal() * right);
    const double count = static_cast<double>(n_inside);
    const double variance = square - sum * sum / count;
    if (!solution.allFinite() || !(solution[0] > 1e-6) || !(variance > 0.0)) return match;
    // Correlation of V with R at the present pose, from the sums at hand.
    const double r_mean = normal(0, 1) / count;
    const double r_variance = normal(0, 0) - count * r_mean * r_mean;
    const double covariance = right[0] - r_mean * sum;
    match.correlation = covariance / std::sqrt(std::max(variance * r_variance, 1e-300));

    const Eigen::Matrix<double, 6, 1> delta = solution.segment<6>(2) / solution[0];
    const Affine step = small_motion(delta, center_mm_);
    const double step_mm = rms_displacement_mm(step, Affine::Identity(), center_mm_, kHeadRadiusMm);
    match.ref_to_volume = match.ref_to_volume * rigid_inverse(step);
    if (iteration == 0) match.first_step_mm = step_mm;
    if (step_mm > 200.0) return match;
    if (step_mm < tolerance_mm) {
      match.converged = true;
      break;
    }
    // The remaining error of a linear convergence, once it is settled.
    if (iteration > 1 && step_mm < 0.5 * previous_step &&
        step_mm * step_mm / previous_step < 0.5 * tolerance_mm) {
      match.converged = true;
      break;
    }
    previous_step = step_mm;
  }
  return match;
}

RigidMatch RigidReference::match(const float* volume, const Affine& start, bool coarse_first,
                                 Scratch& scratch) const {
  RigidMatch best;
  if (!coarse_first) {
    scratch.coefficients.smooth(volume, grid_.shape, levels_[0].sigma_voxels);
    best = run_level(levels_[0], start, scratch.coefficients, options_.tolerance_mm);
    if (best.converged && best.correlation > kGoodCorrelation && best.first_step_mm < kFarStepMm) {
      return best;
    }
  }
  scratch.coefficients.smooth(volume, grid_.shape, levels_[1].sigma_voxels);
  const RigidMatch coarse =
      run_level(levels_[1], start, scratch.coefficients, std::max(0.05, options_.tolerance_mm));
  scratch.coefficients.smooth(volume, grid_.shape, levels_[0].sigma_voxels);
  const Affine& from = coarse.converged ? coarse.ref_to_volume : start;
  RigidMatch fine = run_level(levels_[0], from, scratch.coefficients, options_.tolerance_mm);
  fine.first_step_mm = std::max(fine.first_step_mm, coarse.first_step_mm);
  const bool better =
      fine.converged != best.converged ? fine.converged : fine.correlation > best.correlation;
  return better ? fine : best;
}

} // namespace boldmill
