// The methods paragraph: imputation, harmonisation, norms and biotypes of a cohort.
#include <sstream>

#include "pipeline/report/methods_parts.hpp"

namespace boldmill::report {
namespace {

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

std::vector<std::string> covariates_of(const store::GroupRecord& record) {
  return record.has("covariate") ? record.array("covariate").text : std::vector<std::string>{};
}

std::string number(double value) {
  std::ostringstream text;
  text.precision(3);
  text << value;
  return text.str();
}

} // namespace

std::string chain_text(const Json& c, const store::CohortReader& cohort) {
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  std::string text;
  if (cohort.has_completed()) {
    const std::string what = cohort.group("biotypes")
                                 ? "For biotypes, missing measures were "
                                 : "In the completed table (no biotypes were looked for), missing "
                                   "measures were ";
    text += v("cohort", "imputation") == "median"
                ? what + "replaced by the median of all people. "
                : what + "filled " + v("chained_imputation", "imputations") +
                      " times by chained equations with predictive mean matching (" +
                      v("chained_imputation", "donors") + " donors, " +
                      v("chained_imputation", "iterations") +
                      " sweeps, inside batches of at least " +
                      v("chained_imputation", "min_batch") + " people). ";
  }
  const auto combat = cohort.group("harmonization");
  if (!combat) return text + "Measures were not harmonised between sites. ";
  text += "Measures were harmonised between " + std::to_string(combat->array("batch").text.size()) +
          " values of column " + combat->setting("batch_column") + " by ComBat (" +
          v("combat", "method") + "), which kept the effects of " + list(covariates_of(*combat)) +
          "; the scores are of " + v("cohort", "scores_from") + " measures. ";
  return text;
}

std::string norms_text(const Json& c, const store::CohortReader& cohort) {
  const auto norms = cohort.group("norms");
  if (!norms) return "";
  std::size_t people = 0;
  for (const double one : norms->array("in_reference").number) people += one > 0.0 ? 1 : 0;
  return "A normative model (Bayesian regression with a B-spline of " +
         value(c, "normative_model", "age") + ", sites as random effects, sinh-arcsinh warp) of " +
         std::to_string(people) + " healthy people, with covariates " +
         list(covariates_of(*norms)) + ", gives z and centile of everybody. ";
}

std::string biotypes_text(const Json& c, const store::CohortReader& cohort) {
  const auto found = cohort.group("biotypes");
  if (!found) return "";
  const auto v = [&c](const char* key) { return value(c, "biotype_test", key); };
  const auto scalar = [&found](const char* name) { return found->array(name).number.at(0); };
  return "People who are not healthy controls (" + number(scalar("n_people")) +
         ") were clustered by 1 - Pearson's r of their features, average linkage, " + v("k_min") +
         " to " + v("k_max") +
         " clusters. One test was declared: the largest standardised silhouette against " +
         v("repetitions") +
         " tables of a Gaussian copula with the same margins, correlations and missing values, "
         "taken through the same chain: p = " +
         number(scalar("p")) + ". Verdict: " + found->array("verdict_in_words").text.at(0) + ". ";
}

} // namespace boldmill::report
