// One participant-session from its runs: denoising, connectivity, circuit measures, the shard.
#pragma once

#include "pipeline/graph/bold_run.hpp"
#include "stages/core/outcome.hpp"

namespace boldmill::graph {

// What became of the person's anatomy and of each run, in the order of session.runs.
struct PersonInputs {
  Outcome<Anatomy> anatomy = Failure{ErrorKind::internal, "not processed"};
  std::vector<Outcome<RunOutput>> runs;
};

// Never throws for a run that failed: it is in the record with its reason.
[[nodiscard]] store::PersonRecord make_person(const Study& study,
                                              const bids::ParticipantSession& session,
                                              const PersonInputs& inputs, const Context& context);

// Writes the confounds tables and the shard (last, by rename).
void write_person(const Study& study, const bids::ParticipantSession& session,
                  const store::PersonRecord& person, const Context& context);

// A shard with a failed run is made again by the next command (the cause may have been the
// machine), but not by a process that waited for another of the same command.
enum class Accept { whole, failed_runs };
// True when a shard of exactly this configuration, build and inputs exists.
[[nodiscard]] bool shard_is_current(const Study& study, const bids::ParticipantSession& session,
                                    Accept accept = Accept::whole);

} // namespace boldmill::graph
