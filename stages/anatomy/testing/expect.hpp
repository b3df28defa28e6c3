// Helpers of the anatomical tests: errors by kind, runs at a number of threads.
#pragma once

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <limits>

#include "stages/anatomy/testing/phantom.hpp"
#include "stages/core/error.hpp"

namespace boldmill::anatomy::testing {

template <class Body>
void expect_error(ErrorKind kind, const char* part, Body&& body) {
  try {
    body();
    FAIL() << "no error, expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

template <class Body>
auto with_threads(int threads, Body&& body) {
  tbb::global_control limit(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena arena(threads);
  return arena.execute(body);
}

// The images that every stage must refuse, each with a word of the reason.
template <class Run>
void expect_bad_images_refused(const Volume& good, Run&& run) {
  Volume bad = good;
  bad.data[bad.data.size() / 2] = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorKind::input, "NaN", [&] { run(bad); });
  bad = good;
  std::fill(bad.data.begin(), bad.data.end(), 5.0F);
  expect_error(ErrorKind::input, "constant", [&] { run(bad); });
  Grid thin = good.grid;
  thin.shape[2] = 2;
  expect_error(ErrorKind::input, "at least 8 voxels", [&] { run(Volume(thin, 1.0F)); });
  expect_error(ErrorKind::input, "at least 8 voxels", [&] { run(Volume{}); });
}

} // namespace boldmill::anatomy::testing
