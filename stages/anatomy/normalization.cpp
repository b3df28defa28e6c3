#include "stages/anatomy/normalization.hpp"

#include <algorithm>
#include <cmath>

#include "stages/anatomy/kernels/brain_levels.hpp"
#include "stages/anatomy/kernels/checks.hpp"
#include "stages/anatomy/kernels/template_space.hpp"
#include "stages/anatomy/kernels/topology.hpp"
#include "stages/core/error.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::normalization {
namespace {

constexpr double kMarginMm = 4.0;
constexpr double kSkipFactor =
    0.6; // levels below this share of the moving voxel's edge add nothing

void require_params(const Params& params) {
  const auto& spacing = params.level_spacing_mm;
  if (spacing.empty() || spacing.size() != params.iterations.size()) {
    throw Error(ErrorKind::usage, "normalization: found " + std::to_string(spacing.size()) +
                                      " level_spacing_mm and " +
                                      std::to_string(params.iterations.size()) +
                                      " iterations, expected one of each per level");
  }
  for (std::size_t n = 0; n < spacing.size(); ++n) {
    if (!(spacing[n] > 0.0) || (n > 0 && spacing[n] >= spacing[n - 1]) ||
        params.iterations[n] < 0) {
      throw Error(
          ErrorKind::usage,
          "normalization: level_spacing_mm must fall from level to level and stay positive");
    }
  }
  if (params.method != "affine" && params.method != "diffeomorphic") {
    throw Error(ErrorKind::usage, "normalization: method: found '" + params.method +
                                      "', expected affine or diffeomorphic");
  }
}

std::size_t levels_worth_doing(const Grid& moving, const std::vector<double>& spacing_mm) {
  const double edge = std::cbrt(moving.voxel_volume_mm3());
  std::size_t n = spacing_mm.size();
  while (n > 1 && spacing_mm[n - 1] < kSkipFactor * edge) --n;
  return n;
}

// The quality figures, on the finest level's grid.
void measure(const Inputs& inputs, const anatomy::DiffeomorphicLevel& level,
             const anatomy::BothWays* maps, Outputs& out, const Context& context) {
  const Grid& grid = level.fixed.grid;
  const double spacing = grid.spacing_mm()[0];
  const anatomy::VectorField none(grid.shape);
  const anatomy::VectorField& to_moving = maps != nullptr ? maps->fixed_to_moving : none;
  const Volume fixed_share =
      anatomy::membership_on_working_grid(inputs.template_mask, grid, Affine::Identity(), context);
  const Volume moving_share = anatomy::membership_on_working_grid(
      inputs.moving_mask, grid, inputs.moving_to_template.inverse(), context);
  std::vector<float> share;
  std::vector<float> moving;
  anatomy::warp(moving_share.data, to_moving, share, context);
  anatomy::warp(level.moving.data, to_moving, moving, context);
  Mask in_fixed(grid);
  Mask in_moving(grid);
  std::vector<double> a;
  std::vector<double> b;
  for (std::size_t v = 0; v < share.size(); ++v) {
    in_fixed.data[v] = fixed_share.data[v] >= 0.5F ? 1 : 0;
    in_moving.data[v] = share[v] >= 0.5F ? 1 : 0;
    if (in_fixed.data[v] == 0 && in_moving.data[v] == 0) continue;
    a.push_back(static_cast<double>(level.fixed.data[v]));
    b.push_back(static_cast<double>(moving[v]));
  }
  out.dice = dice(in_fixed, in_moving);
  out.correlation = pearson(a, b);
  if (maps == nullptr) return;
  const auto det = anatomy::jacobians(to_moving, context);
  for (std::size_t v = 0; v < share.size(); ++v) {
    if (in_fixed.data[v] == 0) continue;
    out.min_jacobian = std::min(out.min_jacobian, static_cast<double>(det.low[v]));
    out.max_jacobian = std::max(out.max_jacobian, static_cast<double>(det.high[v]));
  }
  out.max_displacement_mm = spacing * anatomy::largest(to_moving);
  anatomy::VectorField round_trip;
  anatomy::compose(to_moving, maps->moving_to_fixed, round_trip, context);
  std::vector<double> error;
  for (std::size_t v = 0; v < share.size(); ++v) {
    if (in_fixed.data[v] == 0) continue;
    const float* u = round_trip.u.data() + 3 * v;
    error.push_back(spacing *
                    std::sqrt(static_cast<double>(u[0] * u[0] + u[1] * u[1] + u[2] * u[2])));
  }
  out.inverse_error_mm = quantile(std::move(error), 0.99);
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  require_params(params);
  anatomy::require_image(inputs.moving, "moving image");
  anatomy::require_image(inputs.template_brain, "template");
  anatomy::require_mask(inputs.moving_mask, inputs.moving.grid, "brain mask");
  anatomy::require_mask(inputs.template_mask, inputs.template_brain.grid, "template mask");
  if (inputs.lesion != nullptr) {
    anatomy::require_mask(*inputs.lesion, inputs.moving.grid, "lesion mask");
  }

  const std::size_t n = levels_worth_doing(inputs.moving.grid, params.level_spacing_mm);
  const std::vector<double> spacing(params.level_spacing_mm.begin(),
                                    params.level_spacing_mm.begin() +
                                        static_cast<std::ptrdiff_t>(n));
  const std::vector<int> iterations(params.iterations.begin(),
                                    params.iterations.begin() + static_cast<std::ptrdiff_t>(n));
  const anatomy::BrainPair pair{
      inputs.moving,        &inputs.moving_mask,       inputs.template_brain,
      inputs.template_mask, inputs.moving_to_template, inputs.lesion,
      params.window_radius};
  auto levels = anatomy::brain_levels(pair, spacing, iterations, kMarginMm, context);

  Outputs out;
  if (inputs.lesion != nullptr) {
    out.lesion_ml = static_cast<double>(count(*inputs.lesion)) *
                    inputs.lesion->grid.voxel_volume_mm3() / 1000.0;
  }
  if (params.method == "affine") {
    out.moving_to_template.then(inputs.moving_to_template);
    out.template_to_moving.then(Affine(inputs.moving_to_template.inverse()));
    out.converged = true;
    measure(inputs, levels.back(), nullptr, out, context);
    return out;
  }
  anatomy::DiffeomorphicSettings settings;
  settings.window_radius = params.window_radius;
  settings.update_sigma_voxels = params.update_sigma_voxels;
  settings.total_sigma_voxels = params.total_sigma_voxels;
  settings.step_voxels = params.step_voxels;
  settings.convergence = params.convergence;
  const auto fit = anatomy::register_symmetric(levels, settings, context);
  const auto maps = anatomy::both_ways(fit, context);
  out.moving_to_template.then(inputs.moving_to_template)
      .then(anatomy::to_millimetres(maps.moving_to_fixed, fit.grid));
  out.template_to_moving.then(anatomy::to_millimetres(maps.fixed_to_moving, fit.grid))
      .then(Affine(inputs.moving_to_template.inverse()));
  out.local_correlation = fit.value;
  out.iterations = fit.iterations;
  out.converged = fit.converged;
  measure(inputs, levels.back(), &maps, out, context);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const double edge = params.level_spacing_mm.empty() ? 2.0 : params.level_spacing_mm.back();
  // Box of the template plus padding; about 45 floats a voxel: images, metric, four fields.
  const double working = 1.6 * shape.template_volume_ml * 1000.0 / (edge * edge * edge);
  return shape.n_voxels * 5 + shape.n_template_voxels * 9 +
         static_cast<std::size_t>(working * 45.0 * 4.0);
}

} // namespace boldmill::normalization
