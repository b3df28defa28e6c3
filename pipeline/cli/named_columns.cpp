#include "pipeline/cli/named_columns.hpp"

#include <algorithm>

#include "pipeline/bids/text.hpp"
#include "pipeline/config/sections.hpp"

namespace boldmill::cli {

std::vector<std::string> absent_columns(const config::Config& config,
                                        const std::vector<std::string>& columns) {
  std::vector<std::string> out;
  const auto look = [&](const char* key, const std::string& name) {
    if (std::find(columns.begin(), columns.end(), name) != columns.end()) return;
    const std::string near = config::nearest(name, columns);
    out.push_back(std::string(key) + ": " + bids::display(name) +
                  " is not a column of participants.tsv" +
                  (near.empty() ? "" : ", did you mean " + bids::display(near) + "?"));
  };
  for (const std::string& target : config.cohort.targets) look("cohort.targets", target);
  if (config.input.group_column != decltype(config.input){}.group_column) {
    look("input.group_column", config.input.group_column);
  }
  return out;
}

} // namespace boldmill::cli
