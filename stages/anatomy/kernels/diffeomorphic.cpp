#include "stages/anatomy/kernels/diffeomorphic.hpp"

#include <algorithm>
#include <cmath>

#include "stages/anatomy/kernels/local_correlation.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::anatomy {
namespace {

constexpr int kInverseIterations = 30;
constexpr float kLeastJacobian = 0.3F;
constexpr float kMostGradient = 0.8F; // Frobenius norm of the displacement's gradient

// step(x) = derivative(x) * gradient of image at x, central differences, zero on the border.
void force(const std::vector<float>& image, const std::vector<float>& derivative, VectorField& step,
           const Context& context) {
  const auto nx = static_cast<std::size_t>(step.shape[0]);
  const auto ny = static_cast<std::size_t>(step.shape[1]);
  const auto nz = static_cast<std::size_t>(step.shape[2]);
  const std::size_t nxy = nx * ny;
  parallel_blocks(context, nz, 1, [&](std::size_t k, std::size_t) {
    float* out = step.u.data() + 3 * k * nxy;
    std::fill(out, out + 3 * nxy, 0.0F);
    if (k == 0 || k + 1 == nz) return;
    for (std::size_t j = 1; j + 1 < ny; ++j) {
      for (std::size_t i = 1; i + 1 < nx; ++i) {
        const std::size_t v = i + nx * j + nxy * k;
        const float d = 0.5F * derivative[v];
        float* u = step.u.data() + 3 * v;
        u[0] = d * (image[v + 1] - image[v - 1]);
        u[1] = d * (image[v + nx] - image[v - nx]);
        u[2] = d * (image[v + nxy] - image[v - nxy]);
      }
    }
  });
}

void scale(VectorField& field, double factor) {
  const auto f = static_cast<float>(factor);
  for (float& value : field.u) value *= f;
}

// Positive where the map is too steep, by the forward differences of each voxel.
std::vector<float> steepness(const VectorField& map, const Context& context) {
  const auto nx = static_cast<std::size_t>(map.shape[0]);
  const auto ny = static_cast<std::size_t>(map.shape[1]);
  const auto nz = static_cast<std::size_t>(map.shape[2]);
  const std::size_t stride[3] = {3, 3 * nx, 3 * nx * ny};
  std::vector<float> steep(nx * ny * nz, 0.0F);
  parallel_blocks(context, nz - 1, 1, [&](std::size_t k, std::size_t) {
    for (std::size_t j = 0; j + 1 < ny; ++j) {
      for (std::size_t i = 0; i + 1 < nx; ++i) {
        const std::size_t v = i + nx * (j + ny * k);
        const float* p = map.u.data() + 3 * v;
        Eigen::Matrix3f gradient;
        for (int a = 0; a < 3; ++a) {
          for (int c = 0; c < 3; ++c) gradient(c, a) = *(p + stride[a] + c) - p[c];
        }
        const float jacobian =
            Eigen::Matrix3f(Eigen::Matrix3f::Identity() + gradient).determinant();
        if (jacobian < kLeastJacobian || gradient.norm() > kMostGradient) steep[v] = 1.0F;
      }
    }
  });
  return steep;
}

class LevelRun {
public:
  LevelRun(const DiffeomorphicLevel& level, const DiffeomorphicSettings& settings,
           DiffeomorphicResult& result, const Context& context)
      : level_(level), settings_(settings), result_(result), context_(context),
        step_fixed_(level.fixed.grid.shape), step_moving_(level.fixed.grid.shape) {}

  // Returns the number of iterations done.
  int run() {
    constexpr std::size_t kSpan = 10;
    double step = settings_.step_voxels;
    std::vector<double> values;
    std::size_t since = 0; // index of the first value at the present step
    result_.converged = false;
    for (int n = 0; n < level_.iterations; ++n) {
      measure();
      values.push_back(metric_.value);
      const std::size_t m = values.size();
      if (m > since + kSpan) {
        // Steep edges jitter from the first iteration on, long before the rest has arrived: only
        // a gain over a span of iterations tells.
        const double gain = values[m - 1] - values[m - 1 - kSpan];
        if (gain < 0.0) {
          step *= 0.5;
          since = m - 1;
          result_.converged = step < 0.1 * settings_.step_voxels;
        } else {
          result_.converged = gain < kSpan * settings_.convergence;
        }
      }
      if (result_.converged) return n;
      if (!advance(step)) {
        result_.converged = true;
        return n;
      }
      context_.advance();
    }
    return level_.iterations;
  }

