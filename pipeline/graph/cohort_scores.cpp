#include "pipeline/graph/cohort_scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "pipeline/graph/prediction.hpp"

namespace boldmill::graph {
namespace {

using Texts = std::vector<std::vector<std::string>>;

// The source of most healthy people; "" without any.
std::string reference_source(const store::ParticipantsTable& people,
                             const std::vector<std::uint8_t>& controls,
                             const std::vector<std::string>& source) {
  std::map<std::string, std::set<std::string>> who;
  for (std::size_t row = 0; row < source.size(); ++row) {
    if (controls[row] != 0 && !source[row].empty()) {
      who[source[row]].insert(people.participant_id[row]);
    }
  }
  std::string best;
  std::size_t most = 0;
  for (const char* each : {"rest", "residual"}) {
    if (who[each].size() <= most) continue;
    best = each;
    most = who[each].size();
  }
  return best;
}

// Measures that cannot be compared with the reference, and those it does not know, are missing.
void hide_other_sources(const taxonomy::Taxonomy& taxonomy, const std::string& reference,
                        store::MeasuresTable& measures) {
  for (std::size_t row = 0; row < measures.source.size(); ++row) {
    const std::string& source = measures.source[row];
    if (source.empty() || source == reference) continue;
    for (std::size_t m = 0; m < taxonomy.measures.size(); ++m) {
      double& value =
          measures.table.value(static_cast<Eigen::Index>(row), static_cast<Eigen::Index>(m));
      if (taxonomy.measures[m].kind != taxonomy::MeasureKind::intrinsic || std::isnan(value)) {
        continue;
      }
      value = std::numeric_limits<double>::quiet_NaN();
      measures.reason[row][m] = "from " + source + ", the healthy reference's is " +
                                (reference.empty() ? std::string("missing") : "from " + reference);
    }
  }
}

// Why each measure of a row has no z value.
Texts z_reasons(const store::MeasuresTable& measures, const scores::Model& model,
                const config::Config& config) {
  Texts out = measures.reason;
  for (std::size_t row = 0; row < out.size(); ++row) {
    for (std::size_t m = 0; m < out[row].size(); ++m) {
      const auto at = static_cast<Eigen::Index>(m);
      if (!out[row][m].empty() || !std::isnan(model.mean[at])) continue;
      const int n = static_cast<int>(model.n[at]);
      out[row][m] = n < config.scores.min_reference
                        ? std::to_string(n) + " healthy people have it, expected at least " +
                              std::to_string(config.scores.min_reference)
                        : "healthy people do not differ in it";
    }
  }
  return out;
}

// What the members of a group say: once without a name when it is the same of all that are missing,
// else each text once, after the first member that gives it.
std::string said_by(const std::vector<std::string>& members,
                    const std::vector<const std::string*>& reasons) {
  std::vector<std::pair<std::string, std::string>> said; // text, first member
  for (std::size_t m = 0; m < members.size(); ++m) {
    const std::string& why = *reasons[m];
    const bool known = std::any_of(said.begin(), said.end(),
                                   [&](const auto& other) { return other.first == why; });
    if (!why.empty() && !known) said.emplace_back(why, members[m]);
  }
  if (said.empty()) return "its members do not differ among healthy people";
  if (said.size() == 1) return said[0].first;
  std::string text;
  for (const auto& [why, name] : said) text += (text.empty() ? "" : "; ") + name + ": " + why;
  return text;
}

// Of groups whose value is missing.
template <class Groups>
Texts group_reasons(const Groups& groups, const std::vector<std::string>& members,
                    const Texts& reason, const Eigen::MatrixXd& value) {
  Texts out(reason.size(), std::vector<std::string>(groups.size()));
  for (std::size_t row = 0; row < reason.size(); ++row) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (!std::isnan(value(static_cast<Eigen::Index>(row), static_cast<Eigen::Index>(g)))) {
        continue;
      }
      std::vector<const std::string*> reasons;
      for (const std::string& name : groups[g].members) {
        const auto at = std::find(members.begin(), members.end(), name) - members.begin();
        reasons.push_back(&reason[row][static_cast<std::size_t>(at)]);
      }
      out[row][g] = said_by(groups[g].members, reasons);
    }
  }
  return out;
}

void note_not_done(const scores::Model& model, Eigen::Index n_controls,
                   const config::Config& config, store::CohortResults& results) {
  const int needed = config.scores.min_reference;
  if (n_controls < needed) {
    results.not_done.push_back(
        {"circuit_scores", "found " + std::to_string(n_controls) + " healthy controls (column " +
                               config.input.group_column + "), expected at least " +
                               std::to_string(needed)});
  } else if (!(model.mean.array() == model.mean.array()).any()) {
    results.not_done.push_back(
        {"circuit_scores",
         "no measure is present in " + std::to_string(needed) + " or more healthy controls"});
  }
}

