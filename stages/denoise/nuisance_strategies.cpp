// Which confound columns each named strategy removes.
#include <algorithm>

#include "stages/denoise/nuisance_regression.hpp"

namespace boldmill::nuisance_regression {

std::vector<std::string> strategy_columns(const Params& params,
                                          const std::vector<std::string>& available) {
  const std::vector<std::string> motion{"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};
  const std::vector<std::string> tissue{"global_signal", "csf", "white_matter"};
  const std::string& s = params.strategy;
  std::vector<std::string> out;
  const auto add = [&out](const std::vector<std::string>& names, const std::string& suffix) {
    for (const std::string& name : names) out.push_back(name + suffix);
  };
  const auto add_expanded = [&](const std::vector<std::string>& names) {
    for (const char* suffix : {"", "_derivative1", "_power2", "_derivative1_power2"}) {
      add(names, suffix);
    }
  };
  if (s == "circuit") {
    add(motion, "");
    add(motion, "_derivative1");
    add({"csf", "white_matter"}, "");
  } else if (s == "gsr_only") {
    add({"global_signal"}, "");
  } else if (s == "24P" || s == "27P" || s == "36P") {
    add_expanded(motion);
    if (s == "27P") add(tissue, "");
    if (s == "36P") add_expanded(tissue);
  } else if (s == "custom") {
    for (const std::string& pattern : params.columns) {
      const bool prefix = !pattern.empty() && pattern.back() == '*';
      const std::string stem = pattern.substr(0, pattern.size() - (prefix ? 1 : 0));
      bool found = false;
      for (const std::string& name : available) {
        if (prefix ? !name.starts_with(stem) : name != pattern) continue;
        if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
        found = true;
      }
      if (!found && !prefix) {
        throw Error(ErrorKind::input, "nuisance_regression.columns: no confound column " + pattern);
      }
    }
  }
  for (const std::string& name : out) {
    if (std::find(available.begin(), available.end(), name) == available.end()) {
      throw Error(ErrorKind::input,
                  "confounds: no column " + name + ", needed by strategy " + params.strategy);
    }
  }
  return out;
}

} // namespace boldmill::nuisance_regression
