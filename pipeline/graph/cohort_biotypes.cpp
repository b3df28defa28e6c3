#include "pipeline/graph/cohort_biotypes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Text = std::vector<std::string>;

standardisation::Params against_controls(const config::Config& config) {
  return {.reference = "controls", .min_controls = config.standardisation.min_controls};
}

biotype_test::Inputs inputs_of(const ChainTable& table, const config::Config& config,
                               const taxonomy::Taxonomy& taxonomy) {
  biotype_test::Inputs in;
  in.rows = table.rows.select(table.learners);
  const auto& batch = in.rows.batch;
  if (std::all_of(batch.begin(), batch.end(), [](int id) { return id < 0; })) in.rows.batch.clear();
  const bool chained = chain_choice(table, config, 0).filling == Filling::chained;
  const int count = chained ? config.chained_imputation.imputations : 1;
  for (int i = 0; i < count; ++i) {
    auto steps = chain_steps(chain_choice(table, config, i), config);
    steps.push_back(standardisation::step(against_controls(config)));
    steps.push_back(features_step(taxonomy, config.scores.min_measure_share));
    in.chains.push_back(std::move(steps));
  }
  in.group = score_of_features(taxonomy);
  return in;
}

FrozenBiotypes freeze(const ChainTable& table, const config::Config& config,
                      const biotype_test::Outputs& out) {
  const cohort::Rows training = table.rows.select(table.learners);
  FrozenBiotypes frozen;
  frozen.chain = learn_chain(training, chain_choice(table, config, 0), config);
  const cohort::Rows done = apply_chain(frozen.chain, training);
  const auto scale = standardisation::fit(done.x, done.is_reference, against_controls(config));
  frozen.column = done.names;
  frozen.mean = scale.mean;
  frozen.sd = scale.sd;
  frozen.min_measure_share = config.scores.min_measure_share;
  frozen.model = out.model;
  frozen.feature = out.features;
  frozen.profile_name = out.profile_name;
  frozen.verdict = biotype_test::to_string(out.verdict);
  frozen.in_words = biotype_test::in_words(out.verdict);
  return frozen;
}

class Writer {
public:
  Writer(const ChainTable& table, const biotype_test::Outputs& out, const Text& features)
      : table_(table), out_(out), features_(features), n_(table.rows.x.rows()) {
    record_.path = "biotypes";
    record_.what = biotype_test::in_words(out.verdict);
    std::vector<double> k(out.k.begin(), out.k.end());
    record_.axes = {{"k_tested", k.size(), {}, k},
                    {"cluster", static_cast<std::size_t>(out.chosen), {}, {}}};
  }

  store::GroupRecord write(const cohort::Assignment& rule) {
    test();
    stability();
    people(rule);
    clusters();
    dimensions();
    return std::move(record_);
  }

private:
  void scalar(const char* name, const char* what, double value) {
    record_.arrays.push_back({.name = name, .what = what, .axes = {}, .number = {value}});
  }
  void by_k(const std::string& name, const char* what, const Eigen::VectorXd& values) {
    if (values.size() == static_cast<Eigen::Index>(out_.k.size())) {
      record_.arrays.push_back(array_of(name, what, {"k_tested"}, values));
    }
  }
  void null_of(const char* name, const char* axis, const Eigen::VectorXd& values) {
    if (values.size() == 0) return;
    record_.axes.push_back({axis, static_cast<std::size_t>(values.size()), {}, {}});
    record_.arrays.push_back(array_of(
        name, "largest standardised silhouette of each table without clusters", {axis}, values));
  }

  void test() {
    record_.arrays.push_back(text_of("verdict",
                                     "of the one declared test: continuum, unconfirmed, "
                                     "differences_of_sites or biotypes",
                                     {}, {std::string(biotype_test::to_string(out_.verdict))}));
    record_.arrays.push_back(
        text_of("verdict_in_words", "", {}, {biotype_test::in_words(out_.verdict)}));
    record_.arrays.push_back(integers_of(
        "k", "clusters described: the largest standardised silhouette", {}, {out_.chosen}));
    record_.arrays.push_back(integers_of("n_people", "people who were clustered", {},
                                         {static_cast<std::int32_t>(out_.used.size())}));
    scalar("p", "of one continuum over all sites: the one declared test", out_.test.p_value);
    scalar("p_within_sites", "of a continuum inside each site; only after a rejection",
           out_.within_sites.p_value);
    scalar("p_features_are_correlated",
           "of independent features: says nothing of clusters, never enters the verdict",
           out_.p_features_are_correlated);
    by_k("silhouette", "mean over people", out_.silhouette);
    by_k("silhouette_standardised", "against the tables of the null", out_.test.observed);
    null_of("null_largest", "repetition", out_.test.null_largest);
    null_of("null_largest_within_sites", "repetition_within_sites", out_.within_sites.null_largest);
  }

