// BIDS file names: key-value entities in order, a suffix, an extension.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/bids/text.hpp"

namespace boldmill::bids {

// {"sub","01"}, {"task","rest"}, ... in the order of the name. Values keep their spelling:
// sub-007 stays "007".
using Entities = std::vector<std::pair<std::string, std::string>>;

struct ParsedName {
  Entities entities;
  std::vector<std::string> bare; // parts without "-" before the suffix (fMRIPrep before 1.2)
  std::string suffix;            // "bold", "T1w", "participants", ...
  std::string extension;         // ".nii.gz", ".json", ... from the first dot
};

// "" when the entity is absent.
[[nodiscard]] std::string_view entity(const Entities& entities, std::string_view key);
[[nodiscard]] bool has_entity(const Entities& entities, std::string_view key);
// Every entity of `part` occurs in `whole` with the same value.
[[nodiscard]] bool subset(const Entities& part, const Entities& whole);
// Without the named keys, order kept.
[[nodiscard]] Entities without(Entities entities, const std::vector<std::string_view>& keys);

// Splits a file name (no folder). Empty optional, with `why` filled when given, for: a label with
// characters other than letters and digits, a repeated or empty key, no suffix, no extension.
[[nodiscard]] std::optional<ParsedName> parse_name(std::string_view name,
                                                   std::string* why = nullptr);

// "sub-01_task-rest_bold.nii.gz". Known keys in BIDS order, then unknown ones in the given order.
// Error{internal} when a label is not valid: such a name cannot reach an output folder.
[[nodiscard]] std::string compose_name(const Entities& entities, std::string_view suffix,
                                       std::string_view extension);
// The same without suffix: "sub-01_ses-a_task-rest_run-1".
[[nodiscard]] std::string compose_entities(const Entities& entities);

// "sub-01" from "01" or "sub-01".
[[nodiscard]] std::string with_prefix(std::string_view prefix, std::string_view label);

} // namespace boldmill::bids
