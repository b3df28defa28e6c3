// Columns of a series over the volumes kept, as double, for measures of many columns at a time.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace boldmill::connectivity {

// Volumes of `keep` (empty: all of n_volumes). Throws input: another length; gate: fewer than
// min_volumes.
[[nodiscard]] std::vector<Eigen::Index> kept_volumes(std::span<const std::uint8_t> keep,
                                                     Eigen::Index n_volumes, std::string_view stage,
                                                     int min_volumes);

// out (volumes kept x (end - begin)): the columns centred; what is NaN or constant becomes NaN.
// `norm`: the length of each centred column.
void centered_columns(const Eigen::Map<const Eigen::MatrixXf>& columns,
                      const std::vector<Eigen::Index>& volumes, Eigen::Index begin,
                      Eigen::MatrixXd& out, Eigen::VectorXd& norm);

} // namespace boldmill::connectivity
