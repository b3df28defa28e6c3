// A learned harmonisation as a file of its own, applied later to new people. HDF5 with the same
// names as /cohort/harmonization of a cohort file; sealed.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace boldmill::store {

struct HarmonizationRecord {
  std::string stage; // "combat"
  std::int32_t stage_version = 0;
  std::string created_by;                                      // program and version
  std::vector<std::pair<std::string, std::string>> parameters; // name and value as text
  std::vector<std::string> column;                             // p names, in order
  std::string batch_column;
  std::vector<std::string> batch;        // B names
  std::vector<std::int32_t> n_rows;      // B
  std::string reference;                 // name of the batch left as it is, "" none
  std::vector<std::string> covariate;    // q: "age", or "sex=F" for an indicator
  Eigen::VectorXd grand_mean, pooled_sd; // p
  Eigen::MatrixXd coefficients;          // q x p
  Eigen::MatrixXd location, scale;       // B x p, as applied, in units of the pooled SD
  Eigen::MatrixXd location_unshrunk, scale_unshrunk;
  Eigen::MatrixXd prior; // B x 4: location mean and variance, shape and rate of the scale
};

void write_harmonization(const std::filesystem::path& path, const HarmonizationRecord& record);
// Error{input}: not such a file, damaged, of another format version, or parts that do not fit.
[[nodiscard]] HarmonizationRecord read_harmonization(const std::filesystem::path& path);

} // namespace boldmill::store
