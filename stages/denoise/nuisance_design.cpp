// What is removed and where: the design of nuisance_regression.
#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/denoise/kernels/cosine_basis.hpp"
#include "stages/denoise/kernels/fourier_basis.hpp"
#include "stages/denoise/nuisance_steps.hpp"

namespace boldmill::nuisance_regression {
namespace {

struct Factor {
  Eigen::MatrixXd basis; // rows x rank, orthonormal
  std::vector<Eigen::Index> dropped;
  Eigen::MatrixXd weights; // columns x rank: columns * weights = basis, when asked for
};

Factor factorize(Eigen::MatrixXd columns, bool with_weights = false) {
  Factor out;
  Eigen::VectorXd scale = Eigen::VectorXd::Ones(columns.cols());
  for (Eigen::Index c = 0; c < columns.cols(); ++c) {
    const double norm = columns.col(c).norm();
    if (norm > 0.0) scale[c] = 1.0 / norm;
    columns.col(c) *= scale[c];
  }
  if (columns.cols() == 0 || columns.rows() == 0) {
    out.basis.resize(columns.rows(), 0);
    out.weights.resize(columns.cols(), 0);
    return out;
  }
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(columns.rows(), columns.cols());
  qr.setThreshold(kRankTolerance);
  qr.compute(columns);
  const Eigen::Index rank = qr.rank();
  out.basis = qr.householderQ() * Eigen::MatrixXd::Identity(columns.rows(), rank);
  for (Eigen::Index i = rank; i < columns.cols(); ++i) {
    out.dropped.push_back(qr.colsPermutation().indices()[i]);
  }
  std::sort(out.dropped.begin(), out.dropped.end());
  if (with_weights) {
    Eigen::MatrixXd padded = Eigen::MatrixXd::Zero(columns.cols(), rank);
    padded.topRows(rank) = qr.matrixQR()
                               .topLeftCorner(rank, rank)
                               .triangularView<Eigen::Upper>()
                               .solve(Eigen::MatrixXd::Identity(rank, rank));
    out.weights = scale.asDiagonal() * (qr.colsPermutation() * padded);
  }
  return out;
}

// Intercept and, if asked for, a linear trend, over all volumes after the dummies.
Eigen::MatrixXd polynomial(Eigen::Index n, bool detrend) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Ones(n, detrend ? 2 : 1);
  if (detrend) out.col(1).setLinSpaced(-1.0, 1.0);
  return out;
}

// A basis of the frequencies outside the band.
Eigen::MatrixXd stop_band(Eigen::Index n, double tr_s, const Params& params,
                          std::vector<std::string>* names) {
  if (params.filter == "fourier") {
    return fourier_stop_band(n, tr_s, params.high_pass_hz, params.low_pass_hz, names);
  }
  const Eigen::Index low = params.high_pass_hz > 0 ? cosine_order(n, tr_s, params.high_pass_hz) : 0;
  Eigen::Index high = n;
  if (params.low_pass_hz > 0) high = std::max(low, cosine_order(n, tr_s, params.low_pass_hz)) + 1;
  Eigen::MatrixXd out(n, low + std::max<Eigen::Index>(0, n - high));
  out << cosine_basis(n, 1, low), cosine_basis(n, high, n - 1);
  if (names != nullptr) {
    for (Eigen::Index k = 1; k <= low; ++k) names->push_back("drift" + std::to_string(k));
    for (Eigen::Index k = high; k < n; ++k) names->push_back("fast" + std::to_string(k));
  }
  return out;
}

void check_band(const DesignInputs& inputs, const Params& params) {
  const double nyquist = 0.5 / inputs.tr_s;
  const bool ordered = params.low_pass_hz == 0.0 || params.high_pass_hz < params.low_pass_hz;
  // Input, not usage: the same band can suit the other runs.
  if (!(inputs.tr_s > 0.0) || !ordered || params.high_pass_hz >= nyquist ||
      params.low_pass_hz >= nyquist) {
    throw Error(ErrorKind::input,
                "nuisance_regression: band " + std::to_string(params.high_pass_hz) + " to " +
                    std::to_string(params.low_pass_hz) + " Hz at a repetition time of " +
                    std::to_string(inputs.tr_s) + " s, expected high_pass < low_pass < " +
                    std::to_string(nyquist) + " Hz (0 is no edge)");
  }
}

std::vector<std::uint8_t> censor(const DesignInputs& inputs, const Params& params) {
  const auto n = inputs.confounds.rows();
  std::vector<std::uint8_t> keep(static_cast<std::size_t>(n), 1);
  if (!inputs.keep.empty()) keep.assign(inputs.keep.begin(), inputs.keep.end());
  for (int t = 0; t < inputs.n_dummy; ++t) keep[static_cast<std::size_t>(t)] = 0;
  if (params.fd_threshold_mm <= 0.0) return keep;
  const auto& names = *inputs.confound_names;
  const auto found = std::find(names.begin(), names.end(), "framewise_displacement");
  if (found == names.end()) {
    throw Error(ErrorKind::input,
                "confounds: no column framewise_displacement, needed by fd_threshold_mm");
  }
  for (Eigen::Index t = 0; t < n; ++t) {
    if (inputs.confounds(t, found - names.begin()) > params.fd_threshold_mm) {
      keep[static_cast<std::size_t>(t)] = 0;
    }
  }
  return keep;
}

// A missing derivative (the first row) is 0, as in XCP-D; another missing value is the column's
// mean.
Eigen::VectorXd filled(const Eigen::VectorXd& column, const std::string& name) {
  const auto finite = column.array().isFinite();
  if (!finite.any()) {
    throw Error(ErrorKind::input, "confounds: column " + name + " has no finite value");
  }
  const bool derivative = name.find("derivative1") != std::string::npos;
  const double fill =
      derivative ? 0.0
                 : finite.select(column.array(), 0.0).sum() / static_cast<double>(finite.count());
  return finite.select(column.array(), fill);
}

Eigen::MatrixXd chosen_confounds(const DesignInputs& inputs,
                                 const std::vector<std::string>& chosen) {
  const auto& names = *inputs.confound_names;
  const Eigen::Index n_steady = inputs.confounds.rows() - inputs.n_dummy;
  Eigen::MatrixXd out(n_steady, static_cast<Eigen::Index>(chosen.size()));
  for (std::size_t c = 0; c < chosen.size(); ++c) {
    const auto position = std::find(names.begin(), names.end(), chosen[c]) - names.begin();
    out.col(static_cast<Eigen::Index>(c)) =
        filled(inputs.confounds.col(position).tail(n_steady), chosen[c]);
  }
  return out;
}

// What is kept by name (signal__*) is not removed, and nothing that looks like it either.
Eigen::MatrixXd without_signals(const Eigen::MatrixXd& all, std::vector<std::string>& names) {
  std::vector<Eigen::Index> noise, signal;
  std::vector<std::string> noise_names;
  for (std::size_t c = 0; c < names.size(); ++c) {
    const bool kept = names[c].starts_with("signal__");
    (kept ? signal : noise).push_back(static_cast<Eigen::Index>(c));
    if (!kept) noise_names.push_back(names[c]);
  }
  if (signal.empty()) return all;
  names = std::move(noise_names);
  Eigen::MatrixXd centred = all(Eigen::all, signal); // the constant is not a signal
  centred.rowwise() -= centred.colwise().mean().eval();
  const Eigen::MatrixXd basis = factorize(centred).basis;
  const Eigen::MatrixXd out = all(Eigen::all, noise);
  return out - basis * (basis.transpose() * out).eval();
}

void check_sizes(const DesignInputs& inputs) {
  const auto n = inputs.confounds.rows();
  const auto n_names = static_cast<Eigen::Index>(inputs.confound_names->size());
  if (n_names != inputs.confounds.cols() ||
      (!inputs.keep.empty() && static_cast<Eigen::Index>(inputs.keep.size()) != n)) {
    throw Error(ErrorKind::internal, "nuisance_regression: names, values and keep do not fit");
  }
  if (inputs.n_dummy < 0 || inputs.n_dummy >= n) {
    throw Error(ErrorKind::input, "nuisance_regression: found " + std::to_string(inputs.n_dummy) +
                                      " dummy scans in a run of " + std::to_string(n) + " volumes");
  }
}

void gate(const Design& design, const Params& params) {
  if (design.dof_left >= params.min_dof) return;
  throw Error(
      ErrorKind::gate,
      "strategy " + params.strategy + " leaves " + std::to_string(design.dof_left) +
          " degrees of freedom (" + std::to_string(design.n_kept) +
          " volumes kept, model of rank " + std::to_string(design.rank) +
          " with its filter), expected at least min_dof = " + std::to_string(params.min_dof));
}

void check_output(const Params& params) {
  if (params.output == "interpolated" && params.filter != "butterworth") {
    throw Error(ErrorKind::usage,
                "nuisance_regression.output: interpolated needs filter butterworth, found " +
                    params.filter);
  }
}

} // namespace

