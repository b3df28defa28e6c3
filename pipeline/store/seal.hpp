// A checksum at the end of a finished file. HDF5 checks its metadata but not its text, and some of
// its readers crash on damaged text; a file whose seal does not fit is refused before HDF5 sees it.
// The seal is one line of text after the end that HDF5 knows, which every HDF5 reader ignores:
// "boldmill-crc64 " and 16 hexadecimal digits (ECMA-182, reflected) of all bytes before it.
#pragma once

#include <cstdint>
#include <filesystem>

namespace boldmill::store {

// Larger files are not checked when they are opened: a cohort's results are read in parts.
inline constexpr std::uint64_t kLargestChecked = std::uint64_t{512} << 20U;

// Appends the seal; once per file. Error{disk}.
void seal(const std::filesystem::path& path);

// Error{input} when the seal does not fit. A file without one passes: other programs may have
// written to it.
void check_seal(const std::filesystem::path& path);

} // namespace boldmill::store
