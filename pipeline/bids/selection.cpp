#include "pipeline/bids/selection.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "pipeline/bids/files.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

using nlohmann::json;

// PyBIDS's long names beside ours.
const std::map<std::string, std::string>& entity_names() {
  static const std::map<std::string, std::string> names{{"subject", "sub"},
                                                        {"session", "ses"},
                                                        {"sample", "sample"},
                                                        {"task", "task"},
                                                        {"acquisition", "acq"},
                                                        {"ceagent", "ce"},
                                                        {"tracer", "trc"},
                                                        {"staining", "stain"},
                                                        {"reconstruction", "rec"},
                                                        {"direction", "dir"},
                                                        {"run", "run"},
                                                        {"modality", "mod"},
                                                        {"echo", "echo"},
                                                        {"flip", "flip"},
                                                        {"inv", "inv"},
                                                        {"inversion", "inv"},
                                                        {"mt", "mt"},
                                                        {"part", "part"},
                                                        {"proc", "proc"},
                                                        {"recording", "recording"},
                                                        {"space", "space"},
                                                        {"chunk", "chunk"},
                                                        {"datatype", "datatype"},
                                                        {"suffix", "suffix"},
                                                        {"extension", "extension"}};
  return names;
}

const std::vector<std::string>& queries() {
  static const std::vector<std::string> names{"t1w",  "t2w", "flair", "bold", "sbref",
                                              "fmap", "roi", "asl",   "dwi",  "m0scan"};
  return names;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what,
                         const std::string& found, const std::vector<std::string>& known) {
  std::string message = display(path.string(), 1000) + ": " + what + " \"" + display(found) + "\"";
  const std::vector<std::string> close = nearest(found, known);
  message += close.empty() ? ", expected one of: " : ", nearest: ";
  const std::vector<std::string>& list = close.empty() ? known : close;
  for (std::size_t i = 0; i < list.size(); ++i) message += (i == 0 ? "" : ", ") + list[i];
  throw Error(ErrorKind::usage, message);
}

std::optional<std::string> scalar(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return std::to_string(value.get<long long>());
  return std::nullopt;
}

std::optional<EntityFilter> condition(const json& value) {
  if (value.is_null()) return EntityFilter{EntityFilter::Kind::absent, {}};
  if (value.is_array()) {
    EntityFilter filter;
    for (const json& item : value) {
      const std::optional<std::string> text = scalar(item);
      if (!text) return std::nullopt;
      filter.values.push_back(*text);
    }
    return filter;
  }
  const std::optional<std::string> text = scalar(value);
  if (!text) return std::nullopt;
  std::string word = *text;
  if (const std::size_t at = word.find("Query."); at != std::string::npos) word = word.substr(at);
  if (word == "*" || word.starts_with("Query.ANY"))
    return EntityFilter{EntityFilter::Kind::present, {}};
  if (word.starts_with("Query.NONE")) return EntityFilter{EntityFilter::Kind::absent, {}};
  if (word.starts_with("Query.OPTIONAL")) return EntityFilter{EntityFilter::Kind::optional, {}};
  return EntityFilter{EntityFilter::Kind::any_of, {*text}};
}

std::optional<long> whole_number(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool equal_value(const std::string& key, std::string_view wanted, std::string_view found) {
  if (wanted == found) return true;
  if (key == "extension") return "." + std::string(wanted) == found;
  if (key != "run" && key != "echo" && key != "inv" && key != "flip") {
    return wanted.starts_with(key + "-") && wanted.substr(key.size() + 1) == found;
  }
  const std::optional<long> a = whole_number(wanted);
  return a && a == whole_number(found);
}

} // namespace

BidsFilter read_bids_filter(const std::filesystem::path& path) {
  json document;
  try {
    document = json::parse(read_file(path), nullptr, true, true);
  } catch (const json::exception& error) {
    throw Error(ErrorKind::usage,
                display(path.string(), 1000) + ": not valid JSON: " + display(error.what()));
  } catch (const Error& error) {
    throw Error(ErrorKind::usage, error.what());
  }
  if (!document.is_object()) {
    throw Error(ErrorKind::usage, display(path.string(), 1000) +
                                      ": expected an object of queries, e.g. {\"bold\": {...}}");
  }
  std::vector<std::string> known;
  for (const auto& [name, key] : entity_names()) known.push_back(name);
  BidsFilter filter;
  for (const auto& [query, conditions] : document.items()) {
    if (std::find(queries().begin(), queries().end(), query) == queries().end()) {
      refuse(path, "unknown query", query, queries());
    }
    if (!conditions.is_object()) {
      throw Error(ErrorKind::usage, display(path.string(), 1000) + ": \"" + query +
                                        "\": expected an object of entities");
    }
    for (const auto& [name, value] : conditions.items()) {
      const auto entity_name = entity_names().find(name);
      if (entity_name == entity_names().end()) refuse(path, "unknown entity", name, known);
      const std::optional<EntityFilter> parsed = condition(value);
      if (!parsed) {
        throw Error(ErrorKind::usage,
                    display(path.string(), 1000) + ": \"" + query + "." + name +
                        "\": expected text, a whole number, a list of them or null");
      }
      filter[query][entity_name->second] = *parsed;
    }
  }
  return filter;
}

bool matches(const std::map<std::string, EntityFilter>& filter, const BidsFile& file) {
  return std::all_of(filter.begin(), filter.end(), [&](const auto& item) {
    const auto& [key, condition] = item;
    const std::string_view found = key == "datatype"    ? std::string_view(file.datatype)
                                   : key == "suffix"    ? std::string_view(file.suffix)
                                   : key == "extension" ? std::string_view(file.extension)
                                                        : entity(file.entities, key);
    switch (condition.kind) {
    case EntityFilter::Kind::optional: return true;
    case EntityFilter::Kind::absent: return found.empty();
    case EntityFilter::Kind::present: return !found.empty();
    case EntityFilter::Kind::any_of: break;
    }
    return std::any_of(condition.values.begin(), condition.values.end(),
                       [&](const std::string& wanted) { return equal_value(key, wanted, found); });
  });
}

} // namespace boldmill::bids
