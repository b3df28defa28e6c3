// Facts about the 28 published circuit regions (positions, volumes, how each was defined), read
// from a table. Positions are MNI152NLin6Asym millimetres, RAS.
#pragma once

#include <Eigen/Dense>
#include <string>
#include <string_view>
#include <vector>

namespace boldmill {

enum class RegionShape {
  cut_sphere, // 10 mm sphere at the peak, cut by a thresholded map
  sphere,     // of atlas origin, stood in for by a sphere of its volume
  atlas       // a label of an anatomical atlas
};

struct CircuitFact {
  std::vector<std::string> codes; // the first names the region, the others are aliases
  std::string name;               // in words
  std::string hemisphere;         // "L", "R", "M"
  std::string circuit;
  RegionShape shape = RegionShape::cut_sphere;
  std::string atlas_label; // for shape atlas: name in AAL
  Eigen::Vector3d peak_mm{0.0, 0.0, 0.0};
  Eigen::Vector3d com_mm{0.0, 0.0, 0.0}; // centre of mass of the published mask
  double volume_mm3 = 0.0;
  double expected_dice = 0.0; // with the published mask, on the mask's own grid
  std::string mask_file;      // name in the published folder
};

// Tab-separated with a header; lines that start with '#' are comments. ErrorKind::input on a
// missing column, a number that does not parse, a code twice. `source` names the text in messages.
[[nodiscard]] std::vector<CircuitFact> parse_circuit_facts(std::string_view text,
                                                           std::string_view source);

// Where a region of the facts lies in another space.
struct Placement {
  Eigen::Vector3d peak_mm{0.0, 0.0, 0.0};
  Eigen::Vector3d com_mm{0.0, 0.0, 0.0};
};

} // namespace boldmill
