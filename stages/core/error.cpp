#include "stages/core/error.hpp"

namespace boldmill {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::usage: return "usage";
  case ErrorKind::dataset: return "dataset";
  case ErrorKind::input: return "input";
  case ErrorKind::gate: return "gate";
  case ErrorKind::interrupted: return "interrupted";
  case ErrorKind::disk: return "disk";
  case ErrorKind::internal: return "internal";
  }
  return "internal";
}

} // namespace boldmill
