#include "pipeline/config/config.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "pipeline/config/presets.hpp"

namespace boldmill::config {
namespace fs = std::filesystem;
namespace {

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::error_code code;
    throw Error(ErrorKind::usage,
                path.string() + (fs::exists(path, code) ? ": the configuration cannot be read"
                                                        : ": no such configuration file"));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json parse_json(const std::string& text, const std::string& source) {
  constexpr int kMaxDepth = 100; // copying and printing recurse
  const auto check_depth = [&](int depth, Json::parse_event_t, const Json&) {
    if (depth <= kMaxDepth) return true;
    throw Error(ErrorKind::usage, source + ": not valid JSON: found more than " +
                                      std::to_string(kMaxDepth) + " levels");
  };
  try {
    return Json::parse(text, check_depth, true, true);
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::usage, source + ": not valid JSON: " + error.what());
  }
}

void apply_files(const Json& files, Config& config, std::vector<std::string>& errors) {
  if (!files.is_object()) {
    errors.emplace_back("files: expected an object of role: path");
    return;
  }
  std::vector<std::string> roles;
  for (const auto& [role, help] : file_roles()) roles.push_back(role);
  for (const auto& item : files.items()) {
    if (!file_roles().contains(item.key())) {
      const std::string hint = nearest(item.key(), roles);
      errors.push_back("files." + item.key() + ": unknown key" +
                       (hint.empty() ? "" : ", did you mean files." + hint + "?"));
    } else if (item.value().is_string()) {
      const std::string path = item.value().get<std::string>();
      config.files[item.key()] = {path, fs::path(path).filename().string(), ""};
    } else if (item.value().is_object() && item.value().contains("name") &&
               item.value().contains("sha256") && item.value()["name"].is_string() &&
               item.value()["sha256"].is_string()) {
      config.files[item.key()] = {"", item.value()["name"].get<std::string>(),
                                  item.value()["sha256"].get<std::string>()};
    } else {
      errors.push_back("files." + item.key() + ": found " + item.value().dump() +
                       ", expected a path or {name, sha256}");
    }
  }
}

void overlay(const Json& json, Config& config, std::vector<std::string>& errors) {
  if (!json.is_object()) {
    errors.emplace_back("configuration: found " + json.dump() + ", expected an object");
    return;
  }
  std::vector<std::string> known{"preset", "files", "tasks"};
  for_each_section(config, [&](std::string_view name, auto& params, std::string_view) {
    known.emplace_back(name);
    const auto found = json.find(std::string(name));
    if (found != json.end()) section_from_json(*found, name, params, errors);
  });
  for (const auto& item : json.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    const std::string hint = nearest(item.key(), known);
    errors.push_back(item.key() + ": unknown section" +
                     (hint.empty() ? "" : ", did you mean " + hint + "?"));
  }
  if (json.contains("tasks")) task_names_from_json(json["tasks"], config.tasks, errors);
  if (json.contains("files")) apply_files(json["files"], config, errors);
}

void apply_preset(const Json& json, Config& config, std::vector<std::string>& errors) {
  if (!json.is_object() || !json.contains("preset")) return;
  const Json& name = json["preset"];
  if (!name.is_string()) {
    errors.push_back("preset: found " + name.dump() + ", expected a name");
    return;
  }
  config.preset = name.get<std::string>();
  if (config.preset.empty()) return;
  if (config.preset.find_first_of("/\\") != std::string::npos) {
    errors.push_back("preset: found \"" + config.preset +
                     "\", expected the name of a file in configs/");
    return;
  }
  if (const std::vector<std::string> known = preset_names();
      std::find(known.begin(), known.end(), config.preset) == known.end()) {
    std::string text = "preset: found \"" + config.preset + "\", expected one of";
    for (const std::string& each : known) text += " " + each;
    errors.push_back(text);
    return;
  }
  try {
    const fs::path path = data_file("configs/" + config.preset + ".json");
    overlay(parse_json(read_text(path), path.filename().string()), config, errors);
  } catch (const Error& error) {
    errors.emplace_back(error.what());
  }
}

// --set tasks.TASK.labels=a,b, tasks.TASK.conditions.NAME=a,b, or JSON at any depth.
void assign_task(const std::string& field, const std::string& text, Json value, Config& config,
                 std::vector<std::string>& errors) {
  std::vector<std::string> keys;
  std::istringstream parts(field);
  for (std::string part; std::getline(parts, part, '.');) keys.push_back(part);
  const bool is_list = keys.size() > 1 && (keys[1] == "labels" || keys[1] == "modulators" ||
                                           (keys[1] == "conditions" && keys.size() > 2));
  if (is_list && !value.is_array()) {
    value = Json::array();
    std::istringstream items(text);
    for (std::string item; std::getline(items, item, ',');) value.push_back(item);
  }
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) value = Json{{*key, value}};
  overlay(Json{{"tasks", value}}, config, errors);
}

