// For tests: n measures m0, m1, ... that are features and scores themselves.
#pragma once

#include <string>

#include "stages/circuits/taxonomy.hpp"

namespace boldmill::graph {

inline taxonomy::Taxonomy plain_measures(int n) {
  taxonomy::Taxonomy t;
  for (int m = 0; m < n; ++m) {
    const std::string code = "m" + std::to_string(m);
    taxonomy::Measure measure;
    measure.code = measure.feature = code;
    measure.kind = taxonomy::MeasureKind::activation;
    t.measures.push_back(measure);
    t.features.push_back({code, {code}});
    t.scores.push_back({code, "", "", "", {code}, {}});
  }
  return t;
}

} // namespace boldmill::graph
