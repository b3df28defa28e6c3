#include "pipeline/graph/connectivity_of_task.hpp"

#include <algorithm>
#include <limits>

#include "stages/connectivity/connectivity_matrix.hpp"
#include "stages/core/outcome.hpp"

namespace boldmill::graph {
namespace {

volume_selection::Combined combined(std::span<const volume_selection::Run> runs) {
  if (runs.size() > 1) return volume_selection::combine(runs);
  volume_selection::Combined one;
  one.series = runs.front().series;
  one.keep.assign(runs.front().keep.begin(), runs.front().keep.end());
  return one;
}

// Every pair of volumes `lag` apart must lie in one run: runs are parted by censored volumes.
volume_selection::Combined parted(std::span<const volume_selection::Run> runs, int lag) {
  const volume_selection::Combined all = combined(runs);
  if (runs.size() < 2) return all;
  volume_selection::Combined out;
  const auto gap = static_cast<Eigen::Index>(lag);
  const auto n_runs = static_cast<Eigen::Index>(runs.size());
  out.series.setConstant(all.series.rows() + gap * (n_runs - 1), all.series.cols(),
                         std::numeric_limits<float>::quiet_NaN());
  Eigen::Index from = 0;
  Eigen::Index to = 0;
  for (const volume_selection::Run& run : runs) {
    const Eigen::Index n = run.series.rows();
    out.series.middleRows(to, n) = all.series.middleRows(from, n);
    out.keep.resize(static_cast<std::size_t>(to), 0);
    out.keep.insert(out.keep.end(), all.keep.begin() + from, all.keep.begin() + from + n);
    from += n;
    to += n + gap;
  }
  return out;
}

class Maker {
public:
  Maker(const config::Config& config, const Context& context) : c_(config), context_(context) {}

  void pearson(const volume_selection::Combined& series, const std::vector<std::string>& kinds,
               Matrices& out) const {
    const auto wants = [&kinds](const char* kind) {
      return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
    };
    if (!wants("correlation") && !wants("fisher_z")) return;
    auto made = correlation::run({view(series), series.keep, 0}, c_.correlation, context_);
    if (wants("correlation"))
      out.matrices.push_back({"correlation", std::move(made.correlation), made.n_volumes});
    if (wants("fisher_z"))
      out.matrices.push_back({"fisher_z", std::move(made.fisher_z), made.n_volumes});
  }

  void other(const volume_selection::Combined& series, const std::string& kind, int lag,
             const std::string& name, Matrices& out) const {
    const connectivity_matrix::Params params{kind, lag, c_.correlation.min_volumes};
    const auto made = capture([&] {
      return connectivity_matrix::run({view(series), series.keep}, params, context_);
    });
    if (const auto* failure = std::get_if<Failure>(&made)) {
      if (failure->kind != ErrorKind::gate && failure->kind != ErrorKind::input) {
        throw Error(failure->kind, failure->message);
      }
      out.refused.push_back(kind + ": " + failure->message);
      return;
    }
    const auto& matrix = std::get<connectivity_matrix::Outputs>(made);
    out.matrices.push_back({name, connectivity_matrix::edges_of(matrix.matrix), matrix.n_volumes});
  }

  void windows(const volume_selection::Combined& series, Matrices& out) const {
    const auto made = capture([&] {
      return sliding_window::run({view(series), series.keep}, c_.sliding_window, context_);
    });
    if (const auto* failure = std::get_if<Failure>(&made)) {
      if (failure->kind != ErrorKind::gate && failure->kind != ErrorKind::input) {
        throw Error(failure->kind, failure->message);
      }
      out.refused.push_back("sliding_window: " + failure->message);
      return;
    }
    const auto& found = std::get<sliding_window::Outputs>(made);
    out.matrices.push_back({"sliding_window_mean", found.mean_z, found.n_volumes});
    out.matrices.push_back({"sliding_window_sd", found.sd_z, found.n_volumes});
    out.numbers["sliding_window_mean_sd"] = found.mean_sd;
    out.numbers["sliding_window_n_windows"] = found.n_windows;
    if (c_.sliding_window.n_surrogates > 0) out.numbers["sliding_window_p"] = found.p_value;
  }

private:
  static Eigen::Map<const Eigen::MatrixXf> view(const volume_selection::Combined& series) {
    return {series.series.data(), series.series.rows(), series.series.cols()};
  }

  const config::Config& c_;
  const Context& context_;
};

} // namespace

Matrices connectivity_of(const TaskSeries& task, const config::Config& config,
                         const Context& context) {
  const config::ConnectivityParams& wanted = config.connectivity;
  volume_selection::Combined series = combined(task.runs);
  if (wanted.n_volumes > 0) {
    series.keep =
        volume_selection::choose(series.keep, {wanted.n_volumes, wanted.random_seed}, task.item);
  }
  Matrices out;
  const Maker maker(config, context);
  std::vector<std::string> kinds = wanted.kinds;
  if (std::all_of(kinds.begin(), kinds.end(), [](const auto& kind) { return kind == "tangent"; })) {
    kinds.emplace_back("correlation");
  }
  maker.pearson(series, kinds, out);
  for (const std::string& kind : kinds) {
    if (kind == "correlation" || kind == "fisher_z" || kind == "tangent") continue;
    if (kind == "sliding_window") {
      maker.windows(combined(task.runs), out);
    } else if (kind == "lagged") {
      const auto apart = parted(task.runs, wanted.lag);
      maker.other(apart, kind, wanted.lag, "lagged", out);
      maker.other(apart, kind, -wanted.lag, "lagged_reverse", out);
    } else {
      maker.other(series, kind, 1, kind, out);
    }
  }
  return out;
}

} // namespace boldmill::graph
