// Agreement of two raters beyond chance.
#pragma once

#include <vector>

#include "stages/cohort/kernels/effect_sizes.hpp"

namespace boldmill::cohort {

struct Kappa {
  int n = 0; // things both rated
  double agreement = 0.0, kappa = 0.0, se = 0.0;
  Bounds bounds; // normal
};
// Cohen 1960 (doi:10.1177/001316446002000104), standard error of Fleiss, Cohen & Everitt 1969
// (doi:10.1037/h0028106). Negative ratings are missing. NaN where one category is all there is.
[[nodiscard]] Kappa cohens_kappa(const std::vector<int>& a, const std::vector<int>& b,
                                 double confidence);

} // namespace boldmill::cohort