// Without a healthy group in the training cohort everything is missing, as it was there.
scores::Model frozen_reference(const store::ReferenceRecord& record) {
  scores::Model model;
  const auto n = static_cast<Eigen::Index>(record.mean.size());
  model.mean = Eigen::Map<const Eigen::VectorXd>(record.mean.data(), n);
  model.sd = Eigen::Map<const Eigen::VectorXd>(record.sd.data(), n);
  model.n.resize(n);
  for (Eigen::Index m = 0; m < n; ++m) model.n[m] = record.n[static_cast<std::size_t>(m)];
  model.correlation = record.correlation;
  return model;
}

} // namespace

ComparableMeasures comparable_measures(const store::CohortReader& reader,
                                       const config::Config& config,
                                       const taxonomy::Taxonomy& taxonomy,
                                       const store::ReferenceRecord* frozen) {
  ComparableMeasures out{reader.measures(), {}};
  const store::ParticipantsTable people = reader.participants();
  out.source = frozen != nullptr
                   ? frozen->source
                   : reference_source(people, control_rows(people, config), out.measures.source);
  hide_other_sources(taxonomy, out.source, out.measures);
  return out;
}

Eigen::MatrixXd predictor_measures(const store::CohortReader& reader,
                                   const ComparableMeasures& comparable,
                                   const taxonomy::Taxonomy& taxonomy) {
  if (!comparable.source.empty()) return comparable.measures.table.value;
  store::MeasuresTable measures = reader.measures();
  const std::vector<std::uint8_t> everybody(measures.source.size(), 1);
  const std::string source = reference_source(reader.participants(), everybody, measures.source);
  if (!source.empty()) hide_other_sources(taxonomy, source, measures);
  return measures.table.value;
}

namespace {

// What the names of scores, features and measures stand for, for whoever opens the file alone.
store::TableRecord circuit_names(const taxonomy::Taxonomy& taxonomy) {
  std::vector<std::string> name, level, words;
  const auto add = [&](const char* of, const std::string& own, std::string meaning) {
    name.push_back(own);
    level.emplace_back(of);
    words.push_back(std::move(meaning));
  };
  for (const auto& score : taxonomy.scores) add("score", score.name, taxonomy::in_words(score));
  for (const auto& feature : taxonomy.features) {
    add("feature", feature.name, taxonomy::in_words(taxonomy, feature));
  }
  for (const auto& measure : taxonomy.measures) {
    add("measure", measure.code, taxonomy::in_words(taxonomy, measure));
  }
  return {"circuit_names",
          "circuit_name",
          "what the names of scores, features and measures stand for",
          "",
          {{"name", "as in the tables", true, name, {}},
           {"level", "score, feature or measure", true, level, {}},
           {"meaning", "in words", true, words, {}}}};
}

} // namespace

void add_scores(const store::CohortReader& reader, const ComparableMeasures& comparable,
                const config::Config& config, const taxonomy::Taxonomy& taxonomy,
                store::CohortResults& results, const store::ReferenceRecord* frozen) {
  const auto& [measures, source] = comparable;
  const store::ParticipantsTable people = reader.participants();
  results.reference.source = source;
  scores::Model model;
  if (frozen != nullptr) {
    model = frozen_reference(*frozen);
  } else {
    const Eigen::MatrixXd reference = healthy_reference(people, measures.table.value, config);
    model = scores::fit(reference, config.scores);
    note_not_done(model, reference.rows(), config, results);
  }
  scores::Inputs inputs{&taxonomy, measures.table.value, measures.table.se,
                        measures.table.coverage};
  inputs.error_correlation = [&reader](Eigen::Index row) -> Eigen::MatrixXd {
    return reader.error_correlation(static_cast<std::size_t>(row)).cast<double>();
  };
  const auto scored = scores::apply(model, inputs, config.scores);
  const Texts reason = z_reasons(measures, model, config);
  const Texts feature_reason =
      group_reasons(taxonomy.features, taxonomy::measure_names(taxonomy), reason, scored.features);
  results.features = {scored.features, scored.features_se, scored.features_coverage,
                      scored.features_se_run, feature_reason};
  results.scores = {scored.scores, scored.scores_se, scored.scores_coverage, scored.scores_se_run,
                    group_reasons(taxonomy.scores, taxonomy::feature_names(taxonomy),
                                  feature_reason, scored.scores)};
  results.tables.push_back(circuit_names(taxonomy));
  results.reference.axis = "measure";
  results.reference.correlation = model.correlation;
  for (Eigen::Index m = 0; m < model.mean.size(); ++m) {
    results.reference.mean.push_back(model.mean[m]);
    results.reference.sd.push_back(model.sd[m]);
    results.reference.n.push_back(static_cast<std::int32_t>(model.n[m]));
  }
}

} // namespace boldmill::graph
