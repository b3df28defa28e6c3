// Parts of records that several kinds of models have; internal to the files of records.
#pragma once

#include "pipeline/config/sections.hpp"
#include "pipeline/graph/learned_records.hpp"

namespace boldmill::graph {

template <class Params>
std::pair<std::string, std::string> parameters(const Params& params) {
  return {"parameters", config::section_to_json(params).dump()};
}

template <class Params>
void read_parameters(const store::GroupRecord& record, Params& params) {
  std::vector<std::string> errors;
  const auto json = config::Json::parse(record.setting("parameters"), nullptr, false);
  if (json.is_object()) config::section_from_json(json, record.path, params, errors);
  if (!json.is_object() || !errors.empty()) {
    throw Error(ErrorKind::input, record.path + ": parameters that this version does not know");
  }
}

inline void require(bool fits, const store::GroupRecord& record) {
  if (!fits) throw Error(ErrorKind::input, record.path + ": parts do not fit together");
}

inline void check_version(const store::GroupRecord& record, const StageInfo& stage) {
  const std::string expected = std::string(stage.name) + " " + std::to_string(stage.version);
  if (record.setting("stage") == expected) return;
  throw Error(ErrorKind::input, record.path + ": found a model of " + record.setting("stage") +
                                    ", expected " + expected);
}

inline std::pair<std::string, std::string> stage_setting(const StageInfo& stage) {
  return {"stage", std::string(stage.name) + " " + std::to_string(stage.version)};
}

inline void add_coding(const Coding& coding, store::GroupRecord& out) {
  if (coding.column.empty()) return;
  out.axes.push_back({"covariate", coding.column.size(), coding.names(), {}});
  out.arrays.push_back(
      text_of("covariate_column", "of participants.tsv", {"covariate"}, coding.column));
  out.arrays.push_back(
      text_of("covariate_level", "1 for this text; empty: a number", {"covariate"}, coding.level));
  out.arrays.push_back(
      text_of("covariate_other", "the level without an indicator", {"covariate"}, coding.other));
  out.arrays.push_back(
      list_of("covariate_centre", "mean of the people learned from", "covariate", coding.centre));
}

inline Eigen::VectorXd to_eigen(const std::vector<int>& values) {
  Eigen::VectorXd out(static_cast<Eigen::Index>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) out[static_cast<Eigen::Index>(i)] = values[i];
  return out;
}

inline std::vector<int> integers_from(const store::GroupRecord& record, const std::string& name) {
  std::vector<int> out;
  for (const double value : record.array(name).number) out.push_back(integer_of(record, value));
  return out;
}

} // namespace boldmill::graph
