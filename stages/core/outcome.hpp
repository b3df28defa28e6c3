// What a task leaves behind: a value, or the reason why there is none.
#pragma once

#include <functional>
#include <new>
#include <string>
#include <utility>
#include <variant>

#include "stages/core/error.hpp"

namespace boldmill {

struct Failure {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
};

template <class T>
using Outcome = std::variant<T, Failure>;

// Runs `body` and turns whatever leaves it into a Failure. The only place where exceptions stop.
template <class Body>
auto capture(Body&& body) -> Outcome<decltype(body())> {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    return Failure{error.kind(), error.what()};
  } catch (const std::bad_alloc&) {
    return Failure{ErrorKind::input, "out of memory: the run needs more than the machine gives"};
  } catch (const std::exception& error) {
    return Failure{ErrorKind::internal, error.what()};
  } catch (...) {
    return Failure{ErrorKind::internal, "unknown exception"};
  }
}

} // namespace boldmill
