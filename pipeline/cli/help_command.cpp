#include "pipeline/cli/help_command.hpp"

#include <algorithm>
#include <initializer_list>
#include <iostream>

#include "stages/core/error.hpp"

namespace boldmill::cli {
namespace {

void print_help(const HelpOptions& options, const CLI::App& app) {
  const CLI::App* shown = &app;
  std::string before;
  for (const std::string& word : options.words) {
    before += (before.empty() ? "" : " ") + shown->get_name();
    const auto all = shown->get_subcommands([](const CLI::App*) { return true; });
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const CLI::App* one) { return one->get_name() == word; });
    if (found == all.end()) {
      throw Error(ErrorKind::usage, "help: found " + word + ", expected a verb of boldmill --help" +
                                        (options.words.size() > 1 ? " or a stage" : ""));
    }
    shown = *found;
  }
  std::cout << shown->help(before);
}

} // namespace

void group_verbs(CLI::App& app) {
  const auto place = [&app](const char* group, std::initializer_list<const char*> names) {
    for (const char* name : names) app.get_subcommand(name)->group(group);
  };
  place("Before", {"validate", "plan", "simulate"});
  place("Work", {"run", "submit", "status", "merge"});
  place("Results", {"report", "export", "score", "rerun"});
  place("Reference", {"config", "stage", "help"});
}

void add_help_options(CLI::App& help, HelpOptions& options, const CLI::App& app,
                      std::function<int()>& action) {
  help.add_option("verb", options.words, "a verb; of stage also the stage")->expected(0, 2);
  CLI::Option* man =
      help.add_flag("--man", options.man, "the manual page: boldmill help --man | man -l -");
  help.add_flag("--completion", options.completion,
                "completion for bash: source <(boldmill help --completion)")
      ->excludes(man);
  help.callback([&options, &app, &action] {
    action = [&options, &app] {
      if (options.man) {
        std::cout << man_page(app);
      } else if (options.completion) {
        std::cout << bash_completion(app);
      } else {
        print_help(options, app);
      }
      return 0;
    };
  });
}

} // namespace boldmill::cli
