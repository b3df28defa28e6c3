#include "stages/functional/fieldmap_pepolar.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/pepolar_level.hpp"

namespace boldmill::fieldmap_pepolar {
namespace {

constexpr float kHeadLevel = 0.3F; // of the mean intensity of the head
constexpr int kMotionSteps = 3;
constexpr double kCoarsestForMotion_mm = 9.0;
constexpr int kRounds = 3; // field, then pose, on the levels that see motion
constexpr int kFinestRounds = 2;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::string name_of(std::size_t k) { return "fieldmap_pepolar: image " + std::to_string(k + 1); }

// Mean of the voxels above the mean: about that of the head.
double head_intensity(const Volume& image, std::size_t k) {
  double sum = 0.0;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const float value : image.data) {
    const auto x = static_cast<double>(value);
    if (!std::isfinite(x)) throw Error(ErrorKind::input, name_of(k) + ": not finite");
    sum += x;
    low = std::min(low, x);
    high = std::max(high, x);
  }
  if (image.data.empty() || !(high > low)) {
    throw Error(ErrorKind::input, name_of(k) + ": empty or constant");
  }
  const double mean = sum / static_cast<double>(image.data.size());
  double above = 0.0;
  double n = 0.0;
  for (const float value : image.data) {
    if (static_cast<double>(value) <= mean) continue;
    above += static_cast<double>(value);
    n += 1.0;
  }
  if (!(above > 0.0)) throw Error(ErrorKind::input, name_of(k) + ": no positive intensities");
  return above / n;
}

// Image k as the problem sees it.
struct Encoded {
  Volume image;           // scaled: the head is about 1
  int axis = 1;           // of the first image's grid
  double mm_per_hz = 0.0; // along + axis of the first image's grid
  bool as_first = false;  // same encoding as the first image: all of its motion can be seen
};

Encoded encode(const Inputs& inputs, std::size_t k) {
  const EncodedVolume& in = inputs.images[k];
  const Grid& first = inputs.images[0].image->grid;
  Encoded out{*in.image};
  const auto scale = static_cast<float>(1.0 / head_intensity(*in.image, k));
  for (float& value : out.image.data) value *= scale;
  const Eigen::Vector3d step = in.image->grid.affine.col(in.encoding.axis).head<3>();
  double best = 0.0;
  for (int a = 0; a < 3; ++a) {
    const double cosine = step.normalized().dot(first.affine.col(a).head<3>().normalized());
    if (std::abs(cosine) > std::abs(best)) {
      best = cosine;
      out.axis = a;
    }
  }
  if (std::abs(best) < 0.866) {
    throw Error(ErrorKind::input,
                name_of(k) + ": its phase-encoding axis lies between the axes of the first image");
  }
  out.mm_per_hz = in.encoding.voxels_per_hz() * step.norm() * (best > 0.0 ? 1.0 : -1.0);
  return out;
}

std::vector<Encoded> encode_all(const Inputs& inputs) {
  if (inputs.images.size() < 2) {
    throw Error(ErrorKind::input, "fieldmap_pepolar: found " +
                                      std::to_string(inputs.images.size()) +
                                      " image, expected at least two");
  }
  std::vector<Encoded> images;
  for (std::size_t k = 0; k < inputs.images.size(); ++k) images.push_back(encode(inputs, k));
  bool differ = false;
  for (Encoded& image : images) {
    image.as_first =
        image.axis == images[0].axis &&
        std::abs(image.mm_per_hz - images[0].mm_per_hz) < 0.02 * std::abs(images[0].mm_per_hz);
    differ = differ || !image.as_first;
  }
  if (!differ) {
    throw Error(
        ErrorKind::input,
        "fieldmap_pepolar: all images have the same phase encoding, expected opposite ones");
  }
  return images;
}

class Estimate {
public:
  Estimate(const Inputs& inputs, const Params& params, const Context& context)
      : params_(params), context_(context), images_(encode_all(inputs)),
        motion_(images_.size(), Affine::Identity()), gains_(images_.size(), 1.0) {
    for (const Encoded& image : images_) {
      longest_mm_per_hz_ = std::max(longest_mm_per_hz_, std::abs(image.mm_per_hz));
    }
  }

