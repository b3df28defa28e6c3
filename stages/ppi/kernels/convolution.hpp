// Convolution of columns on the microtime grid with a response, taken at bin
// `bins_per_volume` t + `sample_bin` of each volume t. What precedes the grid counts as zero.
#pragma once

#include <Eigen/Dense>
#include <algorithm>
#include <vector>

namespace boldmill {

struct Sampling {
  Eigen::Index bins_per_volume = 16;
  Eigen::Index sample_bin = 7;
  Eigen::Index offset = 0; // bins of the grid before the run
};

inline Eigen::MatrixXd convolve_and_sample(const Eigen::MatrixXd& columns,
                                           const Eigen::VectorXd& hrf,
                                           const std::vector<Eigen::Index>& volumes,
                                           const Sampling& sampling) {
  const Eigen::RowVectorXd reversed = hrf.reverse().transpose();
  Eigen::MatrixXd out(static_cast<Eigen::Index>(volumes.size()), columns.cols());
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const Eigen::Index at =
        sampling.offset + volumes[i] * sampling.bins_per_volume + sampling.sample_bin;
    const Eigen::Index taps = std::min(hrf.size(), at + 1);
    out.row(static_cast<Eigen::Index>(i)).noalias() =
        reversed.tail(taps) * columns.middleRows(at + 1 - taps, taps);
  }
  return out;
}

} // namespace boldmill
