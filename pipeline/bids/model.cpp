#include "pipeline/bids/model.hpp"

namespace boldmill::bids {

std::string_view to_string(Level level) {
  switch (level) {
  case Level::info: return "info";
  case Level::warning: return "warning";
  case Level::error: return "error";
  }
  return "error";
}

} // namespace boldmill::bids
