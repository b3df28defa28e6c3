#include "pipeline/config/taxonomy_json.hpp"

#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "stages/core/error.hpp"

namespace boldmill::config {
namespace {

using Json = nlohmann::ordered_json;
using Problems = std::vector<std::string>;

// One JSON object, read key by key; whatever was not asked for is an unknown key.
class Fields {
public:
  Fields(const Json& json, std::string path, Problems& problems)
      : json_(json), path_(std::move(path)), problems_(problems) {
    if (!json_.is_object()) problems_.push_back(path_ + ": expected an object");
  }
  ~Fields() {
    if (!json_.is_object()) return;
    for (const auto& item : json_.items()) {
      if (!asked_.contains(item.key())) problems_.push_back(path_ + ": unknown key " + item.key());
    }
  }
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  template <class T>
  void read(const char* key, T& field, bool required = true) {
    const Json* value = find(key, required);
    if (value == nullptr) return;
    try {
      if constexpr (std::is_same_v<T, double>) {
        if (!value->is_number()) throw std::invalid_argument("");
      }
      field = value->get<T>();
    } catch (const std::exception&) {
      problems_.push_back(path_ + "." + key + ": found " + value->dump() + ", of the wrong type");
    }
  }

  void read_point(const char* key, double& x, double& y, double& z) {
    std::vector<double> point;
    read(key, point);
    if (point.size() == 3) {
      x = point[0];
      y = point[1];
      z = point[2];
    } else if (json_.is_object() && json_.contains(key)) {
      problems_.push_back(path_ + "." + key + ": expected three numbers, millimetres");
    }
  }

  void each(const char* key, const std::function<void(Fields&)>& body) {
    const Json* list = find(key, true);
    if (list == nullptr) return;
    if (!list->is_array()) {
      problems_.push_back(path_ + "." + key + ": expected a list");
      return;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      Fields item((*list)[i], path_ + "." + key + "[" + std::to_string(i) + "]", problems_);
      body(item);
    }
  }

private:
  const Json* find(const char* key, bool required) {
    asked_.insert(key);
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    if (found != json_.end()) return &*found;
    if (required) problems_.push_back(path_ + ": no key " + key);
    return nullptr;
  }

