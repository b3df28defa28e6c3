#include "pipeline/cli/run_options.hpp"

#include <sstream>
#include <thread>

#include "pipeline/cli/process.hpp"
#include "pipeline/cli/shard_option.hpp"

namespace boldmill::cli {
namespace {

// "meaning [0.3 mm, >= 0] (section.key)" from the lines of `config explain`.
std::string shortcut_help(const std::string& key) {
  std::istringstream lines(config::explain(key));
  std::string meaning, bounds;
  std::string line;
  std::getline(lines, line); // the key
  std::getline(lines, meaning);
  while (std::getline(lines, line)) {
    const std::size_t colon = line.find(": "); // "  default: ...", "  range: ..."
    if (colon == std::string::npos) continue;
    bounds += (bounds.empty() ? "default " : ", ") + line.substr(colon + 2);
  }
  return meaning.substr(std::min<std::size_t>(2, meaning.size())) + " [" + bounds + "] (" + key +
         ")";
}

void shortcut(CLI::App& app, RunOptions& options, const std::string& flag, const std::string& key) {
  app.add_option_function<std::string>(
         flag, [&options, key](const std::string& value) { options.shortcuts[key] = value; },
         shortcut_help(key))
      ->group("Processing");
}

} // namespace

void add_config_options(CLI::App& app, RunOptions& options) {
  app.add_option("-c,--config", options.config_file, "configuration file (JSON, comments allowed)")
      ->group("Configuration");
  app.add_option("--preset", options.preset, "a preset of configs/, applied before the file")
      ->group("Configuration");
  app.add_option("--set", options.assignments, "path.to.key=value, repeatable")
      ->expected(1, 1 << 20)
      ->group("Configuration");
  app.add_option("--path", options.paths,
                 "NAME=FILE: an external file (template_brain, circuit_masks, ...)")
      ->expected(1, 1 << 20)
      ->group("Configuration");
}

void add_run_options(CLI::App& app, RunOptions& options, bool with_level) {
  app.add_option("bids_dir", options.bids_dir, "BIDS dataset")->required();
  app.add_option("output_dir", options.output_dir, "where results go")->required();
  if (with_level) {
    app.add_option("level", options.level, "participant (shards), group (cohort), all")
        ->check(CLI::IsMember({"participant", "group", "all"}))
        ->required();
  }
  const auto list = [&](const char* name, std::vector<std::string>& values, const char* help) {
    app.add_option(name, values, help)->expected(1, 1 << 20)->group("Selection");
  };
  list("--participant-label,--participant_label", options.participant_label,
       "people, with or without sub-");
  list("--session-id,--session-label", options.session_id, "sessions, with or without ses-");
  list("-t,--task-id,--task_id", options.task_id, "tasks to process (input.task_id)");
  app.add_option("--bids-filter-file", options.bids_filter_file,
                 "JSON that narrows each query, as in fMRIPrep")
      ->group("Selection");
  app.add_flag("--skip-bids-validation", options.skip_validation,
               "do not stop for files that validate calls errors")
      ->group("Selection");

  add_config_options(app, options);

  shortcut(app, options, "--dummy-scans", "input.dummy_scans");
  shortcut(app, options, "--slice-time-ref", "slice_timing.reference");
  app.add_option_function<std::vector<std::string>>(
         "--ignore",
         [&options](const std::vector<std::string>& what) {
           for (const std::string& each : what) {
             if (each == "slicetiming") options.shortcuts["slice_timing.enabled"] = "false";
             if (each == "fieldmaps") options.shortcuts["distortion.method"] = "none";
             if (each == "sbref") options.shortcuts["input.use_sbref"] = "false";
           }
         },
         "what is not used though it is there: fieldmaps, slicetiming, sbref")
      ->check(CLI::IsMember({"fieldmaps", "slicetiming", "sbref"}))
      ->expected(1, 1 << 20)
      ->group("Processing");
  shortcut(app, options, "--fd-spike-threshold", "confounds.fd_spike_threshold_mm");
  shortcut(app, options, "--dvars-spike-threshold", "confounds.dvars_spike_threshold");
  shortcut(app, options, "-p,--nuisance-regressors", "nuisance_regression.strategy");
  shortcut(app, options, "-f,--fd-thresh", "nuisance_regression.fd_threshold_mm");
  shortcut(app, options, "--lower-bpf", "nuisance_regression.high_pass_hz");
  shortcut(app, options, "--upper-bpf", "nuisance_regression.low_pass_hz");
  shortcut(app, options, "--bpf-order", "nuisance_regression.butterworth_order");
  app.add_flag_function(
         "--disable-bandpass-filter",
         [&options](std::int64_t) {
           options.shortcuts["nuisance_regression.high_pass_hz"] = "0";
           options.shortcuts["nuisance_regression.low_pass_hz"] = "0";
         },
         "no high-pass and no low-pass")
      ->group("Processing");
  shortcut(app, options, "--output-type", "nuisance_regression.output");
  shortcut(app, options, "--motion-filter-type", "motion_filter.type");
  shortcut(app, options, "--band-stop-min", "motion_filter.band_stop_min_bpm");
  shortcut(app, options, "--band-stop-max", "motion_filter.band_stop_max_bpm");
  shortcut(app, options, "--motion-filter-order", "motion_filter.order");
  shortcut(app, options, "-r,--head-radius", "framewise_displacement.head_radius_mm");
  app.add_option_function<std::string>(
         "--despike",
         [&options](const std::string& answer) {
           options.shortcuts["voxels.despike"] = answer == "y" ? "true" : "false";
         },
         "y or n: spikes of voxels are pulled in before regions are averaged (voxels.despike)")
      ->check(CLI::IsMember({"y", "n"}))
      ->group("Processing");
  shortcut(app, options, "--file-format", "input.file_format");
  shortcut(app, options, "--smoothing", "voxels.smoothing_mm");
  shortcut(app, options, "--create-matrices", "connectivity.n_volumes");
  shortcut(app, options, "--min-time", "gates.min_time_s");
  shortcut(app, options, "--min-coverage", "extraction.min_coverage");
  shortcut(app, options, "--random-seed", "prediction.random_seed");
  app.add_option("--atlases", options.atlases, "label atlases (target.atlases)")
      ->expected(1, 1 << 20)
      ->group("Processing");

  app.add_option("--nprocs,--nthreads,--n-cpus", options.nprocs, "threads, 0 for all cores")
      ->check(CLI::Range(0, 4096))
      ->group("Execution");
  app.add_option("--mem-mb,--mem", options.mem_mb, "peak memory in MB, 0 for 80 % of what there is")
      ->check(CLI::NonNegativeNumber)
      ->group("Execution");
  app.add_option("-w,--work-dir", options.work_dir, "cache of estimates, default OUT/.boldmill")
      ->group("Execution");
  app.add_option("--shard", options.shard,
                 "I/N: every N-th participant from I (0-based); auto: this task of a job array of "
                 "Slurm, SGE or LSF; auto/N: of N tasks (PBS)")
      ->group("Execution");
  app.add_option(
         "--write-volumes", options.write_volumes,
         "images beside the tables: none, minimal (T1w, masks, BOLD reference), all (series too)")
      ->check(CLI::IsMember({"none", "minimal", "all"}))
      ->capture_default_str()
      ->group("Execution");
  app.add_option("--derivatives", options.derivatives,
                 "NAME=DIR: outputs of fMRIPrep or boldmill. Series in the target's space are used "
                 "instead of the raw ones (input.bold), otherwise brain masks of the T1w and "
                 "transforms between T1w and target space")
      ->expected(1, 1 << 20)
      ->group("Processing");
  app.add_option(
         "--output-spaces", options.output_spaces,
         "where images are written: T1w, boldref (func), templates by their space, each but "
         "boldref with :res-<mm> if wanted, e.g. MNI152NLin2009cAsym:res-1.5; default the "
         "target template at target.spacing_mm")
      ->expected(1, 1 << 20)
      ->group("Execution");
  app.add_flag("--dry-run", options.dry_run, "print the plan and stop")->group("Execution");
  app.add_flag("--force", options.force, "process again what is already done")->group("Execution");
  app.add_flag("--stop-on-first-failure", options.stop_on_first_failure,
               "start nothing after a failure")
      ->group("Execution");
  app.add_option("--progress", options.progress, "how progress is shown")
      ->check(CLI::IsMember({"auto", "bar", "lines", "json", "none"}))
      ->capture_default_str()
      ->group("Execution");
  app.add_flag("-v,--verbose", options.verbosity, "say more, repeatable")->group("Execution");
}

std::map<std::string, std::string> parse_paths(const std::vector<std::string>& pairs) {
  std::map<std::string, std::string> paths;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size()) {
      throw Error(ErrorKind::usage, "--path: found " + pair + ", expected NAME=FILE");
    }
    paths[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return paths;
}

config::Layers layers_of(const RunOptions& options) {
  config::Layers layers;
  layers.preset = options.preset;
  layers.file = options.config_file;
  for (const auto& [key, value] : options.shortcuts)
    layers.assignments.push_back(key + "=" + value);
  const auto list = [&layers](const std::string& key, const std::vector<std::string>& values) {
    if (!values.empty()) layers.assignments.push_back(key + "=" + config::Json(values).dump());
  };
  list("target.atlases", options.atlases);
  list("input.task_id", options.task_id);
  layers.assignments.insert(layers.assignments.end(), options.assignments.begin(),
                            options.assignments.end());
  layers.paths = parse_paths(options.paths);
  return layers;
}

graph::StudyRequest request_of(const RunOptions& options, const std::string& command) {
  graph::StudyRequest request;
  request.bids_dir = options.bids_dir;
  request.out = options.output_dir;
  request.work_dir = options.work_dir;
  request.config = config::load(layers_of(options));
  request.index.selection.participants = options.participant_label;
  request.index.selection.sessions = options.session_id;
  request.index.selection.tasks = request.config.input.task_id;
  if (!options.bids_filter_file.empty()) {
    request.index.selection.filter = bids::read_bids_filter(options.bids_filter_file);
  }
  const Shard shard = parse_shard(options.shard, process_environment);
  request.shard = shard.index;
  request.n_shards = shard.count;
  request.force = options.force;
  request.write_volumes = options.write_volumes;
  request.output_spaces = options.output_spaces;
  request.derivatives = options.derivatives;
  request.command = command;
  return request;
}

int nprocs_of(const RunOptions& options) {
  if (options.nprocs > 0) return options.nprocs;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::size_t budget_of(const RunOptions& options) {
  return options.mem_mb > 0.0 ? static_cast<std::size_t>(options.mem_mb * 1e6)
                              : default_budget_bytes();
}

} // namespace boldmill::cli
