// Section "tasks" of the configuration: how this dataset calls the tasks of the circuit definition.
// Every key that is given replaces that of taxonomy::Task; conditions and contrasts one by one.
//   "tasks": {"gng": {"labels": ["stroop*"], "column": "trial_type",
//                     "conditions": {"go": ["congruent"], "nogo": ["incongruent"]},
//                     "contrasts": {"nogo_vs_go": {"nogo": 1, "go": -1}},
//                     "modulators": ["nogo:response_time"]}}
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/config/sections.hpp"
#include "stages/circuits/taxonomy.hpp"

namespace boldmill::config {

struct TaskNames {
  std::optional<std::vector<std::string>> labels, modulators;
  std::optional<std::string> column;
  std::map<std::string, std::vector<std::string>> conditions;
  std::map<std::string, std::map<std::string, double>> contrasts;
  bool operator==(const TaskNames&) const = default;
};
using TaskNamesByKey = std::map<std::string, TaskNames>; // by task of the circuit definition

// Overlays `json` on `names`; every problem is appended with the path of its key.
void task_names_from_json(const Json& json, TaskNamesByKey& names,
                          std::vector<std::string>& errors);
[[nodiscard]] Json task_names_to_json(const TaskNamesByKey& names); // only what is given
[[nodiscard]] Json task_names_schema();
[[nodiscard]] std::string task_names_help();

// The definition with the dataset's names. Throws usage with all problems: a task the definition
// does not have, contrasts of conditions that are not there.
[[nodiscard]] taxonomy::Taxonomy with_task_names(taxonomy::Taxonomy taxonomy,
                                                 const TaskNamesByKey& names);

} // namespace boldmill::config
