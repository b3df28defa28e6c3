#include "stages/circuits/taxonomy.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "stages/core/error.hpp"
#include "stages/core/joined.hpp"
#include "stages/core/pattern.hpp"

namespace boldmill::taxonomy {
namespace {

template <class Items, class Name>
std::vector<std::string> names_of(const Items& items, Name&& name) {
  std::vector<std::string> out;
  for (const auto& item : items) out.push_back(name(item));
  return out;
}

void find_repeats(const std::string& what, const std::vector<std::string>& names,
                  std::vector<std::string>& errors) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (name.empty())
      errors.push_back(what + ": an empty name");
    else if (!seen.insert(name).second)
      errors.push_back(what + " " + name + " occurs twice");
  }
}

// Every member of a group exists and stands in exactly one group.
template <class Groups>
void check_partition(const std::string& group_kind, const Groups& groups,
                     const std::string& member_kind, const std::vector<std::string>& members,
                     std::vector<std::string>& errors) {
  std::map<std::string, int> used;
  for (const std::string& member : members) used[member] = 0;
  for (const auto& group : groups) {
    if (group.members.empty()) errors.push_back(group_kind + " " + group.name + " has no member");
    for (const std::string& member : group.members) {
      const auto found = used.find(member);
      if (found == used.end()) {
        errors.push_back(group_kind + " " + group.name + ": unknown " + member_kind + " " + member);
      } else if (++found->second > 1) {
        errors.push_back(member_kind + " " + member + " enters more than one " + group_kind);
      }
    }
  }
  for (const auto& [member, count] : used) {
    if (count == 0) errors.push_back(member_kind + " " + member + " enters no " + group_kind);
  }
}

// The code itself for an unknown region, which is another problem.
std::string mask_of(const Taxonomy& taxonomy, const std::string& code) {
  for (const Region& region : taxonomy.regions) {
    if (region.code == code) return region.mask;
  }
  return "unknown " + code;
}

void check_measure(const Taxonomy& taxonomy, const Measure& measure,
                   const std::set<std::string>& regions, std::vector<std::string>& errors) {
  const std::string who = "measure " + measure.code;
  if (!regions.contains(measure.region_a)) {
    errors.push_back(who + ": unknown region " + measure.region_a);
  }
  const bool one_region = measure.kind == MeasureKind::activation;
  if (one_region != measure.region_b.empty()) {
    errors.push_back(who + (one_region ? ": an activation has one region" : ": needs two regions"));
  } else if (!one_region && !regions.contains(measure.region_b)) {
    errors.push_back(who + ": unknown region " + measure.region_b);
  }
  if (!one_region && mask_of(taxonomy, measure.region_a) == mask_of(taxonomy, measure.region_b)) {
    errors.push_back(who + ": its regions are the same mask");
  }
  const auto task = taxonomy.tasks.find(measure.task);
  if (task == taxonomy.tasks.end()) {
    errors.push_back(who + ": unknown task " + measure.task);
  } else if (measure.kind != MeasureKind::intrinsic &&
             find_contrast(task->second, measure.contrast) == nullptr) {
    errors.push_back(who + ": task " + measure.task + " has no contrast " + measure.contrast);
  }
  for (const Feature& feature : taxonomy.features) {
    const bool member = std::find(feature.members.begin(), feature.members.end(), measure.code) !=
                        feature.members.end();
    if (member != (feature.name == measure.feature)) {
      errors.push_back(who + ": names feature " + measure.feature + " but feature " + feature.name +
                       (member ? " lists it" : " does not list it"));
    }
  }
}

