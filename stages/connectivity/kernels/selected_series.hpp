// The volumes and regions of a series that a connectivity measure can use, as double.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace boldmill::connectivity {

struct SelectedSeries {
  std::vector<Eigen::Index> volumes; // kept: of `keep`, and not NaN in every region
  std::vector<Eigen::Index> regions; // finite and not constant over those volumes
  Eigen::MatrixXd x;                 // volumes x regions
};

// `keep`: T values, or empty for all. `stage` begins the messages. Throws input: keep of another
// length, fewer than two regions in the series; gate: fewer than min_volumes kept.
[[nodiscard]] SelectedSeries select_series(const Eigen::Map<const Eigen::MatrixXf>& series,
                                           std::span<const std::uint8_t> keep,
                                           std::string_view stage, int min_volumes);

void center_columns(Eigen::MatrixXd& x);
// Centred, then divided by the sample standard deviation (divisor n - 1) or to unit length.
void standardize_columns(Eigen::MatrixXd& x);
void normalize_columns(Eigen::MatrixXd& x);

// The values of `small` (regions x regions) at their places in an n x n matrix of NaN.
[[nodiscard]] Eigen::MatrixXd scatter_regions(const Eigen::MatrixXd& small,
                                              const std::vector<Eigen::Index>& regions,
                                              Eigen::Index n);

} // namespace boldmill::connectivity
