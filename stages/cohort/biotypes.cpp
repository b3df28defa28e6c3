#include "stages/cohort/biotypes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "stages/cohort/kernels/assignment.hpp"
#include "stages/cohort/kernels/correlation_clustering.hpp"
#include "stages/cohort/kernels/null_tables.hpp"
#include "stages/cohort/kernels/stability.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/core/random.hpp"

namespace boldmill::biotypes {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using cohort::Clustered;
using cohort::CutRange;

void check(const Inputs& inputs, const Params& params) {
  if (params.k_min > params.k_max) {
    throw Error(ErrorKind::usage, "biotypes: found k_min " + std::to_string(params.k_min) +
                                      " above k_max " + std::to_string(params.k_max));
  }
  if (params.clusters != 0 && (params.clusters < params.k_min || params.clusters > params.k_max)) {
    throw Error(ErrorKind::usage, "biotypes: found clusters " + std::to_string(params.clusters) +
                                      ", expected 0 or a value from k_min to k_max");
  }
  for (const std::string& name : params.nulls) {
    if (name != "normal" && name != "permutation") {
      throw Error(ErrorKind::usage,
                  "biotypes: found null '" + name + "', expected normal or permutation");
    }
  }
  const auto n = static_cast<std::size_t>(inputs.x.rows());
  const auto p = static_cast<std::size_t>(inputs.x.cols());
  if ((!inputs.site.empty() && inputs.site.size() != n) || inputs.features.size() != p ||
      (!inputs.group.empty() && inputs.group.size() != p)) {
    throw Error(ErrorKind::internal, "biotypes: names, groups or sites do not fit the table");
  }
}

// Complete people whose features differ.
std::vector<Eigen::Index> usable(const Eigen::MatrixXd& x) {
  std::vector<Eigen::Index> out;
  const Eigen::MatrixXd units = cohort::unit_rows(x);
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    if (units.row(i).allFinite()) out.push_back(i);
  }
  return out;
}

Null compare_with(const std::string& name, const Eigen::MatrixXd& x, const Params& params,
                  const Eigen::VectorXd& observed, const Context& context) {
  const auto seed = static_cast<std::uint64_t>(params.random_seed);
  const cohort::NormalNull normal(x);
  Null out{name, Eigen::MatrixXd(params.repetitions, observed.size()), {}};
  const auto count = static_cast<std::size_t>(params.repetitions);
  parallel_blocks(context, count, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t own = stream_seed(seed, name, std::to_string(i));
      const Eigen::MatrixXd units =
          cohort::unit_rows(name == "normal" ? normal.draw(own) : cohort::permuted_columns(x, own));
      const auto cuts = cohort::cut(cohort::correlation_linkage(units), params.k_max);
      out.silhouette.row(static_cast<Eigen::Index>(i)) =
          cohort::cut_quality(units, cuts, params.k_min).silhouette;
      context.advance();
    }
  });
  out.p_value.resize(observed.size());
  for (Eigen::Index k = 0; k < observed.size(); ++k) {
    out.p_value[k] = null_p(out.silhouette.col(k), observed[k], params.p_value == "plus_one");
  }
  return out;
}

