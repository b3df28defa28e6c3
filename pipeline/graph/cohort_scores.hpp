// From the raw measures of a cohort to features and scores against its healthy people.
#pragma once

#include "pipeline/config/config.hpp"
#include "pipeline/store/reader.hpp"
#include "pipeline/store/records.hpp"

namespace boldmill::graph {

// The measures of a cohort with those of its task-free measures missing that come from another
// source than the reference's, with that reason.
struct ComparableMeasures {
  store::MeasuresTable measures;
  std::string source; // of the reference: "rest", "residual" or ""
};
// `frozen`: the reference of a model file in place of the cohort's own healthy people.
[[nodiscard]] ComparableMeasures
comparable_measures(const store::CohortReader& reader, const config::Config& config,
                    const taxonomy::Taxonomy& taxonomy,
                    const store::ReferenceRecord* frozen = nullptr);

// What a prediction starts from: the comparable measures, of one source of task-free measures like
// the scores; where nobody is healthy, of the source that most people have.
[[nodiscard]] Eigen::MatrixXd predictor_measures(const store::CohortReader& reader,
                                                 const ComparableMeasures& comparable,
                                                 const taxonomy::Taxonomy& taxonomy);

// Task-free measures of resting runs and of task residuals are not the same thing: the reference
// has one source, that of most healthy people (of as many, rest), and a row of another source lacks
// the features of its task-free measures, with that reason.
void add_scores(const store::CohortReader& reader, const ComparableMeasures& comparable,
                const config::Config& config, const taxonomy::Taxonomy& taxonomy,
                store::CohortResults& results, const store::ReferenceRecord* frozen = nullptr);

} // namespace boldmill::graph
