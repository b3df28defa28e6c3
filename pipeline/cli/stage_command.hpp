// How a stage becomes `boldmill stage NAME`: options come from the stage's own parameter list.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>
#include <string>
#include <type_traits>

#include "stages/core/stage_info.hpp"

namespace boldmill::cli {

// The context of the running process: its stop token reacts to SIGINT and SIGTERM.
[[nodiscard]] Context process_context();

// One --option per field of `params` (underscores become hyphens), with help, unit, range and
// default. `params` must outlive the parse.
template <class Params>
void add_params(CLI::App& app, Params& params) {
  for_each_field(params, [&app](std::string_view name, auto& field, std::string_view unit,
                                std::string_view help, const Limits& limits) {
    std::string flag = "--" + std::string(name);
    for (char& c : flag) c = c == '_' ? '-' : c;
    std::ostringstream text;
    text << help;
    if (!unit.empty()) text << " [" << unit << "]";
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_arithmetic_v<Field> && !std::is_same_v<Field, bool>) {
      const bool low = limits.low > -std::numeric_limits<double>::infinity();
      const bool high = limits.high < std::numeric_limits<double>::infinity();
      if (low && high) {
        text << " (" << limits.low << " to " << limits.high << ")";
      } else if (low) {
        text << " (at least " << limits.low << ")";
      } else if (high) {
        text << " (at most " << limits.high << ")";
      }
    }
    CLI::Option* option = app.add_option(flag, field, text.str())->capture_default_str();
    if constexpr (std::is_arithmetic_v<Field> && !std::is_same_v<Field, bool>) {
      option->check([limits, flag](const std::string& value) -> std::string {
        double number = 0.0;
        if (!CLI::detail::lexical_cast(value, number)) return flag + ": not a number: " + value;
        if (!(number >= limits.low && number <= limits.high)) {
          std::ostringstream why;
          why << flag << ": found " << value << ", expected " << limits.low << " to "
              << limits.high;
          return why.str();
        }
        return {};
      });
    }
    if constexpr (std::is_same_v<Field, std::string>) {
      if (!limits.choices.empty()) {
        std::vector<std::string> choices(limits.choices.begin(), limits.choices.end());
        option->check(CLI::IsMember(choices));
      }
    }
  });
}

// A stage's adaptor adds its subcommand to `stage_app` and runs in the subcommand's callback.
// Defined in pipeline/cli/stages/<stage>_command.cpp, listed in pipeline/cli/stage_list.cpp.
using AddStage = void (*)(CLI::App& stage_app);

} // namespace boldmill::cli
