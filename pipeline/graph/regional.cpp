#include "pipeline/graph/regional.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/connectivity/signal_quality.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool wants(const config::Config& config, const char* measure) {
  const auto& all = config.regional.measures;
  return std::find(all.begin(), all.end(), measure) != all.end();
}

Eigen::Map<const Eigen::MatrixXf> view(const Eigen::MatrixXf& matrix) {
  return {matrix.data(), matrix.rows(), matrix.cols()};
}

// Denoised in place, then without the dummies.
Eigen::MatrixXf denoised(Eigen::MatrixXf columns, const nuisance_regression::Design& design,
                         nuisance_regression::Params params, const Context& context) {
  params.standardize = false;
  params.output = "censored";
  nuisance_regression::run_in_place({columns.data(), columns.rows(), columns.cols()}, design,
                                    params, context);
  if (design.n_dummy == 0) return columns;
  return columns.bottomRows(columns.rows() - design.n_dummy);
}

// The same design without low-pass; the degrees of freedom can only grow.
Eigen::MatrixXf whole_band(const Eigen::MatrixXf& columns, const RunResult& run,
                           config::Config config, const Context& context) {
  config.nuisance_regression.low_pass_hz = 0.0;
  auto outcome = nuisance_of(config, run, context);
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    throw Error(failure->kind, failure->message);
  }
  return denoised(columns, std::get<Nuisance>(outcome).design, config.nuisance_regression, context);
}

// A stage that lacks volumes or frequencies leaves the measure out.
template <class Body>
void measure(VoxelMeasures& out, Body&& body) {
  const auto done = capture([&] {
    body();
    return true;
  });
  const auto* failure = std::get_if<Failure>(&done);
  if (failure == nullptr) return;
  if (failure->kind != ErrorKind::gate && failure->kind != ErrorKind::input) {
    throw Error(failure->kind, failure->message);
  }
  out.missing += (out.missing.empty() ? "" : "; ") + failure->message;
}

Eigen::MatrixXd matrix_of(const std::vector<double>& edges, std::size_t n_regions) {
  const auto n = static_cast<Eigen::Index>(n_regions);
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(n, n);
  std::size_t e = 0;
  for (Eigen::Index a = 0; a < n; ++a) {
    for (Eigen::Index b = a + 1; b < n; ++b) matrix(a, b) = matrix(b, a) = edges[e++];
  }
  return matrix;
}

// Without the regions that are missing; `used` says which are left.
Eigen::MatrixXd present_part(const Eigen::MatrixXd& matrix, std::vector<std::size_t>& used) {
  for (Eigen::Index a = 0; a < matrix.rows(); ++a) {
    Eigen::Index n_present = 0;
    for (Eigen::Index b = 0; b < matrix.cols(); ++b) n_present += std::isfinite(matrix(a, b));
    if (n_present > 1) used.push_back(static_cast<std::size_t>(a)); // the diagonal is always there
  }
  Eigen::MatrixXd part(used.size(), used.size());
  for (std::size_t i = 0; i < used.size(); ++i) {
    for (std::size_t j = 0; j < used.size(); ++j) {
      part(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) =
          matrix(static_cast<Eigen::Index>(used[i]), static_cast<Eigen::Index>(used[j]));
    }
  }
  return part;
}

class Records {
public:
  Records(std::vector<std::size_t> used, std::size_t n_regions)
      : used_(std::move(used)), n_regions_(n_regions) {}

  void scalar(const char* name, double value) { all.push_back({"", "", name, false, {value}}); }
  template <class T>
  void regions(const char* name, const std::vector<T>& values) {
    if (values.empty()) return;
    store::RegionalRecord record{"", "", name, true, std::vector<double>(n_regions_, kNaN)};
    for (std::size_t i = 0; i < used_.size(); ++i) {
      record.values[used_[i]] = static_cast<double>(values[i]);
    }
    all.push_back(std::move(record));
  }
  std::vector<store::RegionalRecord> all;

private:
  std::vector<std::size_t> used_;
  std::size_t n_regions_;
};

} // namespace

bool wants_voxel_measures(const config::Config& config) {
  return wants(config, "alff") || wants(config, "falff") || wants(config, "reho") ||
         wants(config, "tsnr");
}

bool wants_graph_measures(const config::Config& config) {
  return wants(config, "graph") || wants(config, "modularity");
}

std::string regional_key_text(const config::Config& config) {
  const config::Json c = config::to_json(config);
  return c["regional"].dump() + c["alff"].dump() + c["reho"].dump() + c["motion_filter"].dump() +
         c["nuisance_regression"].dump() + c["extraction"]["min_coverage"].dump() +
         std::to_string(alff::kStage.version) + "." + std::to_string(reho::kStage.version) + "." +
         std::to_string(signal_quality::kStage.version) + "." +
         std::to_string(nuisance_regression::kStage.version) + "." +
         std::to_string(motion_filter::kStage.version);
}

