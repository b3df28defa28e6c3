// What people decided about runs after looking at them: a table that overrules the automatic gates.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/bids/index.hpp"
#include "pipeline/store/records.hpp"

namespace boldmill::graph {

struct ReviewRow {
  std::string run_id;  // or "" for all runs of `session`
  std::string session; // "sub-01" or "sub-01_ses-a"
  bool exclude = false;
  std::string rater, date, reason;
};
struct Review {
  std::vector<ReviewRow> rows;
};

// Columns run_id, or participant_id and session_id; decision, rater, date (YYYY-MM-DD), reason.
// Error{usage} with every bad row: unknown decision, no rater, no date, nobody named, one rater
// with two decisions on a day.
[[nodiscard]] Review read_review(const std::filesystem::path& path);

// Of one run. Raters who disagree: it is excluded, unless the rater "consensus" decides otherwise.
struct ReviewDecision {
  std::string decision; // "include", "exclude" or "" without one
  std::string raters;   // "ana, ben"; with the decision in brackets where it is another
  std::string reason;
};
[[nodiscard]] ReviewDecision decision_of(const Review& review, const std::string& run_id,
                                         const std::string& session);

// Rows that name nothing of the dataset, in words.
[[nodiscard]] std::vector<std::string> unmatched(const Review& review,
                                                 const bids::BidsIndex& index);

// Agreement of every two raters over the runs both decided on; no columns with fewer than two.
[[nodiscard]] store::TableRecord agreement_table(const std::vector<store::RunRecord>& runs);

} // namespace boldmill::graph
