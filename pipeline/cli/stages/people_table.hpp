// Tables of people for stages: plain or gzipped, in several files, with the columns of another
// table beside them.
#pragma once

#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"

namespace boldmill::cli {

// A table, gzipped or not. Error{input}: more than 4 GiB of text.
[[nodiscard]] bids::Table read_table(const std::string& path,
                                     bids::RepeatedNames repeated = bids::RepeatedNames::refuse);

// The rows of `files` one after the other (the same columns in the same order), each with the
// columns of the row of `people` (a path, "" for none) that has the same participant_id, and
// session_id where both have it. Rows of `people` that no file has are left out. Error{input}:
// other columns, a row without a person, a person twice in `people`, a column in both.
[[nodiscard]] bids::Table read_people_table(const std::vector<std::string>& files,
                                            const std::string& people);

} // namespace boldmill::cli
