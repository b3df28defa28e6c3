// What cohort stages learned as groups of arrays for cohort and model files, and back: bits stay.
#pragma once

#include <optional>

#include "pipeline/graph/cohort_people.hpp"
#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/normative_model.hpp"

namespace boldmill::graph {

// Batch ids of the models are positions in `batch`.
struct Harmonization {
  combat::Model model;
  std::vector<std::string> measures; // p
  std::string column;                // of participants.tsv
  std::vector<std::string> batch;
  Coding covariates;
};
struct Completion {                // of measures without holes
  chained_imputation::Model model; // its first imputation
  std::vector<std::string> measures;
  std::string column;
  std::vector<std::string> batch;
};
struct Norms {
  normative_model::Model model;
  std::string column;
  std::vector<std::string> batch;
  Coding covariates;
};

[[nodiscard]] store::GroupRecord record_of(const Harmonization& learned, const std::string& path);
[[nodiscard]] store::GroupRecord record_of(const Completion& learned, const std::string& path);
// Axis `measure` is that of the file.
[[nodiscard]] store::GroupRecord record_of(const Norms& learned, const std::string& path);
// Error{input}: parts that are missing or do not fit.
[[nodiscard]] Harmonization harmonization_of(const store::GroupRecord& record);
[[nodiscard]] Completion completion_of(const store::GroupRecord& record);
[[nodiscard]] Norms norms_of(const store::GroupRecord& record);

[[nodiscard]] Coding coding_of(const store::GroupRecord& record);

// Building blocks, row by row.
[[nodiscard]] store::NamedArray array_of(const std::string& name, const std::string& what,
                                         const std::vector<std::string>& axes,
                                         const Eigen::MatrixXd& values);
[[nodiscard]] store::NamedArray list_of(const std::string& name, const std::string& what,
                                        const std::string& axis, const std::vector<double>& values);
[[nodiscard]] store::NamedArray integers_of(const std::string& name, const std::string& what,
                                            const std::vector<std::string>& axes,
                                            std::vector<std::int32_t> values);
[[nodiscard]] store::NamedArray text_of(const std::string& name, const std::string& what,
                                        const std::vector<std::string>& axes,
                                        std::vector<std::string> values);
// Error{input}: not a whole number (of int; not negative).
[[nodiscard]] int integer_of(const store::GroupRecord& record, double value);
[[nodiscard]] std::uint64_t whole_of(const store::GroupRecord& record, const std::string& text);
[[nodiscard]] Eigen::MatrixXd matrix_from(const store::GroupRecord& record, const std::string& name,
                                          Eigen::Index rows, Eigen::Index columns);
[[nodiscard]] Eigen::VectorXd vector_from(const store::GroupRecord& record,
                                          const std::string& name);

} // namespace boldmill::graph
