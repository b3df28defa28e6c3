#include "pipeline/graph/task_events.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "pipeline/bids/text.hpp"
#include "stages/core/pattern.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string entry_of(const bids::Event& event, const std::string& column) {
  if (column == "trial_type") return event.trial_type;
  const auto found = event.other.find(column);
  return found == event.other.end() ? std::string() : found->second;
}

double number_of(const bids::Event& event, const std::string& column) {
  if (column == "response_time") return event.response_time_s;
  if (column == "modulation") return event.modulation;
  const auto found = event.other.find(column);
  return found == event.other.end() ? kNaN : bids::parse_number(found->second).value_or(kNaN);
}

bool is_condition(const taxonomy::Task& task, const std::string& entry) {
  for (const taxonomy::Condition& condition : task.conditions) {
    for (const std::string& pattern : condition.trial_types) {
      if (matches_pattern(pattern, entry)) return true;
    }
  }
  return false;
}

} // namespace

TaskEvents task_events(const std::vector<bids::Event>& table, const taxonomy::Task& task) {
  TaskEvents out;
  std::vector<const bids::Event*> used;
  std::map<std::string, int> without_duration;
  bool any = false;
  for (const bids::Event& event : table) {
    const std::string entry = entry_of(event, task.column);
    any = any || !entry.empty();
    if (std::isnan(event.duration_s) && !is_condition(task, entry)) {
      ++without_duration[entry];
      continue;
    }
    used.push_back(&event);
    out.events.push_back({event.onset_s, event.duration_s, entry, event.modulation});
  }
  if (!any) {
    throw Error(ErrorKind::input, "its events have no entry in column '" +
                                      bids::display(task.column) + "'" +
                                      (table.empty() ? ": the table is empty" : ""));
  }
  for (const auto& [entry, n] : without_duration) {
    out.notes.push_back(std::to_string(n) + " events '" + bids::display(entry) +
                        "' have no duration, not modelled");
  }
  for (const std::string& text : task.modulators) {
    out.modulator_names.push_back(text.substr(text.rfind(':') + 1));
  }
  std::sort(out.modulator_names.begin(), out.modulator_names.end());
  const auto last = std::unique(out.modulator_names.begin(), out.modulator_names.end());
  out.modulator_names.erase(last, out.modulator_names.end());
  out.modulators.resize(static_cast<Eigen::Index>(used.size()),
                        static_cast<Eigen::Index>(out.modulator_names.size()));
  for (std::size_t e = 0; e < used.size(); ++e) {
    for (std::size_t m = 0; m < out.modulator_names.size(); ++m) {
      out.modulators(static_cast<Eigen::Index>(e), static_cast<Eigen::Index>(m)) =
          number_of(*used[e], out.modulator_names[m]);
    }
  }
  return out;
}

std::vector<bids::Event> read_run_events(const Study& study, const bids::BoldRun& run) {
  if (!run.events) throw Error(ErrorKind::input, "no events.tsv applies to it");
  try {
    return bids::read_events(study.index.absolute(*run.events));
  } catch (const Error& error) { // paths of the machine do not enter outputs
    std::string message = error.what();
    const std::string path = study.index.absolute(*run.events).string();
    if (const std::size_t at = message.find(path); at != std::string::npos) {
      message.replace(at, path.size(), *run.events);
    }
    throw Error(error.kind(), message);
  }
}

task_design::Params design_params(const config::Config& config, const taxonomy::Task& task,
                                  double slice_reference_s, double tr_s) {
  const config::TaskModelParams& model = config.task_model;
  task_design::Params params;
  params.variant = model.variant;
  params.hrf = model.hrf;
  params.fir_delays = model.fir_delays;
  params.high_pass_hz = model.high_pass_hz;
  params.slice_time_ref = std::isnan(slice_reference_s)
                              ? model.slice_time_ref
                              : std::clamp(slice_reference_s / tr_s, 0.0, 1.0);
  params.orthogonalise = model.orthogonalise;
  params.unlisted = model.unlisted;
  params.modulators = task.modulators;
  for (const taxonomy::Condition& condition : task.conditions) {
    std::string text = condition.name + "=";
    for (std::size_t t = 0; t < condition.trial_types.size(); ++t) {
      text += (t == 0 ? "" : "|") + condition.trial_types[t];
    }
    params.conditions.push_back(std::move(text));
  }
  return params;
}

} // namespace boldmill::graph
