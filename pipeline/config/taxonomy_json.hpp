// Reads and writes the circuit definition (configs/taxonomies/*.json).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "stages/circuits/taxonomy.hpp"

namespace boldmill::config {

// Comments allowed. Throws usage naming `source`, with everything that is wrong at once: JSON
// syntax, unknown or missing keys, wrong types, and taxonomy::problems.
[[nodiscard]] taxonomy::Taxonomy parse_taxonomy(std::string_view json, const std::string& source);
[[nodiscard]] taxonomy::Taxonomy read_taxonomy(const std::filesystem::path& file);

// Canonical text (fixed key order, no spaces): equal text means an equal definition. The sha256 of
// this is the contract's taxonomy_sha256.
[[nodiscard]] std::string canonical_text(const taxonomy::Taxonomy& taxonomy);

} // namespace boldmill::config
