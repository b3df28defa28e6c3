// Whole small files in and out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace boldmill::bids {

inline constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;

// The bytes of a regular file. Error{input}: cannot be opened or read, not a file, larger than
// `max_bytes`.
[[nodiscard]] std::string read_file(const std::filesystem::path& path,
                                    std::uint64_t max_bytes = kMaxTextBytes);

// Writes "<path>.part-<pid>-<n>", syncs it, renames it to `path`, syncs the folder. Creates missing
// parent folders. Error{disk}: any step failed; the part file is removed.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

} // namespace boldmill::bids
