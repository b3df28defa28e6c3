// Who the healthy people of a cohort are: one answer for analyses and pages.
#pragma once

#include "pipeline/store/reader.hpp"

namespace boldmill::store {

// N, 1 where the column holds one of the values; nobody without the column or where it is empty.
[[nodiscard]] std::vector<std::uint8_t> healthy_rows(const ParticipantsTable& people,
                                                     const std::string& group_column,
                                                     const std::vector<std::string>& values);

} // namespace boldmill::store
