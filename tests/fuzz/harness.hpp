// One reader under fuzzing: seeds made by code and a single execution. The same sources make a
// libFuzzer program (clang, -DBOLDMILL_FUZZ=ON) and one that replays mutations from a fixed seed
// (any compiler, part of the tests).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace boldmill::fuzz {

[[nodiscard]] std::vector<std::string> seeds();

// Reads the bytes; whatever is wrong with them must leave as Error of a kind other than internal.
void execute(std::span<const std::uint8_t> bytes);

// The bytes as a file of that name, in a folder of this process that its end removes.
[[nodiscard]] std::filesystem::path as_file(std::span<const std::uint8_t> bytes,
                                            const std::string& name);
[[nodiscard]] std::string text_of(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::string file_bytes(const std::filesystem::path& path);

// execute(), with everything but a refusal ending the program. Whether the bytes were accepted.
bool execute_or_abort(std::span<const std::uint8_t> bytes);

} // namespace boldmill::fuzz
