#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "pipeline/cache/cache.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/process.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/graph/plan.hpp"

namespace boldmill::cli {
namespace fs = std::filesystem;
namespace {

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The options of the main job as they were given, for the job script.
std::string run_arguments(const RunOptions& run) {
  std::string text;
  const auto add = [&text](const std::string& flag, const std::string& value) {
    if (!value.empty()) text += " \\\n  " + flag + " " + quoted(value);
  };
  const auto add_list = [&text](const std::string& flag, const std::vector<std::string>& values) {
    if (values.empty()) return;
    text += " \\\n  " + flag;
    for (const std::string& value : values) text += " " + quoted(value);
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

std::string walltime(double seconds) {
  const auto total = static_cast<long>(std::ceil(std::max(600.0, seconds) / 60.0));
  char text[32];
  std::snprintf(text, sizeof text, "%ld-%02ld:%02ld:00", total / 1440, total / 60 % 24, total % 60);
  return text;
}

struct Estimate {
  std::size_t n_participants = 0;
  double longest_s = 0.0;     // of one participant on one core
  std::size_t peak_bytes = 0; // of one task
};

Estimate estimate_of(const graph::Study& study) {
  Estimate estimate;
  estimate.n_participants = study.index.participant_ids().size();
  std::map<std::string, double> seconds;
  const graph::Plan plan = graph::make_plan(study, true, false);
  for (const graph::PlanNode& node : plan.nodes) {
    seconds[study.index.sessions[node.session].participant_id] += node.estimated_s;
    estimate.peak_bytes = std::max(estimate.peak_bytes, node.peak_bytes);
  }
  for (const auto& [id, value] : seconds) estimate.longest_s = std::max(estimate.longest_s, value);
  return estimate;
}

std::string script(const SubmitOptions& options, const std::string& name,
                   const std::string& resources, const std::string& call) {
  std::string text = "#!/bin/bash\n#SBATCH --job-name=" + name + "\n" + resources;
  if (!options.account.empty()) text += "#SBATCH --account=" + options.account + "\n";
  if (!options.partition.empty()) text += "#SBATCH --partition=" + options.partition + "\n";
  for (const std::string& line : options.extra_lines) text += "#SBATCH " + line + "\n";
  return text + "set -euo pipefail\n" + call + "\n";
}

std::string run_and_read(const std::string& call) {
  FILE* pipe = ::popen(call.c_str(), "r");
  if (pipe == nullptr) throw Error(ErrorKind::usage, "sbatch could not be started");
  std::string output;
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  if (::pclose(pipe) != 0)
    throw Error(ErrorKind::usage, "sbatch refused the job or is not installed");
  return output.substr(0, output.find_first_of(";\n"));
}

void check_words(const SubmitOptions& options) {
  std::vector<std::string> texts{options.account, options.partition};
  texts.insert(texts.end(), options.extra_lines.begin(), options.extra_lines.end());
  for (const std::string& text : texts) {
    if (text.find_first_of("\n\r") != std::string::npos) {
      throw Error(ErrorKind::usage,
                  "submit: account, partition and extra lines must be single lines");
    }
  }
}

} // namespace

int submit_command(const SubmitOptions& options) {
  check_words(options);
  const Context context = process_context();
  const auto study = graph::open_study(request_of(options.run, ""), true, context);
  graph::finish_study(*study, context);
  const Estimate estimate = estimate_of(*study);
  const std::size_t n_tasks =
      std::min<std::size_t>(std::max<std::size_t>(1, estimate.n_participants),
                            static_cast<std::size_t>(options.max_array_size));
  const double per_task =
      std::ceil(static_cast<double>(estimate.n_participants) / static_cast<double>(n_tasks));
  const double memory_mb = 512.0 + 1.3e-6 * static_cast<double>(estimate.peak_bytes) * options.cpus;
  const fs::path out = fs::absolute(options.run.output_dir);
  const fs::path folder = out / ".boldmill" / "submit";
  const std::string program = fs::read_symlink("/proc/self/exe").string();
  const std::string base = quoted(program) + " run " +
                           quoted(fs::absolute(options.run.bids_dir).string()) + " " +
                           quoted(out.string());
  const std::string common = run_arguments(options.run);
  const std::string mem = std::to_string(static_cast<long>(std::ceil(memory_mb)));
  const std::string participants = script(
      options, "boldmill",
      "#SBATCH --array=0-" + std::to_string(n_tasks - 1) +
          "\n#SBATCH --cpus-per-task=" + std::to_string(options.cpus) + "\n#SBATCH --mem=" + mem +
          "M\n#SBATCH --time=" + walltime(2.0 * estimate.longest_s * per_task) +
          "\n#SBATCH --requeue\n#SBATCH --signal=B:TERM@60\n#SBATCH --output=" +
          (out / "logs" / "slurm-%A_%a.out").string() + "\n",
      "exec " + base + " participant" + common + " \\\n  --shard \"${SLURM_ARRAY_TASK_ID}/" +
          std::to_string(n_tasks) + "\" --nprocs " + std::to_string(options.cpus) + " --mem-mb " +
          mem + " --progress lines");
  const std::string group =
      script(options, "boldmill-group",
             "#SBATCH --cpus-per-task=" + std::to_string(options.cpus) +
                 "\n#SBATCH --mem=4096M\n#SBATCH --time=0-04:00:00\n#SBATCH --output=" +
                 (out / "logs" / "slurm-group-%j.out").string() + "\n",
             "exec " + base + " group" + common + " --nprocs " + std::to_string(options.cpus));
  if (options.run.dry_run) {
    std::printf("# participant.sbatch\n%s\n# group.sbatch, submitted with "
                "--dependency=afterany:<array job>\n%s",
                participants.c_str(), group.c_str());
    return exit_ok;
  }
  std::error_code code;
  fs::create_directories(folder, code);
  fs::create_directories(out / "logs", code);
  cache::write_file_atomically(folder / "participant.sbatch", participants);
  cache::write_file_atomically(folder / "group.sbatch", group);
  const std::string job =
      run_and_read("sbatch --parsable " + quoted((folder / "participant.sbatch").string()));
  const std::string last = run_and_read("sbatch --parsable --dependency=afterany:" + quoted(job) +
                                        " " + quoted((folder / "group.sbatch").string()));
  std::printf("submitted participants as job %s (%zu tasks), group as job %s\n", job.c_str(),
              n_tasks, last.c_str());
  return exit_ok;
}

} // namespace boldmill::cli
