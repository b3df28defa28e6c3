// /cohort/reliability of the store. Internal to this folder.
#pragma once

#include "pipeline/store/netcdf.hpp"

namespace boldmill::store {

void write_reliability(const Group& root, const ReliabilityRecord& record,
                       const std::string& fitted_on);

} // namespace boldmill::store
