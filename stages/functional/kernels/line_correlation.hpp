// Squared local correlation between a fixed image and one that is shifted along an axis: value,
// exact gradient and curvature in the shift. See fieldmap_free.hpp.
#pragma once

#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill {

class LineCorrelation {
public:
  // `domain`: where windows are counted. All on one grid; `axis` of it.
  LineCorrelation(Volume fixed, const Volume& moving, Mask domain, int axis, int radius);

  struct Value {
    double mean_r2 = 0.0;         // over the domain
    std::vector<float> by_shift;  // d(sum of r2) / d(shift in voxels); empty when not asked for
    std::vector<float> curvature; // of the same, positive
  };
  // `shift` in voxels.
  [[nodiscard]] Value evaluate(const std::vector<float>& shift, bool derivatives,
                               const Context& context) const;
  [[nodiscard]] const Grid& grid() const { return fixed_.grid; }
  [[nodiscard]] std::size_t n_domain() const { return n_domain_; }

private:
  [[nodiscard]] std::vector<float> box(std::vector<float> data, const Context& context) const;

  Volume fixed_;
  std::vector<float> coefficients_; // of the moving image
  Mask domain_;
  int axis_;
  int radius_;
  std::size_t n_domain_ = 0;
};

} // namespace boldmill
