// Confounds of a preprocessed run as fMRIPrep of any generation wrote them, in today's names.
#pragma once

#include <Eigen/Dense>
#include <filesystem>
#include <string>
#include <vector>

namespace boldmill::graph {

struct GivenConfounds {
  std::vector<std::string> names; // K
  Eigen::MatrixXd values;         // T x K, NaN is missing
  std::vector<std::string> notes; // columns left out or completed
};

// "X" -> "trans_x", "aCompCor00" -> "a_comp_cor_00", ...; names of today stay.
[[nodiscard]] std::string modern_confound(const std::string& name);

// Reads the table, with the columns of `more` (may be empty) after it. Columns without numbers are
// left out. Expansions of motion and tissue means, and framewise displacement (Power), are added
// where a table lacks them. Error{input}: unreadable, other than `n_volumes` rows (named as
// `source`), a column twice.
[[nodiscard]] GivenConfounds read_given_confounds(const std::filesystem::path& table,
                                                  const std::filesystem::path& more,
                                                  const std::string& source, int n_volumes,
                                                  double head_radius_mm);

// What the sidecar of the table says of the columns there are (method, mask and explained variance
// of components), as a JSON object; "" when it cannot be read, which is noted under `source`.
[[nodiscard]] std::string given_metadata(const std::filesystem::path& sidecar,
                                         const std::string& source,
                                         const std::vector<std::string>& columns,
                                         std::vector<std::string>& notes);

// How many leading volumes the table calls non-steady.
[[nodiscard]] int n_nonsteady(const GivenConfounds& confounds);

} // namespace boldmill::graph
