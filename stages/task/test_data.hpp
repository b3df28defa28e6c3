// Inputs of the task tests, by the formulas of tests/reference/task/make.py.
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

#include "stages/task/task_design.hpp"

namespace boldmill::test_data {

// Numbers of a table under tests/reference/task; lines that begin with a letter are skipped.
inline Eigen::MatrixXd reference(const std::string& file) {
  std::ifstream stream(std::string(BOLDMILL_SOURCE_DIR) + "/tests/reference/task/" + file);
  EXPECT_TRUE(stream.good()) << file;
  std::vector<std::vector<double>> rows;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() ||
        (std::isalpha(static_cast<unsigned char>(line[0])) != 0 && line[0] != 'n')) {
      continue;
    }
    std::istringstream text(line);
    rows.emplace_back();
    for (std::string word; text >> word;) rows.back().push_back(std::stod(word));
  }
  Eigen::MatrixXd out(rows.size(), rows.empty() ? 0 : rows[0].size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      out(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(c)) = rows[r][c];
    }
  }
  return out;
}

struct Events {
  std::vector<task_design::Event> events;
  std::vector<double> rating;
};
// events.tsv, onsets above `first_s` only.
inline Events reference_events(double first_s = -1e9) {
  std::ifstream stream(std::string(BOLDMILL_SOURCE_DIR) + "/tests/reference/task/events.tsv");
  EXPECT_TRUE(stream.good());
  Events out;
  std::string line;
  std::getline(stream, line);
  while (std::getline(stream, line)) {
    std::istringstream text(line);
    task_design::Event event;
    double rating = 0.0;
    text >> event.onset_s >> event.duration_s >> event.trial_type >> event.amplitude >> rating;
    if (event.onset_s <= first_s) continue;
    out.events.push_back(event);
    out.rating.push_back(rating);
  }
  return out;
}

inline Eigen::VectorXd lcg(Eigen::Index n, std::uint64_t state) {
  Eigen::VectorXd out(n);
  for (double& value : out) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    value = static_cast<double>(state >> 40U) / 16777216.0;
  }
  return out;
}

inline Eigen::MatrixXf reference_series(Eigen::Index t, Eigen::Index p) {
  const Eigen::VectorXd raw = lcg(t * p, 11);
  Eigen::MatrixXf y(t, p);
  for (Eigen::Index v = 0; v < p; ++v) {
    double walk = 0.0;
    const double slow = 0.02 * static_cast<double>(v);
    for (Eigen::Index i = 0; i < t; ++i) {
      walk = slow * walk + raw[v * t + i] - 0.5;
      const auto phase = static_cast<double>(i + v);
      y(i, v) = static_cast<float>(800 + 5 * static_cast<double>(v) + 20 * walk +
                                   6 * std::sin(2 * std::numbers::pi * phase / 37));
    }
  }
  return y;
}

// Largest difference over the largest reference value.
inline double relative_error(const Eigen::MatrixXd& found, const Eigen::MatrixXd& expected) {
  if (found.rows() != expected.rows() || found.cols() != expected.cols()) return INFINITY;
  return (found - expected).cwiseAbs().maxCoeff() / expected.cwiseAbs().maxCoeff();
}

template <class Body>
auto with_threads(int n, Body&& body) {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(n));
  tbb::task_arena arena(n);
  return arena.execute([&] { return body(); });
}

template <class Body>
void expect_error(ErrorKind kind, const std::string& part, Body&& body) {
  try {
    body();
    ADD_FAILURE() << "no error, expected one with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

} // namespace boldmill::test_data
