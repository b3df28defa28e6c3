#include "stages/task/task_design.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stages/core/least_squares.hpp"
#include "stages/task/hrf.hpp"
#include "stages/task/task_design_steps.hpp"

namespace boldmill::task_design {
namespace {

void check(const Inputs& inputs, const Params& params) {
  if (inputs.n_volumes < 1) throw Error(ErrorKind::input, "task design: the run has no volume");
  if (!(inputs.tr_s > 0.0)) {
    throw Error(ErrorKind::input, "task design: found repetition time " +
                                      std::to_string(inputs.tr_s) + " s, expected more than 0");
  }
  const auto rows = static_cast<Eigen::Index>(inputs.n_volumes);
  if (inputs.confound_names != nullptr && inputs.confounds.rows() != rows) {
    throw Error(ErrorKind::input, "confounds: found " + std::to_string(inputs.confounds.rows()) +
                                      " rows, the run has " + std::to_string(rows) + " volumes");
  }
  if (!inputs.keep.empty() && static_cast<Eigen::Index>(inputs.keep.size()) != rows) {
    throw Error(ErrorKind::input, "volumes kept: found " + std::to_string(inputs.keep.size()) +
                                      " values, the run has " + std::to_string(rows) + " volumes");
  }
  if (inputs.modulator_names != nullptr &&
      inputs.modulators.rows() != static_cast<Eigen::Index>(inputs.events.size())) {
    throw Error(ErrorKind::input, "modulators: found " + std::to_string(inputs.modulators.rows()) +
                                      " rows for " + std::to_string(inputs.events.size()) +
                                      " events");
  }
  if (params.high_pass_hz * inputs.tr_s >= 0.5) {
    throw Error(ErrorKind::usage,
                "high_pass_hz: found " + std::to_string(params.high_pass_hz) +
                    " Hz, expected less than half a cycle per repetition time of " +
                    std::to_string(inputs.tr_s) + " s");
  }
}

// Grows a design column by column.
class Builder {
public:
  explicit Builder(Design& design, Eigen::Index rows) : design_(design) {
    design_.matrix.resize(rows, 0);
  }
  void add(const Eigen::VectorXd& values, Column column) {
    for (const Column& other : design_.columns) {
      if (other.name != column.name) continue;
      throw Error(ErrorKind::input, "task design: two columns are called '" + column.name + "'");
    }
    design_.matrix.conservativeResize(Eigen::NoChange, design_.matrix.cols() + 1);
    design_.matrix.rightCols(1) = values;
    design_.columns.push_back(std::move(column));
  }

private:
  Design& design_;
};

void add_confounds(const Inputs& inputs, Builder& builder, Design& design) {
  if (inputs.confound_names == nullptr) return;
  for (Eigen::Index c = 0; c < inputs.confounds.cols(); ++c) {
    const std::string& name = (*inputs.confound_names)[static_cast<std::size_t>(c)];
    Eigen::VectorXd values = inputs.confounds.col(c);
    double sum = 0.0;
    int present = 0;
    for (Eigen::Index t = 0; t < values.size(); ++t) {
      if (!std::isfinite(values[t]) || design.keep[static_cast<std::size_t>(t)] == 0) continue;
      sum += values[t];
      ++present;
    }
    if (present == 0) {
      throw Error(ErrorKind::input, "confound '" + name + "' has no finite value on a kept volume");
    }
    for (double& value : values) {
      if (!std::isfinite(value)) value = sum / present;
    }
    builder.add(values, {.name = name, .role = "confound"});
  }
}

void add_spikes(const Inputs& inputs, const Params& params, Builder& builder, Design& design) {
  if (params.censoring != "spikes") return;
  for (Eigen::Index t = 0; t < inputs.n_volumes; ++t) {
    if (design.keep[static_cast<std::size_t>(t)] != 0) continue;
    builder.add(Eigen::VectorXd::Unit(inputs.n_volumes, t),
                {.name = "spike_" + std::to_string(t), .role = "spike"});
  }
  std::fill(design.keep.begin(), design.keep.end(), std::uint8_t{1});
}

void add_drift(const Inputs& inputs, const Params& params, Builder& builder) {
  const Eigen::Index n = inputs.n_volumes;
  const double cycles = 2.0 * static_cast<double>(n) * params.high_pass_hz * inputs.tr_s;
  // A product that should be whole is not cut to the number below it.
  const auto order = std::min(n - 1, static_cast<Eigen::Index>(std::floor(cycles + 1e-9)));
  const double step = std::numbers::pi / static_cast<double>(n);
  for (Eigen::Index k = 1; k <= order; ++k) {
    Eigen::VectorXd cosine(n);
    for (Eigen::Index t = 0; t < n; ++t) {
      cosine[t] = std::sqrt(2.0 / static_cast<double>(n)) *
                  std::cos(step * (static_cast<double>(t) + 0.5) * static_cast<double>(k));
    }
    builder.add(cosine, {.name = "drift_" + std::to_string(k), .role = "drift"});
  }
  builder.add(Eigen::VectorXd::Ones(n), {.name = "constant", .role = "constant"});
}

} // namespace

std::vector<std::string> Design::names() const {
  std::vector<std::string> out;
  for (const Column& column : columns) out.push_back(column.name);
  return out;
}

void describe(Design& design) {
  const Eigen::MatrixXd x = kept_rows(design.matrix, design.keep);
  design.n_kept = static_cast<int>(x.rows());
  const LeastSquares fit(x);
  design.rank = static_cast<int>(fit.rank());
  design.dof = design.n_kept - design.rank;
  for (const Eigen::Index c : fit.dropped()) {
    design.dependent.push_back(design.columns[static_cast<std::size_t>(c)].name);
  }
  if (!design.dependent.empty()) {
    std::string list;
    for (const std::string& name : design.dependent) list += (list.empty() ? "" : ", ") + name;
    design.notes.push_back("the design has rank " + std::to_string(design.rank) + " of " +
                           std::to_string(x.cols()) + ": others explain " + list);
  }
  const Eigen::MatrixXd centred = x.rowwise() - x.colwise().mean();
  std::vector<Eigen::Index> task;
  for (std::size_t c = 0; c < design.columns.size(); ++c) {
    if (design.columns[c].condition.empty()) continue;
    const auto column = static_cast<Eigen::Index>(c);
    task.push_back(column);
    design.columns[c].vif = centred.col(column).squaredNorm() * fit.unscaled_variance(column);
  }
  for (std::size_t i = 0; i < task.size(); ++i) {
    for (std::size_t j = i + 1; j < task.size(); ++j) {
      const auto a = centred.col(task[i]);
      const auto b = centred.col(task[j]);
      const double r = std::abs(a.dot(b)) / (a.norm() * b.norm());
      if (!(r > design.max_correlation)) continue;
      design.max_correlation = r;
      design.max_correlation_pair = design.columns[static_cast<std::size_t>(task[i])].name +
                                    " and " +
                                    design.columns[static_cast<std::size_t>(task[j])].name;
    }
  }
  if (design.max_correlation > 0.9) {
    design.notes.push_back("columns " + design.max_correlation_pair +
                           " are collinear, |r| = " + std::to_string(design.max_correlation));
  }
}

Design run(const Inputs& inputs, const Params& params) {
  check(inputs, params);
  Design design;
  design.keep.assign(inputs.keep.begin(), inputs.keep.end());
  if (design.keep.empty()) design.keep.assign(static_cast<std::size_t>(inputs.n_volumes), 1);
  for (std::uint8_t& k : design.keep) k = k != 0 ? 1 : 0;
  if (std::count(design.keep.begin(), design.keep.end(), 1) == 0) {
    throw Error(ErrorKind::input,
                "task design: no volume of " + std::to_string(inputs.n_volumes) + " is kept");
  }
  Builder builder(design, inputs.n_volumes);
  for (const Train& train : trains_of(inputs, params, design)) {
    const Sampled sampled = params.variant == "nilearn" ? sample_nilearn(train, inputs, params)
                                                        : sample_microtime(train, inputs, params);
    for (std::size_t c = 0; c < sampled.names.size(); ++c) {
      builder.add(
          sampled.values.col(static_cast<Eigen::Index>(c)),
          {.name = sampled.names[c], .role = sampled.roles[c], .condition = train.condition});
    }
  }
  add_confounds(inputs, builder, design);
  add_spikes(inputs, params, builder, design);
  add_drift(inputs, params, builder);
  describe(design);
  if (design.dof < 1) {
    throw Error(ErrorKind::input, "task design: " + std::to_string(design.n_kept) +
                                      " volumes kept for a model of rank " +
                                      std::to_string(design.rank) +
                                      ", expected more volumes than that");
  }
  return design;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const auto bins = static_cast<std::size_t>(params.variant == "nilearn" ? params.oversampling
                                                                         : params.microtime_bins);
  return sizeof(double) * shape.n_volumes * (4 * shape.n_columns + 8 * bins);
}

} // namespace boldmill::task_design
