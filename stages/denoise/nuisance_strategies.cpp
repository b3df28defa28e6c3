// Which confound columns each named strategy removes.
#include <algorithm>

#include "stages/core/pattern.hpp"
#include "stages/denoise/nuisance_regression.hpp"

namespace boldmill::nuisance_regression {
namespace {

using Names = std::vector<std::string>;

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Names matching(const std::string& pattern, const Names& available) {
  Names out;
  for (const std::string& name : available) {
    if (matches_pattern(pattern, name)) out.push_back(name);
  }
  return out;
}

void add_patterns(const Names& patterns, const char* parameter, const Names& available,
                  Names& out) {
  for (const std::string& pattern : patterns) {
    const Names found = matching(pattern, available);
    if (found.empty() && pattern.find('*') == std::string::npos) {
      throw Error(ErrorKind::input, std::string("nuisance_regression.") + parameter +
                                        ": no confound column " + pattern);
    }
    for (const std::string& name : found) {
      if (!contains(out, name)) out.push_back(name);
    }
  }
}

// The first five components of each tissue and every cosine that CompCor had removed.
void add_compcor(const Names& available, Names& out) {
  for (const char* prefix : {"w_comp_cor_0", "c_comp_cor_0"}) {
    out.push_back(std::string(prefix) + "0"); // at least one
    for (const char* digit : {"1", "2", "3", "4"}) {
      if (contains(available, prefix + std::string(digit))) {
        out.push_back(prefix + std::string(digit));
      }
    }
  }
  for (const std::string& name : matching("cosine*", available)) out.push_back(name);
}

void add_aroma(const Names& available, Names& out) {
  Names found = matching("aroma_orth_motion_*", available);
  if (found.empty()) found = matching("aroma_motion_*", available);
  if (found.empty()) found.emplace_back("aroma_orth_motion_*");
  out.insert(out.end(), found.begin(), found.end());
}

void add_strategy(const std::string& s, const Names& available, Names& out) {
  const Names motion{"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};
  const Names tissue{"global_signal", "csf", "white_matter"};
  const auto add = [&out](const Names& names, const std::string& suffix) {
    for (const std::string& name : names) out.push_back(name + suffix);
  };
  const auto add_expanded = [&](const Names& names) {
    for (const char* suffix : {"", "_derivative1", "_power2", "_derivative1_power2"}) {
      add(names, suffix);
    }
  };
  if (s == "circuit" || s.starts_with("acompcor")) {
    add(motion, "");
    add(motion, "_derivative1");
  }
  if (s == "circuit" || s.starts_with("aroma")) add({"csf", "white_matter"}, "");
  if (s == "24P" || s == "27P" || s == "36P") add_expanded(motion);
  if (s == "27P") add(tissue, "");
  if (s == "36P") add_expanded(tissue);
  if (s.starts_with("acompcor")) add_compcor(available, out);
  if (s.starts_with("aroma")) add_aroma(available, out);
  if (s == "gsr_only" || s.ends_with("_gsr")) add({"global_signal"}, "");
}

} // namespace

std::vector<std::string> strategy_columns(const Params& params,
                                          const std::vector<std::string>& available) {
  Names out;
  add_strategy(params.strategy, available, out);
  for (const std::string& name : out) {
    if (!contains(available, name)) {
      throw Error(ErrorKind::input,
                  "confounds: no column " + name + ", needed by strategy " + params.strategy);
    }
  }
  if (params.strategy == "custom") add_patterns(params.columns, "columns", available, out);
  add_patterns(params.extra_columns, "extra_columns", available, out);
  return out;
}

} // namespace boldmill::nuisance_regression
