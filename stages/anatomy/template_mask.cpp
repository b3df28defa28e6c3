#include "stages/anatomy/template_mask.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

#include "stages/anatomy/kernels/checks.hpp"
#include "stages/anatomy/kernels/morphology.hpp"
#include "stages/anatomy/kernels/otsu.hpp"
#include "stages/core/error.hpp"

namespace boldmill {

Mask template_mask(const Volume& brain_template, const Context& context) {
  constexpr double kThreshold = 0.2; // of the median positive intensity: below most CSF
  constexpr double kClosingMm = 5.0;
  anatomy::require_image(brain_template, "template");
  const float parting = anatomy::otsu_threshold(brain_template.data);
  std::vector<float> tissue;
  for (const float value : brain_template.data) {
    if (value > 0.0F && value > parting) tissue.push_back(value);
  }
  if (tissue.empty()) throw Error(ErrorKind::input, "template: no positive voxel");
  const auto middle = tissue.begin() + static_cast<std::ptrdiff_t>(tissue.size() / 2);
  std::nth_element(tissue.begin(), middle, tissue.end());
  const float threshold = static_cast<float>(kThreshold) * *middle;

  Mask mask(brain_template.grid);
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    mask.data[v] = brain_template.data[v] > threshold ? 1 : 0;
  }
  mask = anatomy::largest_component(mask);
  const Mask wide = anatomy::dilate(mask, kClosingMm, context);
  mask = anatomy::fill_holes(anatomy::erode(wide, kClosingMm, context));

  const double litres = static_cast<double>(count(mask)) * mask.grid.voxel_volume_mm3() * 1e-6;
  if (!(litres >= 0.6 && litres <= 3.0)) {
    std::ostringstream text;
    text << "template: found a brain of " << litres
         << " l, expected a brain-only image of 0.6 to 3 l that is zero outside the brain";
    throw Error(ErrorKind::input, text.str());
  }
  return mask;
}

} // namespace boldmill
