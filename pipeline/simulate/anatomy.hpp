// The anatomy all simulated people share before their own deformation: tissue fractions by
// intensity classes of the brain, and the head around it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/simulate/regions.hpp"
#include "pipeline/simulate/simulate.hpp"
#include "stages/core/image.hpp"

namespace boldmill::simulate {

// Fractions of 1; outside the brain the three tissues are 0 and the head intensities count.
struct Tissue {
  float grey = 0, white = 0, csf = 0;
  float head_t1w = 0, head_epi = 0; // relative to white matter in a T1w image
  float texture = 0;                // T1w detail that three classes do not explain
};

struct Anatomy {
  Grid grid;
  std::vector<std::array<std::uint8_t, 6>> voxels; // Tissue in 1/200, texture offset by 100
  std::array<double, 3> class_means{};             // csf, grey, white of the source image
  Places places;
  std::string sha256; // of the head image

  // Trilinear; all zero outside.
  [[nodiscard]] Tissue at(const Eigen::Vector3d& point_mm) const;
};

[[nodiscard]] std::shared_ptr<const Anatomy> load_anatomy(const AnatomyPaths& paths,
                                                          const Context& context);

// Means of three classes by one-dimensional k-means over the histogram of positive values,
// ascending.
[[nodiscard]] std::array<double, 3> three_class_means(const std::vector<float>& positive);

// Weight of every source at a point of the anatomy: a flat-topped profile around its places,
// exp(-ln 2 (r / 9 mm)^4), divided among sources that overlap. Multiply by the tissue fraction.
[[nodiscard]] std::array<float, kSources> source_weights(const Places& places,
                                                         const Eigen::Vector3d& point_mm);

// Susceptibility field in Hz at 3 T with B0 along z: air-filled balls (sphenoid, ethmoid, frontal
// sinuses, both mastoids), each (gamma B0 dchi / 3) (a/r)^3 (3 cos^2 - 1). Before any shim.
[[nodiscard]] double air_field_hz(const Eigen::Vector3d& point_mm);

} // namespace boldmill::simulate
