#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "pipeline/bids/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/named_columns.hpp"
#include "pipeline/cli/process.hpp"
#include "pipeline/cli/progress.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/summary.hpp"
#include "pipeline/cli/validate_check.hpp"
#include "pipeline/config/sections.hpp"
#include "pipeline/graph/cohort.hpp"
#include "pipeline/graph/plan.hpp"
#include "pipeline/schedule/run_study.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::cli {
namespace {

void print_notes(const bids::BidsIndex& index, int verbosity) {
  std::size_t hidden = 0;
  for (const bids::Note& note : index.notes) {
    if (note.level == bids::Level::info && verbosity == 0) {
      ++hidden;
      continue;
    }
    const std::string_view level = bids::to_string(note.level);
    std::fprintf(stderr, "%.*s: %s: %s\n", static_cast<int>(level.size()), level.data(),
                 bids::display(note.where).c_str(), bids::display(note.message, 500).c_str());
  }
  if (hidden > 0) std::fprintf(stderr, "%zu notes on the dataset, see boldmill validate\n", hidden);
}

void refuse_if_nothing_runs(const graph::Study& study, const RunOptions& options) {
  if (options.level == "group" || options.skip_validation) return;
  // Whether a run has a preprocessed series is known later, and then said of each.
  if (!study.derivatives.empty() && study.index.n_runs() > 0) return;
  const std::string reason = reason_nothing_runs(study.index);
  if (reason.empty()) return;
  throw Error(ErrorKind::dataset, bids::display(study.index.root.filename().string()) +
                                      ": nothing can be processed: " + bids::display(reason, 1000) +
                                      "; boldmill validate says more");
}

// The prediction would be `not_done` at the end; a slip of the pen should be seen at once.
void say_preparing(const RunOptions& options) {
  if (options.progress == "none" || options.progress == "json") return;
  std::fputs("preparing the template and its regions\n", stderr);
}

void warn_of_absent_columns(const graph::Study& study) {
  for (const auto& line : absent_columns(study.config, study.index.participants.names())) {
    std::fprintf(stderr, "warning: %s\n", line.c_str());
  }
}

// Rows of the review that name nothing here.
void warn_of_doubts(const std::vector<std::string>& doubts) {
  constexpr std::size_t kMost = 5;
  for (std::size_t i = 0; i < std::min(kMost, doubts.size()); ++i) {
    std::fprintf(stderr, "warning: %s\n", doubts[i].c_str());
  }
  if (doubts.size() > kMost) {
    std::fprintf(stderr, "warning: review: %zu more of this kind\n", doubts.size() - kMost);
  }
}

// Decisions that the cohort in the output folder was made with and that are no longer given. Reads
// the whole file for its seal, so only where the cohort is made anew.
void warn_of_lost_review(const graph::Study& study) {
  const std::filesystem::path cohort = study.out / "cohort.h5";
  std::error_code code;
  if (study.config.files.contains("review") || !std::filesystem::exists(cohort, code)) return;
  try {
    const auto runs = store::CohortReader(cohort).runs().run;
    const auto n = std::count_if(runs.begin(), runs.end(),
                                 [](const auto& run) { return !run.qc_decision.empty(); });
    if (n == 0) return;
    std::fprintf(stderr,
                 "warning: the cohort in the output folder was made with decisions on %td runs; "
                 "without --path review=FILE they no longer hold\n",
                 n);
  } catch (const Error&) { // it will be made anew
  }
}

bool print_summary(const schedule::StudyResult& result, double wall_s) {
  std::size_t n_failed = 0;
  std::size_t n_warned = 0;
  for (const auto& run : result.runs) {
    const bool bad = run.status == "failed" || run.status == "excluded";
    n_failed += bad ? 1 : 0;
    n_warned += run.status == "warning" ? 1 : 0;
  }
  std::vector<schedule::RunLine> lines = result.runs;
  lines.insert(lines.end(), result.people.begin(), result.people.end());
  print_problems(std::move(lines));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "%zu runs of %zu participant-sessions: %zu fine, %zu with warnings, %zu failed or excluded; "
      "%.1f s, peak memory %.0f MB\n",
      result.runs.size(), result.n_people_done, result.runs.size() - n_failed - n_warned, n_warned,
      n_failed, wall_s, static_cast<double>(usage.ru_maxrss) / 1e3);
  return n_failed == 0 && result.people.empty();
}