// Conditions and contrasts of a task refer to each other.
void check_task(const std::string& key, const Task& task, std::vector<std::string>& errors) {
  const std::string who = "task " + key;
  const auto conditions = names_of(task.conditions, [](const Condition& c) { return c.name; });
  find_repeats(who + ": condition", conditions, errors);
  find_repeats(who + ": contrast", names_of(task.contrasts, [](const auto& c) { return c.name; }),
               errors);
  for (const Condition& condition : task.conditions) {
    const auto& types = condition.trial_types;
    if (types.empty() || std::find(types.begin(), types.end(), "") != types.end()) {
      errors.push_back(who + ": condition " + condition.name + " needs trial types");
    }
    if (condition.name.find_first_of("=|") != std::string::npos) {
      errors.push_back(who + ": condition " + condition.name + ": = and | cannot stand in a name");
    }
  }
  for (const Contrast& contrast : task.contrasts) {
    const std::string what = who + ": contrast " + contrast.name;
    bool any = false;
    for (const auto& [condition, weight] : contrast.weights) {
      if (std::find(conditions.begin(), conditions.end(), condition) == conditions.end()) {
        errors.push_back(what + ": unknown condition " + condition);
      }
      if (!std::isfinite(weight)) errors.push_back(what + ": a weight is not finite");
      any = any || weight != 0.0;
    }
    if (!any) errors.push_back(what + ": every weight is zero");
  }
}

} // namespace

std::string to_string(MeasureKind kind) {
  switch (kind) {
  case MeasureKind::intrinsic: return "intrinsic";
  case MeasureKind::activation: return "activation";
  case MeasureKind::ppi: return "ppi";
  }
  return {};
}

MeasureKind measure_kind(const std::string& text) {
  for (const MeasureKind kind :
       {MeasureKind::intrinsic, MeasureKind::activation, MeasureKind::ppi}) {
    if (to_string(kind) == text) return kind;
  }
  throw Error(ErrorKind::usage,
              "measure kind: found " + text + ", expected intrinsic, activation or ppi");
}

std::vector<std::string> problems(const Taxonomy& taxonomy) {
  std::vector<std::string> errors;
  const auto region_codes = names_of(taxonomy.regions, [](const Region& r) { return r.code; });
  find_repeats("region", region_codes, errors);
  find_repeats("measure", measure_names(taxonomy), errors);
  find_repeats("feature", feature_names(taxonomy), errors);
  find_repeats("score", score_names(taxonomy), errors);
  const std::set<std::string> regions(region_codes.begin(), region_codes.end());
  for (const auto& [key, task] : taxonomy.tasks) check_task(key, task, errors);
  for (const Measure& measure : taxonomy.measures) {
    check_measure(taxonomy, measure, regions, errors);
  }
  check_partition("feature", taxonomy.features, "measure", measure_names(taxonomy), errors);
  check_partition("score", taxonomy.scores, "feature", feature_names(taxonomy), errors);
  for (const Score& score : taxonomy.scores) {
    if (!score.orientation.empty() && score.orientation.size() != score.members.size()) {
      errors.push_back("score " + score.name + ": orientation has " +
                       std::to_string(score.orientation.size()) + " values, expected " +
                       std::to_string(score.members.size()));
    }
  }
  return errors;
}

std::vector<std::string> measure_names(const Taxonomy& taxonomy) {
  return names_of(taxonomy.measures, [](const Measure& m) { return m.code; });
}
std::vector<std::string> feature_names(const Taxonomy& taxonomy) {
  return names_of(taxonomy.features, [](const Feature& f) { return f.name; });
}
std::vector<std::string> score_names(const Taxonomy& taxonomy) {
  return names_of(taxonomy.scores, [](const Score& s) { return s.name; });
}

namespace {

// "left amygdala (negative affect)"; the code for a region without a name.
std::string region_in_words(const Taxonomy& taxonomy, const std::string& code) {
  for (const Region& region : taxonomy.regions) {
    if (region.code != code || region.name.empty()) continue;
    const char* side = region.hemisphere == "L"   ? "left "
                       : region.hemisphere == "R" ? "right "
                                                  : "";
    return side + region.name;
  }
  return code;
}

// "conscious facial emotion viewing, contrast sad_vs_neu"
std::string asked_of(const Taxonomy& taxonomy, const Measure& measure) {
  const auto task = taxonomy.tasks.find(measure.task);
  const std::string name = task == taxonomy.tasks.end() || task->second.description.empty()
                               ? "task " + measure.task
                               : task->second.description;
  return name + ", contrast " + measure.contrast;
}

} // namespace

