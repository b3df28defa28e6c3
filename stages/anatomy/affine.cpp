#include "stages/anatomy/affine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/anatomy/kernels/affine_fit.hpp"
#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/anatomy/kernels/checks.hpp"
#include "stages/anatomy/kernels/lesion.hpp"
#include "stages/anatomy/kernels/local_contrast.hpp"
#include "stages/anatomy/kernels/morphology.hpp"
#include "stages/anatomy/kernels/template_space.hpp"
#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::affine {
namespace {

using anatomy::FitControl;
using anatomy::FitResult;
using anatomy::FixedSamples;
using anatomy::Freedom;

constexpr double kPadMm = 12.0;
constexpr double kLevelSigma = 0.5;    // smoothing of both images, in units of the level's spacing
constexpr double kWindowMm = 15.0;     // SD of the window of the local standardisation
constexpr double kContrastFloor = 0.2; // of the global SD: air stays flat
constexpr double kBrainMarginMm = 4.0; // kept around the brain mask: masks err by half a voxel
constexpr float kLesionShare = 0.25F;  // of a level's voxel, above which it does not count
constexpr double kPi = 3.14159265358979323846;

struct Level {
  FixedSamples fixed;
  Volume moving;
};

// What is correlated: smoothed to the level, then locally standardised, so that neither bias nor
// bright scalp nor another sequence's contrast decides.
Volume comparable(Volume image, double spacing_mm, const Context& context) {
  return anatomy::local_contrast(
      gaussian_smooth(std::move(image), kLevelSigma * spacing_mm, context), kWindowMm,
      kContrastFloor, context);
}

double merit(const FitResult& fit) { return anatomy::merit(fit.correlation, fit.inside); }

FixedSamples template_samples(const Inputs& inputs, double spacing_mm, double dilation_mm,
                              const Context& context) {
  const Grid grid = anatomy::working_grid(inputs.template_mask, spacing_mm, dilation_mm + kPadMm);
  const Volume image =
      comparable(anatomy::on_working_grid(inputs.template_brain, grid, Affine::Identity(), context),
                 spacing_mm, context);
  const Volume share =
      anatomy::membership_on_working_grid(inputs.template_mask, grid, Affine::Identity(), context);
  Mask mask(grid);
  for (std::size_t v = 0; v < mask.data.size(); ++v) mask.data[v] = share.data[v] >= 0.5F ? 1 : 0;
  const Mask region = anatomy::dilate(mask, dilation_mm, context);

  FixedSamples samples;
  Eigen::Vector3d sum = Eigen::Vector3d::Zero();
  const auto voxels = indices_of(region);
  for (const std::size_t v : voxels) {
    const auto [i, j, k] = grid.coordinates(v);
    sum += grid.to_mm(Eigen::Vector3d(i, j, k));
  }
  samples.center_mm = sum / static_cast<double>(std::max<std::size_t>(1, voxels.size()));
  for (const std::size_t v : voxels) {
    const auto [i, j, k] = grid.coordinates(v);
    const Eigen::Vector3f mm =
        (grid.to_mm(Eigen::Vector3d(i, j, k)) - samples.center_mm).cast<float>();
    samples.point_mm.insert(samples.point_mm.end(), {mm[0], mm[1], mm[2]});
    samples.value.push_back(image.data[v]);
  }
  return samples;
}

// The T1w as the levels see it: brain only when the brain is known, lesions filled from around.
Volume prepared(const Inputs& inputs, const Context& context) {
  Volume out = inputs.lesion == nullptr ? inputs.t1w
                                        : anatomy::fill_lesion(inputs.t1w, *inputs.lesion, context);
  if (inputs.t1w_mask == nullptr) return out;
  const Mask brain = anatomy::dilate(*inputs.t1w_mask, kBrainMarginMm, context);
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    if (brain.data[v] == 0) out.data[v] = 0.0F;
  }
  return out;
}

