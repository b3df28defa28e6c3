// The published circuit regions as places where simulated activity lives, and the measures whose
// truth is written. Positions: centres of mass of the 28 published masks, MNI152NLin6Asym.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace boldmill::simulate {

inline constexpr int kRegions = 28;
inline constexpr int kCircuitSources = 20; // regions that overlap share one source
inline constexpr int kSources = 24;        // and four sensory and motor sources
inline constexpr int kEdges = 14;
inline constexpr int kCircuits = 3; // default mode, salience, attention
inline constexpr int kPpiPairs = 10;

struct Region {
  std::string_view code;
  double x, y, z;   // mm
  double radius_mm; // of the ball with the mask's volume
  int source;
};
struct Edge {
  std::string_view code; // feature code, e.g. D2D1
  int circuit;
  int a, b;      // sources
  double mean_z; // healthy population, Fisher z
};
struct PpiPair {
  std::string_view code;
  std::string_view task, contrast;
  std::string_view hub_region, target_region;
  int hub, target; // sources
};

[[nodiscard]] const std::array<Region, kRegions>& regions();
[[nodiscard]] std::size_t region_index(std::string_view code);
[[nodiscard]] const std::array<std::string_view, kSources>& source_names();
[[nodiscard]] const std::array<Edge, kEdges>& edges();
[[nodiscard]] const std::array<PpiPair, kPpiPairs>& ppi_pairs();
[[nodiscard]] const std::array<std::string_view, kCircuits>& circuit_names();

// The places a source is spread around: centres of its regions (or its own), in anatomy mm.
struct Places {
  std::array<Eigen::Vector3d, kRegions> region;
  std::array<std::vector<Eigen::Vector3d>, kSources> source;
  bool carried = false; // false: the published coordinates, as if the anatomy were MNI152NLin6Asym
};
// `points` empty: the published positions. Otherwise a table with code and x, y, z (or com_x,
// com_y, com_z) and, when it covers several templates, target_sha256: rows of one of
// `anatomy_sha256` are taken, and a table without any leaves the published positions. Error{usage}
// when only some regions are there.
[[nodiscard]] Places load_places(const std::filesystem::path& points,
                                 const std::vector<std::string>& anatomy_sha256);

} // namespace boldmill::simulate