std::vector<int> everyone(Eigen::Index n) {
  std::vector<int> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

Eigen::VectorXd mean_of(const Eigen::MatrixXd& by_repetition) {
  return by_repetition.colwise().mean();
}

void add_splits(const Clustered& full, const std::vector<int>& site, const Params& params,
                Outputs& out) {
  const Eigen::Index n = full.x.rows();
  const auto add = [&](const std::string& name, const std::vector<Eigen::Index>& training,
                       const std::vector<Eigen::Index>& test) {
    const auto fewest = static_cast<std::size_t>(params.k_max);
    if (training.size() < fewest || test.size() < fewest) return;
    const auto found = cohort::split_agreement(full, training, test);
    out.splits.push_back({name, static_cast<int>(training.size()), static_cast<int>(test.size()),
                          found.profile_r, found.ari});
  };
  const auto halves =
      cohort::random_halves(n, stream_seed(static_cast<std::uint64_t>(params.random_seed), "half"));
  add("half", halves.first, halves.second);
  std::set<int> sites(site.begin(), site.end());
  sites.erase(-1);
  for (const int one : sites) {
    std::vector<Eigen::Index> training, test;
    for (Eigen::Index i = 0; i < n; ++i) {
      const int s = site[static_cast<std::size_t>(i)];
      if (s >= 0) (s == one ? test : training).push_back(i);
    }
    add("site " + std::to_string(one), training, test);
  }
}

// The same statistics on normal tables.
StabilityNull stability_null(const Eigen::MatrixXd& x, const Params& params,
                             const Context& context) {
  const CutRange range{params.k_min, params.k_max};
  const auto count = static_cast<std::size_t>(params.stability_nulls);
  const auto seed = static_cast<std::uint64_t>(params.random_seed);
  const cohort::NormalNull normal(x);
  StabilityNull out;
  for (auto* matrix : {&out.leave_one_out, &out.resampling, &out.split_profile_r, &out.split_ari}) {
    matrix->resize(params.stability_nulls, range.size());
  }
  parallel_blocks(context, count, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      const std::uint64_t own = stream_seed(seed, "stability", std::to_string(i));
      const Eigen::MatrixXd table = normal.draw(own);
      const Eigen::MatrixXd units = cohort::unit_rows(table);
      const auto cuts = cohort::cut(cohort::correlation_linkage(units), params.k_max);
      const Clustered full{table, units, cuts, range};
      std::vector<int> people;
      for (const std::size_t person :
           Random(own).permutation(static_cast<std::size_t>(table.rows()))) {
        if (static_cast<int>(people.size()) < params.stability_people) {
          people.push_back(static_cast<int>(person));
        }
      }
      out.leave_one_out.row(row) = mean_of(cohort::leave_one_out_agreement(full, people, context));
      out.resampling.row(row) = mean_of(cohort::resampling_agreement(
          full, {params.stability_resamplings, params.resample_share, own}, context));
      const auto halves = cohort::random_halves(table.rows(), own);
      const auto split = cohort::split_agreement(full, halves.first, halves.second);
      out.split_profile_r.row(row) = split.profile_r;
      out.split_ari.row(row) = split.ari;
    }
  });
  return out;
}

// Where the silhouette exceeds the mean of its normal null most.
int choose(const Outputs& out, const Params& params) {
  if (params.clusters != 0) return params.clusters;
  Eigen::VectorXd excess = out.silhouette;
  for (const Null& null : out.nulls) {
    if (null.name == "normal" && null.silhouette.rows() > 0) {
      excess -= null.silhouette.colwise().mean().transpose();
    }
  }
  Eigen::Index best = 0;
  excess.maxCoeff(&best);
  return params.k_min + static_cast<int>(best);
}

// The clusters at out.chosen.
void describe(const Clustered& full, const Inputs& inputs, const Params& params, Outputs& out) {
  const std::vector<int> label = full.cuts.labels(out.chosen);
  const Eigen::Index n = inputs.x.rows();
  out.width = Eigen::VectorXd::Constant(n, kNaN);
  out.width(out.used) = cohort::silhouette_widths(full.units, label);
  out.size.assign(static_cast<std::size_t>(out.chosen), 0);
  out.centroid.setZero(out.chosen, full.x.cols());
  for (std::size_t i = 0; i < label.size(); ++i) {
    ++out.size[static_cast<std::size_t>(label[i])];
    out.centroid.row(label[i]) += full.x.row(static_cast<Eigen::Index>(i));
  }
  for (Eigen::Index c = 0; c < out.chosen; ++c) {
    out.centroid.row(c) /= out.size[static_cast<std::size_t>(c)];
    out.profile_name.push_back(cohort::profile_name(
        out.centroid.row(c), inputs.group.empty() ? inputs.features : inputs.group,
        params.prominent_sd));
  }
  out.to_centroid = Eigen::MatrixXd::Constant(n, out.chosen, kNaN);
  out.to_centroid(out.used, Eigen::all) = full.units * cohort::unit_rows(out.centroid).transpose();
  out.margin = Eigen::VectorXd::Constant(n, kNaN);
  for (const Eigen::Index i : out.used) {
    Eigen::VectorXd r = out.to_centroid.row(i);
    std::sort(r.begin(), r.end(), std::greater<>());
    out.margin[i] = r[0] - r[1];
  }
}

} // namespace

