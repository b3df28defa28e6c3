#include "stages/functional/bold_resampling.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"
#include "stages/functional/kernels/bspline_coefficients.hpp"

namespace boldmill::bold_resampling {
namespace {

constexpr std::size_t kVolumesPerBlock = 16; // one cache line of each voxel's series
constexpr std::size_t kVoxelsPerBlock = 4096;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Millimetres of the reference for every voxel asked for: three floats each, relative to `center`.
struct StaticMap {
  std::vector<float> x, y, z;
  Eigen::Vector3d center;
};

StaticMap static_map(const Inputs& inputs, const Context& context) {
  const std::size_t n = inputs.voxels.size();
  StaticMap map;
  map.x.resize(n);
  map.y.resize(n);
  map.z.resize(n);
  map.center = inputs.bold.grid.center_mm();
  parallel_blocks(context, n, kVoxelsPerBlock, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; ++p) {
      const auto [i, j, k] = inputs.target.coordinates(inputs.voxels[p]);
      const Eigen::Vector3d mm =
          inputs.target_to_ref(inputs.target.to_mm(Eigen::Vector3d(i, j, k))) - map.center;
      map.x[p] = static_cast<float>(mm[0]);
      map.y[p] = static_cast<float>(mm[1]);
      map.z[p] = static_cast<float>(mm[2]);
    }
  });
  return map;
}

void check(const Inputs& inputs) {
  check_source(inputs.bold, kStage.name);
  if (!inputs.ref_to_volume.empty() &&
      inputs.ref_to_volume.size() != static_cast<std::size_t>(inputs.bold.n_volumes)) {
    throw Error(ErrorKind::internal,
                "bold_resampling: found " + std::to_string(inputs.ref_to_volume.size()) +
                    " motion transforms, expected " + std::to_string(inputs.bold.n_volumes));
  }
  const std::size_t n_asked = inputs.voxels.size();
  for (const std::size_t n : {inputs.shift_voxels.size(), inputs.factor.size()}) {
    if (n != 0 && n != n_asked) {
      throw Error(ErrorKind::internal, "bold_resampling: found the distortion of " +
                                           std::to_string(n) + " voxels, expected " +
                                           std::to_string(n_asked));
    }
  }
  if (inputs.shift_axis < 0 || inputs.shift_axis > 2) {
    throw Error(ErrorKind::internal, "bold_resampling: found axis " +
                                         std::to_string(inputs.shift_axis) + ", expected 0 to 2");
  }
  const std::size_t n_target = inputs.target.n_voxels();
  for (const std::size_t voxel : inputs.voxels) {
    if (voxel >= n_target) {
      throw Error(ErrorKind::internal, "bold_resampling: found target voxel " +
                                           std::to_string(voxel) + ", expected below " +
                                           std::to_string(n_target));
    }
  }
}

// Centred reference millimetres -> voxel coordinates of volume t.
Eigen::Matrix4f to_voxel(const Inputs& inputs, const Eigen::Vector3d& center, std::size_t t) {
  Affine shift = Affine::Identity();
  shift.topRightCorner<3, 1>() = center;
  Affine matrix = inputs.bold.grid.affine.inverse();
  if (!inputs.ref_to_volume.empty()) matrix = matrix * inputs.ref_to_volume[t];
  return (matrix * shift).cast<float>();
}

// The distortion of the voxels asked for; null where there is none.
struct Distortion {
  explicit Distortion(const Inputs& inputs)
      : shift(inputs.shift_voxels.empty() ? nullptr : inputs.shift_voxels.data()),
        factor(inputs.factor.empty() ? nullptr : inputs.factor.data()),
        axis(static_cast<std::size_t>(inputs.shift_axis)) {}
  const float* shift;
  const float* factor;
  std::size_t axis;
};

// Values of the voxels [begin, end) in one volume; NaN outside. `store(p, value)`.
template <class Store>
void sample(const BsplineCoefficients& volume, const Eigen::Matrix4f& m, const StaticMap& map,
            const Distortion& distortion, std::size_t begin, std::size_t end, Store&& store) {
  for (std::size_t p = begin; p < end; ++p) {
    std::array<float, 3> at{m(0, 0) * map.x[p] + m(0, 1) * map.y[p] + m(0, 2) * map.z[p] + m(0, 3),
                            m(1, 0) * map.x[p] + m(1, 1) * map.y[p] + m(1, 2) * map.z[p] + m(1, 3),
                            m(2, 0) * map.x[p] + m(2, 1) * map.y[p] + m(2, 2) * map.z[p] + m(2, 3)};
    if (distortion.shift != nullptr) at[distortion.axis] += distortion.shift[p];
    float value = volume.inside(at[0], at[1], at[2]) ? volume.evaluate(at[0], at[1], at[2]) : kNaN;
    if (distortion.factor != nullptr) value *= distortion.factor[p];
    store(p, value);
  }
}