  void measure() {
    warp(level_.fixed.data, result_.middle_to_fixed, fixed_, context_);
    warp(level_.moving.data, result_.middle_to_moving, moving_, context_);
    if (!level_.weight.empty()) warp(level_.weight, result_.middle_to_fixed, weight_, context_);
    if (!level_.moving_weight.empty()) {
      warp(level_.moving_weight, result_.middle_to_moving, moving_weight_, context_);
      if (weight_.empty()) weight_.assign(moving_weight_.size(), 1.0F);
      for (std::size_t v = 0; v < weight_.size(); ++v) weight_[v] *= moving_weight_[v];
    }
    local_correlation(fixed_, moving_, weight_, level_.fixed.grid.shape, settings_.window_radius,
                      settings_.noise, metric_, context_);
    result_.value = metric_.value;
  }

private:
  bool advance(double step) {
    force(fixed_, metric_.d_a, step_fixed_, context_);
    force(moving_, metric_.d_b, step_moving_, context_);
    smooth_in_place(step_fixed_, settings_.update_sigma_voxels, context_);
    smooth_in_place(step_moving_, settings_.update_sigma_voxels, context_);
    const double most = std::max(largest(step_fixed_), largest(step_moving_));
    if (!(most > 1e-12)) return false;
    move(result_.middle_to_fixed, step_fixed_, step / most);
    move(result_.middle_to_moving, step_moving_, step / most);
    return true;
  }

  void move(VectorField& map, VectorField& step, double factor) {
    scale(step, factor);
    compose(step, map, work_, context_);
    std::swap(map, work_);
    smooth_in_place(map, settings_.total_sigma_voxels, context_);
  }

  const DiffeomorphicLevel& level_;
  const DiffeomorphicSettings& settings_;
  DiffeomorphicResult& result_;
  const Context& context_;
  VectorField step_fixed_, step_moving_, work_;
  std::vector<float> fixed_, moving_, weight_, moving_weight_;
  LocalCorrelation metric_;
};

// Where the map squeezes below kLeastJacobian or shears by more than kMostGradient (beyond which
// the fixed point of invert() need not converge), with a margin, fading out: 0 to 1 per voxel.
std::vector<float> steep_places(const VectorField& map, const Context& context) {
  std::vector<float> steep = steepness(map, context);
  bool any = false;
  for (float& value : steep) {
    value = value > 0.0F ? 1.0F : 0.0F;
    any = any || value > 0.0F;
  }
  if (!any) return {};
  gaussian_smooth_in_place(steep, map.shape, Eigen::Vector3d::Constant(1.5), context);
  for (float& value : steep) value = std::min(1.0F, 20.0F * value);
  return steep;
}

// Smooths the map where it is steep until it is not; elsewhere it stays as it is.
void keep_topology(VectorField& map, const Context& context) {
  constexpr int kMost = 30;
  for (int n = 0; n < kMost; ++n) {
    const std::vector<float> weight = steep_places(map, context);
    if (weight.empty()) return;
    VectorField smooth = map;
    smooth_in_place(smooth, 1.0, context);
    for (std::size_t v = 0; v < weight.size(); ++v) {
      for (std::size_t c = 3 * v; c < 3 * v + 3; ++c) {
        map.u[c] += weight[v] * (smooth.u[c] - map.u[c]);
      }
    }
  }
}

} // namespace

DiffeomorphicResult register_symmetric(const std::vector<DiffeomorphicLevel>& levels,
                                       const DiffeomorphicSettings& settings,
                                       const Context& context) {
  DiffeomorphicResult result;
  for (const DiffeomorphicLevel& level : levels) {
    const Grid& grid = level.fixed.grid;
    if (result.iterations.empty()) {
      result.middle_to_fixed = VectorField(grid.shape);
      result.middle_to_moving = VectorField(grid.shape);
    } else {
      result.middle_to_fixed = on_grid(result.middle_to_fixed, result.grid, grid, context);
      result.middle_to_moving = on_grid(result.middle_to_moving, result.grid, grid, context);
    }
    result.grid = grid;
    LevelRun run(level, settings, result, context);
    result.iterations.push_back(run.run());
    keep_topology(result.middle_to_fixed, context);
    keep_topology(result.middle_to_moving, context);
    if (&level == &levels.back()) run.measure();
  }
  return result;
}

BothWays both_ways(const DiffeomorphicResult& result, const Context& context) {
  const auto through = [&](const VectorField& from, const VectorField& to) {
    VectorField out;
    compose(invert(from, kInverseIterations, context), to, out, context);
    return out;
  };
  return {through(result.middle_to_fixed, result.middle_to_moving),
          through(result.middle_to_moving, result.middle_to_fixed)};
}

} // namespace boldmill::anatomy
