// Reading a cohort file or a shard: for group stages, export, reports and rerun.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/store/records.hpp"

namespace boldmill::store {

struct ParticipantsTable {
  std::vector<std::string> participant_id; // N
  std::vector<std::string> session_id;     // N, "" without sessions
  std::vector<std::string> column_names;   // original names, in the order of participants.tsv
  std::map<std::string, std::vector<std::string>> columns; // by original name, "" is missing
};

struct MeasuresTable {
  ScoreTable table;                             // N x measures, raw
  std::vector<std::string> source;              // N
  std::vector<std::vector<std::string>> reason; // N x measures, why missing, "" when present
  Eigen::MatrixXd dof, half_difference;         // N x measures; empty in files without them
};

struct RunTable {
  std::vector<RunRecord> run;    // M, without confounds, kept and series
  std::vector<std::int32_t> row; // M
};

struct ConnectivityName {
  std::string source, atlas, kind;
  bool operator==(const ConnectivityName&) const = default;
};

// One measure of /regional.
struct RegionalTable {
  std::string source, atlas, name;
  bool per_region = true;
  Eigen::MatrixXd values; // N x R, or N x 1
};

// Numbers of a text column; missing or not a number is NaN.
[[nodiscard]] std::vector<double> as_numbers(const std::vector<std::string>& text);

// Keeps the file open for reading. All errors are of kind input and name file and object.
class CohortReader {
public:
  explicit CohortReader(const std::filesystem::path& path);
  ~CohortReader();
  CohortReader(const CohortReader&) = delete;
  CohortReader& operator=(const CohortReader&) = delete;

  [[nodiscard]] const CohortHeader& header() const; // config_json among it
  [[nodiscard]] std::size_t n_rows() const;
  [[nodiscard]] std::vector<InputRecord> inputs() const;
  [[nodiscard]] std::vector<StageRecord> stages() const;
  [[nodiscard]] std::vector<ResourceRecord> resources() const;

  [[nodiscard]] ParticipantsTable participants() const;
  [[nodiscard]] RunTable runs() const;
  [[nodiscard]] MeasuresTable measures() const;
  // Correlation of the errors of one row's measures; empty in files without it.
  [[nodiscard]] Eigen::MatrixXf error_correlation(std::size_t row) const;
  [[nodiscard]] std::optional<ScoreTable> features() const; // N x F, once the cohort stages ran
  [[nodiscard]] std::optional<ScoreTable> scores() const;   // N x S
  [[nodiscard]] std::optional<ReferenceRecord> reference() const;
  [[nodiscard]] std::vector<PredictionRecord> predictions() const;
  [[nodiscard]] std::vector<NotDone> not_done() const;
  // /cohort/group_statistics, /cohort/treatment/*, /cohort/review.
  [[nodiscard]] std::vector<TableRecord> result_tables() const;

  // The arrays of /cohort/<path>: harmonization, norms, biotypes.
  [[nodiscard]] std::optional<GroupRecord> group(const std::string& path) const;
  [[nodiscard]] bool has_completed() const; // /circuits/completed

  [[nodiscard]] std::vector<ConnectivityName> connectivity_names() const;
  [[nodiscard]] Eigen::MatrixXd connectivity(const ConnectivityName& name) const; // N x edges
  [[nodiscard]] Eigen::VectorXd connectivity_row(const ConnectivityName& name,
                                                 std::size_t row) const;
  // n x edges: many rows at once cost little more than one, they are stored in blocks.
  [[nodiscard]] Eigen::MatrixXd connectivity_rows(const ConnectivityName& name, std::size_t first,
                                                  std::size_t n) const;
  [[nodiscard]] std::vector<std::int32_t>
  connectivity_n_volumes(const ConnectivityName& name) const;

  [[nodiscard]] std::vector<RegionalTable> regional() const;
  [[nodiscard]] std::vector<QcFcRecord> qc_fc() const; // without covariates and null

  [[nodiscard]] std::optional<ReliabilityRecord> reliability() const;

  // One row with its runs, measures and which connectivity it has, without confounds, series and
  // edges. inputs, stages and resources are those of the whole file.
  [[nodiscard]] PersonRecord person(std::size_t row) const;

  // A run's confounds, kept and coverage of regions into `run` (from runs()), without the series.
  void read_traces(RunRecord& run) const;
  // All of a run: read_traces and series (by atlas) into `run` (from runs()); absent parts stay
  // empty.
  void read_run(RunRecord& run) const;

private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace boldmill::store
