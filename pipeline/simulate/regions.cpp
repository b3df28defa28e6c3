#include "pipeline/simulate/regions.hpp"

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/tsv.hpp"
#include "stages/core/error.hpp"

namespace boldmill::simulate {
namespace {

// Sources 0-3 D1-D4, 4-7 S1-S4, 8-14 A1-A7, 15 NT1, 16 NTN1, 17 P2, 18 P3, 19 C3, then sensory
// ones.
constexpr std::array<Region, kRegions> kRegionTable{{
    {"D1", -1.8, 49.9, -6.0, 9.83, 0},    {"D2", -45.5, -69.5, 31.9, 9.63, 1},
    {"D3", 50.2, -61.7, 26.5, 9.59, 2},   {"D4", 0.0, -50.2, 28.1, 9.87, 3},
    {"S1", -37.8, 15.4, -5.1, 8.70, 4},   {"S2", 36.9, 17.5, 0.8, 8.93, 5},
    {"S3", -23.4, -3.3, -17.0, 5.23, 6},  {"S4", 24.8, -6.0, -14.0, 3.19, 7},
    {"A1", -1.2, 13.0, 50.6, 8.71, 8},    {"A2", -43.7, 5.4, 32.4, 8.18, 9},
    {"A3", 49.8, 9.5, 28.7, 7.87, 10},    {"A4", -31.5, -54.3, 42.8, 7.81, 11},
    {"A5", 37.1, -55.4, 47.6, 8.41, 12},  {"A6", -15.1, -66.6, 52.7, 8.32, 13},
    {"A7", 17.5, -67.0, 51.4, 8.99, 14},  {"NS1", -4.6, 43.5, -3.8, 6.38, 0},
    {"NS2", -35.9, 20.0, -3.8, 9.72, 4},  {"NS3", 38.2, 21.9, -3.7, 9.60, 5},
    {"NS4", -23.5, -1.9, -18.5, 7.46, 6}, {"NS5", 26.8, -0.8, -18.1, 7.55, 7},
    {"NT1", 3.3, 21.7, 33.2, 8.11, 15},   {"NTN1", 2.3, 22.8, -9.0, 5.23, 16},
    {"P1", -1.1, 54.8, -7.7, 9.20, 0},    {"P2", -10.7, 11.8, -7.3, 6.99, 17},
    {"P3", 11.0, 12.0, -6.7, 6.93, 18},   {"C1", -44.0, 6.0, 32.0, 9.85, 9},
    {"C2", 0.0, 18.0, 46.0, 9.94, 8},     {"C3", 44.4, 34.7, 22.9, 9.23, 19},
}};

constexpr std::array<std::string_view, kSources> kSourceNames{
    "D1",   "D2", "D3", "D4", "S1",     "S2",         "S3",        "S4",
    "A1",   "A2", "A3", "A4", "A5",     "A6",         "A7",        "NT1",
    "NTN1", "P2", "P3", "C3", "visual", "motor_left", "face_left", "face_right"};

constexpr std::array<Edge, kEdges> kEdgeTable{{{"D2D1", 0, 1, 0, 0.35},
                                               {"D1D3", 0, 0, 2, 0.35},
                                               {"D1D4", 0, 0, 3, 0.45},
                                               {"D2D4", 0, 1, 3, 0.50},
                                               {"D3D4", 0, 2, 3, 0.50},
                                               {"S1S3", 1, 4, 6, 0.40},
                                               {"S2S4", 1, 5, 7, 0.40},
                                               {"S1S2", 1, 4, 5, 0.60},
                                               {"A2A1", 2, 9, 8, 0.45},
                                               {"A3A1", 2, 10, 8, 0.45},
                                               {"A4A2", 2, 11, 9, 0.45},
                                               {"A5A3", 2, 12, 10, 0.45},
                                               {"A4A6", 2, 11, 13, 0.50},
                                               {"A5A7", 2, 12, 14, 0.50}}};

constexpr std::array<PpiPair, kPpiPairs> kPpiTable{
    {{"NS2NS1", "conscious", "sad_vs_neu", "NS1", "NS2", 0, 4},
     {"NS3NS1", "conscious", "sad_vs_neu", "NS1", "NS3", 0, 5},
     {"NS4NS1", "conscious", "sad_vs_neu", "NS1", "NS4", 0, 6},
     {"NS5NS1", "conscious", "sad_vs_neu", "NS1", "NS5", 0, 7},
     {"NT2NT1", "conscious", "thr_vs_neu", "NT1", "NS4", 15, 6},
     {"NT3NT1", "conscious", "thr_vs_neu", "NT1", "NS5", 15, 7},
     {"NTN2NTN1", "nonconscious", "thr_vs_neu", "NTN1", "NS4", 16, 6},
     {"NTN3NTN1", "nonconscious", "thr_vs_neu", "NTN1", "NS5", 16, 7},
     {"C1C2", "gonogo", "nogo_vs_go", "C2", "C1", 8, 9},
     {"C3C2", "gonogo", "nogo_vs_go", "C2", "C3", 8, 19}}};

constexpr std::array<std::string_view, kCircuits> kCircuitNames{"DMN", "SAL", "ATT"};

struct Carried {
  std::array<std::optional<Eigen::Vector3d>, kRegions> at;
  int n = 0;
};

// The table without its comment lines.
bids::Table read_table(const std::filesystem::path& path) {
  std::istringstream lines(bids::read_file(path));
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) text += line + "\n";
  }
  return bids::parse_tsv(std::move(text), path.string());
}

