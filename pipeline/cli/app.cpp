#include "pipeline/cli/app.hpp"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "pipeline/bids/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/export_command.hpp"
#include "pipeline/cli/help_command.hpp"
#include "pipeline/cli/help_text.hpp"
#include "pipeline/cli/process.hpp"
#include "pipeline/cli/report_command.hpp"
#include "pipeline/cli/score_command.hpp"
#include "pipeline/cli/simulate_command.hpp"
#include "pipeline/cli/stage_list.hpp"
#include "pipeline/cli/status_command.hpp"
#include "pipeline/cli/validate_command.hpp"
#include "pipeline/config/sections.hpp"
#include "pipeline/graph/target_space.hpp"

namespace boldmill::cli {
namespace {

constexpr const char* kFooter =
    "BIDS App: boldmill BIDS_DIR OUTPUT_DIR {participant,group,all} [options]\n"
    "Exit codes: 0 done, 1 some runs failed, 2 usage or dataset, 3 interrupted, 4 disk or "
    "internal.\n"
    "Research use only: not a medical device.";

// The verb that runs is remembered and called after parsing, so that its errors are not CLI11's.
using Action = std::function<int()>;

void add_run(CLI::App& app, RunOptions& options, const std::string& command, Action& action) {
  CLI::App* run = app.add_subcommand("run", "process a BIDS dataset (the default verb)");
  add_run_options(*run, options, true);
  run->callback([&] { action = [&] { return run_command(options, command); }; });
}

void add_validate(CLI::App& app, ValidateOptions& options, RunOptions& selection, Action& action) {
  CLI::App* validate =
      app.add_subcommand("validate", "what of a dataset would be processed, what not, and why");
  validate->add_option("bids_dir", options.bids_dir, "BIDS dataset")->required();
  validate->add_option("--participant-label", selection.participant_label, "people")
      ->expected(1, 1 << 20);
  validate->add_option("--session-id", selection.session_id, "sessions")->expected(1, 1 << 20);
  validate->add_option("-t,--task-id", selection.task_id, "tasks")->expected(1, 1 << 20);
  validate->add_option("--bids-filter-file", options.bids_filter_file,
                       "JSON that narrows each query");
  add_config_options(*validate, selection);
  validate->add_flag("--json", options.json, "JSON instead of text");
  validate->add_flag("-v,--verbose", options.verbose, "every run, not only the problems");
  validate->callback([&] {
    options.index.selection.participants = selection.participant_label;
    options.index.selection.sessions = selection.session_id;
    options.index.selection.tasks = selection.task_id;
    action = [&] {
      config::Config config = config::load(layers_of(selection));
      options.taxonomy = graph::load_taxonomy(config);
      options.config = std::move(config);
      return run_validate(options, std::cout, process_context());
    };
  });
}

void add_plan(CLI::App& app, RunOptions& options, std::string& format, Action& action) {
  CLI::App* plan =
      app.add_subcommand("plan", "the tasks with estimated memory and time; runs nothing");
  options.level = "all";
  add_run_options(*plan, options, true);
  plan->get_option("level")->required(false)->capture_default_str();
  plan->add_option("--format", format, "text, json or dot")
      ->check(CLI::IsMember({"text", "json", "dot"}))
      ->capture_default_str();
  plan->callback([&] { action = [&] { return plan_command(options, format); }; });
}

void add_submit(CLI::App& app, SubmitOptions& options, Action& action) {
  CLI::App* submit =
      app.add_subcommand("submit", "write and submit scheduler jobs; --dry-run prints them");
  add_run_options(*submit, options.run, false);
  submit
      ->add_option("--engine", options.engine,
                   "slurm; local: the same job scripts as processes of this machine")
      ->check(CLI::IsMember({"slurm", "local"}))
      ->capture_default_str();
  submit
      ->add_option(
          "--max-array-size", options.max_array_size,
          "most tasks of one array job; 0: the site's MaxArraySize, 1000 where it is not known")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  submit->add_option("--cpus", options.cpus, "cores per task")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  submit->add_option("--account", options.account, "account to charge");
  submit->add_option("--partition", options.partition, "partition");
  submit->add_option("--qos", options.qos, "quality of service");
  submit->add_option("--sbatch-line", options.extra_lines, "a further #SBATCH line, repeatable");
  submit->callback([&] { action = [&] { return submit_command(options); }; });
}

void add_rerun(CLI::App& app, RerunOptions& options, const std::string& command, Action& action) {
  CLI::App* rerun = app.add_subcommand("rerun", "repeat a run from the configuration in its file");
  rerun->add_option("file", options.file, "cohort.h5 of the earlier run")
      ->required()
      ->check(CLI::ExistingFile);
  rerun->add_option("--bids", options.bids_dir, "the dataset")->required();
  rerun->add_option("--out", options.out, "where results go")->required();
  rerun->add_option("--path", options.paths, "NAME=FILE: an external file of the configuration")
      ->expected(1, 1 << 20);
  rerun
      ->add_option("--derivatives", options.execution.derivatives,
                   "NAME=DIR: the derivatives that the earlier run took files from")
      ->expected(1, 1 << 20);
  rerun->add_flag("--verify", options.verify, "compare every dataset with the earlier file");
  rerun->add_option("--nprocs", options.execution.nprocs, "threads, 0 for all cores")
      ->check(CLI::Range(0, 4096));
  rerun->add_option("--mem-mb", options.execution.mem_mb, "peak memory in MB")
      ->check(CLI::NonNegativeNumber);
  rerun->add_option("-w,--work-dir", options.execution.work_dir, "cache of estimates");
  rerun->add_option("--progress", options.execution.progress, "how progress is shown")
      ->check(CLI::IsMember({"auto", "bar", "lines", "json", "none"}));
  rerun->callback([&] { action = [&] { return rerun_command(options, command); }; });
}

void add_config(CLI::App& app, RunOptions& options, std::string& key, Action& action) {
  CLI::App* config = app.add_subcommand("config", "the configuration: show, schema, explain KEY");
  config->require_subcommand(1);
  CLI::App* show = config->add_subcommand("show", "the effective configuration");
  show->add_option("-c,--config", options.config_file, "configuration file");
  show->add_option("--preset", options.preset, "a preset of configs/");
  show->add_option("--set", options.assignments, "path.to.key=value")->expected(1, 1 << 20);
  show->callback([&] {
    action = [&] {
      std::cout << config::to_json(config::load(layers_of(options))).dump(2) << "\n";
      return static_cast<int>(exit_ok);
    };
  });
  config->add_subcommand("schema", "JSON Schema of the configuration")->callback([&] {
    action = [] {
      std::cout << config::schema().dump(2) << "\n";
      return static_cast<int>(exit_ok);
    };
  });
  CLI::App* explain =
      config->add_subcommand("explain", "meaning, unit, range and default of a key");
  explain->add_option("key", key, "section or section.key")->required();
  explain->callback([&] {
    action = [&] {
      std::cout << config::explain(key);
      return static_cast<int>(exit_ok);
    };
  });
}

void add_stage(CLI::App& app, Action& action) {
  CLI::App* stage = app.add_subcommand("stage", "run one stage on plain files");
  auto list = std::make_shared<bool>(false);
  stage->add_flag("--list", *list, "print the stages");
  add_stages(*stage);
  stage->callback([stage, list, &action] {
    if (*list) {
      for (const CLI::App* one : stage->get_subcommands({})) {
        std::cout << one->get_name() << "\t" << one->get_description() << "\n";
      }
    } else if (stage->get_subcommands().empty()) {
      throw Error(ErrorKind::usage,
                  "stage: expected the name of a stage, see boldmill stage --list");
    }
    action = [] { return static_cast<int>(exit_ok); };
  });
}

const std::vector<std::string>& verbs() {
  static const std::vector<std::string> names{"run",    "validate", "plan",  "simulate", "submit",
                                              "status", "merge",    "rerun", "score",    "export",
                                              "report", "config",   "stage", "help"};
  return names;
}

// A first word that is nothing on disk and nearly a verb is meant as one.
void refuse_mistyped_verb(const std::string& word) {
  std::error_code code;
  if (word.starts_with('-') || word.find('/') != std::string::npos ||
      std::filesystem::exists(word, code)) {
    return;
  }
  const std::string near = config::nearest(word, verbs());
  if (near.empty()) return;
  throw Error(ErrorKind::usage, bids::display(word) +
                                    ": neither a verb nor a folder, did you mean " + near +
                                    "? (boldmill --help lists the verbs)");
}

// `run` is understood unless the first word is a verb or asks for help or the version.
std::vector<std::string> with_verb(int argc, const char* const* argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) return {"--help"};
  const std::string& first = words.front();
  const bool known = std::find(verbs().begin(), verbs().end(), first) != verbs().end();
  if (!known) refuse_mistyped_verb(first);
  if (!known && first != "-h" && first != "--help" && first != "--version")
    words.insert(words.begin(), "run");
  return words;
}

int report(const Error& error) {
  std::fprintf(stderr, "boldmill: %s\n", error.what());
  return exit_code_of(error.kind());
}

int parse_and_run(int argc, const char* const* argv) {
  require_cpu_level();
  const std::string command = command_text(argc, argv);
  CLI::App app("boldmill: from a BIDS cohort to personal brain-circuit scores and cross-validated "
               "predictions");
  app.name("boldmill");
  app.formatter(std::make_shared<HelpFormatter>(help_width()));
  app.set_version_flag("--version", std::string("boldmill ") + BOLDMILL_VERSION);
  app.footer(kFooter);
  app.require_subcommand(1);
  Action action;
  RunOptions run, plan, selection, config;
  ValidateOptions validate;
  SubmitOptions submit;
  RerunOptions rerun;
  ScoreOptions scoring;
  SimulateOptions simulate;
  ExportOptions exporting;
  ReportOptions reporting;
  StatusOptions status;
  HelpOptions help;
  std::string format = "text", merge_out, key;
  int merge_nprocs = 0;
  add_run(app, run, command, action);
  add_validate(app, validate, selection, action);
  add_plan(app, plan, format, action);
  add_simulate_options(*app.add_subcommand("simulate", "write a BIDS cohort with known truth"),
                       simulate, action);
  add_submit(app, submit, action);
  add_status_options(*app.add_subcommand("status", "how far a study is, while it runs"), status,
                     action);
  CLI::App* merge = app.add_subcommand("merge", "shards to one cohort file");
  merge->add_option("out", merge_out, "output folder with the shards")->required();
  merge->add_option("--nprocs", merge_nprocs, "threads, 0 for all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  merge->callback(
      [&] { action = [&] { return merge_command(merge_out, merge_nprocs, command); }; });
  add_rerun(app, rerun, command, action);
  add_score_options(*app.add_subcommand("score", "score new people by the model of a cohort"),
                    scoring, command, action);
  add_export_options(*app.add_subcommand("export", "tables and matrices of a cohort file"),
                     exporting, action);
  add_report_options(*app.add_subcommand("report", "rebuild the pages from what is stored"),
                     reporting, action);
  add_config(app, config, key, action);
  add_stage(app, action);
  add_help_options(*app.add_subcommand("help", "help of a verb, the manual page, completion"), help,
                   app, action);
  group_verbs(app);

  std::vector<std::string> words = with_verb(argc, argv);
  std::reverse(words.begin(), words.end()); // CLI11 takes them from the back
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? exit_ok : exit_usage;
  }
  return action ? action() : static_cast<int>(exit_usage);
}

// `boldmill help run | head` is no failure: the pipe was closed by who reads it.
bool reader_has_left() {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&output, 1, 0) > 0 && (output.revents & POLLERR) != 0;
}

} // namespace

int run_program(int argc, const char* const* argv) {
  int code = exit_internal;
  const auto outcome = capture([&] {
    code = parse_and_run(argc, argv);
    return true;
  });
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    code = report(Error(failure->kind, failure->message));
  }
  if ((std::fflush(stdout) != 0 || !std::cout.flush()) && !reader_has_left()) {
    std::fputs("boldmill: the output could not be written\n", stderr);
    return code == exit_ok ? static_cast<int>(exit_internal) : code;
  }
  return code;
}

} // namespace boldmill::cli
