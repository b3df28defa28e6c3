#include "pipeline/graph/brain_voxels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "stages/connectivity/signal_quality.hpp"

namespace boldmill::graph {
namespace {

using Columns = Eigen::Map<const Eigen::MatrixXf>;

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

// The volumes after the dummies, on their own: a copy unless there are none.
class AfterDummies {
public:
  AfterDummies(const Eigen::MatrixXf& columns, const nuisance_regression::Design& design)
      : columns_(columns), keep_(design.keep.begin() + design.n_dummy, design.keep.end()) {
    if (design.n_dummy > 0) own_ = columns.bottomRows(columns.rows() - design.n_dummy);
  }
  [[nodiscard]] Columns columns() const {
    const Eigen::MatrixXf& values = own_.size() > 0 ? own_ : columns_;
    return {values.data(), values.rows(), values.cols()};
  }
  [[nodiscard]] const std::vector<std::uint8_t>& keep() const { return keep_; }

private:
  const Eigen::MatrixXf& columns_;
  Eigen::MatrixXf own_;
  std::vector<std::uint8_t> keep_;
};

bool filters_twice(const config::Config& config) {
  return config.nuisance_regression.filter == "butterworth";
}

} // namespace

BrainVoxels::BrainVoxels(Eigen::MatrixXf columns, const Mask& brain, const config::Config& config,
                         const Context& context)
    : brain_(brain), config_(config), context_(context), columns_(std::move(columns)) {}

void BrainVoxels::add_regressor(Eigen::MatrixXf columns) {
  regressors_.push_back(std::move(columns));
}

bool BrainVoxels::wants(const char* measure) const {
  const auto& all = config_.regional.measures;
  return std::find(all.begin(), all.end(), measure) != all.end();
}

void BrainVoxels::despike(int n_dummies) {
  begun_ = true;
  if (wants("tsnr")) {
    measure(found_, [&] {
      std::vector<std::uint8_t> steady(static_cast<std::size_t>(columns_.rows()), 1);
      std::fill_n(steady.begin(), n_dummies, std::uint8_t{0});
      const Columns given(columns_.data(), columns_.rows(), columns_.cols());
      found_.map["tsnr"] = signal_quality::run({given, steady}, {}, context_).tsnr;
    });
  }
  if (!config_.voxels.despike) return;
  (void)despike::run_in_place({columns_.data(), columns_.rows(), columns_.cols()}, n_dummies,
                              config_.despike, context_);
}

void BrainVoxels::regress(Eigen::MatrixXf& columns, const nuisance_regression::Design& design,
                          nuisance_regression::Params params) const {
  params.standardize = false;
  // XCP-D's SD of ALFF covers the interpolated volumes; nothing else depends on them.
  if (filters_twice(config_) && (wants("alff") || wants("falff"))) params.output = "interpolated";
  std::vector<Columns> own;
  for (const Eigen::MatrixXf& each : regressors_) {
    own.emplace_back(each.data(), each.rows(), each.cols());
  }
  nuisance_regression::run_in_place({columns.data(), columns.rows(), columns.cols()}, design,
                                    params, context_, own);
}

// fALFF of the same design without low-pass; the degrees of freedom can only grow.
void BrainVoxels::add_fraction(const RunResult& run) {
  config::Config config = config_;
  config.nuisance_regression.low_pass_hz = 0.0;
  auto outcome = nuisance_of(config, run, context_);
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    throw Error(failure->kind, failure->message);
  }
  const nuisance_regression::Design& design = std::get<Nuisance>(outcome).design;
  alff::Params band = config.alff;
  band.fraction = true;
  Eigen::MatrixXf whole = columns_;
  regress(whole, design, config.nuisance_regression);
  const AfterDummies after(whole, design);
  found_.map["falff"] = alff::run({after.columns(), after.keep(), run.tr_s}, band, context_).falff;
}

void BrainVoxels::add_measures(const RunResult& run) {
  const AfterDummies after(columns_, *design_);
  const bool fraction = wants("falff") && found_.map.count("falff") == 0 &&
                        !(config_.nuisance_regression.low_pass_hz > 0.0);
  if (wants("alff") || fraction) {
    measure(found_, [&] {
      alff::Params band = config_.alff;
      band.fraction = fraction;
      auto found = alff::run({after.columns(), after.keep(), run.tr_s}, band, context_);
      if (wants("alff")) found_.map["alff"] = std::move(found.alff);
      if (fraction) found_.map["falff"] = std::move(found.falff);
    });
  }
  if (wants("reho")) {
    measure(found_, [&] {
      found_.map["reho"] =
          reho::run({after.columns(), &brain_, after.keep()}, config_.reho, context_).reho;
    });
  }
}

void BrainVoxels::denoise(const RunResult& run) {
  if (!begun_) despike(run.n_dummies);
  auto outcome = nuisance_of(config_, run, context_);
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    found_.missing = failure->message;
    return;
  }
  design_ = std::move(std::get<Nuisance>(outcome).design);
  if (wants("falff") && config_.nuisance_regression.low_pass_hz > 0.0) {
    measure(found_, [&] { add_fraction(run); });
  }
  regress(columns_, *design_, config_.nuisance_regression);
  regressors_.clear();
  add_measures(run);
}

std::size_t brain_voxels_bytes(std::size_t n_in_brain, std::size_t n_volumes,
                               const config::Config& config) {
  const auto& all = config.regional.measures;
  const auto wants = [&all](const char* measure) {
    return std::find(all.begin(), all.end(), measure) != all.end();
  };
  const std::size_t columns = n_in_brain * n_volumes * sizeof(float);
  std::size_t work = alff::peak_bytes({n_volumes, n_in_brain, 8}, config.alff);
  if (wants("reho")) {
    const auto plane = static_cast<std::size_t>(std::pow(static_cast<double>(n_in_brain), 2.0 / 3));
    work = std::max(work, reho::peak_bytes({n_volumes, 4 * plane, n_in_brain}, config.reho));
  }
  const nuisance_regression::Shape blocks{n_volumes, 0, n_volumes, config.voxels.regressors.size()};
  work = std::max(work, nuisance_regression::peak_bytes(blocks, config.nuisance_regression));
  // Those given, a copy without the dummies, and one that keeps the whole band.
  const bool apart = wants("falff") && config.nuisance_regression.low_pass_hz > 0.0;
  return columns * (2 + (apart ? 2 : 0) + config.voxels.regressors.size()) + work;
}

} // namespace boldmill::graph
