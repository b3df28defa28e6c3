// Which columns of participants.tsv the group stage asks what of. The numbers of the statistics are
// the stages' own Params.
#pragma once

#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::config {

// What group_statistics tests.
struct AssociationParams {
  bool groups = true;
  std::vector<std::string> symptoms;
  std::vector<std::string> covariates{"age", "sex"};
  std::string tested = "scores";
  bool operator==(const AssociationParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, AssociationParams>
{
  auto& [groups, symptoms, covariates, tested] = params;
  visit("groups", groups, "", "every other value of input.group_column against the controls",
        Limits{});
  visit("symptoms", symptoms, "", "numeric columns that scores may go with", Limits{});
  visit("covariates", covariates, "",
        "columns to adjust for; those that are not there are left out", Limits{});
  visit("tested", tested, "", "what is tested", Limits::one_of({"scores", "features", "measures"}));
}

// What treatment reads. Without outcome and arm nothing is done.
struct TrialParams {
  std::string outcome;
  std::string baseline;
  std::string arm;
  std::string study;
  std::vector<std::string> randomised;
  std::string day;
  std::string index_session;
  std::string biotype;
  std::vector<std::string> covariates;
  bool operator==(const TrialParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, TrialParams>
{
  auto& [outcome, baseline, arm, study, randomised, day, index_session, biotype, covariates] =
      params;
  visit("outcome", outcome, "", "column with the severity at follow-up; empty: not done", Limits{});
  visit("baseline", baseline, "", "column with the severity before treatment", Limits{});
  visit("arm", arm, "", "column with the treatment received", Limits{});
  visit("study", study, "", "column with the study; empty: all people are of one", Limits{});
  visit(
      "randomised", randomised, "",
      "studies that drew the arm by lot (\"all\" without a column): only there rules are evaluated",
      Limits{});
  visit("day", day, "",
        "column with the day of the scan counted from the start of treatment; later than 0 is left "
        "out",
        Limits{});
  visit("index_session", index_session, "",
        "session that precedes treatment (ses-...); other sessions are not predictors", Limits{});
  visit("biotype", biotype, "", "column with biotypes found before and elsewhere", Limits{});
  visit("covariates", covariates, "", "columns beside the baseline that models adjust for",
        Limits{});
}

} // namespace boldmill::config