Carried read_points(const std::filesystem::path& path, const std::vector<std::string>& sha256) {
  const bids::Table table = read_table(path);
  const std::vector<std::string> code = table.text("code");
  const bool centers = table.has("com_x");
  const Eigen::MatrixXd xyz =
      centers ? table.matrix({"com_x", "com_y", "com_z"}) : table.matrix({"x", "y", "z"});
  std::vector<std::string> digest;
  if (table.has("target_sha256")) digest = table.text("target_sha256");
  Carried found;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    if (!digest.empty() && std::find(sha256.begin(), sha256.end(), digest[row]) == sha256.end()) {
      continue;
    }
    for (std::size_t r = 0; r < kRegions; ++r) {
      if (kRegionTable[r].code == code[row]) {
        if (!found.at[r]) ++found.n;
        found.at[r] = xyz.row(static_cast<Eigen::Index>(row)).transpose();
      }
    }
  }
  return found;
}

} // namespace

const std::array<Region, kRegions>& regions() { return kRegionTable; }
std::size_t region_index(std::string_view code) {
  const auto at = std::find_if(kRegionTable.begin(), kRegionTable.end(),
                               [code](const Region& region) { return region.code == code; });
  if (at == kRegionTable.end()) {
    throw Error(ErrorKind::internal, "simulate: there is no region " + std::string(code));
  }
  return static_cast<std::size_t>(at - kRegionTable.begin());
}
const std::array<std::string_view, kSources>& source_names() { return kSourceNames; }
const std::array<Edge, kEdges>& edges() { return kEdgeTable; }
const std::array<PpiPair, kPpiPairs>& ppi_pairs() { return kPpiTable; }
const std::array<std::string_view, kCircuits>& circuit_names() { return kCircuitNames; }

Places load_places(const std::filesystem::path& points,
                   const std::vector<std::string>& anatomy_sha256) {
  Carried carried;
  if (!points.empty()) carried = read_points(points, anatomy_sha256);
  Places places;
  places.carried = carried.n > 0;
  for (std::size_t r = 0; r < kRegions; ++r) {
    const Region& region = kRegionTable[r];
    if (places.carried && !carried.at[r]) {
      throw Error(ErrorKind::usage, points.string() + ": no position of region " +
                                        std::string(region.code) +
                                        " for this anatomy, expected all 28 regions");
    }
    places.region[r] = carried.at[r].value_or(Eigen::Vector3d(region.x, region.y, region.z));
    places.source[static_cast<std::size_t>(region.source)].push_back(places.region[r]);
  }
  places.source[20] = {{-8.0, -92.0, 2.0}, {10.0, -90.0, 2.0}};
  places.source[21] = {{-38.0, -24.0, 56.0}};
  places.source[22] = {{-40.0, -54.0, -18.0}};
  places.source[23] = {{42.0, -52.0, -18.0}};
  return places;
}

} // namespace boldmill::simulate
