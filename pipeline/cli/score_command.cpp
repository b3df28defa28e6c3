#include "pipeline/cli/score_command.hpp"

#include <cstdio>
#include <filesystem>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/process.hpp"
#include "pipeline/cli/progress.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/config/taxonomy_json.hpp"
#include "pipeline/graph/cohort.hpp"
#include "pipeline/graph/frozen_model.hpp"
#include "pipeline/graph/open_study.hpp"
#include "pipeline/graph/plan.hpp"
#include "pipeline/graph/target_space.hpp"
#include "pipeline/report/report.hpp"
#include "pipeline/schedule/run_study.hpp"

namespace boldmill::cli {
namespace fs = std::filesystem;
namespace {

std::string name_of(const std::string& path) { return fs::path(path).filename().string(); }

// What a reader needs beside the numbers: cards, and places the model has not seen.
void write_notes(const fs::path& out, const store::ModelRecord& model,
                 const store::ParticipantsTable& people) {
  for (const auto& one : model.predictions) {
    const std::string name = "model_card_" + bids::safe_component(one.target) + ".json";
    const auto card = config::Json::parse(one.model_card, nullptr, false);
    bids::write_file_atomically(
        out / name,
        (card.is_discarded() ? "{}"
                             : card.dump(2, ' ', false, config::Json::error_handler_t::replace)) +
            "\n");
    std::printf("%-12s %s\n", "model card", (out / name).c_str());
  }
  for (const std::string& place : graph::new_places(model, people)) {
    std::printf("note: %s: not among the model's training people, so its scores may be shifted and "
                "intervals have no guarantee\n",
                bids::display(place).c_str());
  }
  if (model.predictions.empty()) {
    std::printf("note: the model holds no prediction, only the healthy reference\n");
  }
  std::printf("Research use only: not a medical device.\n");
}

void print_tables(const fs::path& out, const store::ModelRecord& model) {
  std::printf("%-12s %s\n", "scores", (out / "tables" / "circuit_scores.tsv").c_str());
  for (const auto& one : model.predictions) {
    const std::string name = bids::safe_component("scored_" + one.target) + ".tsv";
    std::printf("%-12s %s\n", "predictions", (out / "tables" / name).c_str());
  }
}

// That of the training cohort, without the table of its people's reviews: new people have their own
// or none.
config::Config config_of(const store::ModelRecord& model, const ScoreOptions& options) {
  auto json = config::Json::parse(model.config_json, nullptr, false);
  if (json.is_object() && json.contains("files") && json["files"].is_object()) {
    json["files"].erase("review");
  }
  return config::parse(json.is_discarded() ? model.config_json : json.dump(),
                       name_of(options.model), parse_paths(options.run.paths));
}

int score_cohort_file(const ScoreOptions& options, const store::ModelRecord& model) {
  const store::CohortReader reader(options.run.bids_dir);
  graph::check_model(model, name_of(options.model), reader.header().taxonomy_sha256,
                     reader.header().measure);
  config::Config config = config_of(model, options);
  const taxonomy::Taxonomy taxonomy = graph::load_taxonomy(config);
  graph::check_model(model, name_of(options.model),
                     cache::sha256_hex(config::canonical_text(taxonomy)),
                     taxonomy::measure_names(taxonomy));
  if (reader.header().config_sha256 != model.config_sha256) {
    std::printf("note: %s was made with another configuration than the model: its measures may not "
                "mean the same\n",
                bids::display(name_of(options.run.bids_dir)).c_str());
  }
  const fs::path out(options.run.output_dir);
  const auto results = graph::scored_by(model, reader, config, taxonomy);
  (void)report::write_scored_tables(out, reader, results);
  print_tables(out, model);
  write_notes(out, model, reader.participants());
  return exit_ok;
}

bool process(const graph::Study& study, const RunOptions& options, const Context& context) {
  schedule::StudyOptions execution;
  execution.nprocs = nprocs_of(options);
  execution.budget_bytes = budget_of(options);
  execution.stop = context.stop;
  Progress progress(options.progress, options.verbosity);
  execution.on_event = [&](const graph::PlanNode& node, const schedule::Event& event) {
    progress(node, event);
  };
  const auto result = schedule::run_study(study, graph::make_plan(study, true, false), execution);
  if (result.fatal) throw Error(result.fatal->kind, result.fatal->message);
  if (result.interrupted) {
    throw Error(ErrorKind::interrupted, "interrupted: the same command continues where it stopped");
  }
  return result.people.empty();
}

int score_images(const ScoreOptions& options, store::ModelRecord model,
                 const std::string& command) {
  const Context context = process_context();
  graph::StudyRequest request = request_of(options.run, command);
  // The same processing as of the training cohort, whatever is the default of this version.
  request.config = config_of(model, options);
  const auto study = graph::open_study(request, false, context);
  graph::check_model(model, name_of(options.model), study->header.taxonomy_sha256,
                     study->header.measure);
  graph::finish_study(*study, context);
  if (study->header.build != model.build) {
    std::printf("note: the model was made by another build (%s)\n",
                bids::display(model.created_by).c_str());
  }
  const bool all_written = process(*study, options.run, context);
  graph::CohortRequest cohort;
  cohort.out = study->out;
  cohort.expected = study->header;
  cohort.command = command;
  cohort.nprocs = nprocs_of(options.run);
  cohort.dataset_name = study->index.description.name;
  cohort.template_note = study->target.note;
  cohort.model = std::move(model);
  for (const auto& session : study->index.sessions) {
    std::error_code code;
    if (fs::exists(study->shard_path(session), code)) {
      cohort.shards.push_back(study->shard_path(session));
    }
  }
  const auto summary = graph::run_cohort(cohort, study->config, study->taxonomy, context);
  const bool all_fine = print_left_out(summary);
  print_tables(study->out, *cohort.model);
  std::printf("%-12s %s\n", "cohort", (study->out / "cohort.h5").c_str());
  write_notes(study->out, *cohort.model,
              store::CohortReader(study->out / "cohort.h5").participants());
  return all_fine && all_written ? exit_ok : exit_some_failed;
}

int score_command(const ScoreOptions& options, const std::string& command) {
  store::ModelRecord model = store::read_model(options.model);
  std::error_code code;
  if (fs::is_regular_file(options.run.bids_dir, code)) return score_cohort_file(options, model);
  return score_images(options, std::move(model), command);
}

} // namespace

void add_score_options(CLI::App& app, ScoreOptions& options, const std::string& command,
                       std::function<int()>& action) {
  app.add_option("--model", options.model, "model.h5 that the group level of another cohort wrote")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("bids_dir", options.run.bids_dir, "BIDS dataset, or a cohort.h5")->required();
  app.add_option("output_dir", options.run.output_dir, "where results go")->required();
  app.add_option("--participant-label", options.run.participant_label, "people")
      ->expected(1, 1 << 20);
  app.add_option("--session-id", options.run.session_id, "sessions")->expected(1, 1 << 20);
  app.add_option("--derivatives", options.run.derivatives, "NAME=DIR: preprocessed series")
      ->expected(1, 1 << 20);
  app.add_option("--path", options.run.paths, "NAME=FILE: an external file of the configuration")
      ->expected(1, 1 << 20);
  app.add_option("--nprocs", options.run.nprocs, "threads, 0 for all cores")
      ->check(CLI::Range(0, 4096));
  app.add_option("--mem-mb", options.run.mem_mb, "peak memory in MB")
      ->check(CLI::NonNegativeNumber);
  app.add_option("-w,--work-dir", options.run.work_dir, "cache of estimates");
  app.add_option("--progress", options.run.progress, "how progress is shown")
      ->check(CLI::IsMember({"auto", "bar", "lines", "json", "none"}));
  app.callback([&options, &action, command] {
    action = [&options, command] { return score_command(options, command); };
  });
}

} // namespace boldmill::cli
