// The rule that assigns new people to clusters, in a model file and applied.
#include <cmath>
#include <limits>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/graph/cohort_biotypes.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kPath = "biotypes";

} // namespace

std::vector<store::GroupRecord> records_of(const FrozenBiotypes& frozen,
                                           const std::vector<std::string>& measures) {
  store::GroupRecord out{.path = std::string(kPath) + "/rule", .what = frozen.in_words};
  const auto k = static_cast<std::size_t>(frozen.model.centroid.rows());
  out.settings = {{"verdict", frozen.verdict}, {"verdict_in_words", frozen.in_words}};
  out.axes = {{"column", frozen.column.size(), frozen.column, {}},
              {"rule_feature", frozen.feature.size(), frozen.feature, {}},
              {"cluster", k, {}, {}}};
  out.arrays = {
      array_of("mean", "of the healthy people, after the chain", {"column"}, frozen.mean),
      array_of("sd", "the same; 0: the column is 0", {"column"}, frozen.sd),
      array_of("centroid", "mean of features", {"cluster", "rule_feature"}, frozen.model.centroid),
      text_of("profile_name", "", {"cluster"}, frozen.profile_name),
      {.name = "thresholds",
       .what = "smallest margin, smallest stability, smallest share of a feature's measures",
       .axes = {"threshold"},
       .number = {frozen.model.min_margin, frozen.model.min_stability, frozen.min_measure_share}}};
  out.axes.push_back({"threshold", 3, {}, {}});
  if (!frozen.model.resampled.empty()) {
    store::NamedArray resampled{.name = "resampled",
                                .what = "centroids of bootstrap samples",
                                .axes = {"bootstrap", "cluster", "rule_feature"}};
    for (const Eigen::MatrixXd& one : frozen.model.resampled) {
      const auto rows = array_of("", "", {}, one);
      resampled.number.insert(resampled.number.end(), rows.number.begin(), rows.number.end());
    }
    out.axes.push_back({"bootstrap", frozen.model.resampled.size(), {}, {}});
    out.arrays.push_back(std::move(resampled));
  }
  auto records = records_of(frozen.chain, measures, kPath);
  records.push_back(std::move(out));
  return records;
}

std::optional<FrozenBiotypes> biotypes_from(const std::vector<store::GroupRecord>& records) {
  const store::GroupRecord* rule = find_group(records, std::string(kPath) + "/rule");
  if (rule == nullptr) return std::nullopt;
  FrozenBiotypes out;
  out.chain = chain_from(records, kPath);
  out.column = rule->array("column").text;
  out.feature = rule->array("rule_feature").text;
  out.profile_name = rule->array("profile_name").text;
  const auto p = static_cast<Eigen::Index>(out.column.size());
  const auto k = static_cast<Eigen::Index>(out.profile_name.size());
  const auto f = static_cast<Eigen::Index>(out.feature.size());
  out.mean = matrix_from(*rule, "mean", p, 1);
  out.sd = matrix_from(*rule, "sd", p, 1);
  out.model.centroid = matrix_from(*rule, "centroid", k, f);
  const Eigen::VectorXd thresholds = matrix_from(*rule, "thresholds", 3, 1);
  out.model.min_margin = thresholds[0];
  out.model.min_stability = thresholds[1];
  out.min_measure_share = thresholds[2];
  if (rule->has("resampled") && k * f > 0) {
    const auto count = static_cast<Eigen::Index>(rule->array("resampled").number.size()) / (k * f);
    const Eigen::MatrixXd all = matrix_from(*rule, "resampled", count * k, f);
    for (Eigen::Index b = 0; b < count; ++b) {
      out.model.resampled.emplace_back(all.middleRows(b * k, k));
    }
  }
  out.verdict = rule->setting("verdict");
  out.in_words = rule->setting("verdict_in_words");
  return out;
}

cohort::Assignment assign_rows(const FrozenBiotypes& frozen, const taxonomy::Taxonomy& taxonomy,
                               const cohort::Rows& rows) {
  cohort::Rows done = apply_chain(frozen.chain, rows);
  if (done.names != frozen.column) {
    throw Error(ErrorKind::input, "the rule of biotypes: other measures than it was learned on");
  }
  done.x = standardisation::apply({frozen.mean, frozen.sd, true}, done.x);
  done = features_step(taxonomy, frozen.min_measure_share).fit(done)(done);
  for (Eigen::Index row = 0; row < rows.x.rows(); ++row) {
    if (rows.x.row(row).array().isNaN().all()) done.x.row(row).setConstant(kNaN);
  }
  return cohort::assign(frozen.model, done.x);
}

store::TableRecord scored_biotypes(const FrozenBiotypes& frozen, const taxonomy::Taxonomy& taxonomy,
                                   const store::CohortReader& reader,
                                   const ComparableMeasures& comparable) {
  const Eigen::MatrixXd& measures = comparable.measures.table.value;
  const cohort::Rows rows = rows_for(frozen.chain, reader.header().measure, measures,
                                     reader.participants(), mean_fd_of_rows(reader));
  const cohort::Assignment found = assign_rows(frozen, taxonomy, rows);
  const auto n = found.label.size();
  store::TableColumn label{
      "label", "cluster, or unclassified: margin or stability are too small", true, {}, {}};
  store::TableColumn profile{
      "profile", "scores whose mean stands out in this cluster", true, {}, {}};
  store::TableColumn margin{"margin",
                            "best minus second correlation with a centroid",
                            false,
                            {},
                            {found.margin.begin(), found.margin.end()}};
  store::TableColumn stability{"stability",
                               "share of bootstrap samples that say the same",
                               false,
                               {},
                               {found.stability.begin(), found.stability.end()}};
  store::TableColumn missing{
      "share_missing", "of the measures, filled by the model", false, {}, {}};
  store::TableColumn verdict{"verdict",
                             "of the test on the cohort that the clusters come from",
                             true,
                             std::vector<std::string>(n, frozen.verdict),
                             {}};
  for (std::size_t i = 0; i < n; ++i) {
    const int own = found.classified[i];
    label.text.push_back(found.label[i] < 0 ? "" : own < 0 ? "unclassified" : std::to_string(own));
    profile.text.push_back(own < 0 ? "" : frozen.profile_name[static_cast<std::size_t>(own)]);
    missing.number.push_back(
        measures.row(static_cast<Eigen::Index>(i)).array().isNaN().cast<double>().mean());
  }
  return {"scored/biotypes",
          "row",
          "frozen rule; " + frozen.in_words,
          "frozen_model",
          {std::move(label), std::move(profile), std::move(margin), std::move(stability),
           std::move(missing), std::move(verdict)}};
}

} // namespace boldmill::graph
