#include "stages/denoise/confounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/statistics.hpp"
#include "stages/denoise/kernels/cosine_basis.hpp"

namespace boldmill::confounds {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<const char*, 6> kMotion{"trans_x", "trans_y", "trans_z",
                                             "rot_x",   "rot_y",   "rot_z"};

// Columns gathered one by one.
class Columns {
public:
  explicit Columns(Eigen::Index n_volumes) : n_volumes_(n_volumes) {}

  void add(const std::string& name, const Eigen::VectorXd& values) {
    if (values.size() != n_volumes_) {
      throw Error(ErrorKind::input, "confounds: " + name + " has " + std::to_string(values.size()) +
                                        " values, expected " + std::to_string(n_volumes_));
    }
    names_.push_back(name);
    values_.push_back(values);
  }
  void add_if_present(const std::string& name, const Eigen::VectorXd& values) {
    if (values.size() > 0) add(name, values);
  }
  void add_with_expansions(const std::string& name, const Eigen::VectorXd& values) {
    if (values.size() == 0) return;
    add(name, values);
    Eigen::VectorXd derivative = Eigen::VectorXd::Constant(n_volumes_, kNaN);
    derivative.tail(n_volumes_ - 1) = values.tail(n_volumes_ - 1) - values.head(n_volumes_ - 1);
    add(name + "_derivative1", derivative);
    add(name + "_power2", values.cwiseAbs2());
    add(name + "_derivative1_power2", derivative.cwiseAbs2());
  }
  void add_one_hot(const std::string& prefix, const std::vector<Eigen::Index>& volumes) {
    for (std::size_t n = 0; n < volumes.size(); ++n) {
      add(numbered(prefix, n), Eigen::VectorXd::Unit(n_volumes_, volumes[n]));
    }
  }
  static std::string numbered(const std::string& prefix, std::size_t n) {
    return prefix + (n < 10 ? "0" : "") + std::to_string(n);
  }

