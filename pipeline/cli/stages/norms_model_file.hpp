// A normative model as a JSON file: enough to score a new person.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "stages/cohort/normative_model.hpp"

namespace boldmill::cli {

struct NormsFile {
  normative_model::Model model;
  std::string age_column, batch_column;
  std::vector<std::string> covariate_columns; // of the table; text becomes indicators
  std::vector<std::pair<std::string, std::string>> reference_level; // of text columns
  std::vector<std::string> batch;                                   // names of the ids
  std::vector<std::string> row_digest; // of the reference rows: finds people scored on themselves
};

void write_norms(const std::filesystem::path& path, const NormsFile& file);
// Error{input}: not such a file, of another version, or with parts that do not fit.
[[nodiscard]] NormsFile read_norms(const std::filesystem::path& path);

// FNV-1a of the bits of every row of x, as hexadecimal text.
[[nodiscard]] std::vector<std::string> row_digests(const Eigen::MatrixXd& x);

} // namespace boldmill::cli
