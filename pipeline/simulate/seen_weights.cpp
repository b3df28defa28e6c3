#include <cmath>
#include <map>

#include "pipeline/simulate/phantom.hpp"

namespace boldmill::simulate {

Eigen::MatrixXd
seen_weights(const Phantom& phantom, const Places& places,
             const std::function<Eigen::Vector3d(const Eigen::Vector3d&)>& anatomy_to_bold) {
  const auto plane = static_cast<std::size_t>(phantom.fine.shape[0]) *
                     static_cast<std::size_t>(phantom.fine.shape[1]);
  const Affine to_fine = phantom.fine.affine.inverse();
  // Lattice point -> (region, how often a point of the ball falls on it)
  std::map<std::size_t, std::map<Eigen::Index, double>> hits;
  Eigen::VectorXd total = Eigen::VectorXd::Zero(kRegions);
  for (std::size_t r = 0; r < kRegions; ++r) {
    const double radius = regions()[r].radius_mm;
    for (int step = 0; step < 11 * 11 * 11; ++step) {
      const Eigen::Vector3d offset(2.0 * (step % 11 - 5), 2.0 * (step / 11 % 11 - 5),
                                   2.0 * (step / 121 - 5));
      if (offset.norm() > radius) continue;
      const Eigen::Vector3d bold = anatomy_to_bold(places.region[r] + offset);
      const Eigen::Vector3d at =
          to_fine.topLeftCorner<3, 3>() * bold + to_fine.topRightCorner<3, 1>();
      const int i = static_cast<int>(std::lround(at[0]));
      const int j = static_cast<int>(std::lround(at[1]));
      const int k = static_cast<int>(std::lround(at[2]));
      if (!phantom.fine.contains(i, j, k)) continue;
      const std::size_t v = phantom.fine.index(i, j, k);
      hits[v][static_cast<Eigen::Index>(r)] += 1.0;
      total[static_cast<Eigen::Index>(r)] += static_cast<double>(phantom.gradient_echo[v]);
    }
  }
  Eigen::MatrixXd weights = Eigen::MatrixXd::Zero(kRegions, kSources);
  for (std::size_t k = 0; k < phantom.sources.size(); ++k) {
    for (const SourceEntry& e : phantom.sources[k]) {
      const auto at = hits.find(k * plane + e.in_plane);
      if (at == hits.end()) continue;
      for (const auto& [region, n] : at->second) {
        weights(region, static_cast<Eigen::Index>(e.source)) +=
            n * static_cast<double>(e.value) / total[region];
      }
    }
  }
  return weights;
}

} // namespace boldmill::simulate
