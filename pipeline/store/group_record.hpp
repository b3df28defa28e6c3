// Groups of named arrays in cohort and model files. Internal to this folder.
#pragma once

#include "pipeline/store/netcdf.hpp"

namespace boldmill::store {

// At `record.path` below `parent`; axes that the record lacks are those of `root`.
void write_group(const Group& root, const Group& parent, const GroupRecord& record);
// Of the group at `path`, which becomes the record's path. Integers are read as numbers.
[[nodiscard]] GroupRecord read_group(const File& file, const std::string& path);

} // namespace boldmill::store
