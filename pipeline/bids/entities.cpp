#include "pipeline/bids/entities.hpp"

#include <algorithm>
#include <array>

#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

// The order of the BIDS schema, with the entities of derivatives at fMRIPrep's places.
constexpr std::array<std::string_view, 38> kOrder{
    "sub",   "ses",    "sample", "task", "tracksys", "acq",       "nuc",   "voi",   "ce",    "trc",
    "stain", "rec",    "dir",    "run",  "mod",      "echo",      "flip",  "inv",   "mt",    "part",
    "proc",  "hemi",   "from",   "to",   "mode",     "space",     "split", "chunk", "atlas", "seg",
    "scale", "cohort", "res",    "den",  "label",    "recording", "stat",  "desc"};

std::size_t rank(std::string_view key) {
  return static_cast<std::size_t>(std::find(kOrder.begin(), kOrder.end(), key) - kOrder.begin());
}

bool fail(std::string* why, std::string message) {
  if (why != nullptr) *why = std::move(message);
  return false;
}

bool add_part(ParsedName& parsed, std::string_view part, std::string* why) {
  const std::size_t dash = part.find('-');
  if (dash == std::string_view::npos) {
    if (!valid_label(part)) return fail(why, "\"" + display(part) + "\" is not a BIDS name part");
    parsed.bare.emplace_back(part);
    return true;
  }
  const std::string_view key = part.substr(0, dash);
  const std::string_view label = part.substr(dash + 1);
  if (!valid_label(key)) return fail(why, "\"" + display(part) + "\" has no entity before \"-\"");
  if (!valid_label(label)) {
    return fail(why, "label \"" + display(label) + "\" of " + display(key) +
                         ", expected letters and digits only");
  }
  if (has_entity(parsed.entities, key)) {
    return fail(why, "entity " + display(key) + " occurs twice");
  }
  parsed.entities.emplace_back(key, label);
  return true;
}

} // namespace

std::string_view entity(const Entities& entities, std::string_view key) {
  for (const auto& [name, value] : entities) {
    if (name == key) return value;
  }
  return {};
}

bool has_entity(const Entities& entities, std::string_view key) {
  return std::any_of(entities.begin(), entities.end(),
                     [&](const auto& pair) { return pair.first == key; });
}

bool subset(const Entities& part, const Entities& whole) {
  return std::all_of(part.begin(), part.end(), [&](const auto& pair) {
    return std::find(whole.begin(), whole.end(), pair) != whole.end();
  });
}

Entities without(Entities entities, const std::vector<std::string_view>& keys) {
  std::erase_if(entities, [&](const auto& pair) {
    return std::find(keys.begin(), keys.end(), pair.first) != keys.end();
  });
  return entities;
}

std::optional<ParsedName> parse_name(std::string_view name, std::string* why) {
  ParsedName parsed;
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0) {
    fail(why, "no extension");
    return std::nullopt;
  }
  parsed.extension = name.substr(dot);
  std::string_view stem = name.substr(0, dot);
  const std::size_t last = stem.rfind('_');
  const std::string_view suffix = last == std::string_view::npos ? stem : stem.substr(last + 1);
  if (!valid_label(suffix)) {
    fail(why, "suffix \"" + display(suffix) + "\", expected letters and digits only");
    return std::nullopt;
  }
  parsed.suffix = suffix;
  stem = last == std::string_view::npos ? std::string_view{} : stem.substr(0, last);
  if (last == std::string_view::npos) return parsed;
  for (std::size_t begin = 0; begin <= stem.size();) {
    const std::size_t end = std::min(stem.find('_', begin), stem.size());
    if (!add_part(parsed, stem.substr(begin, end - begin), why)) return std::nullopt;
    begin = end + 1;
  }
  return parsed;
}

std::string compose_entities(const Entities& entities) {
  std::vector<const std::pair<std::string, std::string>*> ordered;
  for (const auto& pair : entities) {
    if (!valid_label(pair.first) || !valid_label(pair.second)) {
      throw Error(ErrorKind::internal, "file name: found \"" + display(pair.first) + "-" +
                                           display(pair.second) +
                                           "\", expected letters and digits");
    }
    ordered.push_back(&pair);
  }
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto* a, const auto* b) { return rank(a->first) < rank(b->first); });
  std::string name;
  for (const auto* pair : ordered) {
    if (!name.empty()) name += '_';
    name += pair->first + '-' + pair->second;
  }
  return name;
}

std::string compose_name(const Entities& entities, std::string_view suffix,
                         std::string_view extension) {
  const bool safe_extension =
      extension.starts_with('.') && std::all_of(extension.begin(), extension.end(), [](char c) {
        return c == '.' || valid_label(std::string_view(&c, 1));
      });
  if (!valid_label(suffix) || !safe_extension) {
    throw Error(ErrorKind::internal, "file name: found suffix \"" + display(suffix) +
                                         "\" and extension \"" + display(extension) + "\"");
  }
  std::string name = compose_entities(entities);
  if (!name.empty()) name += '_';
  return name + std::string(suffix) + std::string(extension);
}

std::string with_prefix(std::string_view prefix, std::string_view label) {
  return label.starts_with(prefix) ? std::string(label) : std::string(prefix) + std::string(label);
}

} // namespace boldmill::bids
