// Series that tests/reference/ppi/make.py makes by the same formulas, its values, and a local
// double-gamma response (SPM's canonical one: 6 and 16 s, undershoot 1/6, 32 s, sum 1).
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
#include "stages/core/random.hpp"

namespace boldmill::ppi_data {

constexpr double kTr = 2.0;
constexpr int kBins = 16;
constexpr int kVolumes = 60;

inline Eigen::VectorXd canonical(double tr_s = kTr) {
  const double dt = tr_s / kBins;
  const auto n = static_cast<Eigen::Index>(std::lround(32.0 / dt)) + 1;
  Eigen::VectorXd h(n);
  const auto density = [](double t, double shape) {
    return std::pow(t, shape - 1) * std::exp(-t) / std::tgamma(shape);
  };
  for (Eigen::Index i = 0; i < n; ++i) {
    const double t = dt * static_cast<double>(i);
    h[i] = density(t, 6) - density(t, 16) / 6;
  }
  return h / h.sum();
}

// x <- 6364136223846793005 x + 1442695040888963407 mod 2^64; the top 24 bits, in [0, 1).
inline Eigen::VectorXd sequence(Eigen::Index n, std::uint64_t seed) {
  Eigen::VectorXd out(n);
  for (double& v : out) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    v = static_cast<double>(seed >> 40U) / 16777216.0;
  }
  return out;
}

inline Eigen::MatrixXd series() {
  const Eigen::VectorXd raw = sequence(3 * kVolumes, 11);
  Eigen::MatrixXd x(kVolumes, 3);
  for (Eigen::Index r = 0; r < 3; ++r) {
    double state = 0.0;
    for (Eigen::Index i = 0; i < kVolumes; ++i) {
      state = 0.7 * state + raw[r * kVolumes + i] - 0.5;
      x(i, r) = state;
    }
  }
  Eigen::MatrixXd out(kVolumes, 3);
  out << x.col(0).array() + 100, 0.5 * x.col(0).array() + x.col(1).array() + 101,
      x.col(2).array() - 0.3 * x.col(1).array() + 99;
  return out;
}

inline Eigen::MatrixXd confounds() {
  Eigen::MatrixXd out(kVolumes, 2);
  for (Eigen::Index i = 0; i < kVolumes; ++i) {
    out(i, 0) = std::cos(std::numbers::pi * static_cast<double>(2 * i + 1) / (2.0 * kVolumes));
  }
  out.col(1) = sequence(kVolumes, 5).array() - 0.5;
  return out;
}

inline std::vector<std::uint8_t> part() {
  std::vector<std::uint8_t> keep(kVolumes, 1);
  keep[0] = keep[20] = keep[21] = keep[45] = 0;
  return keep;
}

// A table of numbers without a header line.
inline Eigen::MatrixXd reference(const std::string& name) {
  const std::string path = std::string(BOLDMILL_SOURCE_DIR) + "/tests/reference/ppi/" + name;
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

template <class F>
auto with_threads(int n, F&& body) {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena arena(n);
  return arena.execute(body);
}

template <class F>
ErrorKind kind_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

// h * x taken at `bin` of each volume, the long way.
inline Eigen::VectorXd at_volumes(const Eigen::VectorXd& x, const Eigen::VectorXd& h, int bin) {
  Eigen::VectorXd out = Eigen::VectorXd::Zero(x.size() / kBins);
  for (Eigen::Index t = 0; t < out.size(); ++t) {
    for (Eigen::Index l = 0; l < h.size() && l <= t * kBins + bin; ++l) {
      out[t] += h[l] * x[t * kBins + bin - l];
    }
  }
  return out;
}

inline double correlation(const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
  const Eigen::VectorXd x = a.array() - a.mean();
  const Eigen::VectorXd y = b.array() - b.mean();
  return x.dot(y) / (x.norm() * y.norm());
}

} // namespace boldmill::ppi_data