std::string in_words(const Taxonomy& taxonomy, const Measure& measure) {
  const std::string a = region_in_words(taxonomy, measure.region_a);
  if (measure.kind == MeasureKind::activation) {
    return "activation of " + a + "; " + asked_of(taxonomy, measure);
  }
  const std::string b = region_in_words(taxonomy, measure.region_b);
  if (measure.kind == MeasureKind::intrinsic) {
    return "connectivity of " + a + " and " + b + "; task-free";
  }
  return "interaction (PPI) of seed " + a + " with " + b + "; " + asked_of(taxonomy, measure);
}

std::string in_words(const Taxonomy& taxonomy, const Feature& feature) {
  if (feature.members.size() > 1) return "mean of " + joined(feature.members, ", ");
  for (const Measure& measure : taxonomy.measures) {
    if (!feature.members.empty() && measure.code == feature.members.front()) {
      return in_words(taxonomy, measure);
    }
  }
  return joined(feature.members, ", ");
}

std::string in_words(const Score& score) {
  std::vector<std::string> members = score.members;
  for (std::size_t i = 0; i < std::min(members.size(), score.orientation.size()); ++i) {
    if (score.orientation[i] == 1.0) continue;
    char weight[32];
    std::snprintf(weight, sizeof weight, "%g * ", score.orientation[i]);
    members[i] = weight + members[i];
  }
  return score.circuit + ", " + score.kind + ": mean of " + joined(members, ", ");
}

std::vector<Region> distinct_regions(const Taxonomy& taxonomy) {
  std::vector<Region> out;
  for (const Region& region : taxonomy.regions) {
    const bool known = std::any_of(out.begin(), out.end(),
                                   [&](const Region& other) { return other.mask == region.mask; });
    if (!known) out.push_back(region);
  }
  return out;
}

std::map<std::string, std::size_t> region_positions(const Taxonomy& taxonomy) {
  const std::vector<Region> distinct = distinct_regions(taxonomy);
  std::map<std::string, std::size_t> out;
  for (const Region& region : taxonomy.regions) {
    const auto found = std::find_if(distinct.begin(), distinct.end(),
                                    [&](const Region& other) { return other.mask == region.mask; });
    out[region.code] = static_cast<std::size_t>(found - distinct.begin());
  }
  return out;
}

std::map<std::string, std::size_t> region_columns(const Taxonomy& taxonomy,
                                                  const std::vector<std::string>& extracted) {
  const auto position = region_positions(taxonomy);
  std::map<std::size_t, std::size_t> column_of_mask;
  for (std::size_t r = 0; r < extracted.size(); ++r) {
    const auto found = position.find(extracted[r]);
    if (found != position.end()) column_of_mask[found->second] = r;
  }
  std::map<std::string, std::size_t> out;
  for (const auto& [code, mask] : position) {
    const auto found = column_of_mask.find(mask);
    if (found != column_of_mask.end()) out[code] = found->second;
  }
  return out;
}

const Contrast* find_contrast(const Task& task, const std::string& name) {
  const auto found = std::find_if(task.contrasts.begin(), task.contrasts.end(),
                                  [&](const Contrast& c) { return c.name == name; });
  return found == task.contrasts.end() ? nullptr : &*found;
}

bool is_labelled(const Task& task, const std::string& label) {
  return std::any_of(task.labels.begin(), task.labels.end(),
                     [&](const std::string& pattern) { return matches_pattern(pattern, label); });
}

} // namespace boldmill::taxonomy
