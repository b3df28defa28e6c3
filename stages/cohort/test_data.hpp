// Inputs of the cohort tests, by the formulas of tests/reference/cohort/make.py.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace boldmill::test_data {

inline Eigen::VectorXd lcg(Eigen::Index n, std::uint64_t state) {
  Eigen::VectorXd out(n);
  for (double& value : out) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    value = static_cast<double>(state >> 40U) / 16777216.0;
  }
  return out;
}

struct Problem {
  Eigen::MatrixXd x;
  Eigen::VectorXd y, binary;
};

inline Problem problem(Eigen::Index n, Eigen::Index p, std::uint64_t seed) {
  Problem out;
  out.x = (lcg(n * p, seed).reshaped<Eigen::RowMajor>(n, p).array() - 0.5) * 4.0;
  out.x.col(1) = 0.8 * out.x.col(0) + 0.6 * out.x.col(1);
  const Eigen::VectorXd eta = 1.5 * out.x.col(0) - out.x.col(2) + 0.5 * out.x.col(3);
  out.y = eta.array() + 3.0 + 2.0 * (lcg(n, seed + 1).array() - 0.5);
  out.binary = (eta.array() + 3.0 * (lcg(n, seed + 2).array() - 0.5) > 0.0).cast<double>();
  return out;
}

// The numbers of every line of tests/reference/cohort/<file> that begins with `wanted`.
inline std::vector<std::vector<double>> reference_lines(const std::string& file,
                                                        const std::string& wanted) {
  std::ifstream stream(BOLDMILL_SOURCE_DIR "/tests/reference/cohort/" + file);
  std::vector<std::vector<double>> out;
  for (std::string line; std::getline(stream, line);) {
    std::istringstream text(line);
    std::string name;
    text >> name;
    if (name != wanted) continue;
    out.emplace_back();
    for (double value = 0.0; text >> value;) out.back().push_back(value);
  }
  return out;
}

} // namespace boldmill::test_data