// Lesions become missing values, which no sample may touch.
void leave_out(Volume& image, const Volume& lesion_share) {
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    if (lesion_share.data[v] > kLesionShare) {
      image.data[v] = std::numeric_limits<float>::quiet_NaN();
    }
  }
}

// Fine first, each level reduced from the one before; returned coarse first.
std::vector<Level> make_levels(const Inputs& inputs, const Params& params, const Context& context) {
  std::vector<Level> levels(params.level_spacing_mm.size());
  Volume reduced = prepared(inputs, context);
  Volume lesion;
  if (inputs.lesion != nullptr) {
    lesion = Volume(inputs.lesion->grid);
    std::copy(inputs.lesion->data.begin(), inputs.lesion->data.end(), lesion.data.begin());
  }
  for (std::size_t n = levels.size(); n-- > 0;) {
    const double spacing = params.level_spacing_mm[n];
    reduced = anatomy::block_average(reduced, spacing, context);
    levels[n].moving = comparable(reduced, spacing, context);
    if (inputs.lesion != nullptr) {
      lesion = anatomy::block_average(lesion, spacing, context);
      leave_out(levels[n].moving, lesion);
    }
    levels[n].fixed = template_samples(inputs, spacing, params.mask_dilation_mm, context);
    levels[n].fixed.moving_has_gaps = inputs.lesion != nullptr;
  }
  return levels;
}

// The 24 proper rotations that map axes to axes, the identity first; then tilts of the identity.
std::vector<Eigen::Matrix3d> start_rotations(bool search) {
  std::vector<Eigen::Matrix3d> rotations{Eigen::Matrix3d::Identity()};
  if (!search) return rotations;
  constexpr int kOrders[6][3] = {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}, {2, 1, 0}, {1, 0, 2}};
  for (const auto& order : kOrders) {
    for (int signs = 0; signs < 8; ++signs) {
      Eigen::Matrix3d r = Eigen::Matrix3d::Zero();
      for (int axis = 0; axis < 3; ++axis) {
        r(order[axis], axis) = ((signs >> axis) & 1) != 0 ? -1.0 : 1.0;
      }
      if (r.determinant() > 0.0 && !r.isIdentity()) rotations.push_back(r);
    }
  }
  constexpr double kTilt = 25.0 * kPi / 180.0;
  for (int code = 0; code < 27; ++code) {
    const Eigen::Vector3d angles(code % 3 - 1, code / 3 % 3 - 1, code / 9 - 1);
    if (angles.isZero()) continue;
    rotations.push_back(
        rigid_matrix({Eigen::Vector3d::Zero(), kTilt * angles}, Eigen::Vector3d::Zero())
            .topLeftCorner<3, 3>());
  }
  return rotations;
}

// Centre of the bright half of the image: the head rather than the air.
Eigen::Vector3d head_center_mm(const Volume& moving) {
  double sum = 0.0;
  std::size_t n = 0;
  for (const float value : moving.data) {
    if (!std::isfinite(value)) continue; // lesion
    sum += value;
    ++n;
  }
  const float mean = static_cast<float>(sum / static_cast<double>(std::max<std::size_t>(n, 1)));
  Volume bright = moving;
  for (float& value : bright.data) value = value > mean ? 1.0F : 0.0F;
  return center_of_mass_mm(bright);
}

std::vector<Affine> start_maps(const Level& level, bool search) {
  const Eigen::Vector3d head = head_center_mm(level.moving);
  const Eigen::Vector3d middle = level.moving.grid.center_mm();
  std::vector<Affine> maps{Affine::Identity()};
  for (const Eigen::Matrix3d& rotation : start_rotations(search)) {
    for (const Eigen::Vector3d& center : {head, middle}) {
      for (const double up_mm : {0.0, 25.0, 50.0, 75.0}) { // the neck pulls the centre down
        const Eigen::Vector3d to = center + rotation * Eigen::Vector3d(0.0, 0.0, up_mm);
        Affine map = Affine::Identity();
        map.topLeftCorner<3, 3>() = rotation;
        map.topRightCorner<3, 1>() = to - rotation * level.fixed.center_mm;
        maps.push_back(map);
      }
    }
  }
  return maps;
}

