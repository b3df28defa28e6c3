// What the cohort stages read from a table: measures, sites, controls.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"

namespace boldmill::cli {

// `asked`, or every numeric column that is not in `other` nor participant_id or session_id.
// Error{input}: none.
[[nodiscard]] std::vector<std::string> measure_columns(const bids::Table& table,
                                                       const std::vector<std::string>& asked,
                                                       std::set<std::string> other);
// n flags of the rows where a column has a value, from "COLUMN=VALUE"; empty for "".
// Error{usage}: no '='. Error{input}: no such column, nobody has the value.
[[nodiscard]] std::vector<std::uint8_t> rows_where(const bids::Table& table,
                                                   const std::string& condition);
// n ids in order of first appearance, -1 missing; empty for "".
[[nodiscard]] std::vector<int> batch_ids(const bids::Table& table, const std::string& column);
// The columns that say who a row is, for the first columns of a table.
void copy_identity(const bids::Table& table, bids::TableWriter& writer);
// Makes a folder, or Error{disk}.
void make_folder(const std::string& path);

} // namespace boldmill::cli
