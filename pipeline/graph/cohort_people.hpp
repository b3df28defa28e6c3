// The people of a cohort file as numbers: levels of text, covariates that can be coded again for
// new people, motion, and who counts when something is learned.
#pragma once

#include "pipeline/store/reader.hpp"

namespace boldmill::graph {

// The column, or null.
[[nodiscard]] const std::vector<std::string>* column_of(const store::ParticipantsTable& people,
                                                        const std::string& name);

struct Levels {
  std::vector<std::string> names; // distinct non-empty values, bytewise
  std::vector<int> number;        // of each row, -1 missing
};
[[nodiscard]] Levels levels_of(const std::vector<std::string>& values);
// Positions among `known`; -1: missing, or none of them.
[[nodiscard]] std::vector<int> numbers_among(const std::vector<std::string>& values,
                                             const std::vector<std::string>& known);

// N, mean framewise displacement over the runs of a row in mm; NaN without one.
[[nodiscard]] Eigen::VectorXd mean_fd_of_rows(const store::CohortReader& reader);

// Of every participant the first row with a measure: people count once, however often seen.
[[nodiscard]] std::vector<Eigen::Index> one_row_each(const store::ParticipantsTable& people,
                                                     const Eigen::MatrixXd& measures);

// Columns of numbers as they are; text as an indicator of every level but the first.
struct Coding {
  std::vector<std::string> column; // q
  std::vector<std::string> level;  // q, "" of a number
  std::vector<std::string> other;  // q, of text the level without an indicator
  std::vector<double> centre;      // q, mean of those learned from: for who lacks it
  [[nodiscard]] std::vector<std::string> names() const; // "age", "sex=M"
};
struct CodingRequest {
  std::vector<std::string> wanted;
  std::vector<std::string> excluded; // targets
  double max_missing = 0.1;          // share of the rows; columns with more are left out
};
// Columns without two values among `rows` are left out.
[[nodiscard]] Coding coding_of(const CodingRequest& request, const store::ParticipantsTable& people,
                               const Eigen::VectorXd& mean_fd,
                               const std::vector<Eigen::Index>& rows);
// N x q. `fill`: a missing value is the centre, else NaN. A level that was not learned is missing.
[[nodiscard]] Eigen::MatrixXd encode(const Coding& coding, const store::ParticipantsTable& people,
                                     const Eigen::VectorXd& mean_fd, bool fill);

} // namespace boldmill::graph