// "a.b=value" as JSON: the value is JSON when it parses, otherwise text, or a comma list for lists.
void assign(const std::string& assignment, Config& config, std::vector<std::string>& errors) {
  const std::size_t equals = assignment.find('=');
  const std::size_t dot = assignment.find('.');
  if (equals == std::string::npos) {
    errors.push_back("--set " + assignment + ": expected path.to.key=value");
    return;
  }
  const std::string key = assignment.substr(0, equals);
  const std::string text = assignment.substr(equals + 1);
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) value = text;
  if (dot == std::string::npos || dot > equals) {
    overlay(Json{{key, value}}, config, errors);
    return;
  }
  const std::string section = key.substr(0, dot);
  const std::string field = key.substr(dot + 1);
  if (section == "tasks") {
    assign_task(field, text, value, config, errors);
    return;
  }
  const Json current = to_json(config);
  if (current.contains(section) && current[section].contains(field)) {
    const Json& now = current[section][field];
    if (now.is_string() && !value.is_string()) value = text;
    if (now.is_array() && !value.is_array()) {
      Json list = Json::array();
      std::istringstream items(text);
      for (std::string item; std::getline(items, item, ',');) {
        Json parsed = Json::parse(item, nullptr, false);
        list.push_back(parsed.is_number() ? parsed : Json(item));
      }
      value = list;
    }
  }
  overlay(Json{{section, Json{{field, value}}}}, config, errors);
}

void apply_paths(const std::map<std::string, std::string>& paths, Config& config,
                 std::vector<std::string>& errors) {
  for (const auto& [role, path] : paths) {
    if (!file_roles().contains(role)) {
      apply_files(Json{{role, path}}, config, errors);
      continue;
    }
    ExternalFile& file = config.files[role];
    file.path = path;
    if (file.name.empty()) file.name = fs::path(path).filename().string();
  }
}

void throw_if_any(const std::vector<std::string>& errors, const std::string& source) {
  if (errors.empty()) return;
  std::string text = source + ": " + std::to_string(errors.size()) +
                     (errors.size() == 1 ? " problem" : " problems");
  for (const std::string& error : errors) text += "\n  " + error;
  throw Error(ErrorKind::usage, text);
}

