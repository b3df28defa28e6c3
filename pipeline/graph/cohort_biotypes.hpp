// Clusters of people who are not healthy controls, the one test of them against a continuum, and
// the rule for new people: /cohort/biotypes.
#pragma once

#include "pipeline/graph/cohort_chain.hpp"
#include "stages/cohort/biotype_test.hpp"

namespace boldmill::graph {

// Measures become features, the means of their members; nothing is learned. A feature without
// enough of its measures (scores.min_measure_share) is left out.
[[nodiscard]] cohort::LearningStep features_step(const taxonomy::Taxonomy& taxonomy,
                                                 double min_share);
// The score each feature belongs to.
[[nodiscard]] std::map<std::string, std::string> score_of_features(const taxonomy::Taxonomy& t);

void add_biotypes(const ChainTable& table, const config::Config& config,
                  const taxonomy::Taxonomy& taxonomy, store::CohortResults& results,
                  const Context& context);

// The rule for new people.
struct FrozenBiotypes {
  LearnedChain chain;
  std::vector<std::string> column; // measures after the chain
  Eigen::VectorXd mean, sd;        // of them
  double min_measure_share = 1.0;
  cohort::AssignmentModel model;
  std::vector<std::string> feature, profile_name;
  std::string verdict, in_words;
};
[[nodiscard]] std::vector<store::GroupRecord> records_of(const FrozenBiotypes& frozen,
                                                         const std::vector<std::string>& measures);
// Empty without clusters in the file.
[[nodiscard]] std::optional<FrozenBiotypes>
biotypes_from(const std::vector<store::GroupRecord>& records);
// Rows as rows_for(frozen.chain, ...) gives them; those without any measure stay without label.
[[nodiscard]] cohort::Assignment assign_rows(const FrozenBiotypes& frozen,
                                             const taxonomy::Taxonomy& taxonomy,
                                             const cohort::Rows& rows);
// Table scored/biotypes.
[[nodiscard]] store::TableRecord scored_biotypes(const FrozenBiotypes& frozen,
                                                 const taxonomy::Taxonomy& taxonomy,
                                                 const store::CohortReader& reader,
                                                 const ComparableMeasures& comparable);

} // namespace boldmill::graph