// Calls use(first volume, coefficients, voxel matrices) for each block of consecutive volumes.
template <class Use>
void for_each_block(const Inputs& inputs, const StaticMap& map, const Context& context, Use&& use) {
  const auto n_volumes = static_cast<std::size_t>(inputs.bold.n_volumes);
  std::vector<BsplineCoefficients> block(std::min(kVolumesPerBlock, n_volumes));
  std::vector<Eigen::Matrix4f> matrices(block.size());
  for (std::size_t first = 0; first < n_volumes; first += block.size()) {
    const std::size_t size = std::min(block.size(), n_volumes - first);
    parallel_blocks(context, size, 1, [&](std::size_t begin, std::size_t end) {
      std::vector<float> buffer;
      for (std::size_t b = begin; b < end; ++b) {
        block[b].interpolate(inputs.bold.read(static_cast<int>(first + b), buffer),
                             inputs.bold.grid.shape);
        matrices[b] = to_voxel(inputs, map.center, first + b);
      }
    });
    use(first, std::span(block).first(size), std::span(matrices).first(size));
    context.advance(static_cast<std::int64_t>(size));
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& /*params*/, const Context& context) {
  check(inputs);
  const StaticMap map = static_map(inputs, context);
  const Distortion distortion(inputs);
  const std::size_t n_voxels = inputs.voxels.size();
  Outputs out;
  out.series.resize(inputs.bold.n_volumes, static_cast<Eigen::Index>(n_voxels));
  const auto n_volumes = static_cast<std::size_t>(inputs.bold.n_volumes);
  float* series = out.series.data();
  for_each_block(inputs, map, context, [&](std::size_t first, auto block, auto matrices) {
    parallel_blocks(context, n_voxels, kVoxelsPerBlock, [&](std::size_t begin, std::size_t end) {
      for (std::size_t b = 0; b < block.size(); ++b) {
        sample(block[b], matrices[b], map, distortion, begin, end,
               [&](std::size_t p, float value) { series[p * n_volumes + first + b] = value; });
      }
    });
  });
  out.coverage.resize(static_cast<Eigen::Index>(n_voxels));
  parallel_blocks(context, n_voxels, kVoxelsPerBlock, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; ++p) {
      const auto column = out.series.col(static_cast<Eigen::Index>(p));
      const auto missing = column.array().isNaN().count();
      out.coverage[static_cast<Eigen::Index>(p)] =
          1.0F - static_cast<float>(missing) / static_cast<float>(n_volumes);
    }
  });
  out.n_covered = static_cast<std::size_t>((out.coverage.array() == 1.0F).count());
  return out;
}

void for_each_volume(const Inputs& inputs, const Context& context, const Consume& consume) {
  check(inputs);
  const StaticMap map = static_map(inputs, context);
  const Distortion distortion(inputs);
  std::vector<float> values(inputs.voxels.size());
  for_each_block(inputs, map, context, [&](std::size_t first, auto block, auto matrices) {
    for (std::size_t b = 0; b < block.size(); ++b) {
      parallel_blocks(context, values.size(), kVoxelsPerBlock,
                      [&](std::size_t begin, std::size_t end) {
                        sample(block[b], matrices[b], map, distortion, begin, end,
                               [&](std::size_t p, float value) { values[p] = value; });
                      });
      consume(static_cast<int>(first + b), values);
    }
  });
}

Series to_series(const Inputs& inputs, const Context& context, float outside) {
  Series out;
  out.grid = inputs.target;
  out.n_volumes = inputs.bold.n_volumes;
  out.tr_s = inputs.bold.tr_s;
  out.data.assign(out.grid.n_voxels() * static_cast<std::size_t>(out.n_volumes), outside);
  for_each_volume(inputs, context, [&](int t, std::span<const float> values) {
    float* volume = out.volume(t);
    for (std::size_t p = 0; p < values.size(); ++p) {
      volume[inputs.voxels[p]] = std::isnan(values[p]) ? outside : values[p];
    }
  });
  return out;
}

std::size_t working_bytes(const Shape& shape, const Params& /*params*/) {
  const std::size_t block = std::min(kVolumesPerBlock, std::max<std::size_t>(shape.n_volumes, 1));
  // Coefficients with their border (allow a third more), thread buffers, the static map.
  return block * shape.n_source_voxels * 6 +
         shape.n_threads * shape.n_source_voxels * sizeof(float) +
         shape.n_target_voxels * 3 * sizeof(float);
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  return working_bytes(shape, params) +
         shape.n_target_voxels * (shape.n_volumes + 1) * sizeof(float);
}

} // namespace boldmill::bold_resampling
