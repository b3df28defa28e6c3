#include "stages/circuits/intrinsic_measures.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace boldmill::intrinsic_measures {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::size_t edge_of(std::size_t a, std::size_t b, std::size_t n) {
  const auto [low, high] = std::minmax(a, b);
  return low * n - low * (low + 1) / 2 + (high - low - 1);
}

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

// Region code -> column of the series. Codes that share a mask share a column.
std::map<std::string, std::size_t> columns_of(const Inputs& inputs) {
  const auto position = taxonomy::region_positions(*inputs.taxonomy);
  std::map<std::size_t, std::size_t> column_of_mask;
  for (std::size_t r = 0; r < inputs.regions.size(); ++r) {
    const auto found = position.find(inputs.regions[r]);
    if (found != position.end()) column_of_mask[found->second] = r;
  }
  std::map<std::string, std::size_t> out;
  for (const auto& [code, mask] : position) {
    const auto found = column_of_mask.find(mask);
    if (found != column_of_mask.end()) out[code] = found->second;
  }
  return out;
}

struct Edge {
  double z = kNaN, se = kNaN, coverage = kNaN;
  std::string reason;
};

Edge edge_in_run(const RunEdges& run, std::size_t a, std::size_t b, const Inputs& inputs,
                 const Params& params) {
  Edge out;
  const std::size_t worse = run.coverage[a] <= run.coverage[b] ? a : b;
  out.coverage = run.coverage[worse];
  if (!(out.coverage >= params.min_coverage)) {
    out.reason = run.run_id + ": region " + inputs.regions[worse] + " has coverage " +
                 two_digits(out.coverage) + ", below " + two_digits(params.min_coverage);
    return out;
  }
  const std::size_t edge = edge_of(a, b, inputs.regions.size());
  out.z = run.fisher_z[edge];
  out.se = run.fisher_z_se[edge];
  if (!std::isfinite(out.z)) {
    out.z = kNaN;
    out.reason = run.run_id + ": no correlation of " + inputs.regions[a] + " and " +
                 inputs.regions[b] + " (a region without signal)";
  }
  return out;
}

// Inverse-variance mean; plain when a standard error is unknown.
Measure combined(const std::vector<Edge>& edges) {
  Measure out{.value = kNaN, .se = kNaN, .coverage = kNaN, .reason = {}};
  bool weighted = true;
  for (const Edge& edge : edges) {
    if (!std::isnan(edge.z) && !(edge.se > 0.0)) weighted = false;
  }
  std::vector<Edge> present;
  double sum = 0.0;
  double weight_sum = 0.0;
  for (const Edge& edge : edges) {
    if (std::isnan(edge.z)) {
      out.reason += (out.reason.empty() ? "" : "; ") + edge.reason;
      continue;
    }
    const double weight = weighted ? 1.0 / (edge.se * edge.se) : 1.0;
    present.push_back(edge);
    sum += weight * edge.z;
    weight_sum += weight;
    out.coverage = std::fmin(out.coverage, edge.coverage);
  }
  if (weight_sum == 0.0) return out;
  out.reason.clear();
  if (present.size() == 1) { // the run's own numbers, to the last bit
    out.value = present[0].z;
    out.se = present[0].se;
    return out;
  }
  out.value = sum / weight_sum;
  if (weighted) out.se = 1.0 / std::sqrt(weight_sum);
  return out;
}

Measure missing(std::string reason) {
  return {.value = kNaN, .se = kNaN, .coverage = kNaN, .reason = std::move(reason)};
}

void check_sizes(const Inputs& inputs) {
  const std::size_t n = inputs.regions.size();
  const std::size_t n_edges = n == 0 ? 0 : n * (n - 1) / 2;
  for (const RunEdges& run : inputs.runs) {
    if (run.fisher_z.size() != n_edges || run.fisher_z_se.size() != n_edges ||
        run.coverage.size() != n) {
      throw Error(ErrorKind::internal, "intrinsic_measures: edges of " + run.run_id +
                                           " do not fit " + std::to_string(n) + " regions");
    }
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  context.check_stop();
  check_sizes(inputs);
  const auto column = columns_of(inputs);
  Outputs out;
  for (const taxonomy::Measure& measure : inputs.taxonomy->measures) {
    if (measure.kind != taxonomy::MeasureKind::intrinsic) {
      out.measures.push_back(missing("task " + measure.task + " absent"));
      continue;
    }
    if (inputs.runs.empty()) {
      out.measures.push_back(
          missing(inputs.no_runs_reason.empty() ? "no task-free run" : inputs.no_runs_reason));
      continue;
    }
    const auto a = column.find(measure.region_a);
    const auto b = column.find(measure.region_b);
    if (a == column.end() || b == column.end()) {
      const std::string& absent = a == column.end() ? measure.region_a : measure.region_b;
      out.measures.push_back(missing("region " + absent + " was not extracted"));
      continue;
    }
    std::vector<Edge> edges;
    for (const RunEdges& run : inputs.runs) {
      edges.push_back(edge_in_run(run, a->second, b->second, inputs, params));
    }
    out.measures.push_back(combined(edges));
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.n_runs * shape.n_regions * shape.n_regions * sizeof(double) +
         shape.n_measures * sizeof(Measure) + 65536;
}

} // namespace boldmill::intrinsic_measures
