// The parts of the two kinds of page. Internal.
#pragma once

#include <memory>

#include "pipeline/report/page_source.hpp"
#include "pipeline/store/figures.hpp"

namespace boldmill::report {

[[nodiscard]] std::string cohort_page(const Stored& stored);

// Edges of some rows of a cohort, read at once: n x edges for every name.
struct EdgesOfRows {
  std::size_t first = 0;
  std::vector<store::ConnectivityName> name;
  std::vector<Eigen::MatrixXd> edges;
};
// A participant-session of a page; `shard` holds what a cohort file does not, "" without. It is
// open while the page is made, unless it cannot be read.
struct Session {
  const Stored* stored = nullptr;
  std::size_t row = 0;
  std::filesystem::path shard;
  const EdgesOfRows* edges = nullptr; // null: read them
  std::shared_ptr<const store::ShardPictures> pictures = {};
};
// `volumes`: the file that the viewer loads, "" without.
[[nodiscard]] std::string participant_page(const std::vector<Session>& sessions,
                                           const std::string& volumes = "");

// Sections of the cohort page, in its order.
void add_first_looks(Page& page, const Stored& stored);
void add_runs(Page& page, const Stored& stored);
void add_quality(Page& page, const Stored& stored);
void add_missingness(Page& page, const Stored& stored);
void add_motion_and_connectivity(Page& page, const Stored& stored);
void add_harmonization(Page& page, const Stored& stored);
void add_norms(Page& page, const Stored& stored);
void add_cohort_scores(Page& page, const Stored& stored);
void add_biotypes(Page& page, const Stored& stored);
void add_cohort_predictions(Page& page, const Stored& stored);
void add_reliability(Page& page, const Stored& stored);
void add_result_tables(Page& page, const Stored& stored);
void add_stages(Page& page, const Stored& stored);
void add_not_done(Page& page, const Stored& stored);

// Of both.
void add_review_panel(Page& page, const Stored& stored, bool of_cohort);
void add_gates(Page& page, const Stored& stored);
void add_methods(Page& page, const Stored& stored);
[[nodiscard]] std::string footer(const Stored& stored);
inline constexpr const char* kSiteAssociation = "site_association";
// The reason that most rows give for what they lack in a column; "" without one.
[[nodiscard]] std::string commonest_reason(const std::vector<std::vector<std::string>>& reasons,
                                           Eigen::Index column);
[[nodiscard]] Table table_of(const store::TableRecord& record, std::size_t most_rows);

// Of a participant page.
// Pictures of a run, or of store::kAnatomyFigures; nothing where there are none.
void add_pictures(Page& page, const Session& session, const std::string& owner);
void add_run(Page& page, const Session& session, const store::RunRecord& run);
void add_profile(Page& page, const Session& session);
void add_connectivity(Page& page, const Session& session);
void add_own_norms(Page& page, const Session& session);
void add_own_biotype(Page& page, const Session& session);
void add_own_predictions(Page& page, const Session& session);

} // namespace boldmill::report
