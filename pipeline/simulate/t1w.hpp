// The T1-weighted image of a person.
#pragma once

#include "pipeline/simulate/anatomy.hpp"
#include "pipeline/simulate/scanner.hpp"
#include "stages/core/random.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::simulate {

// The anatomy in one site's contrast, blurred by the T1w point spread; shared by the site's people.
[[nodiscard]] Volume site_contrast(const Anatomy& anatomy, const Site& site,
                                   const Context& context);

struct T1wInputs {
  const Volume& contrast; // site_contrast
  PointMap person_to_anatomy;
  Grid grid;
  double gain = 1000.0;       // white matter
  double noise_percent = 2.5; // of white matter, each channel
  double bias = 0.18;         // SD of the log of the receive field
};
[[nodiscard]] Volume acquire_t1w(const T1wInputs& inputs, std::uint64_t seed,
                                 const Context& context);

// Tissue labels (1 fluid, 2 grey, 3 white) and sources (1 + index where a weight exceeds one half).
[[nodiscard]] LabelImage tissue_labels(const Anatomy& anatomy, const PointMap& to_anatomy,
                                       const Grid& grid, const Context& context);
[[nodiscard]] LabelImage source_labels(const Anatomy& anatomy, const PointMap& to_anatomy,
                                       const Grid& grid, const Context& context);

} // namespace boldmill::simulate
