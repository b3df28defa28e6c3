// Text that came from outside (names, labels, table cells): how it is shown, and how it becomes
// part of a path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boldmill::bids {

// For terminals and logs: control characters, escape sequences, bidirectional overrides and bytes
// that are not UTF-8 become \xNN or \u{NNNN}; longer than `max_bytes` is cut with "...".
[[nodiscard]] std::string display(std::string_view text, std::size_t max_bytes = 200);

// For HTML text and attributes: & < > " ' become entities; control characters as in display().
[[nodiscard]] std::string html_escape(std::string_view text);

// A file name or folder name made of [A-Za-z0-9_.+-] only, never empty, "." or "..", never starting
// with "." or "-", at most 200 bytes. Unchanged when already so; otherwise other bytes become "_"
// and eight hex digits of a hash of the original are appended, so that two names stay two.
[[nodiscard]] std::string safe_component(std::string_view text);

// 1 to 64 ASCII letters, digits or "+" (the BIDS schema's `label`).
[[nodiscard]] bool valid_label(std::string_view label);

// Strict weak order on bytes (unsigned), independent of locale.
[[nodiscard]] bool bytewise_less(std::string_view a, std::string_view b);

// Up to `count` candidates by edit distance (at most half the length of `text`, at least 2).
[[nodiscard]] std::vector<std::string>
nearest(std::string_view text, const std::vector<std::string>& candidates, std::size_t count = 3);

} // namespace boldmill::bids
