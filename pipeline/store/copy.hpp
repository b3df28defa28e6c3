// Copying groups between files. H5Ocopy would carry references to the scales of the old file; here
// data and attributes are copied and every scale is made anew. Internal to this folder.
#pragma once

#include <string>

#include "pipeline/store/netcdf.hpp"

namespace boldmill::store {

// The datasets and attributes of the group `path` of `source` into the empty group `destination`.
// Compressed chunks are copied as they are, after they were read once (their checksums are tested).
// Dimensions must be of the same group. Memory: one dataset of text, or one chunk.
void copy_group(const File& source, const std::string& path, const Group& destination);

} // namespace boldmill::store
