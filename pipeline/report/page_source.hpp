// What the pages show, read from a cohort file or shard once. Internal.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/report/files.hpp"
#include "pipeline/report/html.hpp"
#include "pipeline/report/report.hpp"

namespace boldmill::report {

// A number of a run that tells good from bad.
struct QualityMetric {
  const char* key;
  const char* label;
  const char* unit;
  const char* what;
  int better; // 1: more is better, -1: less is better
  const char* format;
  double (*of)(const store::RunRecord&);
};
[[nodiscard]] const std::vector<QualityMetric>& quality_metrics();

struct Spread { // of one metric over the runs of one task
  double low = 0.0, q1 = 0.0, median = 0.0, q3 = 0.0, high = 0.0; // low, high: Tukey's fences
  std::size_t n = 0;
};
constexpr std::size_t kLeastForOutliers = 8;

inline constexpr const char* kCircuitNames = "circuit_names"; // a table below /cohort

struct Stored {
  Stored(const store::CohortReader& reader, const ReportInfo& about);

  const store::CohortReader& cohort;
  const ReportInfo& info;
  store::ParticipantsTable people;
  store::RunTable runs;
  store::MeasuresTable measures;
  std::optional<store::ScoreTable> scores, features;
  std::vector<store::PredictionRecord> predictions;
  std::vector<Json> cards; // of the predictions
  std::vector<store::TableRecord> tables;
  std::optional<store::GroupRecord> norms, biotypes;
  std::string methods; // the paragraph in Markdown
  std::vector<store::NotDone> not_done;
  Json config;
  std::vector<std::uint8_t> healthy;                                   // N
  std::vector<std::string> group;                                      // N, "" unknown
  std::map<std::string, std::map<std::string, Spread>> spread;         // by task, by metric
  std::map<std::pair<std::string, std::string>, std::string> meanings; // by level and name
  // The 5th to 95th percentile of the healthy people by column, NaN with fewer than five.
  std::vector<std::pair<double, double>> score_bands, feature_bands;

  [[nodiscard]] std::string session(std::size_t row) const; // "sub-01_ses-a"
  [[nodiscard]] std::string page(std::size_t row) const;    // "sub-01.html"
  // What the name of a "score", "feature" or "measure" stands for, "" unknown.
  [[nodiscard]] std::string meaning(const std::string& level, const std::string& name) const;
  [[nodiscard]] std::string why_not(const std::string& analysis) const; // "" when it was done
  // Metrics of a run beyond the fence on the bad side, of its task.
  [[nodiscard]] std::vector<const QualityMetric*> outlying(const store::RunRecord& run) const;
  bool of_shard = false; // nothing of a cohort is known
};

// The reason of a run; of one that is ok a note, which is nothing to worry about.
[[nodiscard]] std::string said_of(const store::RunRecord& run);

// Quartiles by linear interpolation; NaN are left out.
[[nodiscard]] Spread spread_of(std::vector<double> values);

} // namespace boldmill::report
