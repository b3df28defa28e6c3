#include "stages/functional/kernels/white_matter_edge.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill {
namespace {

constexpr double kContrastScalePercent = 10.0;
constexpr double kFlattenSigmaMm = 20.0;
constexpr double kFlattenSpacingMm = 5.0;
constexpr float kOutside = -1.0F; // no sample of a cleaned BOLD image is negative

// Means of three classes of the values by Lloyd's iteration on a histogram (ascending).
std::array<double, 3> three_means(std::vector<float> values) {
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double q) {
    return static_cast<double>(
        values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))]);
  };
  std::array<double, 3> means{quantile(0.05), quantile(0.4), quantile(0.8)};
  std::vector<double> running(values.size() + 1, 0.0);
  for (std::size_t n = 0; n < values.size(); ++n) {
    running[n + 1] = running[n] + static_cast<double>(values[n]);
  }
  for (int iteration = 0; iteration < 100; ++iteration) {
    std::array<std::size_t, 4> cut{0, 0, 0, values.size()};
    for (std::size_t c = 0; c < 2; ++c) {
      const auto border = static_cast<float>(0.5 * (means[c] + means[c + 1]));
      cut[c + 1] = static_cast<std::size_t>(std::lower_bound(values.begin(), values.end(), border) -
                                            values.begin());
    }
    double change = 0.0;
    for (std::size_t c = 0; c < 3; ++c) {
      if (cut[c + 1] <= cut[c]) continue;
      const double mean =
          (running[cut[c + 1]] - running[cut[c]]) / static_cast<double>(cut[c + 1] - cut[c]);
      change = std::max(change, std::abs(mean - means[c]));
      means[c] = mean;
    }
    if (change < 1e-6 * std::abs(means[2])) break;
  }
  return means;
}

// Divides by the mean of the brain nearby: what a bias correction left must not move the classes.
Volume flattened(Volume image, const Mask& brain, const Context& context) {
  Volume sum = image;
  Volume weight(image.grid);
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const bool inside = brain.data[v] != 0 && std::isfinite(image.data[v]);
    weight.data[v] = inside ? 1.0F : 0.0F;
    if (!inside) sum.data[v] = 0.0F;
  }
  const auto smooth = [&](const Volume& volume) {
    const Volume coarse =
        gaussian_smooth(downsample(volume, kFlattenSpacingMm, context), kFlattenSigmaMm, context);
    return resample(coarse, image.grid, PointMap{}, Interpolation::linear, context);
  };
  sum = smooth(sum);
  weight = smooth(weight);
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const bool known = weight.data[v] > 0.01F && sum.data[v] > 0.0F && std::isfinite(image.data[v]);
    image.data[v] = known ? image.data[v] * weight.data[v] / sum.data[v] : 0.0F;
  }
  return image;
}

Eigen::Vector3d gradient_at(const Volume& volume, int i, int j, int k) {
  return 0.5 * Eigen::Vector3d(volume.at(i + 1, j, k) - volume.at(i - 1, j, k),
                               volume.at(i, j + 1, k) - volume.at(i, j - 1, k),
                               volume.at(i, j, k + 1) - volume.at(i, j, k - 1));
}

} // namespace

