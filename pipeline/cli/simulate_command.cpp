#include "pipeline/cli/simulate_command.hpp"

#include <algorithm>
#include <iostream>

#include "pipeline/bids/text.hpp"
#include "pipeline/cli/counter.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/spaces/templates.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::cli {
namespace {

simulate::AnatomyPaths anatomy_of(const SimulateOptions& options) {
  simulate::AnatomyPaths paths;
  if (options.anatomy.size() == 1) {
    paths.head.clear();
    paths.brain = options.anatomy[0];
  } else if (options.anatomy.size() == 2) {
    paths.head = options.anatomy[0];
    paths.brain = options.anatomy[1];
  }
  paths.points = options.points.empty() ? spaces::find_config("spaces/nlin6_points.tsv")
                                        : std::filesystem::path(options.points);
  return paths;
}

// --tasks rest,gonogo and --effect-size 1,-0.8,0.6 take commas as well as words.
void take_commas(CLI::App& app, const std::string& flag) {
  app.get_option(flag)->delimiter(',')->expected(1, 16);
}

} // namespace

void add_simulate_options(CLI::App& app, SimulateOptions& options, std::function<int()>& action) {
  app.add_option("dir", options.dir, "folder to write; absent or empty")->required();
  add_params(app, options.params);
  take_commas(app, "--tasks");
  take_commas(app, "--effect-size");
  app.add_option("--anatomy", options.anatomy,
                 "HEAD BRAIN: T1w images of one person or template on one grid, or BRAIN alone; "
                 "never the template that is registered to (default: Colin27 of mricron-data)")
      ->expected(1, 2);
  app.add_option("--points", options.points,
                 "TSV with the circuit regions' positions in the anatomy (default: the table that "
                 "comes with the program, when it knows the anatomy)");
  app.add_option("--nprocs", options.nprocs, "threads; 0 takes all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  app.callback([&options, &action] {
    action = [&options] { return run_simulate(options, process_context()); };
  });
}

int run_simulate(const SimulateOptions& options, const Context& context) {
  with_threads(options.nprocs, [&] {
    Counter counter("simulated",
                    std::int64_t{options.params.participants} * options.params.sessions,
                    options.params.sessions > 1 ? "sessions" : "people");
    simulate::simulate(options.dir, options.params, anatomy_of(options), counter.counted(context));
  });
  const std::string shown = bids::display(options.dir, 1000);
  std::cout << "simulated " << options.params.participants << " people in " << shown
            << "\ntruth: " << shown << "/sourcedata/truth (README.md first)\n";
  return 0;
}

} // namespace boldmill::cli