double null_p(const Eigen::VectorXd& null, double observed, bool plus_one) {
  if (null.size() == 0) return kNaN;
  const auto n = static_cast<double>(null.size());
  if (!plus_one) return static_cast<double>((null.array() > observed).count()) / n;
  return (1.0 + static_cast<double>((null.array() >= observed).count())) / (n + 1.0);
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs, params);
  Outputs out;
  out.used = usable(inputs.x);
  if (static_cast<int>(out.used.size()) < 2 * params.k_max || inputs.x.cols() < 3) {
    out.not_done = "found " + std::to_string(out.used.size()) + " people with all of " +
                   std::to_string(inputs.x.cols()) + " features, expected at least " +
                   std::to_string(2 * params.k_max) + " (twice k_max) and 3 features";
    out.used.clear();
    return out;
  }
  const CutRange range{params.k_min, params.k_max};
  for (int k = params.k_min; k <= params.k_max; ++k) out.k.push_back(k);
  const Eigen::MatrixXd x = inputs.x(out.used, Eigen::all);
  const Eigen::MatrixXd units = cohort::unit_rows(x);
  const auto hierarchy = cohort::average_linkage(cohort::correlation_distance(units));
  for (const auto& merge : hierarchy.merges) out.heights.push_back(merge.height);
  const auto cuts = cohort::cut(hierarchy, params.k_max);
  const Clustered full{x, units, cuts, range};
  const auto quality = cohort::cut_quality(units, cuts, params.k_min);
  out.silhouette = quality.silhouette;
  out.within_sum = quality.within_sum;
  out.label = Eigen::MatrixXi::Constant(inputs.x.rows(), range.size(), -1);
  for (const int k : out.k) {
    const std::vector<int> label = cuts.labels(k);
    for (std::size_t i = 0; i < label.size(); ++i) {
      out.label(out.used[i], k - params.k_min) = label[i];
    }
  }
  for (const std::string& name : params.nulls) {
    out.nulls.push_back(compare_with(name, x, params, out.silhouette, context));
  }
  const auto seed = static_cast<std::uint64_t>(params.random_seed);
  out.ari_resampling = out.ari_leave_one_out = Eigen::VectorXd::Constant(range.size(), kNaN);
  if (params.resamplings > 0) {
    out.ari_resampling = mean_of(cohort::resampling_agreement(
        full, {params.resamplings, params.resample_share, seed}, context));
  }
  if (params.leave_one_out) {
    out.ari_leave_one_out =
        mean_of(cohort::leave_one_out_agreement(full, everyone(x.rows()), context));
  }
  std::vector<int> site;
  for (const Eigen::Index i : out.used) {
    site.push_back(inputs.site.empty() ? -1 : inputs.site[static_cast<std::size_t>(i)]);
  }
  add_splits(full, site, params, out);
  if (params.stability_nulls > 0) out.stability = stability_null(x, params, context);
  out.chosen = choose(out, params);
  describe(full, inputs, params, out);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t distance = shape.n_rows * shape.n_rows;
  const auto k = static_cast<std::size_t>(params.k_max);
  const std::size_t nulls =
      k * static_cast<std::size_t>(2 * params.repetitions + params.resamplings);
  return ((2 + kPlannedThreads) * distance + 20 * shape.n_rows * (shape.n_columns + k) + nulls) *
         sizeof(double);
}

} // namespace boldmill::biotypes
