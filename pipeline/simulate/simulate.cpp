#include "pipeline/simulate/simulate.hpp"

#include <algorithm>
#include <set>

#include "pipeline/simulate/session.hpp"
#include "pipeline/simulate/sidecars.hpp"
#include "pipeline/simulate/t1w.hpp"
#include "pipeline/simulate/truth.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::simulate {
namespace {

void check(const SimulationParams& params) {
  if (params.tasks.empty()) {
    throw Error(ErrorKind::usage,
                "tasks: none given, expected rest, gonogo, conscious, nonconscious");
  }
  std::set<std::string> seen;
  for (const std::string& task : params.tasks) {
    if (!known_task(task)) {
      throw Error(ErrorKind::usage,
                  "tasks: found " + task + ", expected rest, gonogo, conscious, nonconscious");
    }
    if (!seen.insert(task).second) throw Error(ErrorKind::usage, "tasks: " + task + " given twice");
  }
  if (params.effect_size.size() != 1 && params.effect_size.size() != kCircuits) {
    throw Error(ErrorKind::usage, "effect_size: found " +
                                      std::to_string(params.effect_size.size()) +
                                      " values, expected one or three (DMN, SAL, ATT)");
  }
  if (params.size != "tiny" && params.size != "real") {
    throw Error(ErrorKind::usage, "size: found " + params.size + ", expected tiny or real");
  }
}

void claim_folder(const std::filesystem::path& dir) {
  std::error_code error;
  if (std::filesystem::exists(dir, error)) {
    if (!std::filesystem::is_directory(dir, error) || !std::filesystem::is_empty(dir, error)) {
      throw Error(ErrorKind::usage,
                  dir.string() + ": found a folder that is not empty, expected none");
    }
    return;
  }
  std::filesystem::create_directories(dir, error);
  if (error) throw Error(ErrorKind::disk, dir.string() + ": cannot be made: " + error.message());
}

} // namespace

void simulate(const std::filesystem::path& dir, const SimulationParams& params,
              const AnatomyPaths& paths, const Context& context) {
  check(params);
  const std::shared_ptr<const Anatomy> anatomy = load_anatomy(paths, context);
  claim_folder(dir);
  const std::vector<Site> sites = make_sites(params);
  const std::vector<Person> people = draw_people(params, sites);
  std::vector<Volume> contrasts;
  for (const Site& site : sites) contrasts.push_back(site_contrast(*anatomy, site, context));
  const Study study{params, *anatomy, sites, contrasts};
  write_dataset_files(dir, params, sites, people);
  const auto sessions = static_cast<std::size_t>(params.sessions);
  std::vector<SessionTruth> truths(people.size() * sessions);
  parallel_blocks(context, truths.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      truths[i] =
          write_session(study, people[i / sessions], static_cast<int>(i % sessions), dir, context);
      context.advance();
    }
  });
  write_cohort_truth(dir, study, people, truths);
}

void simulate(const std::filesystem::path& dir, const SimulationParams& params,
              const Context& context) {
  simulate(dir, params, AnatomyPaths{}, context);
}

} // namespace boldmill::simulate