// One process at a time makes the cohort file; the next makes the same bytes, or those of more
// shards.
void wait_for_cohort(cache::Claims& claims) {
  const Context context = process_context();
  for (bool said = false; !claims.take("cohort"); said = true) {
    if (!said) std::fputs("another process makes the cohort file, waiting for it\n", stderr);
    context.check_stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

bool participant_level(const graph::Study& study, const RunOptions& options, cache::Claims& claims,
                       double begun) {
  const std::filesystem::path own = study.out / ".boldmill";
  const graph::Plan plan = graph::make_plan(study, true, false);
  schedule::StudyOptions execution;
  execution.nprocs = nprocs_of(options);
  execution.budget_bytes = budget_of(options);
  execution.stop_on_first_failure = options.stop_on_first_failure;
  execution.stop = process_context().stop;
  schedule::Journal journal(own / "journal",
                            {study.header.config_sha256, study.index.sessions.size()});
  claims.renew_also(journal.file());
  execution.claims = &claims;
  execution.journal = &journal;
  schedule::StudyResult result;
  {
    Progress progress(options.progress, options.verbosity);
    execution.on_event = [&](const graph::PlanNode& node, const schedule::Event& event) {
      progress(node, event);
    };
    result = schedule::run_study(study, plan, execution);
  }
  if (!result.fatal) journal.end();
  const bool all_fine = print_summary(result, graph::wall_s() - begun);
  if (result.fatal) throw Error(result.fatal->kind, result.fatal->message);
  if (result.interrupted)
    throw Error(ErrorKind::interrupted, "interrupted: the same command continues where it stopped");
  return all_fine;
}

// Decisions on runs change what a shard holds. Those that are there are made again, from the cache
// where it has the estimates; people without a shard stay missing.
bool review_shards(graph::Study& study, const RunOptions& options, cache::Claims& claims,
                   double begun) {
  auto there = study.index.sessions;
  std::erase_if(there, [&](const auto& session) {
    std::error_code code;
    return !std::filesystem::exists(study.shard_path(session), code);
  });
  if (there.empty()) return true;
  std::fprintf(stderr, "note: the review is taken into the shards of %zu participant-sessions\n",
               there.size());
  std::swap(study.index.sessions, there);
  const bool all_fine = participant_level(study, options, claims, begun);
  std::swap(study.index.sessions, there);
  return all_fine;
}

// `all_fine`: what the participant level of this command found, if it ran and printed it.
int group_level(const graph::Study& study, int nprocs, const std::string& command,
                std::optional<bool> all_fine, cache::Claims& claims) {
  wait_for_cohort(claims);
  graph::CohortRequest request;
  request.out = study.out;
  request.command = command;
  request.dataset_name = study.index.description.name;
  request.template_note = study.target.note;
  request.expected = study.header;
  request.nprocs = nprocs;
  std::size_t missing = 0;
  for (const auto& session : study.index.sessions) {
    const auto path = study.shard_path(session);
    std::error_code code;
    if (std::filesystem::exists(path, code)) {
      request.shards.push_back(path);
    } else {
      ++missing;
      std::printf("missing  %s: not processed, it is not in the cohort file\n",
                  bids::display(session.id).c_str());
    }
  }
  const graph::CohortSummary summary =
      graph::run_cohort(request, study.config, study.taxonomy, process_context());
  if (!all_fine) all_fine = print_left_out(summary);
  for (const auto& item : summary.not_done) {
    std::printf("not done %s: %s\n", bids::display(item.analysis).c_str(),
                bids::display(item.reason, 1000).c_str());
  }
  std::printf("%zu participant-sessions, %zu runs in the cohort\n", summary.n_rows, summary.n_runs);
  const auto show = [&](const char* what, const std::filesystem::path& path) {
    std::printf("%-12s %s\n", what, path.c_str());
  };
  show("cohort", study.out / "cohort.h5");
  const bool scored =
      std::none_of(summary.not_done.begin(), summary.not_done.end(),
                   [](const auto& item) { return item.analysis == "circuit_scores"; });
  if (scored) show("scores", study.out / "tables" / "circuit_scores.tsv");
  for (const std::string& target : summary.predicted_targets) {
    show("predictions",
         study.out / "tables" / ("predictions_" + bids::safe_component(target) + ".tsv"));
  }
  for (const char* name : {"biotype_verdict", "group_statistics", "treatment_policies"}) {
    const auto& tables = summary.result_tables;
    if (std::find(tables.begin(), tables.end(), name) == tables.end()) continue;
    show("statistics", study.out / "tables" / (std::string(name) + ".tsv"));
  }
  show("model", study.out / "model.h5");
  show("report", study.out / "index.html");
  std::printf("Research use only: not a medical device.\n");
  return *all_fine && missing == 0 ? exit_ok : exit_some_failed;
}

} // namespace

bool print_left_out(const graph::CohortSummary& summary) {
  std::vector<schedule::RunLine> lines;
  for (const auto& run : summary.left_out) lines.push_back({run.run_id, run.status, run.reason});
  print_problems(std::move(lines));
  return summary.left_out.empty();
}

int run_command(const RunOptions& options, const std::string& command) {
  const Context context = process_context();
  const double begun = graph::wall_s();
  const auto study = graph::open_study(request_of(options, command), options.dry_run, context);
  print_notes(study->index, options.verbosity);
  refuse_if_nothing_runs(*study, options);
  warn_of_absent_columns(*study);
  const std::filesystem::path own = study->out / ".boldmill";
  if (!options.dry_run) schedule::write_asked(own / "asked", study->asked); // status tells from now
  say_preparing(options);
  graph::finish_study(*study, context);
  for (const std::string& note : study->target.notes) {
    if (options.verbosity > 0) std::fprintf(stderr, "note: %s\n", note.c_str());
  }
  if (!study->target.note.empty()) std::fprintf(stderr, "note: %s\n", study->target.note.c_str());
  const bool is_part = !options.participant_label.empty() || !options.session_id.empty() ||
                       !options.task_id.empty() || !options.shard.empty();
  if (!is_part) warn_of_doubts(study->review_doubts);
  if (options.level != "participant" && options.shard.empty()) warn_of_lost_review(*study);
  if (options.dry_run) {
    const graph::Plan plan =
        graph::make_plan(*study, options.level != "group", options.level != "participant");
    std::fputs(graph::plan_text(plan).c_str(), stdout);
    return exit_ok;
  }
  cache::Claims claims(own / "claims");
  std::optional<bool> all_fine;
  if (options.level != "group") {
    all_fine = participant_level(*study, options, claims, begun);
    if (options.stop_on_first_failure && !*all_fine) return exit_some_failed;
  } else if (study->config.files.contains("review")) {
    all_fine = review_shards(*study, options, claims, begun);
  }
  if (options.level == "participant") return *all_fine ? exit_ok : exit_some_failed;
  return group_level(*study, nprocs_of(options), command, all_fine, claims);
}

int plan_command(const RunOptions& options, const std::string& format) {
  const Context context = process_context();
  const auto study = graph::open_study(request_of(options, ""), true, context);
  refuse_if_nothing_runs(*study, options);
  warn_of_absent_columns(*study);
  if (format != "json" && format != "dot") say_preparing(options); // those are for programs
  graph::finish_study(*study, context);
  const graph::Plan plan =
      graph::make_plan(*study, options.level != "group", options.level != "participant");
  const std::string text = format == "json"  ? graph::plan_json(plan)
                           : format == "dot" ? graph::plan_dot(plan)
                                             : graph::plan_text(plan);
  std::fputs(text.c_str(), stdout);
  return exit_ok;
}

} // namespace boldmill::cli
