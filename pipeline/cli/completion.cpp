#include <map>
#include <string>

#include "pipeline/cli/help_command.hpp"
#include "pipeline/cli/help_text.hpp"
#include "pipeline/config/config.hpp"
#include "pipeline/config/presets.hpp"

namespace boldmill::cli {
namespace {

// Bash takes words apart at '=', so that "--set a.b=1" arrives as three; keys are offered with the
// '=' behind them, and values are free.
constexpr const char* kFunction = R"bash(
_boldmill_options() { # the options of a verb, or of "stage NAME"
  case "$1" in
@options@  esac
}

_boldmill_choices() { # the words that the option $2 of $1 takes
  case "$1 $2" in
@choices@  esac
}

_boldmill() {
  local cur=${COMP_WORDS[COMP_CWORD]} verb=run option= i word
  local verbs='@verbs@'
  COMPREPLY=()
  if [ "$COMP_CWORD" -gt 1 ]; then
    for word in $verbs; do
      [ "${COMP_WORDS[1]}" = "$word" ] && verb=$word
    done
  fi
  case "$verb" in
    stage)
      if [ "$COMP_CWORD" -gt 2 ]; then verb="stage ${COMP_WORDS[2]}"; fi ;;
    config)
      if [ "$COMP_CWORD" -gt 2 ]; then verb="config ${COMP_WORDS[2]}"; fi ;;
  esac
  for ((i = COMP_CWORD - 1; i > 0; --i)); do
    case "${COMP_WORDS[i]}" in -*) option=${COMP_WORDS[i]}; break ;; esac
  done
  local words=
  case "$cur" in
    -*) words=$(_boldmill_options "$verb") ;;
    *)
      if [ -n "$option" ]; then words=$(_boldmill_choices "$verb" "$option"); fi
      if [ -z "$words" ] && [ "$option" = --preset ]; then words='@presets@'; fi
      if [ -z "$words" ] && [ "$option" = --set ] && [ "$cur" != = ] && [ "${COMP_WORDS[COMP_CWORD - 1]}" != = ]; then
        words=$(printf '%s=\n' $_boldmill_keys)
        compopt -o nospace 2>/dev/null
      fi
      case "$verb" in
        'config explain') words=$_boldmill_keys ;;
      esac
      if [ "$COMP_CWORD" -eq 1 ]; then
        words=$verbs
      elif [ "$COMP_CWORD" -eq 2 ] && [ "$verb" = stage ]; then
        words='@stages@'
      elif [ "$COMP_CWORD" -eq 2 ] && [ "$verb" = config ]; then
        words='show schema explain'
      elif [ "$COMP_CWORD" -eq 2 ] && [ "$verb" = help ]; then
        words=$verbs
      elif [ "$verb" = run ] && [ -z "$option" ] && [ "$COMP_CWORD" -ge 3 ]; then
        words='participant group all'
      fi ;;
  esac
  # Nothing of ours: files, by "-o default".
  if [ -n "$words" ]; then
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$cur")
  fi
}
complete -o default -o bashdefault -F _boldmill boldmill
)bash";

std::string filled(std::string text, const std::string& key, const std::string& value) {
  const std::string mark = "@" + key + "@";
  const std::size_t at = text.find(mark);
  return at == std::string::npos ? text : text.replace(at, mark.size(), value);
}

struct Words {
  std::string options, choices;
};

void add(Words& words, const std::string& verb, const CLI::App& app) {
  std::string flags;
  for (const CLI::Option* option : app.get_options()) {
    std::string pattern;
    for (const std::string& name : option->get_snames()) {
      pattern += (pattern.empty() ? "" : "|") + ("'" + verb + " -" + name + "'");
    }
    for (const std::string& name : option->get_lnames()) {
      flags += (flags.empty() ? "--" : " --") + name;
      pattern += (pattern.empty() ? "" : "|") + ("'" + verb + " --" + name + "'");
    }
    std::string choices;
    for (const std::string& choice : choices_of(*option)) {
      choices += (choices.empty() ? "" : " ") + choice;
    }
    if (!choices.empty() && !pattern.empty()) {
      words.choices += "    " + pattern + ") echo '" + choices + "' ;;\n";
    }
  }
  words.options += "    '" + verb + "') echo '" + flags + "' ;;\n";
}

std::string names(const CLI::App& app) {
  std::string out;
  for (const CLI::App* one : app.get_subcommands([](const CLI::App*) { return true; })) {
    out += (out.empty() ? "" : " ") + one->get_name();
  }
  return out;
}

std::string all_keys() {
  std::string out;
  const config::Config defaults;
  config::for_each_section(defaults, [&](std::string_view section, const auto& params, auto&&) {
    for_each_field(params, [&](std::string_view key, auto&&...) {
      out += (out.empty() ? "" : " ") + std::string(section) + "." + std::string(key);
    });
  });
  return out;
}

} // namespace

std::string bash_completion(const CLI::App& app) {
  Words words;
  std::string stages;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    add(words, verb->get_name(), *verb);
    for (const CLI::App* inner : verb->get_subcommands([](const CLI::App*) { return true; })) {
      add(words, verb->get_name() + " " + inner->get_name(), *inner);
    }
    if (verb->get_name() == "stage") stages = names(*verb);
  }
  std::string presets;
  for (const std::string& name : config::preset_names()) {
    presets += (presets.empty() ? "" : " ") + name;
  }
  std::string text = kFunction;
  text = filled(text, "options", words.options);
  text = filled(text, "choices", words.choices);
  text = filled(text, "verbs", names(app));
  text = filled(text, "presets", presets);
  text = filled(text, "stages", stages);
  return "# Completion of boldmill for bash.\n_boldmill_keys='" + all_keys() + "'" + text;
}

} // namespace boldmill::cli
