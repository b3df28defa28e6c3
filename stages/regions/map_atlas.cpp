#include "stages/regions/map_atlas.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/interpolate.hpp"

namespace boldmill::map_atlas {

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const Volume& map = *inputs.map;
  const Grid& target = *inputs.target;
  Outputs out;
  out.resampled = inputs.target_to_atlas != nullptr || !map.grid.same_as(target);
  Volume carried;
  if (out.resampled) {
    Volume clean = map;
    for (float& value : clean.data) value = std::isfinite(value) ? value : 0.0F;
    const PointMap here;
    carried =
        resample(clean, target, inputs.target_to_atlas == nullptr ? here : *inputs.target_to_atlas,
                 Interpolation::linear, context);
  }
  const std::vector<float>& weights = out.resampled ? carried.data : map.data;
  out.region.label = inputs.label;
  out.region.index = inputs.index;
  const auto belongs = [&](float weight) {
    const auto size = std::abs(static_cast<double>(weight));
    return size > params.threshold && std::isfinite(size);
  };
  const auto n = static_cast<std::size_t>(std::count_if(weights.begin(), weights.end(), belongs));
  out.region.voxels.reserve(n);
  out.region.weights.reserve(n);
  for (std::size_t v = 0; v < weights.size(); ++v) {
    if (!belongs(weights[v])) continue;
    out.region.voxels.push_back(v);
    out.region.weights.push_back(weights[v]);
  }
  measure_region(out.region, target);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return 2 * shape.atlas_voxels * sizeof(float) + shape.target_voxels * sizeof(float) +
         shape.n_region_voxels * (sizeof(std::size_t) + sizeof(float));
}

} // namespace boldmill::map_atlas