  const Json& json_;
  std::string path_;
  Problems& problems_;
  std::set<std::string> asked_;
};

taxonomy::Region read_region(Fields& fields) {
  taxonomy::Region r;
  fields.read("code", r.code);
  fields.read("name", r.name);
  fields.read("hemisphere", r.hemisphere);
  fields.read("circuit", r.circuit);
  fields.read("mask", r.mask);
  fields.read("mask_file", r.mask_file, false);
  fields.read("definition", r.definition);
  fields.read_point("position_mm", r.x_mm, r.y_mm, r.z_mm);
  fields.read_point("center_of_mass_mm", r.com_x_mm, r.com_y_mm, r.com_z_mm);
  fields.read("volume_mm3", r.volume_mm3);
  fields.read("min_coverage", r.min_coverage, false);
  return r;
}

// A text is a description, for a task that is told apart by its name alone (rest).
taxonomy::Task read_task(const Json& json, const std::string& path, Problems& problems) {
  taxonomy::Task task;
  if (json.is_string()) {
    task.description = json.get<std::string>();
    return task;
  }
  Fields fields(json, path, problems);
  fields.read("description", task.description, false);
  fields.read("labels", task.labels, false);
  fields.read("column", task.column, false);
  fields.read("modulators", task.modulators, false);
  std::map<std::string, std::vector<std::string>> conditions;
  std::map<std::string, std::map<std::string, double>> contrasts;
  fields.read("conditions", conditions, false);
  fields.read("contrasts", contrasts, false);
  for (auto& [name, types] : conditions) task.conditions.push_back({name, std::move(types)});
  for (auto& [name, weights] : contrasts) task.contrasts.push_back({name, std::move(weights)});
  return task;
}

Json task_json(const taxonomy::Task& task) {
  Json conditions = Json::object();
  for (const auto& c : task.conditions) conditions[c.name] = c.trial_types;
  Json contrasts = Json::object();
  for (const auto& c : task.contrasts) contrasts[c.name] = c.weights;
  return {{"description", task.description}, {"labels", task.labels},    {"column", task.column},
          {"modulators", task.modulators},   {"conditions", conditions}, {"contrasts", contrasts}};
}

taxonomy::Measure read_measure(Fields& fields, Problems& problems) {
  taxonomy::Measure m;
  std::string kind = "intrinsic";
  fields.read("code", m.code);
  fields.read("kind", kind);
  fields.read("circuit", m.circuit, false);
  fields.read("task", m.task);
  fields.read("contrast", m.contrast, false);
  fields.read("region_a", m.region_a);
  fields.read("region_b", m.region_b, false);
  fields.read("raw_name", m.raw_name, false);
  fields.read("feature", m.feature);
  fields.read("note", m.note, false);
  try {
    m.kind = taxonomy::measure_kind(kind);
  } catch (const Error& error) {
    problems.push_back("measure " + m.code + ": " + error.what());
  }
  return m;
}

taxonomy::Score read_score(Fields& fields) {
  taxonomy::Score s;
  fields.read("name", s.name);
  fields.read("circuit", s.circuit, false);
  fields.read("kind", s.kind, false);
  fields.read("symbol", s.symbol, false);
  fields.read("members", s.members);
  fields.read("orientation", s.orientation, false);
  return s;
}

[[noreturn]] void refuse(const std::string& source, const Problems& problems) {
  std::string text = "taxonomy " + source + ":";
  for (const std::string& problem : problems) text += "\n  " + problem;
  throw Error(ErrorKind::usage, text);
}

} // namespace

taxonomy::Taxonomy parse_taxonomy(std::string_view json, const std::string& source) {
  Json root;
  try {
    root = Json::parse(json, nullptr, true, true);
  } catch (const Json::exception& error) {
    refuse(source, {error.what()});
  }
  taxonomy::Taxonomy out;
  Problems problems;
  {
    Fields fields(root, "taxonomy", problems);
    fields.read("name", out.name);
    fields.read("version", out.version);
    fields.read("description", out.description, false);
    fields.read("space", out.space);
    Json tasks;
    fields.read("tasks", tasks);
    if (!tasks.is_object()) problems.emplace_back("taxonomy.tasks: expected an object");
    for (const auto& item : tasks.items()) {
      if (!tasks.is_object()) break;
      out.tasks[item.key()] = read_task(item.value(), "taxonomy.tasks." + item.key(), problems);
    }
    fields.each("regions", [&](Fields& item) { out.regions.push_back(read_region(item)); });
    fields.each("measures",
                [&](Fields& item) { out.measures.push_back(read_measure(item, problems)); });
    fields.each("features", [&](Fields& item) {
      taxonomy::Feature feature;
      item.read("name", feature.name);
      item.read("members", feature.members);
      out.features.push_back(std::move(feature));
    });
    fields.each("scores", [&](Fields& item) { out.scores.push_back(read_score(item)); });
  }
  if (problems.empty()) problems = taxonomy::problems(out);
  if (!problems.empty()) refuse(source, problems);
  return out;
}

taxonomy::Taxonomy read_taxonomy(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) refuse(file.string(), {"cannot be read"});
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  return parse_taxonomy(text, file.filename().string());
}

std::string canonical_text(const taxonomy::Taxonomy& t) {
  Json root{{"name", t.name},
            {"version", t.version},
            {"description", t.description},
            {"space", t.space},
            {"tasks", Json::object()}};
  for (const auto& [key, task] : t.tasks) root["tasks"][key] = task_json(task);
  for (const char* key : {"regions", "measures", "features", "scores"}) root[key] = Json::array();
  for (const auto& r : t.regions) {
    root["regions"].push_back({{"code", r.code},
                               {"name", r.name},
                               {"hemisphere", r.hemisphere},
                               {"circuit", r.circuit},
                               {"mask", r.mask},
                               {"mask_file", r.mask_file},
                               {"definition", r.definition},
                               {"position_mm", {r.x_mm, r.y_mm, r.z_mm}},
                               {"center_of_mass_mm", {r.com_x_mm, r.com_y_mm, r.com_z_mm}},
                               {"volume_mm3", r.volume_mm3},
                               {"min_coverage", r.min_coverage}});
  }
  for (const auto& m : t.measures) {
    root["measures"].push_back({{"code", m.code},
                                {"kind", taxonomy::to_string(m.kind)},
                                {"circuit", m.circuit},
                                {"task", m.task},
                                {"contrast", m.contrast},
                                {"region_a", m.region_a},
                                {"region_b", m.region_b},
                                {"raw_name", m.raw_name},
                                {"feature", m.feature},
                                {"note", m.note}});
  }
  for (const auto& f : t.features) {
    root["features"].push_back({{"name", f.name}, {"members", f.members}});
  }
  for (const auto& s : t.scores) {
    root["scores"].push_back({{"name", s.name},
                              {"circuit", s.circuit},
                              {"kind", s.kind},
                              {"symbol", s.symbol},
                              {"members", s.members},
                              {"orientation", s.orientation}});
  }
  return root.dump();
}

} // namespace boldmill::config