VoxelMeasures voxel_measures(Eigen::MatrixXf columns, const Mask& brain, const RunResult& run,
                             const config::Config& config, const Context& context) {
  VoxelMeasures out;
  const int n_dummies = run.n_dummies;
  if (wants(config, "tsnr")) {
    measure(out, [&] {
      std::vector<std::uint8_t> steady(static_cast<std::size_t>(columns.rows()), 1);
      std::fill_n(steady.begin(), n_dummies, std::uint8_t{0});
      out.map["tsnr"] = signal_quality::run({view(columns), steady}, {}, context).tsnr;
    });
  }
  auto outcome = nuisance_of(config, run, context);
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    out.missing = failure->message;
    return out;
  }
  const nuisance_regression::Design& design = std::get<Nuisance>(outcome).design;
  const std::vector<std::uint8_t> keep(design.keep.begin() + n_dummies, design.keep.end());
  alff::Params band = config.alff;
  const bool apart = wants(config, "falff") && config.nuisance_regression.low_pass_hz > 0.0;
  if (apart) {
    measure(out, [&] {
      band.fraction = true;
      const Eigen::MatrixXf whole = whole_band(columns, run, config, context);
      out.map["falff"] = alff::run({view(whole), keep, run.tr_s}, band, context).falff;
    });
  }
  const Eigen::MatrixXf clean =
      denoised(std::move(columns), design, config.nuisance_regression, context);
  if (wants(config, "alff") || (wants(config, "falff") && !apart)) {
    measure(out, [&] {
      band.fraction = wants(config, "falff") && !apart;
      auto found = alff::run({view(clean), keep, run.tr_s}, band, context);
      if (wants(config, "alff")) out.map["alff"] = std::move(found.alff);
      if (band.fraction) out.map["falff"] = std::move(found.falff);
    });
  }
  if (wants(config, "reho")) {
    measure(out, [&] {
      out.map["reho"] = reho::run({view(clean), &brain, keep}, config.reho, context).reho;
    });
  }
  return out;
}

std::size_t voxel_measures_bytes(std::size_t n_in_brain, std::size_t n_volumes,
                                 const config::Config& config) {
  const std::size_t columns = n_in_brain * n_volumes * sizeof(float);
  const bool apart = wants(config, "falff") && config.nuisance_regression.low_pass_hz > 0.0;
  std::size_t work = alff::peak_bytes({n_volumes, n_in_brain, 8}, config.alff);
  if (wants(config, "reho")) {
    const auto plane = static_cast<std::size_t>(std::pow(static_cast<double>(n_in_brain), 2.0 / 3));
    work = std::max(work, reho::peak_bytes({n_volumes, 4 * plane, n_in_brain}, config.reho));
  }
  // The copies: without dummies, and denoised without low-pass (twice while it loses the dummies).
  return columns * (apart ? 3 : 2) + work;
}

std::vector<std::int64_t> positions_in(const Mask& mask) {
  std::vector<std::int64_t> at(mask.data.size(), -1);
  std::int64_t n = 0;
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    if (mask.data[v] != 0) at[v] = n++;
  }
  return at;
}

RunRegional regional_of(const VoxelMeasures& voxels, const GridRegions::Sets& sets,
                        const std::vector<std::int64_t>& at, double min_coverage) {
  RunRegional out;
  out.missing = voxels.missing;
  for (const auto& [name, map] : voxels.map) {
    auto& by_set = out.values[name];
    for (const std::vector<Region>& regions : sets) {
      std::vector<double>& values = by_set.emplace_back();
      for (const Region& region : regions) {
        double sum = 0.0;
        double seen = 0.0;
        double whole = 0.0;
        for (std::size_t n = 0; n < region.voxels.size(); ++n) {
          const double w = region.weights.empty() ? 1.0 : static_cast<double>(region.weights[n]);
          whole += w;
          const std::int64_t v = at[region.voxels[n]];
          if (v < 0 || !std::isfinite(map[static_cast<std::size_t>(v)])) continue;
          sum += w * static_cast<double>(map[static_cast<std::size_t>(v)]);
          seen += w;
        }
        values.push_back(seen > 0.0 && seen >= min_coverage * whole ? sum / seen : kNaN);
      }
    }
  }
  return out;
}

std::vector<store::RegionalRecord>
graph_records(const std::vector<double>& edges, std::size_t n_regions, const config::Config& config,
              const Context& context, std::vector<std::string>& why) {
  std::vector<std::size_t> used;
  const Eigen::MatrixXd part = present_part(matrix_of(edges, n_regions), used);
  const Eigen::Map<const Eigen::MatrixXd> matrix(part.data(), part.rows(), part.cols());
  Records records(used, n_regions);
  const auto done = capture([&] {
    std::vector<int> modules;
    if (wants(config, "modularity")) {
      const auto found = modularity::run({matrix}, config.modularity, context);
      records.regions("module", found.module);
      records.scalar("modularity_n_modules", found.n_modules);
      records.scalar("modularity_q", found.q);
      records.scalar("modularity_p", found.p_value);
      records.scalar("modularity_z", found.z_score);
      modules = found.module;
    }
    if (!wants(config, "graph")) return true;
    const auto found = graph_measures::run({matrix, modules}, config.graph_measures, context);
    records.regions("strength_positive", found.strength_positive);
    records.regions("strength_negative", found.strength_negative);
    records.regions("clustering_positive", found.clustering_positive);
    records.regions("clustering_negative", found.clustering_negative);
    records.regions("clustering_zhang_positive", found.clustering_zhang_positive);
    records.regions("clustering_zhang_negative", found.clustering_zhang_negative);
    records.regions("local_efficiency", found.local_efficiency);
    records.regions("participation_positive", found.participation_positive);
    records.regions("participation_negative", found.participation_negative);
    records.scalar("global_efficiency", found.global_efficiency);
    return true;
  });
  if (const auto* failure = std::get_if<Failure>(&done)) {
    if (failure->kind != ErrorKind::input && failure->kind != ErrorKind::gate) {
      throw Error(failure->kind, failure->message);
    }
    why.push_back("graph measures: " + failure->message);
  }
  return std::move(records.all);
}

} // namespace boldmill::graph
