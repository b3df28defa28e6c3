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

bool wants_voxels(const config::Config& config) {
  return wants_voxel_measures(config) || !config.voxels.regressors.empty();
}

bool wants_graph_measures(const config::Config& config) {
  return wants(config, "graph") || wants(config, "modularity");
}

std::string regional_key_text(const config::Config& config) {
  const config::Json c = config::to_json(config);
  return c["regional"].dump() + c["alff"].dump() + c["reho"].dump() + c["motion_filter"].dump() +
         c["nuisance_regression"].dump() + c["extraction"]["min_coverage"].dump() +
         c["voxels"].dump() + std::to_string(alff::kStage.version) + "." +
         std::to_string(reho::kStage.version) + "." +
         std::to_string(signal_quality::kStage.version) + "." +
         std::to_string(nuisance_regression::kStage.version) + "." +
         std::to_string(motion_filter::kStage.version);
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
