#include "pipeline/simulate/t1w.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/simulate/sampling.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::simulate {
namespace {

template <class Label>
LabelImage label_points(const Anatomy& anatomy, const PointMap& to_anatomy, const Grid& grid,
                        const Context& context, Label&& label) {
  LabelImage image(grid);
  parallel_blocks(context, image.data.size(), 4096, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      const std::array<int, 3> ijk = grid.coordinates(v);
      const Eigen::Vector3d point = to_anatomy(grid.to_mm(Eigen::Vector3d(ijk[0], ijk[1], ijk[2])));
      image.data[v] = label(anatomy.at(point), point);
    }
  });
  return image;
}

} // namespace

Volume site_contrast(const Anatomy& anatomy, const Site& site, const Context& context) {
  Volume image(anatomy.grid);
  const std::array<double, 3>& c = site.t1w_contrast;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const auto& x = anatomy.voxels[v];
    const double brain = c[0] * x[2] + c[1] * x[0] + c[2] * x[1] + x[3];
    const double texture = 0.7 * (static_cast<double>(x[5]) - 100.0);
    image.data[v] = static_cast<float>(std::max(0.0, brain + texture) / 200.0);
  }
  const double spacing = site.t1w.spacing_mm.maxCoeff();
  const double sigma_mm = std::max(0.0, spacing - 0.8) / kFwhmPerSigma;
  if (sigma_mm < 0.3) return image; // the anatomy is as coarse as the image
  return gaussian_smooth(std::move(image), sigma_mm, context);
}

Volume acquire_t1w(const T1wInputs& inputs, std::uint64_t seed, const Context& context) {
  Volume image(inputs.grid);
  Random random(seed);
  const Waves field(160.0, 420.0, 6, random);
  const Affine to_voxel = inputs.contrast.grid.affine.inverse();
  const auto plane = static_cast<std::size_t>(inputs.grid.shape[0]) *
                     static_cast<std::size_t>(inputs.grid.shape[1]);
  const double sigma = 0.01 * inputs.noise_percent;
  parallel_blocks(context, image.data.size() / plane, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) {
      Random noise(stream_seed(seed, "t1w", std::to_string(k)));
      for (std::size_t v = k * plane; v < (k + 1) * plane; ++v) {
        const std::array<int, 3> ijk = inputs.grid.coordinates(v);
        const Eigen::Vector3d mm = inputs.grid.to_mm(Eigen::Vector3d(ijk[0], ijk[1], ijk[2]));
        const Eigen::Vector3d at = to_voxel.topLeftCorner<3, 3>() * inputs.person_to_anatomy(mm) +
                                   to_voxel.topRightCorner<3, 1>();
        const auto tissue = std::max(0.0, static_cast<double>(sample_lanczos(
                                              inputs.contrast.data.data(),
                                              inputs.contrast.grid.shape, at[0], at[1], at[2])));
        const double signal = tissue == 0.0 ? 0.0 : tissue * std::exp(inputs.bias * field.at(mm));
        const double real = signal + sigma * noise.normal();
        const double imaginary = sigma * noise.normal();
        image.data[v] =
            static_cast<float>(inputs.gain * std::sqrt(real * real + imaginary * imaginary));
      }
    }
  });
  return image;
}

LabelImage tissue_labels(const Anatomy& anatomy, const PointMap& to_anatomy, const Grid& grid,
                         const Context& context) {
  return label_points(anatomy, to_anatomy, grid, context,
                      [](const Tissue& t, const Eigen::Vector3d&) -> std::int32_t {
                        if (t.grey + t.white + t.csf < 0.5F) return 0;
                        if (t.csf >= t.grey && t.csf >= t.white) return 1;
                        return t.grey >= t.white ? 2 : 3;
                      });
}

LabelImage source_labels(const Anatomy& anatomy, const PointMap& to_anatomy, const Grid& grid,
                         const Context& context) {
  return label_points(anatomy, to_anatomy, grid, context,
                      [&](const Tissue& t, const Eigen::Vector3d& point) -> std::int32_t {
                        if (t.grey + t.white < 0.5F) return 0;
                        const auto w = source_weights(anatomy.places, point);
                        for (std::size_t s = 0; s < kSources; ++s) {
                          if (w[s] > 0.5F) return static_cast<std::int32_t>(s) + 1;
                        }
                        return 0;
                      });
}

} // namespace boldmill::simulate