  void stability() {
    const auto& s = out_.stability;
    if (s.null_leave_one_out.rows() == 0) return;
    record_.axes.push_back(
        {"stability_table", static_cast<std::size_t>(s.null_leave_one_out.rows()), {}, {}});
    const std::tuple<const char*, const Eigen::VectorXd&, const Eigen::MatrixXd&> parts[] = {
        {"ari_leave_one_out", s.leave_one_out, s.null_leave_one_out},
        {"ari_resampling", s.resampling, s.null_resampling},
        {"ari_split_half", s.split_ari, s.null_split_ari}};
    for (const auto& [name, observed, null] : parts) {
      by_k(name, "adjusted Rand index", observed);
      record_.arrays.push_back(array_of(std::string(name) + "_null",
                                        "the same of tables without clusters",
                                        {"stability_table", "k_tested"}, null));
      Eigen::VectorXd p(observed.size());
      for (Eigen::Index c = 0; c < p.size(); ++c) {
        const auto above = (null.col(c).array() >= observed[c]).count();
        p[c] = static_cast<double>(1 + above) / static_cast<double>(null.rows() + 1);
      }
      by_k(std::string("p_") + name, "no more stable than tables without clusters", p);
    }
  }

  // From the rows that were clustered to those of the file.
  template <class Values, class T>
  [[nodiscard]] std::vector<T> all_rows(const Values& values, T missing) const {
    std::vector<T> out(static_cast<std::size_t>(n_), missing);
    for (std::size_t i = 0; i < table_.learners.size(); ++i) {
      out[static_cast<std::size_t>(table_.learners[i])] =
          static_cast<T>(values[static_cast<decltype(values.size())>(i)]);
    }
    return out;
  }

  void people(const cohort::Assignment& rule) {
    record_.arrays.push_back(integers_of(
        "label", "cluster of a person who was clustered, -1: healthy, incomplete, a later session",
        {"row"}, all_rows(out_.label, std::int32_t{-1})));
    const std::vector<double> margin(rule.margin.begin(), rule.margin.end());
    const std::vector<double> stable(rule.stability.begin(), rule.stability.end());
    record_.arrays.push_back(integers_of("assigned",
                                         "by the rule for new people, -1: unclassified or without "
                                         "features",
                                         {"row"},
                                         {rule.classified.begin(), rule.classified.end()}));
    record_.arrays.push_back(
        list_of("margin", "best minus second correlation with a centroid", "row", margin));
    record_.arrays.push_back(
        list_of("stability", "share of bootstrap samples that say the same", "row", stable));
    record_.arrays.push_back(list_of("co_assignment", "support of the label over imputations",
                                     "row", all_rows(out_.co_assignment, kNaN)));
  }

  // k x F of the file; missing where the chain has no such feature.
  [[nodiscard]] Eigen::MatrixXd over_features(const Eigen::MatrixXd& values) const {
    Eigen::MatrixXd out =
        Eigen::MatrixXd::Constant(values.rows(), static_cast<Eigen::Index>(features_.size()), kNaN);
    for (std::size_t f = 0; f < out_.features.size(); ++f) {
      const auto at =
          std::find(features_.begin(), features_.end(), out_.features[f]) - features_.begin();
      out.col(at) = values.col(static_cast<Eigen::Index>(f));
    }
    return out;
  }

  void clusters() {
    record_.arrays.push_back(array_of("centroid", "mean of features, in SD of the healthy people",
                                      {"cluster", "feature"}, over_features(out_.model.centroid)));
    std::vector<std::int32_t> size(static_cast<std::size_t>(out_.chosen), 0);
    for (const int label : out_.label) {
      if (label >= 0) ++size[static_cast<std::size_t>(label)];
    }
    record_.arrays.push_back(integers_of("size", "people", {"cluster"}, size));
    record_.arrays.push_back(text_of("profile_name",
                                     "scores whose mean stands out; empty: none does", {"cluster"},
                                     out_.profile_name));
  }

  void dimensions() {
    const auto& d = out_.dimensional;
    record_.axes.push_back({"n_factors", static_cast<std::size_t>(d.log_density.size()), {}, {}});
    record_.arrays.push_back(array_of("log_density",
                                      "of held-out people under a continuum of so many factors",
                                      {"n_factors"}, d.log_density));
    scalar("clusters_gain", "log density that clusters add to these factors, mean over people",
           d.clusters_gain);
    scalar("clusters_gain_se", "standard error of its mean", d.clusters_gain_se);
    if (d.factors == 0) return;
    record_.axes.push_back({"factor", static_cast<std::size_t>(d.factors), {}, {}});
    Eigen::MatrixXd scores = Eigen::MatrixXd::Constant(n_, d.factors, kNaN);
    scores(table_.learners, Eigen::all) = d.scores;
    record_.arrays.push_back(
        array_of("factor_score", "the dimensional alternative", {"row", "factor"}, scores));
    record_.arrays.push_back(array_of("loading", "", {"factor", "feature"},
                                      over_features(d.model.loadings.transpose())));
  }

