#include "stages/circuits/intrinsic_measures.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "stages/circuits/kernels/run_mean.hpp"

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

circuits::RunEstimate edge_in_run(const RunEdges& run, std::size_t a, std::size_t b,
                                  const Inputs& inputs, const Params& params) {
  circuits::RunEstimate out{run.run_id, kNaN, kNaN, kNaN, kNaN, ""};
  const std::size_t worse = run.coverage[a] <= run.coverage[b] ? a : b;
  out.coverage = run.coverage[worse];
  if (!(out.coverage >= params.min_coverage)) {
    out.reason = "region " + inputs.regions[worse] + " has coverage " + two_digits(out.coverage) +
                 ", below " + two_digits(params.min_coverage);
    return out;
  }
  const std::size_t edge = edge_of(a, b, inputs.regions.size());
  out.value = run.fisher_z[edge];
  out.se = run.fisher_z_se[edge];
  if (!std::isfinite(out.value)) {
    out.value = kNaN;
    out.reason = "no correlation of " + inputs.regions[a] + " and " + inputs.regions[b] +
                 " (a region without signal)";
  }
  return out;
}

Measure missing(std::string reason) {
  return {.value = kNaN, .se = kNaN, .coverage = kNaN, .reason = std::move(reason), .weights = {}};
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
  const auto column = taxonomy::region_columns(*inputs.taxonomy, inputs.regions);
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
    std::vector<circuits::RunEstimate> edges;
    for (const RunEdges& run : inputs.runs) {
      edges.push_back(edge_in_run(run, a->second, b->second, inputs, params));
    }
    auto mean = circuits::run_mean(edges, true);
    out.measures.push_back(
        {mean.value, mean.se, mean.coverage, std::move(mean.reason), std::move(mean.weights)});
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.n_runs * shape.n_regions * shape.n_regions * sizeof(double) +
         shape.n_measures * sizeof(Measure) + 65536;
}

} // namespace boldmill::intrinsic_measures
