// Which columns of participants.tsv the group stage asks what of. The numbers of the statistics are
// the stages' own Params.
#pragma once

#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::config {

// What the group stage does. "auto": where the cohort has what it takes, otherwise not_done says
// what is missing; an explicit choice also enters the folds of predictions.
struct CohortParams {
  std::vector<std::string> targets;
  std::string site_column = "site";
  std::string age_column = "age";
  std::string sex_column = "sex";
  std::string imputation = "auto";
  std::string harmonization = "auto";
  std::string harmonization_column;
  std::vector<std::string> harmonization_covariates{"age", "sex"};
  int harmonization_min_people = 10;
  std::string scores_from = "harmonized";
  std::string norms = "auto";
  std::vector<std::string> norm_covariates{"age", "sex", "mean_fd"};
  std::string biotypes = "auto";
  int biotype_min_people = 40;
  bool published_chain = false;
  std::string published_imputer = "forest";
  bool operator==(const CohortParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, CohortParams>
{
  auto& [targets, site_column, age_column, sex_column, imputation, harmonization,
         harmonization_column, harmonization_covariates, harmonization_min_people, scores_from,
         norms, norm_covariates, biotypes, biotype_min_people, published_chain, published_imputer] =
      params;
  visit("targets", targets, "", "columns of participants.tsv to predict", Limits{});
  visit("site_column", site_column, "", "column with the site", Limits{});
  visit("age_column", age_column, "", "column with the age in years", Limits{});
  visit("sex_column", sex_column, "", "column with the sex", Limits{});
  visit("imputation", imputation, "",
        "missing measures before biotypes: chained (section chained_imputation), median, none, or "
        "auto: chained. Folds of predictions use the median unless this says chained",
        Limits::one_of({"auto", "chained", "median", "none"}));
  visit("harmonization", harmonization, "",
        "combat takes site or scanner out of scores and biotypes, and of the measures inside the "
        "folds of predictions; auto: of scores and biotypes only, where there are several sites "
        "of harmonization_min_people; longitudinal: as auto, the scores with an intercept of every "
        "person over his sessions; none",
        Limits::one_of({"auto", "combat", "longitudinal", "none"}));
  visit("harmonization_column", harmonization_column, "",
        "column of scanners or sites that harmonisation acts on; empty: site_column", Limits{});
  visit("harmonization_covariates", harmonization_covariates, "",
        "columns whose effect harmonisation keeps; a target of prediction or the outcome of the "
        "trial is never among them, a column that one person in ten lacks neither",
        Limits{});
  visit("harmonization_min_people", harmonization_min_people, "people",
        "auto: with fewer in a site nothing is harmonised", Limits::between(2, 1e6));
  visit("scores_from", scores_from, "",
        "features and scores from raw measures, harmonized ones, or those of the first imputation "
        "after harmonisation (imputed)",
        Limits::one_of({"raw", "harmonized", "imputed"}));
  visit("norms", norms, "",
        "normative model of the healthy people (section normative_model); auto: where there are "
        "normative_model.min_people of them",
        Limits::one_of({"auto", "none"}));
  visit("norm_covariates", norm_covariates, "",
        "columns that norms account for; mean_fd is the mean framewise displacement of the runs",
        Limits{});
  visit("biotypes", biotypes, "",
        "clusters of people and the one test of them (section biotype_test); auto: where there are "
        "biotype_min_people people who are not healthy controls",
        Limits::one_of({"auto", "none"}));
  visit("biotype_min_people", biotype_min_people, "people",
        "with fewer nothing is clustered; at least twice biotype_test.k_max are needed",
        Limits::between(4, 1e6));
  visit("published_chain", published_chain, "",
        "the statistics of the published chain as well, with its quirks, under "
        "/cohort/published_chain",
        Limits{});
  visit("published_imputer", published_imputer, "",
        "predictions that donors of the published chain are matched by: random forests, as "
        "published, or linear",
        Limits::one_of({"forest", "linear"}));
}

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
