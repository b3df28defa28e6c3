#include "pipeline/graph/published_chain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/graph/cohort_biotypes.hpp"
#include "pipeline/graph/published_tests.hpp"
#include "pipeline/graph/table_columns.hpp"
#include "stages/cohort/kernels/forest_imputation.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kPath = "published_chain";
constexpr int kClusters = 6;
using Text = std::vector<std::string>;

constexpr int kSeedOfImputation = 12345;

int donors_of(Eigen::Index n) {
  return std::max(5, static_cast<int>(std::lround(0.01 * static_cast<double>(n))));
}

// Forests complete these rows and no others, so they are no step; a measure that a whole scanner
// lacks is left out.
cohort::Rows completed_by_forests(const cohort::Rows& rows, const Context& context) {
  cohort::Rows out = rows;
  const Eigen::MatrixXd x = cohort::impute_by_forests(
      rows.x, rows.batch, {.donors = donors_of(rows.x.rows()), .seed = kSeedOfImputation}, context);
  std::vector<Eigen::Index> kept;
  out.names.clear();
  for (Eigen::Index c = 0; c < x.cols(); ++c) {
    if (x.col(c).array().isNaN().any()) continue;
    kept.push_back(c);
    out.names.push_back(rows.names[static_cast<std::size_t>(c)]);
  }
  out.x = x(Eigen::all, kept);
  return out;
}

// Imputation inside scanners, patients and controls together; ComBat without covariates; z against
// all controls; directions of an interaction averaged.
cohort::Rows published_rows(const ChainTable& table, const config::Config& config,
                            const taxonomy::Taxonomy& taxonomy, const Context& context) {
  cohort::Rows rows = table.rows.select(table.learners);
  rows.covariates.resize(rows.x.rows(), 0);
  rows.covariate_names.clear();
  std::vector<cohort::LearningStep> steps;
  if (config.cohort.published_imputer == "forest") {
    rows = completed_by_forests(rows, context);
  } else {
    steps.push_back(chained_imputation::step({.donors = donors_of(rows.x.rows()),
                                              .iterations = 5,
                                              .min_batch = 5,
                                              .random_seed = kSeedOfImputation}));
  }
  if (table.batch.names.size() > 1) {
    steps.push_back(combat::step({.single_member = "location", .zero_spread = "keep"}));
  }
  steps.push_back(standardisation::step({.reference = "controls", .min_controls = 2}));
  steps.push_back(features_step(taxonomy, 1.0));
  return cohort::fit_apply_steps(steps, rows).rows;
}

biotypes::Params published_params() {
  return {.clusters = kClusters,
          .repetitions = 10000,
          .resamplings = 10000,
          .stability_nulls = 0,
          .p_value = "published",
          .random_seed = 123};
}

Eigen::VectorXd p_of(const biotypes::Outputs& out, const std::string& null) {
  for (const biotypes::Null& one : out.nulls) {
    if (one.name == null) return one.p_value;
  }
  return Eigen::VectorXd::Constant(static_cast<Eigen::Index>(out.k.size()), kNaN);
}

// By k: the published statistics and, where the group stage has it, the corrected one.
store::TableRecord statistics_of(const biotypes::Outputs& out, const store::GroupRecord* corrected,
                                 const std::string& fitted_on) {
  std::vector<double> k(out.k.begin(), out.k.end());
  store::TableRecord table{std::string(kPath) + "/statistics",
                           "tested_k",
                           "the published battery by number of clusters",
                           fitted_on,
                           {}};
  table.columns = {
      {"k", "clusters", false, {}, k},
      numbers("silhouette", "mean over people", out.silhouette),
      numbers("within_sum", "distances inside clusters", out.within_sum),
      numbers("ari_leave_one_out", "adjusted Rand index without one person", out.ari_leave_one_out),
      numbers("ari_resampling", "of subsamples of four fifths", out.ari_resampling),
      numbers("p_normal", "share of normal tables above; can be 0", p_of(out, "normal")),
      numbers("p_permutation",
              "share of tables with permuted columns above: it says that features "
              "are correlated, nothing of clusters",
              p_of(out, "permutation"))};
  if (corrected != nullptr && corrected->has("silhouette")) {
    const auto& own = corrected->array("silhouette").number;
    const auto& axis = corrected->axes.front().values;
    std::vector<double> beside(k.size(), kNaN);
    for (std::size_t i = 0; i < k.size(); ++i) {
      const auto at = std::find(axis.begin(), axis.end(), k[i]);
      if (at != axis.end()) beside[i] = own[static_cast<std::size_t>(at - axis.begin())];
    }
    table.columns.push_back(
        {"silhouette_corrected", "of the group stage's own chain", false, {}, std::move(beside)});
  }
  return table;
}

