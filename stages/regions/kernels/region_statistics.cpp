#include "stages/regions/kernels/region_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "stages/core/parallel.hpp"

namespace boldmill::region_statistics {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr double kResidual = 1e-12; // of the largest eigenvalue
constexpr Eigen::Index kCheckEvery = 4;

Result empty_result(const VoxelSeries& series, std::size_t n_regions) {
  Result result;
  result.parcel_series.setConstant(series.n_volumes, static_cast<Eigen::Index>(n_regions), kNaN);
  return result;
}

bool enough(double weight, const Members& region, double min_coverage) {
  return weight > 0.0 && weight >= min_coverage * region.total_weight;
}

double middle(std::vector<float>& values) {
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), half, values.end());
  const double upper = *half;
  if (values.size() % 2 == 1) return upper;
  return 0.5 * (upper + static_cast<double>(*std::max_element(values.begin(), half)));
}

// What a region has without gaps: volumes in which any member is present, and the members present
// in all of those.
struct Complete {
  std::vector<Eigen::Index> volumes;
  std::vector<std::size_t> members; // positions within the region
  double weight = 0.0;
  std::int64_t n_missing = 0;
};

Complete complete_part(const VoxelSeries& series, const Members& region) {
  const std::size_t n = region.columns.size();
  std::vector<Eigen::Index> present(n, 0);
  Complete part;
  for (Eigen::Index t = 0; t < series.n_volumes; ++t) {
    std::int64_t missing = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const bool here = std::isfinite(series(t, region.columns[i]));
      present[i] += here ? 1 : 0;
      missing += here ? 0 : 1;
    }
    part.n_missing += missing;
    if (missing < static_cast<std::int64_t>(n)) part.volumes.push_back(t);
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (part.volumes.empty() || present[i] != static_cast<Eigen::Index>(part.volumes.size())) {
      continue;
    }
    part.members.push_back(i);
    part.weight += std::abs(region.weight(i));
  }
  return part;
}

Eigen::MatrixXd centred(const VoxelSeries& series, const Members& region, const Complete& part) {
  const auto n_volumes = static_cast<Eigen::Index>(part.volumes.size());
  Eigen::MatrixXd y(n_volumes, static_cast<Eigen::Index>(part.members.size()));
  for (Eigen::Index c = 0; c < y.cols(); ++c) {
    const std::uint32_t column = region.columns[part.members[static_cast<std::size_t>(c)]];
    for (Eigen::Index i = 0; i < n_volumes; ++i) {
      y(i, c) = static_cast<double>(series(part.volumes[static_cast<std::size_t>(i)], column));
    }
    y.col(c).array() -= y.col(c).mean();
  }
  return y;
}

// Not orthogonal to any direction by symmetry, and the same in every run.
Eigen::VectorXd start_direction(Eigen::Index n) {
  Eigen::VectorXd start(n);
  double x = 0.5;
  for (Eigen::Index i = 0; i < n; ++i) {
    x = std::fmod(x + 0.6180339887498949, 1.0);
    start[i] = 0.75 + 0.5 * x;
  }
  return start;
}

} // namespace

Eigen::VectorXd first_eigenvariate(const Eigen::MatrixXd& y) {
  const Eigen::Index n_volumes = y.rows(), n = y.cols();
  const Eigen::Index largest = std::min(n_volumes, n);
  Eigen::VectorXd q = y * start_direction(n);
  if (!(q.norm() > 0.0)) return Eigen::VectorXd::Zero(n_volumes);
  q.normalize();
  Eigen::MatrixXd basis(n_volumes, largest);
  Eigen::VectorXd diagonal(largest), off(largest);
  Eigen::VectorXd u = q;
  double eigenvalue = 0.0;
  for (Eigen::Index k = 0; k < largest; ++k) {
    basis.col(k) = q;
    const Eigen::VectorXd loading = y.transpose() * q;
    Eigen::VectorXd next = y * loading;
    diagonal[k] = q.dot(next);
    for (int twice = 0; twice < 2; ++twice) {
      const Eigen::VectorXd along = basis.leftCols(k + 1).transpose() * next;
      next -= basis.leftCols(k + 1) * along;
    }
    off[k] = next.norm();
    const bool last = k + 1 == largest || off[k] <= 1e-14 * diagonal[0];
    if (last || (k + 1) % kCheckEvery == 0) {
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> small;
      small.computeFromTridiagonal(diagonal.head(k + 1), off.head(k), Eigen::ComputeEigenvectors);
      eigenvalue = small.eigenvalues()[k];
      u = basis.leftCols(k + 1) * small.eigenvectors().col(k);
      if (last || off[k] * std::abs(small.eigenvectors()(k, k)) <= kResidual * eigenvalue) break;
    }
    q = next / off[k];
  }
  const double sign = (y.transpose() * u).sum() < 0.0 ? -1.0 : 1.0;
  return sign * std::sqrt(std::max(0.0, eigenvalue) / static_cast<double>(n)) * u;
}

