#include "stages/anatomy/kernels/brain_levels.hpp"

#include <algorithm>
#include <cmath>

#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/anatomy/kernels/morphology.hpp"
#include "stages/anatomy/kernels/template_space.hpp"
#include "stages/core/error.hpp"

namespace boldmill::anatomy {
namespace {

constexpr double kPadMm = 16.0;
constexpr float kExcludedShare = 0.05F;
constexpr double kHeadRimMm = 8.0; // an unmasked head counts up to here around the carried brain

Volume masked(const Volume& image, const Mask& mask) {
  Volume out = image;
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    if (mask.data[v] == 0) out.data[v] = 0.0F;
  }
  return out;
}

// Clamps at the 99.5th percentile of positive values where `inside` > 0.5, divides by their SD.
void standardise(Volume& image, const std::vector<float>& inside, const char* what) {
  std::vector<float> values;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    if (inside[v] > 0.5F && image.data[v] > 0.0F) values.push_back(image.data[v]);
  }
  if (values.size() < 50) {
    throw Error(ErrorKind::input,
                std::string(what) + ": no overlap with the other brain after the affine map");
  }
  const auto top = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) * 995 / 1000);
  std::nth_element(values.begin(), top, values.end());
  const float most = *top;
  double sum = 0.0;
  double squares = 0.0;
  for (const float value : values) {
    const double clamped = std::min(value, most);
    sum += clamped;
    squares += clamped * clamped;
  }
  const double n = static_cast<double>(values.size());
  const double variance = squares / n - sum / n * (sum / n);
  if (!(variance > 1e-12 * squares / n)) {
    throw Error(ErrorKind::input, std::string(what) + ": constant inside the brain");
  }
  const auto factor = static_cast<float>(1.0 / std::sqrt(variance));
  for (float& value : image.data) value = std::clamp(value, 0.0F, most) * factor;
}

} // namespace

std::vector<DiffeomorphicLevel> brain_levels(const BrainPair& pair,
                                             const std::vector<double>& spacing_mm,
                                             const std::vector<int>& iterations, double margin_mm,
                                             const Context& context) {
  const Affine identity = Affine::Identity();
  const Affine to_moving = pair.moving_to_template.inverse();
  const bool use_mask = pair.moving_mask != nullptr;
  const double finest = spacing_mm.back();
  const Volume moving = block_average(
      use_mask ? masked(pair.moving, *pair.moving_mask) : pair.moving, finest, context);
  const Volume brain =
      block_average(masked(pair.template_brain, pair.template_mask), finest, context);
  std::vector<DiffeomorphicLevel> levels(spacing_mm.size());
  for (std::size_t n = 0; n < levels.size(); ++n) {
    DiffeomorphicLevel& level = levels[n];
    const Grid grid = working_grid(pair.template_mask, spacing_mm[n], kPadMm);
    level.iterations = iterations[n];
    level.fixed = on_working_grid(brain, grid, identity, context);
    level.moving = on_working_grid(moving, grid, to_moving, context);
    const Volume share = membership_on_working_grid(pair.template_mask, grid, identity, context);
    standardise(level.fixed, share.data, "template");
    standardise(level.moving, share.data, "moving image");
    Mask inside(grid);
    for (std::size_t v = 0; v < inside.data.size(); ++v) {
      inside.data[v] = share.data[v] >= 0.5F ? 1 : 0;
    }
    const Mask region = dilate(inside, margin_mm, context);
    if (!use_mask) { // scalp and neck would pull at the template's edge
      const Mask near = dilate(inside, kHeadRimMm, context);
      for (std::size_t v = 0; v < near.data.size(); ++v) {
        if (near.data[v] == 0) level.moving.data[v] = 0.0F;
      }
    }
    level.weight.assign(region.data.begin(), region.data.end());
    if (pair.excluded != nullptr) {
      const Volume taken = membership_on_working_grid(*pair.excluded, grid, to_moving, context);
      Mask out(grid);
      for (std::size_t v = 0; v < taken.data.size(); ++v) {
        out.data[v] = taken.data[v] > kExcludedShare ? 1 : 0;
      }
      // Also the places whose windows reach into it.
      out = dilate(out, (pair.window_radius + 0.5) * spacing_mm[n], context);
      for (const std::uint8_t value : out.data) {
        level.moving_weight.push_back(value != 0 ? 0.0F : 1.0F);
      }
    }
  }
  return levels;
}

std::shared_ptr<const DisplacementField> to_millimetres(const VectorField& field,
                                                        const Grid& grid) {
  auto out = std::make_shared<DisplacementField>();
  out->grid = grid;
  const auto spacing = static_cast<float>(grid.spacing_mm()[0]);
  out->mm.assign(field.u.begin(), field.u.end() - 1);
  for (float& value : out->mm) value *= spacing;
  return out;
}

} // namespace boldmill::anatomy
