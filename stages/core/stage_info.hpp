// A stage's declared identity, the description of its parameters, and what a run may observe.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "stages/core/error.hpp"

namespace boldmill {

struct StageInfo {
  std::string_view name;
  int version = 1; // bumped by any change that can move a number
  std::string_view summary;
  std::span<const std::string_view> references; // "Author year, journal, doi:..."
};

// The admissible values of one parameter. Numbers have an inclusive range, text a list of choices.
struct Limits {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  std::vector<std::string_view> choices;

  [[nodiscard]] static Limits between(double low, double high) { return {low, high, {}}; }
  [[nodiscard]] static Limits at_least(double low) {
    return {low, std::numeric_limits<double>::infinity(), {}};
  }
  [[nodiscard]] static Limits one_of(std::vector<std::string_view> choices) {
    Limits limits;
    limits.choices = std::move(choices);
    return limits;
  }
};

// Every Params type offers
//   template <class P, class F> void for_each_field(P& params, F&& visit)
// which calls visit(name, field, unit, help, Limits) once per field, in a fixed order, with P const
// or not. Field types: bool, int, double, std::string, std::vector<std::string>,
// std::vector<double>, std::vector<int>. It is the single source of the JSON keys, the schema,
// --help, provenance and the cache key. Unit "" means dimensionless.

// What a stage may observe from outside. Never affects a result.
struct Context {
  std::stop_token stop;
  std::atomic<std::int64_t>* progress = nullptr; // work items done, if anyone wants to know

  void check_stop() const {
    if (stop.stop_requested()) throw Error(ErrorKind::interrupted, "interrupted");
  }
  void advance(std::int64_t items = 1) const {
    if (progress != nullptr) progress->fetch_add(items, std::memory_order_relaxed);
  }
};

} // namespace boldmill