Design make_design(const DesignInputs& inputs, const Params& params) {
  check_sizes(inputs);
  check_band(inputs, params);
  check_output(params);
  Design design;
  design.n_voxelwise = inputs.n_voxelwise;
  design.n_dummy = inputs.n_dummy;
  design.tr_s = inputs.tr_s;
  design.keep = censor(inputs, params);
  design.n_kept = static_cast<int>(
      std::count_if(design.keep.begin(), design.keep.end(), [](std::uint8_t k) { return k != 0; }));
  if (design.n_kept == 0) {
    throw Error(ErrorKind::gate, "censoring: no volume of " + std::to_string(design.keep.size()) +
                                     " is kept at fd_threshold_mm " +
                                     std::to_string(params.fd_threshold_mm));
  }
  const Eigen::Index n = inputs.confounds.rows() - inputs.n_dummy;
  std::vector<std::string> chosen = strategy_columns(params, *inputs.confound_names);
  Eigen::MatrixXd nuisance = without_signals(chosen_confounds(inputs, chosen), chosen);
  const bool one_model = params.filter != "butterworth";
  if (one_model)
    nuisance.rowwise() -= nuisance.colwise().mean().eval();
  else
    filter_columns(nuisance, design, params);

  const Eigen::MatrixXd trend = polynomial(n, params.detrend);
  std::vector<std::string> band_names;
  const Eigen::MatrixXd band = stop_band(n, inputs.tr_s, params, &band_names);
  Eigen::MatrixXd whole(n, trend.cols() + nuisance.cols() + band.cols());
  whole << trend, nuisance, band;
  const bool constant = one_model || params.intercept;
  Eigen::MatrixXd own(n, (constant ? 1 : 0) + nuisance.cols());
  own << Eigen::MatrixXd::Ones(n, constant ? 1 : 0), nuisance;
  if (constant) design.names = {"intercept"};
  if (one_model && params.detrend) design.names.emplace_back("trend");
  design.names.insert(design.names.end(), chosen.begin(), chosen.end());
  if (one_model) design.names.insert(design.names.end(), band_names.begin(), band_names.end());
  design.regressors = one_model ? whole : own;

  const Factor model = factorize(kept_rows(whole, design));
  const Factor solved = one_model ? model : factorize(kept_rows(own, design), true);
  design.basis = solved.basis;
  if (!one_model) design.spread = own * solved.weights;
  for (const Eigen::Index c : solved.dropped) {
    design.dropped.push_back(design.names[static_cast<std::size_t>(c)]);
  }
  design.rank = static_cast<int>(model.basis.cols()) + inputs.n_voxelwise;
  design.dof_left = design.n_kept - design.rank;
  const Eigen::MatrixXd unfiltered = whole.leftCols(trend.cols() + nuisance.cols());
  design.n_regressed = static_cast<int>(factorize(kept_rows(unfiltered, design)).basis.cols() -
                                        factorize(kept_rows(trend, design)).basis.cols());
  gate(design, params);
  if (design.dof_left < params.warn_dof) {
    design.warning = std::to_string(design.dof_left) + " degrees of freedom left, fewer than " +
                     std::to_string(params.warn_dof);
  }
  return design;
}

} // namespace boldmill::nuisance_regression
