// Tests of the published chain on its clusters: other people, symptoms and behaviour, categories.
#pragma once

#include "pipeline/config/config.hpp"
#include "pipeline/graph/cohort_people.hpp"
#include "stages/cohort/biotypes.hpp"

namespace boldmill::graph {

struct PublishedClusters {
  const biotypes::Inputs& in; // of the learners
  const biotypes::Outputs& out;
  int k = 0;
  std::vector<Eigen::Index> learners; // rows of the file
  std::vector<int> label;             // of each learner, -1: not clustered
  std::string fitted_on;
};

// /cohort/published_chain/{splits,symptoms,two_valued,categories}, whichever have rows. Without a
// study column (trial.study) no study is left out.
[[nodiscard]] std::vector<store::TableRecord>
published_tests(const PublishedClusters& clusters, const store::ParticipantsTable& people,
                const config::Config& config);

} // namespace boldmill::graph