  void move_to(Outputs& out) {
    out.values.resize(n_volumes_, static_cast<Eigen::Index>(values_.size()));
    for (std::size_t c = 0; c < values_.size(); ++c) {
      out.values.col(static_cast<Eigen::Index>(c)) = values_[c];
    }
    out.names = std::move(names_);
  }

private:
  Eigen::Index n_volumes_;
  std::vector<std::string> names_;
  std::vector<Eigen::VectorXd> values_;
};

void check(const Inputs& inputs) {
  const auto n = inputs.motion.rows();
  if (inputs.motion.cols() != 6 || n == 0) {
    throw Error(ErrorKind::input, "confounds: motion is " + std::to_string(n) + " x " +
                                      std::to_string(inputs.motion.cols()) + ", expected T x 6");
  }
  if (inputs.n_dummy < 0 || inputs.n_dummy >= n) {
    throw Error(ErrorKind::input, "confounds: found " + std::to_string(inputs.n_dummy) +
                                      " dummy scans, expected 0 to " + std::to_string(n - 1));
  }
  if (!(inputs.tr_s > 0.0)) {
    throw Error(ErrorKind::input, "confounds: repetition time is " + std::to_string(inputs.tr_s) +
                                      " s, expected a positive value");
  }
}

std::vector<Eigen::Index> spikes(const Inputs& inputs, const Params& params) {
  std::vector<Eigen::Index> volumes;
  for (Eigen::Index t = inputs.n_dummy; t < inputs.motion.rows(); ++t) {
    const bool moved = inputs.framewise_displacement.size() > 0 &&
                       inputs.framewise_displacement[t] > params.fd_spike_threshold_mm;
    const bool changed =
        inputs.std_dvars.size() > 0 && inputs.std_dvars[t] > params.dvars_spike_threshold;
    if (moved || changed) volumes.push_back(t);
  }
  return volumes;
}

// fMRIPrep's texts.
std::vector<ColumnMetadata> described(const Inputs& inputs, const std::vector<std::string>& names) {
  std::vector<ColumnMetadata> out;
  const auto add = [&](const std::string& column) -> ColumnMetadata* {
    if (column_index(names, column) < 0) return nullptr;
    out.push_back({.column = column});
    return &out.back();
  };
  for (const char* name : {"global_signal", "csf", "white_matter", "csf_wm", "tcompcor"}) {
    if (auto* found = add(name)) found->method = "Mean";
  }
  if (auto* found = add("framewise_displacement")) found->units = "mm";
  for (const ComponentSet& set : inputs.components) {
    for (Eigen::Index k = 0; k < set.components.cols(); ++k) {
      auto* found = add(Columns::numbered(set.prefix, static_cast<std::size_t>(k)));
      found->method = set.method;
      found->mask = set.mask;
      found->singular_value = set.singular_value[k];
      found->variance_explained = set.variance_explained[k];
      found->cumulative_variance_explained = set.cumulative_variance_explained[k];
      found->is_component = true;
    }
  }
  constexpr std::array<const char*, 6> kDescription{
      "Translation along left-right axis.",
      "Translation along anterior-posterior axis.",
      "Translation along superior-inferior axis.",
      "Rotation about left-right axis. Also known as \"pitch\".",
      "Rotation about anterior-posterior axis. Also known as \"roll\".",
      "Rotation about superior-inferior axis. Also known as \"yaw\"."};
  for (std::size_t c = 0; c < kMotion.size(); ++c) {
    auto* found = add(kMotion[c]);
    found->description = kDescription[c];
    found->units = c < 3 ? "mm" : "rad";
  }
  return out;
}

double mean_after(const Eigen::VectorXd& values, int n_dummy) {
  if (values.size() == 0) return kNaN;
  return mean({values.data() + n_dummy, static_cast<std::size_t>(values.size() - n_dummy)});
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  context.check_stop();
  check(inputs);
  const Eigen::Index n_volumes = inputs.motion.rows();
  Columns columns(n_volumes);
  columns.add_with_expansions("global_signal", inputs.global_signal);
  columns.add_with_expansions("csf", inputs.csf);
  columns.add_with_expansions("white_matter", inputs.white_matter);
  columns.add_if_present("csf_wm", inputs.csf_wm);
  columns.add_if_present("tcompcor", inputs.tcompcor);
  columns.add_if_present("std_dvars", inputs.std_dvars);
  columns.add_if_present("dvars", inputs.dvars);
  columns.add_if_present("framewise_displacement", inputs.framewise_displacement);
  columns.add_if_present("rmsd", inputs.rmsd);

  for (const ComponentSet& set : inputs.components) {
    for (Eigen::Index k = 0; k < set.components.cols(); ++k) {
      columns.add(Columns::numbered(set.prefix, static_cast<std::size_t>(k)),
                  set.components.col(k));
    }
  }

  const Eigen::Index n_steady = n_volumes - inputs.n_dummy;
  // fMRIPrep's order counts the constant, which it then leaves out.
  const auto order = static_cast<Eigen::Index>(std::max(
      std::floor(2.0 * static_cast<double>(n_steady) * inputs.tr_s / params.cosine_cutoff_s), 1.0));
  const Eigen::MatrixXd cosines = cosine_basis(n_steady, 1, std::min(order, n_steady) - 1);
  for (Eigen::Index k = 0; k < cosines.cols(); ++k) {
    Eigen::VectorXd column = Eigen::VectorXd::Zero(n_volumes);
    column.tail(n_steady) = cosines.col(k);
    columns.add(Columns::numbered("cosine", static_cast<std::size_t>(k)), column);
  }
  std::vector<Eigen::Index> dummies(static_cast<std::size_t>(inputs.n_dummy));
  for (std::size_t t = 0; t < dummies.size(); ++t) dummies[t] = static_cast<Eigen::Index>(t);
  columns.add_one_hot("non_steady_state_outlier", dummies);
  for (Eigen::Index c = 0; c < 6; ++c) {
    columns.add_with_expansions(kMotion[static_cast<std::size_t>(c)], inputs.motion.col(c));
  }
  const std::vector<Eigen::Index> outliers = spikes(inputs, params);
  columns.add_one_hot("motion_outlier", outliers);

  Outputs out;
  columns.move_to(out);
  out.metadata = described(inputs, out.names);
  out.n_motion_outliers = static_cast<int>(outliers.size());
  out.mean_fd_mm = mean_after(inputs.framewise_displacement, inputs.n_dummy);
  out.mean_std_dvars = mean_after(inputs.std_dvars, inputs.n_dummy);
  return out;
}

int column_index(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  // Two copies of 46 fixed columns, components, cosines and, at worst, a spike per volume.
  return 2 * shape.n_volumes * (46 + shape.n_components + 2 * shape.n_volumes) * sizeof(double);
}

} // namespace boldmill::confounds