  Outputs run() {
    const std::vector<double>& spacings = params_.level_spacing_mm;
    Outputs out;
    Grid grid;
    for (std::size_t n = 0; n < spacings.size(); ++n) {
      const Grid next = downsample(images_[0].image, spacings[n], context_).grid;
      const bool last = n + 1 == spacings.size();
      if (n > 0 && next.shape == grid.shape && !last) continue;
      grid = next;
      b_ = n == 0 ? Volume(grid) : resample_clamped(b_, grid);
      const bool moves = params_.estimate_motion && spacings[n] < kCoarsestForMotion_mm;
      const int rounds = last ? kFinestRounds : moves ? kRounds : 1;
      for (int round = 0; round < rounds; ++round) {
        pepolar::Level level = make_level(grid);
        out.converged = level.minimise(b_.data, params_.max_iterations).converged;
        update_gains(level);
        const bool end = last && round + 1 == rounds;
        if (moves && !end) update_motion(level);
        if (end) measure(level, out);
      }
    }
    finish(out);
    return out;
  }

private:
  // Cubic, with the nearest position of the grid for those outside.
  [[nodiscard]] Volume resample_clamped(const Volume& source, const Grid& target) const {
    std::vector<float> c = source.data;
    bspline_prefilter(c.data(), source.grid.shape);
    Volume out(target);
    const Affine map = source.grid.affine.inverse() * target.affine;
    parallel_blocks(context_, out.data.size(), 8192, [&](std::size_t begin, std::size_t end) {
      for (std::size_t v = begin; v < end; ++v) {
        const auto [i, j, k] = target.coordinates(v);
        Eigen::Vector3d x = (map * Eigen::Vector4d(i, j, k, 1.0)).head<3>();
        for (int a = 0; a < 3; ++a) {
          x[a] = std::clamp(x[a], 0.0, source.grid.shape[static_cast<std::size_t>(a)] - 1.0);
        }
        out.data[v] = sample_bspline(c.data(), source.grid.shape, x[0], x[1], x[2]);
      }
    });
    return out;
  }

  [[nodiscard]] pepolar::LineImage line_image(std::size_t k, const Grid& grid) const {
    const Encoded& in = images_[k];
    const double sigma = params_.smoothing_fwhm_voxels / kFwhmPerSigma;
    const Eigen::Vector3d wide = sigma * grid.spacing_mm();
    Volume smooth = in.image;
    gaussian_smooth_in_place(smooth.data, smooth.grid.shape,
                             wide.cwiseQuotient(smooth.grid.spacing_mm()), context_);
    const Volume here = resample(smooth, grid, PointMap{{motion_[k]}}, Interpolation::cubic_bspline,
                                 context_, kNaN);
    pepolar::LineImage out;
    out.axis = in.axis;
    out.voxels_per_mm =
        in.mm_per_hz / longest_mm_per_hz_ / grid.spacing_mm()[static_cast<Eigen::Index>(in.axis)];
    out.gain = gains_[k];
    out.values = here.data;
    out.known.assign(out.values.size(), 1);
    for (std::size_t v = 0; v < out.values.size(); ++v) {
      if (std::isfinite(out.values[v])) continue;
      out.values[v] = 0.0F;
      out.known[v] = 0;
    }
    return out;
  }

  [[nodiscard]] pepolar::Level make_level(const Grid& grid) const {
    std::vector<pepolar::LineImage> lines;
    for (std::size_t k = 0; k < images_.size(); ++k) lines.push_back(line_image(k, grid));
    return {grid, std::move(lines), {params_.smoothness, params_.barrier}, context_};
  }