// What no field alone can tell.
void check_together(const Config& config, std::vector<std::string>& errors) {
  const auto& band = config.nuisance_regression;
  if (band.low_pass_hz > 0.0 && band.low_pass_hz <= band.high_pass_hz) {
    errors.push_back("nuisance_regression.low_pass_hz: found " + Json(band.low_pass_hz).dump() +
                     ", expected more than high_pass_hz = " + Json(band.high_pass_hz).dump());
  }
  if (config.voxels.smoothing_mm > 0.0 && config.extraction.statistic != "mean") {
    errors.push_back("voxels.smoothing_mm: found " + Json(config.voxels.smoothing_mm).dump() +
                     " with extraction.statistic = " + Json(config.extraction.statistic).dump() +
                     ", expected \"mean\": smoothing is done by the weights of the mean");
  }
  const auto has = [](const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  };
  const auto atlas = config.files.find("atlas");
  const bool labels = atlas != config.files.end() && atlas->second.name.ends_with(".dlabel.nii");
  const bool cifti = config.input.file_format == "cifti";
  if (cifti && (!labels || config.target.atlases != std::vector<std::string>{"file"})) {
    errors.push_back("input.file_format: found \"cifti\" with target.atlases = " +
                     Json(config.target.atlases).dump() +
                     ", expected [\"file\"] and --path atlas=FILE.dlabel.nii");
  } else if (labels && !cifti) {
    errors.push_back("files.atlas: found " + atlas->second.name +
                     ", expected input.file_format = \"cifti\" with it");
  }
  if (cifti && !config.voxels.regressors.empty()) {
    errors.push_back("voxels.regressors: found " + Json(config.voxels.regressors).dump() +
                     " with input.file_format = \"cifti\", expected none: they are images");
  }
  const auto& regional = config.regional;
  if ((has(regional.measures, "graph") || has(regional.measures, "modularity")) &&
      !has(config.connectivity.kinds, regional.graph_kind)) {
    errors.push_back(
        "regional.graph_kind: found \"" + regional.graph_kind +
        "\", expected one of connectivity.kinds = " + Json(config.connectivity.kinds).dump());
  }
  const auto& warp = config.normalization;
  if (warp.iterations.size() != warp.level_spacing_mm.size() || warp.iterations.empty()) {
    errors.push_back("normalization.iterations: found " + Json(warp.iterations).dump() +
                     ", expected one number for each of level_spacing_mm = " +
                     Json(warp.level_spacing_mm).dump());
  }
  if (config.task_model.hrf == "fir" && config.task_model.fir_delays.empty()) {
    errors.emplace_back("task_model.fir_delays: found [], hrf fir needs at least one");
  }
  if (config.ppi.deconvolution == "spm" && !config.glm.percent_signal) {
    errors.emplace_back("ppi.deconvolution: spm needs glm.percent_signal = true, its variances are "
                        "those of series scaled to 100");
  }
  if (config.combat.unseen == "adapt") {
    errors.emplace_back(
        "combat.unseen: found \"adapt\", expected \"unchanged\" or \"error\": rows of "
        "the group level are scored one by one (stage combat adapts)");
  }
  if (config.biotype_test.k_min > config.biotype_test.k_max) {
    errors.push_back("biotype_test.k_min: found " + Json(config.biotype_test.k_min).dump() +
                     ", expected at most k_max = " + Json(config.biotype_test.k_max).dump());
  }
  if (config.cohort.scores_from == "imputed" && config.cohort.imputation == "none") {
    errors.emplace_back("cohort.scores_from: found \"imputed\" with cohort.imputation = \"none\"");
  }
  if (config.affine.level_spacing_mm.empty()) {
    errors.push_back("affine.level_spacing_mm: found [], expected at least one level");
  }
}

} // namespace

const std::map<std::string, std::string>& file_roles() {
  static const std::map<std::string, std::string> roles{
      {"template_brain", "brain-only target template (NIfTI)"},
      {"template_mask", "its brain mask (NIfTI)"},
      {"nlin6_brain", "MNI152NLin6Asym brain template, carries the published regions (NIfTI)"},
      {"circuit_masks", "folder with the published circuit masks"},
      {"taxonomy", "circuit definition (JSON)"},
      {"atlas",
       "labels, maps or a table of points, in the space its name declares, else in that of the "
       "target template"},
      {"atlas_labels", "names of its labels (TSV, CSV or text)"},
      {"review",
       "what people decided about runs (TSV: run_id or participant_id with session_id, decision "
       "include or exclude, rater, date, reason)"},
  };
  return roles;
}

Config load(const Layers& layers) {
  Config config;
  std::vector<std::string> errors;
  Json json = Json::object();
  std::string source = "configuration";
  if (!layers.file.empty()) {
    source = layers.file.filename().string();
    json = parse_json(read_text(layers.file), source);
  }
  if (!layers.preset.empty() && json.is_object()) json["preset"] = layers.preset;
  apply_preset(json, config, errors);
  overlay(json, config, errors);
  for (const std::string& assignment : layers.assignments) assign(assignment, config, errors);
  apply_paths(layers.paths, config, errors);
  check_together(config, errors);
  throw_if_any(errors, source);
  return config;
}

