// From a request (folders, selection, configuration layers) to a Study that is ready to run.
#pragma once

#include <memory>

#include "pipeline/graph/study.hpp"

namespace boldmill::graph {

struct StudyRequest {
  std::filesystem::path bids_dir;
  std::filesystem::path out;
  std::filesystem::path work_dir; // "" for OUT/.boldmill
  config::Config config;
  bids::IndexOptions index;
  std::size_t shard = 0;
  std::size_t n_shards = 1;
  bool force = false;
  std::string write_volumes = "none";
  std::vector<std::string> output_spaces; // tokens, see output_spaces.hpp
  std::vector<std::string> derivatives;   // NAME=DIR, see precomputed.hpp
  bool use_cache = true;
  std::string command;
};

// Indexes the dataset, checks that the output folder is writable and belongs to this cohort, reads
// the circuit definition. Does not prepare the target space (see finish_study) and writes nothing
// when `dry` is set. Errors: usage, dataset.
[[nodiscard]] std::unique_ptr<Study> open_study(const StudyRequest& request, bool dry,
                                                const Context& context);

// Prepares the target space and completes the header that all shards share.
void finish_study(Study& study, const Context& context);

// Columns of participants.tsv that may enter the output: the configured ones, the group column and
// the targets, in the file's order.
[[nodiscard]] std::vector<std::string> admitted_columns(const config::Config& config,
                                                        const bids::BidsIndex& index);

// "boldmill 0.1.0", and the digest that tells one build from another.
[[nodiscard]] std::string program_version();
[[nodiscard]] std::string build_identity();

} // namespace boldmill::graph
