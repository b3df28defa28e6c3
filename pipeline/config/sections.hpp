// One Params struct <-> JSON, schema and help, all from its for_each_field. No knowledge of which
// sections exist: see config.hpp for the list.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::config {

using Json = nlohmann::ordered_json;

// The known name with the smallest edit distance, or "" when none is near.
[[nodiscard]] std::string nearest(std::string_view name, const std::vector<std::string>& known);

// Shortest text of a limit list: "0 to 1", ">= 0", "one of a, b", "".
[[nodiscard]] std::string describe(const Limits& limits);

namespace detail {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class Field>
std::string_view type_name() {
  if constexpr (std::is_same_v<Field, bool>)
    return "true or false";
  else if constexpr (std::is_integral_v<Field>)
    return "a whole number";
  else if constexpr (std::is_floating_point_v<Field>)
    return "a number";
  else if constexpr (std::is_same_v<Field, std::string>)
    return "text";
  else
    return "a list";
}

template <class Field>
bool has_type(const Json& value) {
  if constexpr (std::is_same_v<Field, bool>)
    return value.is_boolean();
  else if constexpr (std::is_integral_v<Field>)
    return value.is_number_integer();
  else if constexpr (std::is_floating_point_v<Field>)
    return value.is_number();
  else if constexpr (std::is_same_v<Field, std::string>)
    return value.is_string();
  else {
    if (!value.is_array()) return false;
    for (const Json& item : value) {
      if (!has_type<typename Field::value_type>(item)) return false;
    }
    return true;
  }
}

std::string out_of_limits(const Json& value, const Limits& limits); // "" when fine

} // namespace detail

template <class Params>
[[nodiscard]] Json section_to_json(const Params& params) {
  Json out = Json::object();
  for_each_field(params,
                 [&out](std::string_view name, const auto& field, std::string_view,
                        std::string_view, const Limits&) { out[std::string(name)] = field; });
  return out;
}

// Overlays `json` on `params`. Every problem is appended to `errors` with the path of its key.
template <class Params>
void section_from_json(const Json& json, std::string_view section, Params& params,
                       std::vector<std::string>& errors) {
  const std::string prefix(section);
  if (!json.is_object()) {
    errors.push_back(prefix + ": found " + json.dump() + ", expected an object with parameters");
    return;
  }
  std::vector<std::string> known;
  for_each_field(params, [&](std::string_view name, auto& field, std::string_view, std::string_view,
                             const Limits& limits) {
    known.emplace_back(name);
    const auto found = json.find(std::string(name));
    if (found == json.end()) return;
    using Field = std::remove_cvref_t<decltype(field)>;
    const std::string key = prefix + "." + std::string(name);
    if (!detail::has_type<Field>(*found)) {
      errors.push_back(key + ": found " + found->dump() + ", expected " +
                       std::string(detail::type_name<Field>()));
      return;
    }
    if (std::string why = detail::out_of_limits(*found, limits); !why.empty()) {
      errors.push_back(key + ": found " + found->dump() + ", expected " + why);
      return;
    }
    field = found->template get<Field>();
  });
  for (const auto& item : json.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    const std::string hint = nearest(item.key(), known);
    errors.push_back(prefix + "." + item.key() + ": unknown key" +
                     (hint.empty() ? "" : ", did you mean " + prefix + "." + hint + "?"));
  }
}

template <class Params>
[[nodiscard]] Json section_schema(const Params& defaults) {
  Json properties = Json::object();
  for_each_field(defaults, [&](std::string_view name, const auto& field, std::string_view unit,
                               std::string_view help, const Limits& limits) {
    using Field = std::remove_cvref_t<decltype(field)>;
    Json entry = Json::object();
    if constexpr (std::is_same_v<Field, bool>)
      entry["type"] = "boolean";
    else if constexpr (std::is_integral_v<Field>)
      entry["type"] = "integer";
    else if constexpr (std::is_floating_point_v<Field>)
      entry["type"] = "number";
    else if constexpr (std::is_same_v<Field, std::string>)
      entry["type"] = "string";
    else
      entry["type"] = "array";
    entry["description"] = std::string(help) + (unit.empty() ? "" : " [" + std::string(unit) + "]");
    entry["default"] = field;
    if (!unit.empty()) entry["unit"] = unit;
    if (limits.low > -std::numeric_limits<double>::infinity()) entry["minimum"] = limits.low;
    if (limits.high < std::numeric_limits<double>::infinity()) entry["maximum"] = limits.high;
    if (!limits.choices.empty()) entry["enum"] = limits.choices;
    properties[std::string(name)] = entry;
  });
  return Json{{"type", "object"}, {"additionalProperties", false}, {"properties", properties}};
}

} // namespace boldmill::config
