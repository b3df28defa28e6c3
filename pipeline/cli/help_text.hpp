// How help is written: groups, wrapped lines, plain names of values.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>
#include <vector>

namespace boldmill::cli {

// What a value is: "{none,minimal,all}", "FILE", "INT", "TEXT"; "" for a flag.
[[nodiscard]] std::string value_text(const CLI::Option& option);
// The words that a value may be; empty when it is free.
[[nodiscard]] std::vector<std::string> choices_of(const CLI::Option& option);

// `text` in lines of at most `width` characters that begin with `indent` spaces, the first one
// apart. Longer words stand alone on their line.
[[nodiscard]] std::string wrapped(const std::string& text, std::size_t indent, std::size_t width);

// Columns of the terminal on stdout, at most 120; 100 where there is none.
[[nodiscard]] std::size_t help_width();

class HelpFormatter : public CLI::Formatter {
public:
  explicit HelpFormatter(std::size_t width) : width_(width) {}
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* verb) const override;
  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override;

private:
  [[nodiscard]] std::string entry(const std::string& left, const std::string& text) const;
  std::size_t width_;
};

} // namespace boldmill::cli