  void update_gains(pepolar::Level& level) {
    level.fit_gains(b_.data);
    for (std::size_t k = 0; k < images_.size(); ++k) gains_[k] = level.image(k).gain;
  }

  void update_motion(const pepolar::Level& level) {
    const std::vector<float> fixed = level.undistorted(0, b_.data);
    for (std::size_t k = 1; k < images_.size(); ++k) {
      // With another axis nearly all of the motion in plane could be field.
      if (images_[k].axis != images_[0].axis) continue;
      for (int step = 0; step < kMotionSteps; ++step) {
        if (step == 0) {
          move(k, level.grid(), fixed, level.undistorted(k, b_.data));
        } else {
          pepolar::LineImage line = line_image(k, level.grid());
          const pepolar::Level alone(level.grid(), {std::move(line)}, {}, context_);
          move(k, level.grid(), fixed, alone.undistorted(0, b_.data));
        }
      }
    }
  }

  // One Gauss-Newton step of image k's pose: C_k(x) + grad(F) (w x (x - c) + t) = F(x), F the first
  // image. Along opposite encoding axes displacement belongs to the field: that component of
  // the gradient, and that translation, are left out.
  void move(std::size_t k, const Grid& grid, const std::vector<float>& fixed,
            const std::vector<float>& moving) {
    using Vector6 = Eigen::Matrix<double, 6, 1>;
    using Normal = Eigen::Matrix<double, 6, 7>;
    const Eigen::Vector3d center = grid.center_mm();
    const Eigen::Matrix3d to_mm = grid.affine.topLeftCorner<3, 3>();
    const Eigen::Matrix3d gradient_to_mm = to_mm.inverse().transpose();
    const bool hidden = !images_[k].as_first;
    const Eigen::Vector3d along = to_mm.col(images_[k].axis).normalized();
    const Normal normal =
        parallel_sum(context_, fixed.size(), 4096, Normal(Normal::Zero()),
                     [&](std::size_t begin, std::size_t end) {
                       Normal sum = Normal::Zero();
                       for (std::size_t v = begin; v < end; ++v) {
                         const float residual = moving[v] - fixed[v];
                         if (!std::isfinite(residual)) continue;
                         Eigen::Vector3d g;
                         if (!gradient_at(grid, fixed, v, g)) continue;
                         g = gradient_to_mm * g;
                         if (hidden) g -= along * along.dot(g);
                         const auto [i, j, l] = grid.coordinates(v);
                         const Eigen::Vector3d x = grid.to_mm(Eigen::Vector3d(i, j, l)) - center;
                         const Vector6 row{{g[0], g[1], g[2], x[1] * g[2] - x[2] * g[1],
                                            x[2] * g[0] - x[0] * g[2], x[0] * g[1] - x[1] * g[0]}};
                         sum.leftCols<6>() += row * row.transpose();
                         sum.col(6) -= static_cast<double>(residual) * row;
                       }
                       return sum;
                     });
    Eigen::Matrix<double, 6, 6> matrix = normal.leftCols<6>();
    if (!(matrix.trace() > 0.0)) return;
    if (hidden) matrix.topLeftCorner<3, 3>() += matrix.trace() * along * along.transpose();
    const Vector6 solution = matrix.ldlt().solve(Vector6(normal.col(6)));
    if (!solution.allFinite() || solution.head<3>().norm() > 20.0 ||
        solution.tail<3>().norm() > 0.3)
      return;
    motion_[k] = motion_[k] * rigid_matrix({solution.head<3>(), solution.tail<3>()}, center);
  }

  static bool gradient_at(const Grid& grid, const std::vector<float>& data, std::size_t v,
                          Eigen::Vector3d& g) {
    std::size_t stride = 1;
    for (std::size_t a = 0; a < 3; ++a) {
      const auto n = static_cast<std::size_t>(grid.shape[a]);
      const std::size_t m = v / stride % n;
      if (n > 1 && (m == 0 || m + 1 == n)) return false;
      g[static_cast<Eigen::Index>(a)] =
          n > 1 ? 0.5 * static_cast<double>(data[v + stride] - data[v - stride]) : 0.0;
      stride *= n;
    }
    return g.allFinite();
  }

