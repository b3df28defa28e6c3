// .bidsignore: patterns of the .gitignore language, relative to the dataset's root.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boldmill::bids {

class IgnoreRules {
public:
  IgnoreRules() = default;
  explicit IgnoreRules(std::string_view text); // the content of a .bidsignore

  // `path` relative to the root, without a leading "/". The last rule that matches decides. Rules
  // for folders apply to what is below them only when the walk does not enter an ignored folder.
  [[nodiscard]] bool ignored(std::string_view path, bool is_folder) const;
  [[nodiscard]] bool empty() const { return rules_.empty(); }

private:
  struct Rule {
    std::string pattern; // without "!", leading and trailing "/"
    bool negated = false;
    bool folders_only = false;
    bool anchored = false; // had a "/" that is not the last character
  };
  std::vector<Rule> rules_;
};

// "*" and "?" stop at "/", "**" does not, "[a-z]" and "[!a]" are sets, "\" quotes.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);

} // namespace boldmill::bids
