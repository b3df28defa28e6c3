#include <algorithm>
#include <cmath>
#include <map>

#include "stages/core/pattern.hpp"
#include "stages/task/task_design_steps.hpp"

namespace boldmill::task_design {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out{""};
  for (const char c : text) {
    if (c == at) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

struct Rule {
  std::string condition;
  std::vector<std::string> patterns;
};

std::vector<Rule> rules_of(const Params& params) {
  std::vector<Rule> rules;
  for (const std::string& text : params.conditions) {
    const std::size_t equal = text.find('=');
    Rule rule{text.substr(0, equal), {text}};
    if (equal != std::string::npos) rule.patterns = split(text.substr(equal + 1), '|');
    const bool empty = std::any_of(rule.patterns.begin(), rule.patterns.end(),
                                   [](const std::string& p) { return p.empty(); });
    if (rule.condition.empty() || empty) {
      throw Error(ErrorKind::usage,
                  "conditions: found '" + text + "', expected NAME=TRIAL_TYPE|TRIAL_TYPE...");
    }
    for (const Rule& other : rules) {
      if (other.condition != rule.condition) continue;
      throw Error(ErrorKind::usage, "conditions: '" + rule.condition + "' stands there twice");
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

// The rule of a trial type, or rules.size(). Two rules for one type are an error.
std::size_t rule_of(const std::vector<Rule>& rules, const std::string& trial_type) {
  std::size_t found = rules.size();
  for (std::size_t r = 0; r < rules.size(); ++r) {
    const bool match = std::any_of(
        rules[r].patterns.begin(), rules[r].patterns.end(),
        [&](const std::string& pattern) { return matches_pattern(pattern, trial_type); });
    if (!match) continue;
    if (found != rules.size()) {
      throw Error(ErrorKind::input, "trial type '" + trial_type + "' belongs to conditions '" +
                                        rules[found].condition + "' and '" + rules[r].condition +
                                        "', expected one");
    }
    found = r;
  }
  return found;
}

void check_event(const Event& event, std::size_t i) {
  const std::string where = "event " + std::to_string(i + 1) + " ('" + event.trial_type + "')";
  if (!std::isfinite(event.onset_s)) throw Error(ErrorKind::input, where + " has no onset");
  if (!std::isfinite(event.duration_s)) {
    throw Error(ErrorKind::input, where + " has no duration: write 0 for an impulse");
  }
  if (event.duration_s < 0.0) {
    throw Error(ErrorKind::input, where + ": found duration " + std::to_string(event.duration_s) +
                                      " s, expected 0 or more");
  }
  if (!std::isfinite(event.amplitude)) throw Error(ErrorKind::input, where + " has no amplitude");
}

// An event that can reach no volume: after the last, or over before the response has a memory.
bool outside(const Event& event, const Inputs& inputs, const Params& params) {
  const double onset_s = event.onset_s - inputs.start_s;
  const double before_s = params.variant == "nilearn" ? params.min_onset_s : -32.0;
  return onset_s >= inputs.tr_s * inputs.n_volumes || onset_s + event.duration_s < before_s;
}

std::string counted(std::size_t n, const std::string& what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

// Events of one condition that overlap, and repeated ones.
void note_overlaps(const Train& train, Design& design) {
  std::vector<std::size_t> order(train.onset_s.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return train.onset_s[a] < train.onset_s[b];
  });
  std::size_t overlaps = 0;
  double end_s = -std::numeric_limits<double>::infinity();
  for (const std::size_t i : order) {
    if (train.onset_s[i] < end_s - 1e-9) ++overlaps;
    end_s = std::max(end_s, train.onset_s[i] + train.duration_s[i]);
  }
  if (overlaps == 0) return;
  design.notes.push_back("condition '" + train.condition + "': " + counted(overlaps, "event") +
                         " begins before the one before it ends; responses are summed");
}

struct ModulatorRule {
  std::string condition, column;
};

std::vector<ModulatorRule> modulator_rules(const Inputs& inputs, const Params& params) {
  std::vector<ModulatorRule> out;
  for (const std::string& text : params.modulators) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
      throw Error(ErrorKind::usage, "modulators: found '" + text + "', expected CONDITION:COLUMN");
    }
    out.push_back({text.substr(0, colon), text.substr(colon + 1)});
    const auto* names = inputs.modulator_names;
    if (names == nullptr ||
        std::find(names->begin(), names->end(), out.back().column) == names->end()) {
      throw Error(ErrorKind::input,
                  "modulators: the events have no column '" + out.back().column + "'");
    }
  }
  return out;
}

void add_modulators(const std::vector<ModulatorRule>& rules, const std::vector<std::size_t>& events,
                    const Inputs& inputs, Train& train, Design& design) {
  const auto n = static_cast<Eigen::Index>(events.size());
  for (const ModulatorRule& rule : rules) {
    if (!matches_pattern(rule.condition, train.condition)) continue;
    const auto& names = *inputs.modulator_names;
    const auto column = std::find(names.begin(), names.end(), rule.column) - names.begin();
    Eigen::VectorXd values(n);
    double sum = 0.0;
    Eigen::Index present = 0;
    for (Eigen::Index e = 0; e < n; ++e) {
      values[e] =
          inputs.modulators(static_cast<Eigen::Index>(events[static_cast<std::size_t>(e)]), column);
      if (!std::isfinite(values[e])) continue;
      sum += values[e];
      ++present;
    }
    const std::string what = "modulator '" + rule.column + "' of '" + train.condition + "'";
    if (present == 0) throw Error(ErrorKind::input, what + " has no value");
    const double mean = sum / static_cast<double>(present);
    for (double& value : values) value = std::isfinite(value) ? value - mean : 0.0;
    if (present < n) {
      design.notes.push_back(what + ": " + counted(static_cast<std::size_t>(n - present), "value") +
                             " missing, taken as the mean");
    }
    if (values.cwiseAbs().maxCoeff() <= 1e-12 * std::abs(mean)) {
      design.notes.push_back(what + " is constant and left out");
      continue;
    }
    train.modulator_names.push_back(rule.column);
    train.modulators.conservativeResize(n, train.modulators.cols() + 1);
    train.modulators.rightCols(1) = values;
  }
}

struct Sorted {
  std::vector<Condition> conditions;
  std::vector<std::vector<std::size_t>> events; // of each condition, inside the run
  std::vector<std::size_t> n_outside;
};

void check_modulator_conditions(const std::vector<ModulatorRule>& rules, const Sorted& sorted) {
  for (const ModulatorRule& rule : rules) {
    const bool found =
        std::any_of(sorted.conditions.begin(), sorted.conditions.end(),
                    [&](const Condition& c) { return matches_pattern(rule.condition, c.name); });
    if (!found) {
      throw Error(ErrorKind::input, "modulators: there is no condition '" + rule.condition + "'");
    }
  }
}

// Conditions in the order of the rules, then unlisted trial types bytewise.
Sorted sort_events(const Inputs& inputs, const Params& params, Design& design) {
  const std::vector<Rule> rules = rules_of(params);
  Sorted out;
  std::map<std::string, std::size_t> place, left_out;
  for (const Rule& rule : rules) {
    place[rule.condition] = out.conditions.size();
    out.conditions.push_back({.name = rule.condition});
  }
  std::vector<std::string> types;
  for (const Event& event : inputs.events) types.push_back(event.trial_type);
  std::sort(types.begin(), types.end());
  types.erase(std::unique(types.begin(), types.end()), types.end());
  std::map<std::string, std::size_t> condition_of;
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  for (const std::string& type : types) {
    const std::size_t rule = rule_of(rules, type);
    condition_of[type] = kNone;
    if (rule < rules.size()) {
      condition_of[type] = rule;
      out.conditions[rule].trial_types.push_back(type);
    } else if (!rules.empty() && params.unlisted == "refuse") {
      throw Error(ErrorKind::input, "trial type '" + type + "' belongs to no condition");
    } else if (rules.empty() || params.unlisted == "own_column") {
      const std::string name = type.empty() ? "events" : type;
      if (place.contains(name)) {
        throw Error(ErrorKind::input, "trial type '" + type +
                                          "' is no part of the condition of that name: name it "
                                          "among its trial types");
      }
      condition_of[type] = out.conditions.size();
      out.conditions.push_back({.name = name, .trial_types = {type}, .listed = rules.empty()});
    }
  }
  out.events.resize(out.conditions.size());
  out.n_outside.resize(out.conditions.size());
  for (std::size_t i = 0; i < inputs.events.size(); ++i) {
    const Event& event = inputs.events[i];
    const std::size_t c = condition_of[event.trial_type];
    if (c == kNone) {
      ++left_out[event.trial_type];
      design.unmodelled.push_back(i);
    } else if (outside(event, inputs, params)) {
      ++out.n_outside[c];
      design.unmodelled.push_back(i);
    } else {
      out.events[c].push_back(i);
    }
  }
  for (const auto& [type, n] : left_out) {
    design.notes.push_back("trial type '" + type +
                           "' belongs to no condition: " + counted(n, "event") + " not modelled");
  }
  return out;
}

} // namespace

std::vector<Train> trains_of(const Inputs& inputs, const Params& params, Design& design) {
  for (std::size_t i = 0; i < inputs.events.size(); ++i) check_event(inputs.events[i], i);
  const std::vector<ModulatorRule> modulators = modulator_rules(inputs, params);
  Sorted sorted = sort_events(inputs, params, design);
  check_modulator_conditions(modulators, sorted);
  std::size_t n_outside = 0;
  for (const std::size_t n : sorted.n_outside) n_outside += n;
  const std::string run_s = std::to_string(inputs.tr_s * inputs.n_volumes) + " s";
  if (2 * n_outside > inputs.events.size()) {
    throw Error(ErrorKind::input, std::to_string(n_outside) + " of " +
                                      std::to_string(inputs.events.size()) +
                                      " events lie outside the run of " + run_s +
                                      ": are the onsets in seconds, and of this run?");
  }
  std::vector<Train> trains;
  for (std::size_t c = 0; c < sorted.conditions.size(); ++c) {
    Condition& condition = sorted.conditions[c];
    const std::vector<std::size_t>& events = sorted.events[c];
    Train train{.condition = condition.name, .listed = condition.listed};
    bool late = false;
    for (const std::size_t i : events) {
      const Event& event = inputs.events[i];
      train.onset_s.push_back(event.onset_s);
      train.duration_s.push_back(event.duration_s);
      train.amplitude.push_back(event.amplitude);
      condition.duration_s += event.duration_s;
      late = late || event.onset_s + event.duration_s >
                         inputs.start_s + inputs.tr_s * (inputs.n_volumes + 1);
    }
    condition.n_events = static_cast<int>(events.size());
    if (sorted.n_outside[c] > 0) {
      design.notes.push_back("condition '" + condition.name +
                             "': " + counted(sorted.n_outside[c], "event") +
                             " outside the run of " + run_s + " left out");
    }
    if (late) {
      design.notes.push_back("condition '" + condition.name + "': an event ends after the run");
    }
    if (events.empty()) {
      condition.missing = sorted.n_outside[c] > 0 ? "all its events lie outside the run"
                                                  : "no event of it in this run";
      design.notes.push_back("condition '" + condition.name + "': " + condition.missing);
    } else {
      note_overlaps(train, design);
      add_modulators(modulators, events, inputs, train, design);
      trains.push_back(std::move(train));
    }
  }
  design.conditions = std::move(sorted.conditions);
  std::sort(design.unmodelled.begin(), design.unmodelled.end());
  return trains;
}

} // namespace boldmill::task_design
