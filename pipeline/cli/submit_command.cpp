#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

#include "pipeline/cache/cache.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/local_jobs.hpp"
#include "pipeline/cli/process.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/submit_script.hpp"
#include "pipeline/graph/plan.hpp"

namespace boldmill::cli {
namespace fs = std::filesystem;
namespace {

// The options of the main job as they were given, for the job script.
std::string run_arguments(const RunOptions& run) {
  std::string text;
  const auto add = [&text](const std::string& flag, const std::string& value) {
    if (!value.empty()) text += " \\\n  " + flag + " " + shell_quoted(value);
  };
  const auto add_list = [&text](const std::string& flag, const std::vector<std::string>& values) {
    if (values.empty()) return;
    text += " \\\n  " + flag;
    for (const std::string& value : values) text += " " + shell_quoted(value);
  };
  add_list("--participant-label", run.participant_label);
  add_list("--session-id", run.session_id);
  add("--bids-filter-file",
      run.bids_filter_file.empty() ? "" : fs::absolute(run.bids_filter_file).string());
  add("--config", run.config_file.empty() ? "" : fs::absolute(run.config_file).string());
  add("--preset", run.preset);
  std::vector<std::string> assignments = layers_of(run).assignments;
  add_list("--set", assignments);
  add_list("--path", run.paths);
  add("--write-volumes", run.write_volumes == "none" ? "" : run.write_volumes);
  add_list("--output-spaces", run.output_spaces);
  std::vector<std::string> derivatives;
  for (const std::string& argument : run.derivatives) {
    const auto [name, root] = bids::parse_derivatives_argument(argument);
    derivatives.push_back(name + "=" + fs::absolute(root).string());
  }
  add_list("--derivatives", derivatives);
  add("--work-dir", run.work_dir.empty() ? "" : fs::absolute(run.work_dir).string());
  return text;
}

struct Estimate {
  std::size_t n_participants = 0;
  std::size_t cohort_bytes = 0;
  double longest_s = 0.0;     // of one participant on one core
  std::size_t peak_bytes = 0; // of one task, with what its participant-session keeps
};

Estimate estimate_of(const graph::Study& study) {
  Estimate estimate;
  estimate.n_participants = study.index.participant_ids().size();
  std::map<std::string, double> seconds;
  const graph::Plan plan = graph::make_plan(study, true, true);
  std::map<std::size_t, std::size_t> kept, largest; // of a participant-session
  for (const graph::PlanNode& node : plan.nodes) {
    if (node.kind == graph::TaskKind::cohort) {
      estimate.cohort_bytes = node.peak_bytes;
      continue;
    }
    seconds[study.index.sessions[node.session].participant_id] += node.estimated_s;
    kept[node.session] += node.kept_bytes;
    largest[node.session] = std::max(largest[node.session], node.peak_bytes);
  }
  for (const auto& [session, bytes] : largest) {
    estimate.peak_bytes = std::max(estimate.peak_bytes, bytes + kept[session]);
  }
  for (const auto& [id, value] : seconds) estimate.longest_s = std::max(estimate.longest_s, value);
  return estimate;
}

// What a command prints; nothing when it failed or is not there.
std::optional<std::string> output_of(const std::string& call) {
  FILE* pipe = ::popen(call.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string output;
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  if (::pclose(pipe) != 0) return std::nullopt;
  return output;
}

std::string submitted(const std::string& call) {
  const auto output = output_of(call);
  if (!output) throw Error(ErrorKind::usage, "sbatch refused the job or is not installed");
  return output->substr(0, output->find_first_of(";\n"));
}

// The user's limit, else the site's (array indices stay below MaxArraySize), else 1000.
std::size_t most_tasks(const SubmitOptions& options) {
  if (options.max_array_size > 0) return static_cast<std::size_t>(options.max_array_size);
  if (options.engine != "slurm" || options.run.dry_run) return 1000;
  const int site = max_array_size(output_of("scontrol show config 2>/dev/null").value_or(""));
  return site > 1 ? static_cast<std::size_t>(site) - 1 : 1000;
}

void check_words(const SubmitOptions& options) {
  std::vector<std::string> texts{options.account, options.partition, options.qos};
  texts.insert(texts.end(), options.extra_lines.begin(), options.extra_lines.end());
  for (const std::string& text : texts) {
    if (text.find_first_of("\n\r") != std::string::npos) {
      throw Error(ErrorKind::usage,
                  "submit: account, partition, qos and extra lines must be single lines");
    }
  }
}

void add_site_lines(const SubmitOptions& options, JobScript& job) {
  if (!options.account.empty()) job.sbatch.push_back("--account=" + options.account);
  if (!options.partition.empty()) job.sbatch.push_back("--partition=" + options.partition);
  if (!options.qos.empty()) job.sbatch.push_back("--qos=" + options.qos);
  job.sbatch.insert(job.sbatch.end(), options.extra_lines.begin(), options.extra_lines.end());
}

struct Jobs {
  std::string participant, group;
  std::size_t n_tasks = 1;
};

Jobs make_jobs(const SubmitOptions& options, const Estimate& estimate) {
  const ArrayShape shape = array_shape(estimate.n_participants, most_tasks(options));
  const fs::path out = fs::absolute(options.run.output_dir);
  const std::string base = shell_quoted(fs::read_symlink("/proc/self/exe").string()) + " run " +
                           shell_quoted(fs::absolute(options.run.bids_dir).string()) + " " +
                           shell_quoted(out.string());
  const std::string common = run_arguments(options.run);
  const std::string cpus = std::to_string(options.cpus);
  const auto megabytes = [](double bytes) {
    return std::to_string(static_cast<long>(std::ceil(512.0 + 1.3e-6 * bytes)));
  };
  const std::string mem = megabytes(static_cast<double>(estimate.peak_bytes) * options.cpus);
  const auto log = [&out](const char* name) {
    return "--output=" + (out / "logs" / name).string();
  };
  JobScript people{
      .name = "boldmill",
      .sbatch = {"--array=0-" + std::to_string(shape.n_tasks - 1), "--cpus-per-task=" + cpus,
                 "--mem=" + mem + "M",
                 "--time=" +
                     slurm_time(2.0 * estimate.longest_s * static_cast<double>(shape.per_task)),
                 "--requeue", "--open-mode=append", "--signal=B:TERM@60", log("slurm-%A_%a.out")},
      .call = base + " participant" + common + " \\\n  --shard \"${SLURM_ARRAY_TASK_ID}/" +
              std::to_string(shape.n_tasks) + "\" --nprocs " + cpus + " --mem-mb " + mem +
              " --progress lines"};
  JobScript group{
      .name = "boldmill-group",
      .sbatch = {"--cpus-per-task=" + cpus,
                 "--mem=" + megabytes(2.0 * static_cast<double>(estimate.cohort_bytes)) + "M",
                 "--time=" +
                     slurm_time(3600.0 + 2.0 * static_cast<double>(estimate.n_participants)),
                 "--requeue", "--open-mode=append", "--signal=B:TERM@60",
                 log("slurm-group-%j.out")},
      .call = base + " group" + common + " --nprocs " + cpus};
  add_site_lines(options, people);
  add_site_lines(options, group);
  return {job_script(people), job_script(group), shape.n_tasks};
}

int submit_to_slurm(const Jobs& jobs, const fs::path& folder) {
  const std::string job =
      submitted("sbatch --parsable " + shell_quoted((folder / "participant.sbatch").string()));
  const std::string last =
      submitted("sbatch --parsable --dependency=afterany:" + shell_quoted(job) + " " +
                shell_quoted((folder / "group.sbatch").string()));
  std::printf("submitted participants as job %s (%zu tasks), group as job %s\n"
              "boldmill status OUTPUT_DIR tells how far they are\n",
              job.c_str(), jobs.n_tasks, last.c_str());
  return exit_ok;
}

int worse(int a, int b) {
  // Some runs failed is the mildest of what is not fine.
  const auto rank = [](int code) { return code == exit_some_failed ? 1 : code == exit_ok ? 0 : 2; };
  return rank(a) >= rank(b) ? a : b;
}

// The same scripts as child processes, as many at a time as there are cores for.
int run_here(const SubmitOptions& options, const Jobs& jobs, const fs::path& folder,
             const fs::path& logs) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto slots = static_cast<std::size_t>(std::max(1, cores / options.cpus));
  const std::stop_token stop = process_context().stop;
  const fs::path script = folder / "participant.sbatch";
  LocalJobs running(stop);
  int code = exit_ok;
  for (std::size_t task = 0; task < jobs.n_tasks && !stop.stop_requested(); ++task) {
    if (running.size() >= slots) code = worse(code, running.wait_for_one());
    running.start(script, {{"SLURM_ARRAY_TASK_ID", std::to_string(task)}},
                  logs / ("local-" + std::to_string(task) + ".out"));
  }
  while (running.size() > 0) code = worse(code, running.wait_for_one());
  if (stop.stop_requested())
    throw Error(ErrorKind::interrupted, "interrupted: the same command continues where it stopped");
  std::printf("%zu tasks ended, the group level begins\n", jobs.n_tasks);
  running.start(folder / "group.sbatch", {}, logs / "local-group.out");
  code = worse(code, running.wait_for_one());
  std::printf("logs in %s, exit code %d\n", logs.c_str(), code);
  return code;
}

} // namespace

int submit_command(const SubmitOptions& options) {
  check_words(options);
  const Context context = process_context();
  const auto study = graph::open_study(request_of(options.run, ""), true, context);
  graph::finish_study(*study, context);
  const Jobs jobs = make_jobs(options, estimate_of(*study));
  if (options.run.dry_run) {
    std::printf("# participant.sbatch\n%s\n# group.sbatch, submitted with "
                "--dependency=afterany:<array job>\n%s",
                jobs.participant.c_str(), jobs.group.c_str());
    return exit_ok;
  }
  const fs::path out = fs::absolute(options.run.output_dir);
  const fs::path folder = out / ".boldmill" / "submit";
  std::error_code code;
  fs::create_directories(out / "logs", code);
  fs::create_directories(folder, code); // what is wrong with it, the writing says
  cache::write_file_atomically(folder / "participant.sbatch", jobs.participant);
  cache::write_file_atomically(folder / "group.sbatch", jobs.group);
  return options.engine == "local" ? run_here(options, jobs, folder, out / "logs")
                                   : submit_to_slurm(jobs, folder);
}

} // namespace boldmill::cli