Config parse(const std::string& json, const std::string& source,
             const std::map<std::string, std::string>& paths) {
  Config config;
  std::vector<std::string> errors;
  const Json parsed = parse_json(json, source);
  overlay(parsed, config, errors);
  if (parsed.is_object() && parsed.contains("preset") && parsed["preset"].is_string()) {
    config.preset = parsed["preset"].get<std::string>();
  }
  apply_paths(paths, config, errors);
  check_together(config, errors);
  throw_if_any(errors, source);
  return config;
}

Json to_json(const Config& config) {
  Json out = Json::object();
  out["preset"] = config.preset;
  for_each_section(config, [&out](std::string_view name, const auto& params, std::string_view) {
    out[std::string(name)] = section_to_json(params);
  });
  Json files = Json::object();
  for (const auto& [role, file] : config.files) {
    files[role] = Json{{"name", file.name}, {"sha256", file.sha256}};
  }
  out["tasks"] = task_names_to_json(config.tasks);
  out["files"] = files;
  return out;
}

Json schema() {
  const Config defaults;
  Json properties = Json::object();
  properties["preset"] =
      Json{{"type", "string"}, {"description", "name of a file in configs/, applied first"}};
  for_each_section(defaults,
                   [&](std::string_view name, const auto& params, std::string_view summary) {
                     Json section = section_schema(params);
                     section["description"] = summary;
                     properties[std::string(name)] = section;
                   });
  Json files = Json::object();
  for (const auto& [role, help] : file_roles()) files[role] = Json{{"description", help}};
  properties["tasks"] = task_names_schema();
  properties["files"] =
      Json{{"type", "object"}, {"additionalProperties", false}, {"properties", files}};
  return Json{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "boldmill configuration"},
              {"type", "object"},
              {"additionalProperties", false},
              {"properties", properties}};
}

std::string explain(const std::string& key) {
  const Config defaults;
  const std::size_t dot = key.find('.');
  const std::string section = key.substr(0, dot);
  const std::string field = dot == std::string::npos ? "" : key.substr(dot + 1);
  std::string text;
  std::vector<std::string> known{"tasks"};
  if (section == "tasks") return task_names_help();
  for_each_section(defaults, [&](std::string_view name, const auto& params,
                                 std::string_view summary) {
    if (field.empty()) known.emplace_back(name);
    if (name == section && field.empty()) text += section + ": " + std::string(summary) + "\n";
    for_each_field(params, [&](std::string_view item, const auto& value, std::string_view unit,
                               std::string_view help, const Limits& limits) {
      const std::string full = std::string(name) + "." + std::string(item);
      known.push_back(full);
      if (name != section || (!field.empty() && field != item)) return;
      text += full + "\n  " + std::string(help) + "\n";
      text +=
          "  default: " + Json(value).dump() + (unit.empty() ? "" : " " + std::string(unit)) + "\n";
      if (const std::string range = describe(limits); !range.empty())
        text += "  range: " + range + "\n";
    });
  });
  if (text.empty()) {
    const std::string hint = nearest(key, known);
    throw Error(ErrorKind::usage,
                key + ": unknown key" + (hint.empty() ? "" : ", did you mean " + hint + "?"));
  }
  return text;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(data_file("configs"))) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string params_text(const Json& section) { return section.dump(); }

fs::path data_file(const std::string& relative) {
  std::vector<fs::path> roots;
  if (const char* env = std::getenv("BOLDMILL_DATA"); env != nullptr && *env != '\0')
    roots.emplace_back(env);
  std::error_code code;
  const fs::path program = fs::read_symlink("/proc/self/exe", code);
  if (!code) roots.push_back(program.parent_path().parent_path() / "share" / "boldmill");
  roots.emplace_back(BOLDMILL_DEFAULT_DATA);
  for (const fs::path& root : roots) {
    if (fs::exists(root / relative, code)) return root / relative;
  }
  throw Error(ErrorKind::usage, relative + ": not found in the data folders of this installation");
}

} // namespace boldmill::config
