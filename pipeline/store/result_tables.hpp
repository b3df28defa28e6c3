// Tables of results below /cohort. Internal to this folder.
#pragma once

#include "pipeline/store/netcdf.hpp"

namespace boldmill::store {

void write_result_table(const Group& root, const TableRecord& table);

} // namespace boldmill::store