bool far_apart(const Affine& a, const Affine& b, const Eigen::Vector3d& center, double mm) {
  return rms_displacement_mm(a, b, center, anatomy::kReachMm) > mm;
}

bool plausible(const Affine& map) {
  const Eigen::JacobiSVD<Eigen::Matrix3d> svd(Eigen::Matrix3d(map.topLeftCorner<3, 3>()));
  return map.topLeftCorner<3, 3>().determinant() > 0.0 && svd.singularValues()[0] < 2.0 &&
         svd.singularValues()[2] > 0.5;
}

double rotation_deg(const Affine& map) {
  const Eigen::JacobiSVD<Eigen::Matrix3d> svd(Eigen::Matrix3d(map.topLeftCorner<3, 3>()),
                                              Eigen::ComputeFullU | Eigen::ComputeFullV);
  const Eigen::Matrix3d rotation = svd.matrixU() * svd.matrixV().transpose();
  return std::acos(std::clamp(0.5 * (rotation.trace() - 1.0), -1.0, 1.0)) * 180.0 / kPi;
}

// Scores every start, fits the best distinct ones: first 7, then 12 parameters. Best first.
std::vector<FitResult> search(const Level& level, const Params& params, const Context& context) {
  constexpr std::size_t kStarts = 12;
  constexpr std::size_t kFinalists = 4;
  constexpr double kDistinctMm = 20.0;
  constexpr double kHeaderBonus = 0.02; // the header's orientation wins unless clearly worse
  const auto by_merit = [](const FitResult& a, const FitResult& b) { return merit(a) > merit(b); };

  std::vector<FitResult> starts;
  for (const Affine& map : start_maps(level, params.search_rotations)) {
    FitResult start;
    start.fixed_to_moving = map;
    start.correlation =
        anatomy::correlation_only(level.fixed, level.moving, map, context, &start.inside);
    starts.push_back(start);
  }
  std::stable_sort(starts.begin(), starts.end(), by_merit);
  const auto distinct = [&](const std::vector<FitResult>& from, std::size_t most, double mm) {
    std::vector<FitResult> kept;
    for (const FitResult& fit : from) {
      if (kept.size() == most) break;
      const bool close = std::any_of(kept.begin(), kept.end(), [&](const FitResult& other) {
        return !far_apart(fit.fixed_to_moving, other.fixed_to_moving, level.fixed.center_mm, mm);
      });
      if (!close) kept.push_back(fit);
    }
    return kept;
  };
  const auto refit = [&](std::vector<FitResult> fits, Freedom freedom) {
    for (FitResult& fit : fits) {
      fit =
          anatomy::fit_affine(level.fixed, level.moving, fit.fixed_to_moving,
                              {freedom, params.iterations, 10.0 * params.convergence_mm}, context);
    }
    std::erase_if(fits, [](const FitResult& fit) {
      return !plausible(fit.fixed_to_moving) || !(fit.correlation > 0.0);
    });
    std::stable_sort(fits.begin(), fits.end(), by_merit);
    return fits;
  };
  auto fits = refit(distinct(starts, kStarts, kDistinctMm), Freedom::similarity);
  fits = refit(distinct(fits, kFinalists, 0.5 * kDistinctMm), Freedom::affine);
  const auto header_first = [&](const FitResult& fit) {
    return merit(fit) + (rotation_deg(fit.fixed_to_moving) < 60.0 ? kHeaderBonus : 0.0);
  };
  std::stable_sort(fits.begin(), fits.end(), [&](const FitResult& a, const FitResult& b) {
    return header_first(a) > header_first(b);
  });
  return fits;
}

