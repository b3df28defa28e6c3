// The group stage: shards to cohort.h5, circuit scores against healthy controls, predictions,
// tables and the index page. Reads no image.
#pragma once

#include "pipeline/config/config.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/model_file.hpp"
#include "pipeline/store/reader.hpp"
#include "stages/circuits/taxonomy.hpp"

namespace boldmill::graph {

struct CohortRequest {
  std::filesystem::path out;
  std::vector<std::filesystem::path> shards;
  std::optional<store::CohortHeader> expected; // refuse anything else
  std::string command;
  std::string dataset_name;
  std::string template_note;
  int nprocs = 0; // threads, 0: all cores
  // Score the rows by it: nothing is learned from them, and no model file is written.
  std::optional<store::ModelRecord> model;
};

struct LeftOutRun {
  std::string run_id, status, reason;
};
struct CohortSummary {
  std::size_t n_rows = 0;
  std::size_t n_runs = 0;
  std::vector<store::NotDone> not_done;
  std::vector<LeftOutRun> left_out;           // runs that failed or were excluded
  std::vector<std::string> predicted_targets; // those of cohort.targets that were done
  std::vector<std::string> result_tables;     // names below tables/
};

[[nodiscard]] CohortSummary run_cohort(const CohortRequest& request, const config::Config& config,
                                       const taxonomy::Taxonomy& taxonomy, const Context& context);

// What a model says of the rows of a cohort file: scores against its reference, its predictions.
[[nodiscard]] store::CohortResults scored_by(const store::ModelRecord& model,
                                             const store::CohortReader& reader,
                                             const config::Config& config,
                                             const taxonomy::Taxonomy& taxonomy);

// "Author year, journal, doi:..." of what was done to this cohort.
[[nodiscard]] std::vector<std::string> method_references(const store::CohortReader& cohort);

// Every shard under OUT/sub-*/[ses-*/], bytewise.
[[nodiscard]] std::vector<std::filesystem::path> find_shards(const std::filesystem::path& out);

} // namespace boldmill::graph
