// Why cells of a table are missing: few texts, many cells. Internal to this folder.
#pragma once

#include <string>
#include <vector>

#include "pipeline/store/netcdf.hpp"

namespace boldmill::store {

using Reasons = std::vector<std::vector<std::string>>; // rows x columns, "" when present

// `<prefix>reason` (dimension), `<prefix>reason_text` over it and `<prefix>missing_reason` over
// `dimensions`: the position of the text, 0 (the empty text) when present. Texts are sorted.
void write_reasons(const Group& group, const std::string& prefix, const Dimensions& dimensions,
                   const Reasons& reasons);

// Empty when the file holds none; otherwise rows x columns or Error{input}.
[[nodiscard]] Reasons read_reasons(const File& file, const std::string& group,
                                   const std::string& prefix, std::size_t rows,
                                   std::size_t columns);

} // namespace boldmill::store