// The fit at the coarsest level: from the given start alone, or the winner of the search.
FitResult first_fit(const Inputs& inputs, const Level& level, const Params& params, Outputs& out,
                    const Context& context) {
  if (inputs.start != nullptr) {
    const FitControl control{Freedom::affine, params.iterations, params.convergence_mm};
    FitResult fit =
        anatomy::fit_affine(level.fixed, level.moving, inputs.start->inverse(), control, context);
    out.coarse_correlation = fit.correlation;
    return fit;
  }
  const auto fits = search(level, params, context);
  if (fits.empty()) {
    throw Error(ErrorKind::input,
                "T1w: no affine fit to the template was found, expected a head or brain");
  }
  out.coarse_correlation = fits.front().correlation;
  for (const FitResult& rival : fits) {
    if (far_apart(rival.fixed_to_moving, fits.front().fixed_to_moving, level.fixed.center_mm,
                  15.0)) {
      out.other_correlation = std::max(out.other_correlation, rival.correlation);
    }
  }
  return fits.front();
}

// Correlation at the end of a fit that starts from `fit` with the template's left and right
// exchanged.
double mirrored(const Level& level, const FitResult& fit, const Params& params,
                const Context& context) {
  Affine reflection = Affine::Identity();
  reflection(0, 0) = -1.0;
  const FitControl control{Freedom::affine, params.iterations, params.convergence_mm};
  return anatomy::fit_affine(level.fixed, level.moving, fit.fixed_to_moving * reflection, control,
                             context)
      .correlation;
}

void require_levels(const std::vector<double>& spacing_mm) {
  const bool falling = std::is_sorted(spacing_mm.rbegin(), spacing_mm.rend());
  if (spacing_mm.empty() || !falling) {
    throw Error(ErrorKind::usage,
                "affine: level_spacing_mm: expected at least one level, coarse first");
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  require_levels(params.level_spacing_mm);
  anatomy::require_image(inputs.t1w, "T1w");
  anatomy::require_image(inputs.template_brain, "template");
  anatomy::require_mask(inputs.template_mask, inputs.template_brain.grid, "template mask");
  if (inputs.t1w_mask != nullptr) {
    anatomy::require_mask(*inputs.t1w_mask, inputs.t1w.grid, "brain mask");
  }
  if (inputs.lesion != nullptr) {
    anatomy::require_mask(*inputs.lesion, inputs.t1w.grid, "lesion mask");
  }

  const auto levels = make_levels(inputs, params, context);
  Outputs out;
  FitResult fit = first_fit(inputs, levels.front(), params, out, context);
  out.iterations = fit.iterations;
  for (std::size_t n = 1; n < levels.size(); ++n) {
    const FitControl control{Freedom::affine, params.iterations, params.convergence_mm};
    fit = anatomy::fit_affine(levels[n].fixed, levels[n].moving, fit.fixed_to_moving, control,
                              context);
    out.iterations += fit.iterations;
    context.advance();
  }
  if (!plausible(fit.fixed_to_moving) || !(fit.correlation > 0.0)) {
    throw Error(ErrorKind::input,
                "T1w: the affine fit to the template failed, expected a head or brain");
  }
  if (inputs.t1w_mask != nullptr) {
    out.mirror_gain = mirrored(levels.back(), fit, params, context) - fit.correlation;
  }
  out.t1w_to_template = fit.fixed_to_moving.inverse();
  out.correlation = fit.correlation;
  out.overlap = fit.inside;
  out.header_rotation_deg = rotation_deg(fit.fixed_to_moving);
  out.converged = fit.converged;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const double finest = params.level_spacing_mm.empty() ? 2.0 : params.level_spacing_mm.back();
  // Copies at full resolution (none at 2 mm: 8 bytes a voxel is generous) and the sample lists.
  const double samples = 4.0e6 / (finest * finest * finest);
  return shape.n_voxels * 8 + shape.n_template_voxels * 8 +
         static_cast<std::size_t>(samples * 80.0);
}

} // namespace boldmill::affine