  // Agreement inside the head before and after, and the mean of the undistorted images.
  void measure(const pepolar::Level& level, Outputs& out) const {
    const std::vector<float> none(b_.data.size(), 0.0F);
    std::vector<std::vector<float>> before;
    std::vector<std::vector<float>> after;
    for (std::size_t k = 0; k < images_.size(); ++k) {
      before.push_back(level.undistorted(k, none));
      after.push_back(level.undistorted(k, b_.data));
    }
    Volume mean(level.grid());
    std::vector<std::size_t> head;
    for (std::size_t v = 0; v < mean.data.size(); ++v) {
      float sum = 0.0F;
      float n = 0.0F;
      bool all = true;
      for (std::size_t k = 0; k < images_.size(); ++k) {
        all = all && std::isfinite(before[k][v]) && std::isfinite(after[k][v]);
        if (!std::isfinite(after[k][v])) continue;
        sum += after[k][v];
        n += 1.0F;
      }
      mean.data[v] = n > 0.0F ? sum / n : 0.0F;
      if (all && mean.data[v] > kHeadLevel) head.push_back(v);
    }
    const auto agreement = [&](const std::vector<std::vector<float>>& images) {
      double lowest = 1.0;
      for (std::size_t k = 1; k < images.size(); ++k) {
        std::vector<double> x;
        std::vector<double> y;
        for (const std::size_t v : head) {
          x.push_back(static_cast<double>(images[0][v]));
          y.push_back(static_cast<double>(images[k][v]));
        }
        const double r = pearson(x, y);
        lowest = std::min(lowest, std::isfinite(r) ? r : -1.0);
      }
      return lowest;
    };
    out.correlation_before = agreement(before);
    out.correlation_after = agreement(after);
    for (const std::size_t v : head) {
      out.max_shift_mm = std::max(out.max_shift_mm, std::abs(static_cast<double>(b_.data[v])));
    }
    out.reference = std::move(mean);
  }

  void finish(Outputs& out) const {
    const Grid& native = images_[0].image.grid;
    out.field_hz = b_.grid.shape == native.shape ? b_ : resample_clamped(b_, native);
    out.field_hz.grid = native;
    for (float& value : out.field_hz.data) value /= static_cast<float>(longest_mm_per_hz_);
    if (out.reference.grid.shape != native.shape) {
      out.reference = resample_clamped(out.reference, native);
    }
    out.reference.grid = native;
    out.motion = motion_;
    out.usable = out.correlation_after >= out.correlation_before;
    if (!out.usable) {
      out.reason = "the images agree less after correction (r " +
                   std::to_string(out.correlation_after).substr(0, 5) + ") than before (" +
                   std::to_string(out.correlation_before).substr(0, 5) + ")";
    }
  }

  const Params& params_;
  const Context& context_;
  std::vector<Encoded> images_;
  std::vector<Affine> motion_;
  std::vector<double> gains_;
  double longest_mm_per_hz_ = 0.0;
  Volume b_;
};

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  for (std::size_t k = 0; k < inputs.images.size(); ++k) {
    if (inputs.images[k].image == nullptr) {
      throw Error(ErrorKind::internal, name_of(k) + " is missing");
    }
  }
  if (params.level_spacing_mm.empty()) {
    throw Error(ErrorKind::usage, "fieldmap_pepolar: level_spacing_mm: found none, expected one");
  }
  return Estimate(inputs, params, context).run();
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  // Scaled copy, smoothed copy, level values, coefficients and two derivatives per image; about a
  // dozen vectors of the solver.
  return shape.n_voxels * sizeof(float) * (7 * shape.n_images + 16);
}

} // namespace boldmill::fieldmap_pepolar