Result median(const VoxelSeries& series, std::span<const Members> regions, double min_coverage,
              const Context& context) {
  Result result = empty_result(series, regions.size());
  std::vector<std::int64_t> missing(regions.size(), 0);
  parallel_blocks(context, regions.size(), 1, [&](std::size_t r, std::size_t) {
    const Members& region = regions[r];
    std::vector<float> values;
    for (Eigen::Index t = 0; t < series.n_volumes; ++t) {
      values.clear();
      double lost = 0.0;
      for (std::size_t i = 0; i < region.columns.size(); ++i) {
        const float value = series(t, region.columns[i]);
        if (std::isfinite(value)) {
          values.push_back(value);
        } else {
          lost += region.weight(i);
          ++missing[r];
        }
      }
      if (values.empty() || !enough(region.in_mask_weight - lost, region, min_coverage)) continue;
      result.parcel_series(t, static_cast<Eigen::Index>(r)) = static_cast<float>(middle(values));
    }
  });
  for (const std::int64_t count : missing) result.n_missing += count;
  return result;
}

Result eigenvariate(const VoxelSeries& series, std::span<const Members> regions,
                    double min_coverage, const Context& context) {
  Result result = empty_result(series, regions.size());
  std::vector<std::int64_t> missing(regions.size(), 0);
  parallel_blocks(context, regions.size(), 1, [&](std::size_t r, std::size_t) {
    const Complete part = complete_part(series, regions[r]);
    missing[r] = part.n_missing;
    if (!enough(part.weight, regions[r], min_coverage)) return;
    const Eigen::VectorXd y = first_eigenvariate(centred(series, regions[r], part));
    for (std::size_t i = 0; i < part.volumes.size(); ++i) {
      result.parcel_series(part.volumes[i], static_cast<Eigen::Index>(r)) =
          static_cast<float>(y[static_cast<Eigen::Index>(i)]);
    }
  });
  for (const std::int64_t count : missing) result.n_missing += count;
  return result;
}

namespace {

// All regions as one, so that every fit of a volume has the same voxels.
Members joined(std::span<const Members> regions) {
  Members all;
  for (const Members& region : regions) {
    all.columns.insert(all.columns.end(), region.columns.begin(), region.columns.end());
  }
  std::sort(all.columns.begin(), all.columns.end());
  all.columns.erase(std::unique(all.columns.begin(), all.columns.end()), all.columns.end());
  return all;
}

// The regions of every voxel that is complete.
struct ByVoxel {
  std::vector<std::uint32_t> columns;                                 // ascending
  std::vector<std::vector<std::pair<std::uint32_t, double>>> regions; // of each: region, weight
};

ByVoxel by_voxel(std::span<const Members> regions, const Members& all, const Complete& part) {
  ByVoxel out;
  for (const std::size_t i : part.members) out.columns.push_back(all.columns[i]);
  out.regions.resize(out.columns.size());
  for (std::size_t r = 0; r < regions.size(); ++r) {
    for (std::size_t i = 0; i < regions[r].columns.size(); ++i) {
      const auto at =
          std::lower_bound(out.columns.begin(), out.columns.end(), regions[r].columns[i]);
      if (at == out.columns.end() || *at != regions[r].columns[i]) continue;
      out.regions[static_cast<std::size_t>(at - out.columns.begin())].emplace_back(
          static_cast<std::uint32_t>(r), regions[r].weight(i));
    }
  }
  return out;
}

} // namespace

Result least_squares(const VoxelSeries& series, std::span<const Members> regions,
                     double min_coverage, const Context& context) {
  Result result = empty_result(series, regions.size());
  const Members all = joined(regions);
  const Complete part = complete_part(series, all);
  const ByVoxel voxels = by_voxel(regions, all, part);
  const auto n_regions = static_cast<Eigen::Index>(regions.size());
  const auto n_volumes = static_cast<Eigen::Index>(part.volumes.size());

  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(n_regions, n_regions);
  Eigen::VectorXd weight = Eigen::VectorXd::Zero(n_regions);
  for (const auto& here : voxels.regions) {
    for (const auto& [a, weight_a] : here) {
      weight[a] += std::abs(weight_a);
      for (const auto& [b, weight_b] : here) gram(a, b) += weight_a * weight_b;
    }
  }
  Eigen::MatrixXd right = Eigen::MatrixXd::Zero(n_regions, n_volumes);
  parallel_blocks(context, part.volumes.size(), 1, [&](std::size_t i, std::size_t) {
    auto sums = right.col(static_cast<Eigen::Index>(i));
    for (std::size_t v = 0; v < voxels.columns.size(); ++v) {
      const auto value = static_cast<double>(series(part.volumes[i], voxels.columns[v]));
      for (const auto& [r, w] : voxels.regions[v]) sums[r] += w * value;
    }
  });
  if (n_volumes > 0 && n_regions > 0) {
    // The least-norm solution where maps depend on each other, as numpy's lstsq gives it.
    const Eigen::MatrixXd solution =
        Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd>(gram).solve(right);
    for (Eigen::Index r = 0; r < n_regions; ++r) {
      if (!enough(weight[r], regions[static_cast<std::size_t>(r)], min_coverage)) continue;
      for (Eigen::Index i = 0; i < n_volumes; ++i) {
        result.parcel_series(part.volumes[static_cast<std::size_t>(i)], r) =
            static_cast<float>(solution(r, i));
      }
    }
  }
  for (const Members& region : regions) {
    for (const std::uint32_t column : region.columns) {
      for (Eigen::Index t = 0; t < series.n_volumes; ++t) {
        result.n_missing += std::isfinite(series(t, column)) ? 0 : 1;
      }
    }
  }
  return result;
}

} // namespace boldmill::region_statistics
