#include "pipeline/graph/cohort_reliability.hpp"

#include <cmath>
#include <limits>
#include <map>

namespace boldmill::graph {
namespace {

// N: rows of one person share a number.
std::vector<std::size_t> person_numbers(const std::vector<std::string>& participant_id) {
  std::map<std::string, std::size_t> number;
  std::vector<std::size_t> out;
  for (const std::string& id : participant_id) {
    out.push_back(number.try_emplace(id, number.size()).first->second);
  }
  return out;
}

void add_estimate(store::ReliabilityRecord& record, const std::string& name,
                  const reliability::Estimate& estimate) {
  record.numbers[name].push_back(estimate.value);
  record.numbers[name + "_lower"].push_back(estimate.low);
  record.numbers[name + "_upper"].push_back(estimate.high);
  record.texts[name + "_reason"].push_back(estimate.reason);
}

// NaN in a person's first row with the measure.
Eigen::MatrixXd changes(const reliability::Inputs& inputs,
                        const std::vector<reliability::Measure>& measures) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Constant(inputs.values.rows(), inputs.values.cols(),
                                                  std::numeric_limits<double>::quiet_NaN());
  for (Eigen::Index m = 0; m < inputs.values.cols(); ++m) {
    std::map<std::size_t, double> first; // by person
    for (Eigen::Index row = 0; row < inputs.values.rows(); ++row) {
      const double value = inputs.values(row, m);
      if (std::isnan(value)) continue;
      const auto [own, is_first] =
          first.try_emplace(inputs.person[static_cast<std::size_t>(row)], value);
      if (is_first) continue;
      out(row, m) =
          reliability::reliable_change(own->second, value, measures[static_cast<std::size_t>(m)]);
    }
  }
  return out;
}

} // namespace

void add_reliability(const store::CohortReader& reader, const ComparableMeasures& comparable,
                     const config::Config& config, const taxonomy::Taxonomy& taxonomy,
                     store::CohortResults& results, const Context& context) {
  const store::MeasuresTable& measures = comparable.measures;
  reliability::Inputs inputs;
  inputs.values = measures.table.value;
  inputs.se = measures.table.se;
  inputs.difference = measures.half_difference;
  inputs.person = person_numbers(reader.participants().participant_id);
  inputs.icc = reliability::given_icc(config.reliability, taxonomy::measure_names(taxonomy));
  const auto found = reliability::run(inputs, config.reliability, context);
  store::ReliabilityRecord record;
  for (const reliability::Measure& measure : found.measures) {
    record.numbers["n_people"].push_back(measure.n_people);
    record.numbers["variance"].push_back(measure.variance);
    record.numbers["mean_squared_se"].push_back(measure.mean_squared_se);
    add_estimate(record, "within_run", measure.within_run);
    add_estimate(record, "half_correlation", measure.half_correlation);
    add_estimate(record, "split_half", measure.split_half);
    add_estimate(record, "icc", measure.icc);
    record.numbers["session_sd"].push_back(measure.session_sd);
    record.texts["session_error"].push_back(reliability::to_string(measure.source));
  }
  record.reliable_change = changes(inputs, found.measures);
  results.reliability = std::move(record);
}

} // namespace boldmill::graph
