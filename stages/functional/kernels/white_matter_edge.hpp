// The edge of white matter in a T1w, and the contrast of a BOLD image over it: the cost of
// boundary-based registration (Greve & Fischl 2009, doi:10.1016/j.neuroimage.2009.06.060).
#pragma once

#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill {

// Points on the edge and unit normals out of white matter, in RAS mm of the T1w.
struct WhiteMatterEdge {
  std::vector<Eigen::Vector3f> point_mm;
  std::vector<Eigen::Vector3f> normal;
};

// White matter is the brightest of three intensity classes inside the mask, smoothed by 1 mm; the
// edge is where the smoothed T1w crosses the middle between grey and white, at least 2 mm inside
// the mask. At most `max_points`, a regular subset. Empty when the classes cannot be told apart.
[[nodiscard]] WhiteMatterEdge white_matter_edge(const Volume& t1w, const Mask& mask,
                                                std::size_t max_points, const Context& context);

struct EdgeCost {
  double cost = 2.0;     // mean of 1 - tanh(contrast / 10 %): 0 to 2, lower is better
  double contrast = 0.0; // mean of 100 (grey - white) / their mean, in %
  double inside = 0.0;   // share of the points with both samples inside the field of view
};

// Samples the BOLD `distance_mm` on both sides of every point, trilinear. Points with a sample
// outside the field of view are left out; where the BOLD is 0 (set so outside its mask) the
// contrast counts as 0. The BOLD must not be negative or NaN.
[[nodiscard]] EdgeCost edge_cost(const WhiteMatterEdge& edge, const Volume& bold,
                                 const Affine& t1w_to_bold, double distance_mm);

} // namespace boldmill