// One line for each statement, published and corrected.
store::TableRecord beside(const biotypes::Outputs& out, const ChainTable& table,
                          const config::Config& config, const store::CohortResults& results,
                          const store::GroupRecord* corrected) {
  Text statement, published, own;
  const auto add = [&](const char* what, const std::string& a, const std::string& b) {
    statement.emplace_back(what);
    published.push_back(a);
    own.push_back(b);
  };
  const auto number = [](double value) {
    return std::isnan(value) ? std::string() : config::Json(value).dump();
  };
  const auto scalar = [&](const char* name) {
    return corrected == nullptr || !corrected->has(name) ? std::string()
                                                         : number(corrected->array(name).number[0]);
  };
  const auto whole = [&](const char* name) {
    return corrected == nullptr || !corrected->has(name)
               ? std::string()
               : std::to_string(corrected->array(name).integer[0]);
  };
  std::string why;
  for (const auto& item : results.not_done) {
    if (item.analysis == "biotypes") why = "not done: " + item.reason;
  }
  std::string kept;
  for (const std::string& name : table.covariates.names()) {
    kept += (kept.empty() ? "" : ", ") + name;
  }
  const auto at = static_cast<Eigen::Index>(kClusters - out.k.front());
  add("imputations", "1, its uncertainty is lost",
      std::to_string(config.chained_imputation.imputations));
  add("harmonisation keeps", "nothing: differences of diagnosis, age and sex between scanners go",
      table.why_not.empty() ? (kept.empty() ? "nothing" : kept) : "not done: " + table.why_not);
  add("people clustered", std::to_string(out.used.size()), whole("n_people"));
  add("clusters", std::to_string(kClusters) + ", as published", whole("k"));
  add(
      "silhouette there", number(out.silhouette[at]), corrected == nullptr ? "" : [&] {
        const auto k = static_cast<std::size_t>(corrected->array("k").integer[0] -
                                                static_cast<int>(corrected->axes[0].values[0]));
        return number(corrected->array("silhouette").number[k]);
      }());
  add("p against a normal cloud", number(p_of(out, "normal")[at]), "not part of the verdict");
  add("p against permuted columns", number(p_of(out, "permutation")[at]),
      scalar("p_features_are_correlated"));
  add("p of the one declared test", "", scalar("p"));
  add("adjusted Rand index, leave one out", number(out.ari_leave_one_out[at]), "");
  add("adjusted Rand index, subsamples", number(out.ari_resampling[at]), "");
  add("verdict", "none: small p are read as clusters",
      corrected == nullptr ? why : corrected->array("verdict_in_words").text[0]);
  return {std::string(kPath) + "/beside",
          "statement",
          "the published chain and the corrected one",
          results.fitted_on,
          {texts("what", "statement", std::move(statement)),
           texts("published", "with the quirks of the published chain", std::move(published)),
           texts("corrected", "of the group stage", std::move(own))}};
}

} // namespace

void add_published_chain(const store::CohortReader& reader, const ChainTable& table,
                         const config::Config& config, const taxonomy::Taxonomy& taxonomy,
                         store::CohortResults& results, const Context& context) {
  if (!config.cohort.published_chain) return;
  biotypes::Inputs in;
  biotypes::Outputs out;
  std::vector<int> label;
  try {
    const cohort::Rows done = published_rows(table, config, taxonomy, context);
    in.x = done.x;
    in.features = done.names;
    for (Eigen::Index i = 0; i < in.x.rows(); ++i) { // controls are the reference, not clustered
      if (done.is_reference[static_cast<std::size_t>(i)] != 0) in.x.row(i).setConstant(kNaN);
    }
    const auto group = score_of_features(taxonomy);
    for (const std::string& feature : in.features) {
      const auto found = group.find(feature);
      in.group.push_back(found == group.end() ? feature : found->second);
    }
    out = biotypes::run(in, published_params(), context);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    out.not_done = error.what();
  }
  if (!out.not_done.empty()) {
    results.not_done.push_back({kPath, out.not_done});
    return;
  }
  const store::GroupRecord* corrected = find_group(results.groups, "biotypes");
  results.tables.push_back(statistics_of(out, corrected, results.fitted_on));
  results.tables.push_back(beside(out, table, config, results, corrected));
  const auto at = static_cast<Eigen::Index>(kClusters - out.k.front());
  Text own(static_cast<std::size_t>(table.rows.x.rows())), profile = own;
  for (std::size_t i = 0; i < table.learners.size(); ++i) {
    label.push_back(out.label(static_cast<Eigen::Index>(i), at));
    if (label.back() < 0) continue;
    const auto row = static_cast<std::size_t>(table.learners[i]);
    own[row] = std::to_string(label.back());
    profile[row] = out.profile_name[static_cast<std::size_t>(label.back())];
  }
  results.tables.push_back(
      {std::string(kPath) + "/people",
       "row",
       "clusters of the published chain",
       results.fitted_on,
       {texts("label", "cluster, numbered by first member", std::move(own)),
        texts("profile", "scores at least 0.5 SD from the healthy mean", std::move(profile))}});
  const PublishedClusters clusters{in, out, kClusters, table.learners, label, results.fitted_on};
  for (auto& record : published_tests(clusters, reader.participants(), config)) {
    results.tables.push_back(std::move(record));
  }
}

} // namespace boldmill::graph
