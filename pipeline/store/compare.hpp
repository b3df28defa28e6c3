// Are two files the same, dataset by dataset and attribute by attribute?
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace boldmill::store {

struct Difference {
  std::string path; // "/circuits/scores", or "/circuits/scores@units" for an attribute
  std::string
      what; // "values", "shape", "type", "dimensions", "missing in first", "missing in second"
  double largest = 0.0;     // largest absolute difference of numbers; infinity when one is NaN and
                            // the other not; NaN when it is not a difference of numbers
  std::size_t n_values = 0; // how many values differ
};

// Bits are compared; an empty list means the same. /provenance/command and /provenance/resources
// are left out, as is the bookkeeping of dimension scales (the names of the dimensions are
// compared). Errors: input when a file cannot be read.
[[nodiscard]] std::vector<Difference> compare_files(const std::filesystem::path& first,
                                                    const std::filesystem::path& second);

// One line, e.g. "/circuits/scores: 12 values differ, largest absolute difference 1e-12".
[[nodiscard]] std::string to_string(const Difference& difference);

} // namespace boldmill::store
