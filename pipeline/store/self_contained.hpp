// Files come from other people: what HDF5 can do, but none of ours ever does, is refused before it
// is followed. Internal to this folder.
#pragma once

#include "pipeline/store/hdf5.hpp"

namespace boldmill::store {

// Error{input}: a link that is soft or leaves the file, or an object with two names (a group within
// itself would be read without end). One visit of every link.
void check_links(const File& file);

// Error{input}: values that stand in other files (external, virtual), pass another filter than
// shuffle and zlib, or whose shape asks for far more memory than the file can hold.
void check_storage(const File& file, hid_t dataset, const std::string& path);

// Error{input}: chunks that do not unpack to their shape. Once for each dataset of an open file,
// before its values are read.
void check_content(const File& file, hid_t dataset, const std::string& path);

} // namespace boldmill::store
