#include "pipeline/config/task_names.hpp"

#include <algorithm>

#include "stages/core/error.hpp"

namespace boldmill::config {
namespace {

constexpr const char* kHelp = "how this dataset calls the tasks of the circuit definition";
const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> keys{"labels", "column", "conditions", "contrasts",
                                             "modulators"};
  return keys;
}

// Whether every leaf has the type that nlohmann would otherwise convert to.
bool is_texts(const Json& json) {
  return json.is_array() &&
         std::all_of(json.begin(), json.end(), [](const Json& item) { return item.is_string(); });
}
bool is_weights(const Json& json) {
  return json.is_object() &&
         std::all_of(json.begin(), json.end(), [](const Json& item) { return item.is_number(); });
}

class TaskReader {
public:
  TaskReader(const std::string& path, TaskNames& names, std::vector<std::string>& errors)
      : path_(path), names_(names), errors_(errors) {}

  void read(const std::string& key, const Json& value) {
    if (key == "labels" || key == "modulators") {
      if (!is_texts(value)) return wrong(key, value, "a list of texts");
      (key == "labels" ? names_.labels : names_.modulators) = value.get<std::vector<std::string>>();
    } else if (key == "column") {
      if (!value.is_string()) return wrong(key, value, "the name of a column of events.tsv");
      names_.column = value.get<std::string>();
    } else if (key == "conditions") {
      if (!value.is_object()) return wrong(key, value, "an object of condition: trial types");
      for (const auto& [name, types] : value.items()) {
        if (!is_texts(types) || types.empty()) {
          wrong(key + "." + name, types, "a list of trial types");
        } else {
          names_.conditions[name] = types.get<std::vector<std::string>>();
        }
      }
    } else if (key == "contrasts") {
      if (!value.is_object()) return wrong(key, value, "an object of contrast: weights");
      for (const auto& [name, weights] : value.items()) {
        if (!is_weights(weights) || weights.empty()) {
          wrong(key + "." + name, weights, "an object of condition: weight");
        } else {
          names_.contrasts[name] = weights.get<std::map<std::string, double>>();
        }
      }
    } else {
      const std::string hint = nearest(key, known_keys());
      errors_.push_back(path_ + "." + key + ": unknown key" +
                        (hint.empty() ? "" : ", did you mean " + path_ + "." + hint + "?"));
    }
  }

private:
  void wrong(const std::string& key, const Json& value, const std::string& expected) {
    errors_.push_back(path_ + "." + key + ": found " + value.dump() + ", expected " + expected);
  }

  const std::string& path_;
  TaskNames& names_;
  std::vector<std::string>& errors_;
};

void overlay_task(const TaskNames& names, taxonomy::Task& task) {
  if (names.labels) task.labels = *names.labels;
  if (names.modulators) task.modulators = *names.modulators;
  if (names.column) task.column = *names.column;
  const auto named = [](auto& list, const std::string& name) -> auto& {
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const auto& item) { return item.name == name; });
    if (found != list.end()) return *found;
    list.push_back({name, {}});
    return list.back();
  };
  for (const auto& [name, types] : names.conditions) {
    named(task.conditions, name).trial_types = types;
  }
  for (const auto& [name, weights] : names.contrasts) named(task.contrasts, name).weights = weights;
}

} // namespace

void task_names_from_json(const Json& json, TaskNamesByKey& names,
                          std::vector<std::string>& errors) {
  if (!json.is_object()) {
    errors.push_back("tasks: found " + json.dump() + ", expected an object of task: names");
    return;
  }
  for (const auto& [key, value] : json.items()) {
    const std::string path = "tasks." + key;
    if (!value.is_object()) {
      errors.push_back(path + ": found " + value.dump() + ", expected an object");
      continue;
    }
    TaskReader reader(path, names[key], errors);
    for (const auto& [field, item] : value.items()) reader.read(field, item);
  }
}

Json task_names_to_json(const TaskNamesByKey& names) {
  Json out = Json::object();
  for (const auto& [key, task] : names) {
    Json& entry = out[key] = Json::object();
    if (task.labels) entry["labels"] = *task.labels;
    if (task.column) entry["column"] = *task.column;
    if (!task.conditions.empty()) entry["conditions"] = task.conditions;
    if (!task.contrasts.empty()) entry["contrasts"] = task.contrasts;
    if (task.modulators) entry["modulators"] = *task.modulators;
  }
  return out;
}

Json task_names_schema() {
  const Json texts{{"type", "array"}, {"items", {{"type", "string"}}}};
  const Json weights{{"type", "object"}, {"additionalProperties", {{"type", "number"}}}};
  const auto described = [](Json schema, const char* text) {
    schema["description"] = text;
    return schema;
  };
  const Json task{
      {"type", "object"},
      {"additionalProperties", false},
      {"properties",
       {{"labels", described(texts, "BIDS task labels; a * stands for any text")},
        {"column", {{"type", "string"}, {"description", "column of events.tsv that tells them"}}},
        {"conditions",
         {{"type", "object"},
          {"description", "condition: entries of that column; a * stands for any text"},
          {"additionalProperties", texts}}},
        {"contrasts",
         {{"type", "object"},
          {"description", "contrast: weight of each condition"},
          {"additionalProperties", weights}}},
        {"modulators", described(texts, "CONDITION:COLUMN of events.tsv")}}}};
  return {{"type", "object"}, {"description", kHelp}, {"additionalProperties", task}};
}

std::string task_names_help() {
  return std::string("tasks: ") + kHelp +
         "\ntasks.TASK.labels\n  BIDS task labels; a * stands for any text\n"
         "tasks.TASK.column\n  column of events.tsv that tells the conditions\n"
         "tasks.TASK.conditions.CONDITION\n  its entries in that column; a * stands for any text\n"
         "tasks.TASK.contrasts.CONTRAST\n  weight of each condition\n"
         "tasks.TASK.modulators\n  CONDITION:COLUMN, a column of events.tsv that scales a "
         "response\n"
         "  default of all: those of the circuit definition\n";
}

taxonomy::Taxonomy with_task_names(taxonomy::Taxonomy taxonomy, const TaskNamesByKey& names) {
  std::vector<std::string> known;
  for (const auto& [key, task] : taxonomy.tasks) known.push_back(key);
  std::vector<std::string> errors;
  for (const auto& [key, task] : names) {
    const auto found = taxonomy.tasks.find(key);
    if (found != taxonomy.tasks.end()) {
      overlay_task(task, found->second);
      continue;
    }
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    errors.push_back("tasks." + key + ": the circuit definition " + taxonomy.name +
                     " has no such task, expected one of " + list);
  }
  if (errors.empty() && !names.empty()) errors = taxonomy::problems(taxonomy);
  if (errors.empty()) return taxonomy;
  std::string text = "configuration: section tasks:";
  for (const std::string& error : errors) text += "\n  " + error;
  throw Error(ErrorKind::usage, text);
}

} // namespace boldmill::config
