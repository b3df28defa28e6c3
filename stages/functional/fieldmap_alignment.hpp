// Where the pose of a field map lies against a BOLD reference. The map's undistorted image is given
// the distortion that the BOLD has (by the field itself) and moved rigidly until both agree best by
// normalised mutual information, coarse to fine. Shapes: two volumes and a field -> one 4 x 4 map
// in RAS mm. Source: Studholme 1999, doi:10.1016/S0031-3203(98)00091-0. Cost: a few hundred
// evaluations on at most 30,000 points.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/phase_encoding.hpp"

namespace boldmill::fieldmap_alignment {

inline constexpr std::string_view kReferences[] = {
    "Studholme 1999, Pattern Recognition 32:71, doi:10.1016/S0031-3203(98)00091-0"};
inline constexpr StageInfo kStage{.name = "fieldmap_alignment",
                                  .version = 1,
                                  .summary = "rigid map from the BOLD reference to a field map",
                                  .references = kReferences};

struct Params {
  int rounds = 2;
  double max_movement_mm = 30.0;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [rounds, max_movement_mm] = params;
  visit("rounds", rounds, "", "how often the distortion is renewed at the pose found",
        Limits::between(1, 10));
  visit("max_movement_mm", max_movement_mm, "mm",
        "RMS movement over an 80 mm sphere against the headers that is believed",
        Limits::between(0.0, 500.0));
}

struct Inputs {
  const Volume* boldref = nullptr;
  const Mask* bold_mask = nullptr; // on the grid of boldref
  const Volume* field_hz = nullptr;
  const Volume* reference = nullptr;  // undistorted image in the pose of the field
  distortion::PhaseEncoding encoding; // of the BOLD
};
struct Outputs {
  Affine bold_to_field = Affine::Identity(); // RAS mm, undistorted BOLD reference -> field
  double similarity_before = 0.0;            // 1 to 2
  double similarity = 0.0;
  double movement_mm = 0.0; // RMS over an 80 mm sphere against the headers
  bool doubtful = false;    // moved further than is believed
};

struct Shape {
  std::size_t n_bold_voxels = 0;
  std::size_t n_field_voxels = 0;
};

// Throws input when the mask is empty or an image has no contrast.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::fieldmap_alignment
