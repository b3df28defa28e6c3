// The one exception type of the project. Thrown inside a task, turned into a value between tasks.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace boldmill {

enum class ErrorKind {
  usage,       // the command line or the configuration is wrong: exit code 2
  dataset,     // nothing of the dataset can be processed: exit code 2
  input,       // this file or this run cannot be processed; the rest goes on
  gate,        // processed, but a quality gate refused the result; the rest goes on
  interrupted, // asked to stop: exit code 3, resumable
  disk,        // a write failed (full, read-only, i/o error): exit code 4, resumable
  internal     // a bug: exit code 4
};

[[nodiscard]] std::string_view to_string(ErrorKind kind);

// The message names the thing, the value found and the value expected.
class Error : public std::runtime_error {
public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

private:
  ErrorKind kind_;
};

} // namespace boldmill
