// boldmill validate DIR: what would be processed, what not, and why.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/bids/index.hpp"
#include "pipeline/config/config.hpp"
#include "stages/circuits/taxonomy.hpp"

namespace boldmill::cli {

struct ValidateOptions {
  std::filesystem::path bids_dir;
  bids::IndexOptions index;               // selection, .bidsignore
  std::filesystem::path bids_filter_file; // "" for none; read into index.selection.filter
  // What the dataset's tasks are held against; none: not said.
  std::optional<taxonomy::Taxonomy> taxonomy;
  config::Config config; // its task-free runs, and the columns that it names
  bool json = false;
  bool verbose = false;      // every run, not only the problems
  bool check_headers = true; // also open every image and read its header
};

// Prints to `out` (text or JSON). Returns 0: everything found can be processed, or only warnings;
// 1: something is left out as an error; 2: nothing can run. Dataset and usage errors are printed,
// not thrown.
int run_validate(const ValidateOptions& options, std::ostream& out, const Context& context);

} // namespace boldmill::cli