WhiteMatterEdge white_matter_edge(const Volume& t1w, const Mask& mask, std::size_t max_points,
                                  const Context& context) {
  // About 1 mm is enough for the edge and bounds the cost for finer images.
  Volume image = downsample(gaussian_smooth(t1w, 0.6, context), 1.0, context);
  const Mask brain = resample_mask(mask, image.grid, PointMap{}, context);
  image = flattened(std::move(image), brain, context);
  std::vector<float> values;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    if (brain.data[v] != 0 && std::isfinite(image.data[v])) values.push_back(image.data[v]);
  }
  WhiteMatterEdge edge;
  if (values.size() < 1000) return edge;
  const auto means = three_means(std::move(values));
  if (!(means[2] > 1.05 * means[1]) || !(means[1] > 0.0)) return edge;
  const double border = 0.5 * (means[1] + means[2]);
  const Mask interior = erode(brain, 3.0, context);

  const auto& shape = image.grid.shape;
  const Eigen::Matrix3d linear = image.grid.affine.topLeftCorner<3, 3>();
  const Eigen::Matrix3d to_mm_gradient = linear.inverse().transpose();
  struct Crossing {
    Eigen::Vector3d voxel;
    Eigen::Vector3d normal;
  };
  std::vector<Crossing> crossings;
  for (int k = 1; k + 2 < shape[2]; ++k) {
    for (int j = 1; j + 2 < shape[1]; ++j) {
      for (int i = 1; i + 2 < shape[0]; ++i) {
        if (interior.at(i, j, k) == 0) continue;
        const double here = static_cast<double>(image.at(i, j, k)) - border;
        const std::array<std::array<int, 3>, 3> next{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
        for (const auto& [di, dj, dk] : next) {
          const double there = static_cast<double>(image.at(i + di, j + dj, k + dk)) - border;
          if ((here > 0.0) == (there > 0.0)) continue;
          const double share = here / (here - there);
          const Eigen::Vector3d slope = (1.0 - share) * gradient_at(image, i, j, k) +
                                        share * gradient_at(image, i + di, j + dj, k + dk);
          const Eigen::Vector3d gradient = to_mm_gradient * slope;
          // A crossing must be steep: noise inside a tissue crosses the border as well.
          if (!(gradient.norm() > 0.1 * (means[2] - means[1]))) continue;
          crossings.push_back({Eigen::Vector3d(i + share * di, j + share * dj, k + share * dk),
                               -gradient.normalized()});
        }
      }
    }
  }
  const double keep =
      crossings.empty()
          ? 0.0
          : std::min(1.0, static_cast<double>(max_points) / static_cast<double>(crossings.size()));
  for (std::size_t n = 0; n < crossings.size(); ++n) {
    if (std::floor(static_cast<double>(n + 1) * keep) ==
        std::floor(static_cast<double>(n) * keep)) {
      continue;
    }
    edge.point_mm.push_back(image.grid.to_mm(crossings[n].voxel).cast<float>());
    edge.normal.push_back(crossings[n].normal.cast<float>());
  }
  return edge;
}

EdgeCost edge_cost(const WhiteMatterEdge& edge, const Volume& bold, const Affine& t1w_to_bold,
                   double distance_mm) {
  const Affine to_voxel = bold.grid.affine.inverse() * t1w_to_bold;
  const Eigen::Matrix3d linear = to_voxel.topLeftCorner<3, 3>();
  const auto& shape = bold.grid.shape;
  double cost = 0.0;
  double contrast = 0.0;
  std::size_t n_inside = 0;
  for (std::size_t n = 0; n < edge.point_mm.size(); ++n) {
    const Eigen::Vector3d point =
        linear * edge.point_mm[n].cast<double>() + to_voxel.topRightCorner<3, 1>();
    const Eigen::Vector3d arm = linear * (distance_mm * edge.normal[n].cast<double>());
    const Eigen::Vector3d grey = point + arm;
    const Eigen::Vector3d white = point - arm;
    const float g = sample_linear(bold.data.data(), shape, grey[0], grey[1], grey[2], kOutside);
    const float w = sample_linear(bold.data.data(), shape, white[0], white[1], white[2], kOutside);
    if (g == kOutside || w == kOutside) continue;
    const double sum = static_cast<double>(g) + static_cast<double>(w);
    const bool signal = g > 0.0F && w > 0.0F;
    const double q = signal ? 200.0 * (static_cast<double>(g) - static_cast<double>(w)) / sum : 0.0;
    cost += 1.0 - std::tanh(q / kContrastScalePercent);
    contrast += q;
    ++n_inside;
  }
  EdgeCost result;
  if (n_inside == 0) return result;
  result.cost = cost / static_cast<double>(n_inside);
  result.contrast = contrast / static_cast<double>(n_inside);
  result.inside = static_cast<double>(n_inside) / static_cast<double>(edge.point_mm.size());
  return result;
}

} // namespace boldmill
