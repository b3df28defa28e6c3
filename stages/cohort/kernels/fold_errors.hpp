// Folds side by side whose errors do not depend on threads: of the folds that cannot be learned the
// first in order is reported.
#pragma once

#include <string>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::cohort {

// body(i) for i in [0, n). Error{input} of body: after all are done the first in order is thrown.
template <class Body>
void each_in_order(const Context& context, std::size_t n, Body&& body) {
  std::vector<std::string> failed(n);
  parallel_blocks(context, n, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      try {
        body(i);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::input) throw;
        failed[i] = error.what();
      }
    }
  });
  for (const std::string& message : failed) {
    if (!message.empty()) throw Error(ErrorKind::input, message);
  }
}

// work() with the place in front of the message of its Error{input}.
template <class Work>
void in_fold(const std::string& name, int fold, int n_folds, Eigen::Index n_training, Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    throw Error(ErrorKind::input, name + " fold " + std::to_string(fold + 1) + " of " +
                                      std::to_string(n_folds) + " (" + std::to_string(n_training) +
                                      " training rows): " + error.what());
  }
}

} // namespace boldmill::cohort