  const ChainTable& table_;
  const biotype_test::Outputs& out_;
  const Text& features_;
  Eigen::Index n_;
  store::GroupRecord record_;
};

// The same in a table that is short enough for the report.
store::TableRecord verdict_table(const biotype_test::Outputs& out, const Text& profiles,
                                 const std::string& fitted_on) {
  Text what, found;
  const auto add = [&](const char* name, const std::string& text) {
    what.emplace_back(name);
    found.push_back(text);
  };
  const auto number = [](double value) {
    return std::isnan(value) ? std::string("not done") : config::Json(value).dump();
  };
  add("verdict", biotype_test::in_words(out.verdict));
  add("p of the one declared test", number(out.test.p_value));
  add("p inside sites, after a rejection", number(out.within_sites.p_value));
  add("p that features are independent: says nothing of clusters",
      number(out.p_features_are_correlated));
  add("people clustered", std::to_string(out.used.size()));
  add("clusters described", std::to_string(out.chosen));
  for (std::size_t c = 0; c < profiles.size(); ++c) {
    add(("profile of cluster " + std::to_string(c)).c_str(),
        profiles[c].empty() ? "nothing stands out" : profiles[c]);
  }
  add("factors of the dimensional alternative", std::to_string(out.dimensional.factors));
  add("log density that clusters add to them, and its standard error",
      number(out.dimensional.clusters_gain) + ", " + number(out.dimensional.clusters_gain_se));
  return {"biotype_verdict",
          "item",
          "one test of clusters against a continuum",
          fitted_on,
          {{"what", "item", true, std::move(what), {}},
           {"found", "of this cohort", true, std::move(found), {}}}};
}

std::string problem_of(const ChainTable& table, const config::Config& config) {
  if (config.cohort.biotypes == "none") return "cohort.biotypes is none";
  const int needed = std::max(config.cohort.biotype_min_people, 2 * config.biotype_test.k_max);
  const auto people =
      std::count_if(table.learners.begin(), table.learners.end(), [&](const Eigen::Index row) {
        return table.rows.is_reference[static_cast<std::size_t>(row)] == 0;
      });
  if (people >= needed) return "";
  return "found " + std::to_string(people) +
         " people with measures who are not healthy controls, expected at least " +
         std::to_string(needed) + " (cohort.biotype_min_people, twice biotype_test.k_max)";
}

} // namespace

cohort::LearningStep features_step(const taxonomy::Taxonomy& taxonomy, double min_share) {
  return {"features", [features = taxonomy.features, min_share](const cohort::Rows&) {
            return [features, min_share](const cohort::Rows& rows) {
              cohort::Rows out = rows;
              out.names.clear();
              std::vector<Eigen::VectorXd> columns;
              for (const taxonomy::Feature& feature : features) {
                Eigen::VectorXd sum = Eigen::VectorXd::Zero(rows.x.rows());
                double present = 0.0;
                for (const std::string& member : feature.members) {
                  const auto found = std::find(rows.names.begin(), rows.names.end(), member);
                  if (found == rows.names.end()) continue;
                  sum += rows.x.col(found - rows.names.begin());
                  present += 1.0;
                }
                if (present == 0.0 ||
                    present < min_share * static_cast<double>(feature.members.size())) {
                  continue;
                }
                columns.emplace_back(sum / present);
                out.names.push_back(feature.name);
              }
              out.x.resize(rows.x.rows(), static_cast<Eigen::Index>(columns.size()));
              for (std::size_t c = 0; c < columns.size(); ++c) {
                out.x.col(static_cast<Eigen::Index>(c)) = columns[c];
              }
              return out;
            };
          }};
}

std::map<std::string, std::string> score_of_features(const taxonomy::Taxonomy& t) {
  std::map<std::string, std::string> out;
  for (const taxonomy::Score& score : t.scores) {
    for (const std::string& feature : score.members) out.try_emplace(feature, score.name);
  }
  return out;
}

void add_biotypes(const ChainTable& table, const config::Config& config,
                  const taxonomy::Taxonomy& taxonomy, store::CohortResults& results,
                  const Context& context) {
  std::string why = problem_of(table, config);
  if (why.empty()) {
    try {
      const auto out =
          biotype_test::run(inputs_of(table, config, taxonomy), config.biotype_test, context);
      why = out.not_done;
      if (why.empty()) {
        const FrozenBiotypes frozen = freeze(table, config, out);
        const Text features = taxonomy::feature_names(taxonomy);
        results.groups.push_back(
            Writer(table, out, features).write(assign_rows(frozen, taxonomy, table.rows)));
        results.groups.back().fitted_on = results.fitted_on;
        results.tables.push_back(verdict_table(out, out.profile_name, results.fitted_on));
        for (auto& record : records_of(frozen, table.rows.names)) {
          results.learned.push_back(std::move(record));
        }
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input) throw;
      why = error.what();
    }
  }
  if (!why.empty()) results.not_done.push_back({"biotypes", why});
}

} // namespace boldmill::graph
