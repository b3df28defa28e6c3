// Series that tests/reference/connectivity/make.py makes by the same formulas, and its values.
#pragma once

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <Eigen/Dense>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <numbers>
#include <sstream>
#include <string>
#include <vector>

#include "stages/core/error.hpp"

namespace boldmill::test_data {

// x <- 6364136223846793005 x + 1442695040888963407 mod 2^64; the top 24 bits, in [0, 1).
class Sequence {
public:
  explicit Sequence(std::uint64_t seed) : state_(seed) {}
  double next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state_ >> 40U) / 16777216.0;
  }

private:
  std::uint64_t state_;
};

// Two shared rhythms and noise that remembers, about 100; float32 as in images. T x R.
inline Eigen::MatrixXf series(Eigen::Index n_volumes, Eigen::Index n_regions, std::uint64_t seed) {
  Sequence noise(seed);
  Eigen::MatrixXf out(n_volumes, n_regions);
  for (Eigen::Index r = 0; r < n_regions; ++r) {
    double state = 0.0;
    for (Eigen::Index t = 0; t < n_volumes; ++t) {
      state = 0.5 * state + noise.next() - 0.5;
      const auto at = static_cast<double>(t);
      const auto region = static_cast<double>(r);
      const double slow = std::sin(2 * std::numbers::pi * at / 23.0) * std::cos(region);
      const double fast = std::cos(2 * std::numbers::pi * at / 9.0) * std::sin(2.0 * region);
      out(t, r) =
          static_cast<float>(100.0 + 0.25 * slow + 0.25 * fast + state * (1.0 + 0.1 * region));
    }
  }
  return out;
}

// A table of numbers without a header line.
inline Eigen::MatrixXd reference(const std::string& name) {
  const std::string path =
      std::string(BOLDMILL_SOURCE_DIR) + "/tests/reference/connectivity/" + name;
  std::ifstream in(path);
  if (!in) throw Error(ErrorKind::input, "cannot read " + path);
  std::vector<std::vector<double>> rows;
  for (std::string line; std::getline(in, line);) {
    std::vector<double>& row = rows.emplace_back();
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, '\t');) row.push_back(std::stod(field));
  }
  Eigen::MatrixXd out(static_cast<Eigen::Index>(rows.size()),
                      static_cast<Eigen::Index>(rows.at(0).size()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows[i].size(); ++j) {
      out(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = rows[i][j];
    }
  }
  return out;
}

inline double max_difference(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) return INFINITY;
  return (a - b).cwiseAbs().maxCoeff();
}

template <class F>
auto with_threads(int n, F&& body) {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena arena(n);
  return arena.execute(body);
}

// The kind of error that body throws; internal when it throws none.
template <class F>
ErrorKind kind_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

} // namespace boldmill::test_data
