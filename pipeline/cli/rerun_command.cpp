#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "pipeline/bids/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/process.hpp"
#include "pipeline/cli/progress.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/graph/cohort.hpp"
#include "pipeline/graph/plan.hpp"
#include "pipeline/image_io/digest.hpp"
#include "pipeline/schedule/run_study.hpp"
#include "pipeline/store/compare.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::cli {
namespace fs = std::filesystem;
namespace {

// The folder an input belongs to, and its path there: "derivatives:NAME/sub-01/..." is of the
// folder given as NAME, all else of the dataset. Error{usage}: that folder was not given.
std::pair<fs::path, std::string> place_of(const std::string& path, const fs::path& bids_dir,
                                          const std::vector<std::string>& derivatives) {
  constexpr std::string_view kPrefix = "derivatives:";
  if (!path.starts_with(kPrefix)) return {bids_dir, path};
  const std::size_t slash = path.find('/');
  const std::string wanted = path.substr(kPrefix.size(), slash - kPrefix.size());
  for (const std::string& argument : derivatives) {
    const auto [name, root] = bids::parse_derivatives_argument(argument);
    if (name == wanted && slash != std::string::npos) {
      return {bids::index_derivatives(name, root).root, path.substr(slash + 1)};
    }
  }
  throw Error(ErrorKind::usage, "the stored run took files from derivatives " +
                                    bids::display(wanted) + ", expected --derivatives " +
                                    bids::display(wanted) + "=DIR");
}

// Every input the file names must be in the dataset with the same content, at the same place.
void check_inputs(const std::vector<store::InputRecord>& inputs, const fs::path& bids_dir,
                  const std::vector<std::string>& derivatives) {
  std::string problems;
  for (const store::InputRecord& input : inputs) {
    const auto [root, relative] = place_of(input.path, bids_dir, derivatives);
    const fs::path path = (root / relative).lexically_normal();
    const fs::path inside = path.lexically_relative(root.lexically_normal());
    std::error_code code;
    if (inside.empty() || *inside.begin() == "..") {
      problems += "\n  " + bids::display(input.path) + ": not a path inside a dataset";
    } else if (!fs::exists(path, code)) {
      problems += "\n  " + bids::display(input.path) + ": missing, expected sha256 " +
                  input.sha256.substr(0, 12);
    } else if (fs::file_size(path, code) != input.bytes ||
               image_io::digest_file(path).sha256 != input.sha256) {
      problems += "\n  " + bids::display(input.path) + ": other content, expected sha256 " +
                  input.sha256.substr(0, 12);
    }
  }
  if (!problems.empty())
    throw Error(ErrorKind::dataset, "the dataset is not the one of the stored run:" + problems);
}

int verify(const fs::path& stored, const fs::path& repeated) {
  const auto differences = store::compare_files(stored, repeated);
  for (const auto& difference : differences)
    std::printf("%s\n", store::to_string(difference).c_str());
  std::printf(differences.empty() ? "verify: every dataset is the same\n"
                                  : "verify: %zu differences\n",
              differences.size());
  return differences.empty() ? exit_ok : exit_some_failed;
}

} // namespace

int rerun_command(const RerunOptions& options, const std::string& command) {
  const Context context = process_context();
  const store::CohortReader stored(options.file);
  graph::StudyRequest request;
  std::error_code code;
  if (fs::equivalent(options.file, fs::path(options.out) / "cohort.h5", code)) {
    throw Error(ErrorKind::usage, "rerun: FILE lies in the folder of --out, where nothing would be "
                                  "repeated; give a folder of its own");
  }
  request.bids_dir = options.bids_dir;
  request.out = options.out;
  request.work_dir = options.execution.work_dir;
  request.config =
      config::parse(stored.header().config_json, fs::path(options.file).filename().string(),
                    parse_paths(options.paths));
  request.command = command;
  const store::ParticipantsTable people = stored.participants();
  const std::set<std::string> ids(people.participant_id.begin(), people.participant_id.end());
  std::set<std::string> sessions(people.session_id.begin(), people.session_id.end());
  sessions.erase("");
  request.index.selection.participants.assign(ids.begin(), ids.end());
  request.index.selection.sessions.assign(sessions.begin(), sessions.end());
  check_inputs(stored.inputs(), options.bids_dir, options.execution.derivatives);
  request.derivatives = options.execution.derivatives;

  const auto study = graph::open_study(request, false, context);
  graph::finish_study(*study, context);
  if (study->header.build != stored.header().build) {
    std::printf("note: the file was made by another build (%s), last bits may differ\n",
                bids::display(stored.header().created_by).c_str());
  }
  const graph::Plan plan = graph::make_plan(*study, true, false);
  schedule::StudyOptions execution;
  execution.nprocs = nprocs_of(options.execution);
  execution.budget_bytes = budget_of(options.execution);
  execution.stop = context.stop;
  Progress progress(options.execution.progress, options.execution.verbosity);
  execution.on_event = [&](const graph::PlanNode& node, const schedule::Event& event) {
    progress(node, event);
  };
  const auto result = schedule::run_study(*study, plan, execution);
  if (result.fatal) throw Error(result.fatal->kind, result.fatal->message);
  if (result.interrupted)
    throw Error(ErrorKind::interrupted, "interrupted: the same command continues where it stopped");

  graph::CohortRequest cohort;
  cohort.out = options.out;
  cohort.expected = study->header;
  cohort.command = command;
  cohort.nprocs = execution.nprocs;
  cohort.dataset_name = study->index.description.name;
  cohort.template_note = study->target.note;
  for (const auto& session : study->index.sessions)
    cohort.shards.push_back(study->shard_path(session));
  (void)graph::run_cohort(cohort, study->config, study->taxonomy, context);
  std::printf("repeated    %s\n", (fs::path(options.out) / "cohort.h5").c_str());
  return options.verify ? verify(options.file, fs::path(options.out) / "cohort.h5") : exit_ok;
}

} // namespace boldmill::cli
