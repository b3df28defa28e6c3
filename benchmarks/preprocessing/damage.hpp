// What can be wrong with an image of a head: made here, so that the truth is known.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/random.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::damage {

// Rigid about `center`, of that translation and rotation in a random direction.
[[nodiscard]] Affine random_move(Random& random, double mm, double degrees,
                                 const Eigen::Vector3d& center);
// By 90 degrees about an axis and in a direction that follow from `which`.
[[nodiscard]] Affine quarter_turn(int which, const Eigen::Vector3d& center);
[[nodiscard]] Volume with_header(Volume image, const Affine& moved);
// Voxels reversed along the axis nearest to x, under the same header.
[[nodiscard]] Volume exchanged(const Volume& image);
// The middle slices.
[[nodiscard]] Volume slab(const Volume& image, double share);
// Rician noise, SD a share of the mean of what is brighter than the mean.
[[nodiscard]] Volume noisy(Volume image, double share, Random& random);
// A ball of `radius_mm` at 0.3 of its intensity.
[[nodiscard]] Volume lesioned(Volume image, const Eigen::Vector3d& center_mm, double radius_mm);

// A shrunken brain in the same skull: around `center_mm` (between the ventricles) tissue is pushed
// outwards, so that what lies within 25 mm is 1.5 times as wide, and the outer 3 mm of the brain
// become fluid of intensity `fluid`. `image_to_head` maps the image's millimetres into those of
// `brain` and `center_mm`.
[[nodiscard]] Volume atrophied(const Volume& image, const Affine& image_to_head, const Mask& brain,
                               const Eigen::Vector3d& center_mm, double fluid);

} // namespace boldmill::damage
