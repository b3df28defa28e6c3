#include "pipeline/cli/help_text.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace boldmill::cli {
namespace {

constexpr std::size_t kIndent = 30;

} // namespace

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name(); // "TEXT:{a,b}"
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}');
  std::vector<std::string> choices;
  if (open == std::string::npos || close == std::string::npos || close < open) return choices;
  std::istringstream words(type.substr(open + 1, close - open - 1));
  for (std::string word; std::getline(words, word, ',');) choices.push_back(word);
  return choices;
}

std::string value_text(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  std::string text;
  for (const std::string& choice : choices_of(option)) text += (text.empty() ? "" : ",") + choice;
  if (!text.empty()) return "{" + text + "}";
  const std::string type = option.get_type_name(); // "INT:INT in [0 - 9]", "TEXT:FILE"
  const std::size_t colon = type.find(':');
  if (colon == std::string::npos) return type;
  const std::string check = type.substr(colon + 1);
  return check == "FILE" || check == "DIR" ? check : type.substr(0, colon);
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::istringstream words(text);
  std::string out;
  std::size_t column = indent;
  for (std::string word; words >> word;) {
    if (column > indent && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::size_t help_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 100;
  return std::clamp<std::size_t>(size.ws_col, 60, 120);
}

std::string HelpFormatter::entry(const std::string& left, const std::string& text) const {
  std::string out = "  " + left;
  if (text.empty()) return out + "\n";
  out += out.size() + 2 > kIndent ? "\n" + std::string(kIndent, ' ')
                                  : std::string(kIndent - out.size(), ' ');
  return out + wrapped(text, kIndent, width_) + "\n";
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  std::string text = value_text(*option);
  if (text.empty()) return "";
  text = " " + text;
  if (!option->get_default_str().empty()) text += "=" + option->get_default_str();
  if (option->get_expected_max() > 1) text += " ...";
  if (option->get_required()) text += " (required)";
  return text;
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  return entry(make_option_name(option, is_positional) + make_option_opts(option),
               make_option_desc(option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* verb) const {
  return entry(verb->get_name(), verb->get_description());
}

std::string HelpFormatter::make_group(std::string group, bool is_positional,
                                      std::vector<const CLI::Option*> options) const {
  std::string out = "\n" + group + ":\n";
  for (const CLI::Option* option : options) out += make_option(option, is_positional);
  return out;
}

} // namespace boldmill::cli
