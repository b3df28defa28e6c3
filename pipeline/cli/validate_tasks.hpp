// Which runs, conditions and contrasts of a dataset the circuit definition would use.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "pipeline/cli/validate_check.hpp"
#include "stages/circuits/taxonomy.hpp"

namespace boldmill::cli {

// A name of the definition, and of how many runs and events it finds something.
struct Mapped {
  std::string name;
  std::size_t n_runs = 0, n_events = 0;
};
struct TaskMapping {
  std::string key;                 // of the definition
  std::vector<std::string> labels; // BIDS task labels that are this task
  bool is_rest = false;
  std::size_t n_runs = 0;        // that would be processed
  std::size_t n_with_events = 0; // of those, with an events table that can be read
  std::vector<Mapped> conditions;
  std::vector<Mapped> contrasts;                  // all of whose conditions have events; no events
  std::map<std::string, std::size_t> other_types; // entries of no condition -> events
  std::vector<std::string> problems;              // what nobody's measures could come from
};
struct TaskMappings {
  std::vector<TaskMapping> tasks;
  std::map<std::string, std::size_t> labels_of_no_task; // -> runs
};

// Counts what each task of the definition finds in a run's events, for check_sessions; a table
// without the task's column gives it nothing. Keeps a reference to `taxonomy`.
[[nodiscard]] CountEvents event_counter(const taxonomy::Taxonomy& taxonomy);

// `sessions` as check_sessions gave them with that counter.
[[nodiscard]] TaskMappings map_tasks(std::span<const SessionCheck> sessions,
                                     const taxonomy::Taxonomy& taxonomy,
                                     const std::vector<std::string>& rest_tasks);

void print_mappings(std::ostream& out, const std::string& definition, const TaskMappings& mappings);
[[nodiscard]] nlohmann::ordered_json json_of(const TaskMappings& mappings);

} // namespace boldmill::cli
