// Internal to this folder.
#pragma once

#include "pipeline/store/hdf5.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::store {

struct CohortReader::State {
  explicit State(const std::filesystem::path& path) : file(path, File::Mode::read) {}
  File file;
  CohortHeader header;
  std::size_t n_rows = 0;
  // They are packed together and asked for in turn.
  struct Rows {
    std::size_t first = 0;
    std::vector<double> values;
  };
  Rows error_correlation;
};

} // namespace boldmill::store
