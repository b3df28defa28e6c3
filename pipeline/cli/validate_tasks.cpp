#include "pipeline/cli/validate_tasks.hpp"

#include <algorithm>
#include <ostream>

#include "pipeline/bids/text.hpp"
#include "pipeline/graph/task_events.hpp"
#include "stages/core/joined.hpp"
#include "stages/core/outcome.hpp"
#include "stages/core/pattern.hpp"

namespace boldmill::cli {
namespace {

using bids::display;

bool asks_for_rest(const taxonomy::Taxonomy& taxonomy, const std::string& key) {
  return std::any_of(taxonomy.measures.begin(), taxonomy.measures.end(), [&](const auto& measure) {
    return measure.task == key && measure.kind == taxonomy::MeasureKind::intrinsic;
  });
}

TaskMapping mapping_of(const std::string& key, const taxonomy::Task& task, bool is_rest,
                       const std::vector<std::string>& rest_tasks) {
  TaskMapping out;
  out.key = key;
  out.is_rest = is_rest;
  out.labels = is_rest ? rest_tasks : task.labels;
  for (const auto& condition : task.conditions) out.conditions.push_back({condition.name, 0, 0});
  for (const auto& contrast : task.contrasts) out.contrasts.push_back({contrast.name, 0, 0});
  return out;
}

bool is_one_of(const taxonomy::Condition& condition, const std::string& entry) {
  return std::any_of(condition.trial_types.begin(), condition.trial_types.end(),
                     [&](const auto& pattern) { return matches_pattern(pattern, entry); });
}

EventCounts counts_of(const std::vector<bids::Event>& table, const taxonomy::Task& task) {
  EventCounts out;
  for (const auto& event : graph::task_events(table, task).events) {
    const auto condition =
        std::find_if(task.conditions.begin(), task.conditions.end(),
                     [&](const auto& each) { return is_one_of(each, event.trial_type); });
    if (condition == task.conditions.end()) {
      ++out.other[event.trial_type];
    } else {
      ++out.of_condition[condition->name];
    }
  }
  return out;
}

void add_events(const EventCounts& found, const taxonomy::Task& task, TaskMapping& out) {
  const auto n_of = [&found](const std::string& condition) {
    const auto at = found.of_condition.find(condition);
    return at == found.of_condition.end() ? std::size_t{0} : at->second;
  };
  ++out.n_with_events;
  for (const auto& [name, n] : found.other) out.other_types[name] += n;
  for (Mapped& condition : out.conditions) {
    condition.n_events += n_of(condition.name);
    condition.n_runs += n_of(condition.name) > 0 ? 1 : 0;
  }
  for (std::size_t c = 0; c < task.contrasts.size(); ++c) {
    const auto& weights = task.contrasts[c].weights;
    const bool whole = std::all_of(weights.begin(), weights.end(), [&](const auto& weight) {
      return weight.second == 0.0 || n_of(weight.first) > 0;
    });
    out.contrasts[c].n_runs += whole ? 1 : 0;
  }
}

void add_problems(TaskMapping& out) {
  if (out.n_runs == 0 || out.is_rest) return;
  if (out.n_with_events == 0) {
    out.problems.push_back("task " + out.key + ": none of its " + std::to_string(out.n_runs) +
                           " runs has events that can be used");
    return;
  }
  for (const Mapped& condition : out.conditions) {
    if (condition.n_runs > 0) continue;
    out.problems.push_back("task " + out.key + ": no run has an event of condition " +
                           condition.name + " (tasks." + out.key + ".conditions)");
  }
}

std::string counts(const std::map<std::string, std::size_t>& numbers) {
  std::string out;
  for (const auto& [name, n] : numbers) {
    out += (out.empty() ? "" : ", ") + (name.empty() ? "(none)" : display(name)) + " " +
           std::to_string(n);
  }
  return out;
}

} // namespace

CountEvents event_counter(const taxonomy::Taxonomy& taxonomy) {
  return [&taxonomy](const std::string& label, const std::vector<bids::Event>& events) {
    std::map<std::string, EventCounts> out;
    for (const auto& [key, task] : taxonomy.tasks) {
      if (asks_for_rest(taxonomy, key) || !taxonomy::is_labelled(task, label)) continue;
      const auto counted = capture([&] { return counts_of(events, task); });
      if (const auto* counts = std::get_if<EventCounts>(&counted)) {
        out.emplace(key, *counts);
        continue;
      }
      const auto& failure = std::get<Failure>(counted);
      if (failure.kind != ErrorKind::input) throw Error(failure.kind, failure.message);
    }
    return out;
  };
}

TaskMappings map_tasks(std::span<const SessionCheck> sessions, const taxonomy::Taxonomy& taxonomy,
                       const std::vector<std::string>& rest_tasks) {
  TaskMappings out;
  for (const auto& [key, task] : taxonomy.tasks) {
    out.tasks.push_back(mapping_of(key, task, asks_for_rest(taxonomy, key), rest_tasks));
  }
  for (const SessionCheck& session : sessions) {
    for (const RunCheck& run : session.runs) {
      if (!run.problem.empty()) continue;
      bool used = false;
      for (TaskMapping& mapping : out.tasks) {
        const taxonomy::Task& task = taxonomy.tasks.at(mapping.key);
        const auto& labels = mapping.labels;
        if (mapping.is_rest ? std::find(labels.begin(), labels.end(), run.task) == labels.end()
                            : !taxonomy::is_labelled(task, run.task)) {
          continue;
        }
        used = true;
        ++mapping.n_runs;
        const auto events = run.task_events.find(mapping.key);
        if (events != run.task_events.end()) add_events(events->second, task, mapping);
      }
      if (!used) ++out.labels_of_no_task[run.task];
    }
  }
  for (TaskMapping& mapping : out.tasks) add_problems(mapping);
  return out;
}

void print_mappings(std::ostream& out, const std::string& definition,
                    const TaskMappings& mappings) {
  out << "circuit definition " << display(definition) << '\n';
  for (const TaskMapping& task : mappings.tasks) {
    out << "  task " << display(task.key) << "  " << task.n_runs << " runs labelled "
        << (task.labels.empty() ? "(no label given)" : display(joined(task.labels, ", ")));
    if (task.is_rest || task.n_runs == 0) {
      out << '\n';
      continue;
    }
    out << ", " << task.n_with_events << " with events\n";
    for (const Mapped& condition : task.conditions) {
      out << "    condition " << display(condition.name) << "  " << condition.n_events
          << " events in " << condition.n_runs << " runs\n";
    }
    for (const Mapped& contrast : task.contrasts) {
      out << "    contrast " << display(contrast.name) << "  " << contrast.n_runs << " runs\n";
    }
    if (!task.other_types.empty()) {
      out << "    of no condition: " << counts(task.other_types) << " events\n";
    }
  }
  if (!mappings.labels_of_no_task.empty()) {
    out << "  of no task: " << counts(mappings.labels_of_no_task) << " runs\n";
  }
  out << '\n';
}

nlohmann::ordered_json json_of(const TaskMappings& mappings) {
  nlohmann::ordered_json tasks = nlohmann::ordered_json::array();
  for (const TaskMapping& task : mappings.tasks) {
    nlohmann::ordered_json json{{"task", task.key},
                                {"labels", task.labels},
                                {"runs", task.n_runs},
                                {"runs_with_events", task.n_with_events},
                                {"conditions", nlohmann::ordered_json::array()},
                                {"contrasts", nlohmann::ordered_json::array()},
                                {"events_of_no_condition", task.other_types}};
    for (const Mapped& each : task.conditions) {
      json["conditions"].push_back(
          {{"name", each.name}, {"events", each.n_events}, {"runs", each.n_runs}});
    }
    for (const Mapped& each : task.contrasts) {
      json["contrasts"].push_back({{"name", each.name}, {"runs", each.n_runs}});
    }
    tasks.push_back(std::move(json));
  }
  return {{"tasks", std::move(tasks)}, {"runs_of_no_task", mappings.labels_of_no_task}};
}

} // namespace boldmill::cli
