#include <cstdio>

#include "pipeline/bids/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/process.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/config/taxonomy_json.hpp"
#include "pipeline/graph/cohort.hpp"
#include "pipeline/graph/target_space.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::cli {

int merge_command(const std::string& out, int nprocs, const std::string& command) {
  graph::CohortRequest request;
  request.nprocs = nprocs;
  request.out = out;
  request.command = command;
  request.shards = graph::find_shards(out);
  if (request.shards.empty()) {
    throw Error(ErrorKind::dataset,
                bids::display(request.out.filename().string()) +
                    ": no shards (sub-*/[ses-*/]sub-*.h5), run the participant level first");
  }
  const store::CohortHeader header = store::read_header(request.shards.front());
  config::Config config =
      config::parse(header.config_json, request.shards.front().filename().string(), {});
  const taxonomy::Taxonomy taxonomy = graph::load_taxonomy(config);
  if (cache::sha256_hex(config::canonical_text(taxonomy)) != header.taxonomy_sha256) {
    throw Error(ErrorKind::dataset, "the circuit definition " + config.input.taxonomy +
                                        " of this installation is not the one of the shards");
  }
  for (const auto& atlas : header.atlases) {
    if (atlas.description.find("single-subject template") != std::string::npos) {
      request.template_note = "single-subject template";
    }
  }
  const graph::CohortSummary summary =
      graph::run_cohort(request, config, taxonomy, process_context());
  const bool all_fine = print_left_out(summary);
  for (const auto& item : summary.not_done) {
    std::printf("not done %s: %s\n", bids::display(item.analysis).c_str(),
                bids::display(item.reason, 1000).c_str());
  }
  std::printf("%zu participant-sessions, %zu runs in %s\n", summary.n_rows, summary.n_runs,
              (request.out / "cohort.h5").c_str());
  return all_fine ? exit_ok : exit_some_failed;
}

} // namespace boldmill::cli
