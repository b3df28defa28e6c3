// Inputs of the denoising tests, by the formulas of tests/reference/denoise/make.py.
#pragma once

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <numbers>
#include <sstream>
#include <string>
#include <vector>

#include "stages/core/image.hpp"

namespace boldmill::test_data {

// The linear congruential generator of the reference script, values in [0, 1).
inline Eigen::VectorXd lcg(Eigen::Index n, std::uint64_t state) {
  Eigen::VectorXd out(n);
  for (double& value : out) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    value = static_cast<double>(state >> 40U) / 16777216.0;
  }
  return out;
}

inline double wave(double t, double period) { return std::sin(2 * std::numbers::pi * t / period); }

// 5 x 7 x 1 voxels, 60 volumes; voxel 5 is constant.
inline Series small_series() {
  constexpr int kVolumes = 60;
  Series series;
  series.grid.shape = {5, 7, 1};
  series.n_volumes = kVolumes;
  series.tr_s = 2.0;
  series.data.resize(35 * kVolumes);
  const Eigen::VectorXd raw = lcg(35 * kVolumes, 7);
  for (int v = 0; v < 35; ++v) {
    double walk = 0.0;
    for (int t = 0; t < kVolumes; ++t) {
      const double noise = raw[v * kVolumes + t] - 0.5;
      walk += noise;
      const double value = 900 + 3 * v + 20 * wave(t + v, 17) + 30 * noise + 0.2 * v * walk;
      series.volume(t)[v] = static_cast<float>(v == 5 ? 1000.0 : value);
    }
  }
  return series;
}

// Numbers of a table under tests/reference/denoise; a first line that begins with a letter is
// skipped.
inline Eigen::MatrixXd reference(const std::string& file) {
  std::ifstream stream(std::string(BOLDMILL_SOURCE_DIR) + "/tests/reference/denoise/" + file);
  EXPECT_TRUE(stream.good()) << file;
  std::vector<std::vector<double>> rows;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || std::isalpha(static_cast<unsigned char>(line[0])) != 0) continue;
    std::istringstream text(line);
    rows.emplace_back();
    for (double value = 0; text >> value;) rows.back().push_back(value);
  }
  Eigen::MatrixXd out(rows.size(), rows.empty() ? 0 : rows[0].size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      out(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(c)) = rows[r][c];
    }
  }
  return out;
}

// Largest difference over the largest reference value.
inline double relative_error(const Eigen::MatrixXd& found, const Eigen::MatrixXd& expected) {
  if (found.rows() != expected.rows() || found.cols() != expected.cols()) return INFINITY;
  return (found - expected).cwiseAbs().maxCoeff() / expected.cwiseAbs().maxCoeff();
}

} // namespace boldmill::test_data
