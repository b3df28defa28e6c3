#include "stages/task/hrf.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "stages/core/error.hpp"

namespace boldmill::hrf {
namespace {

constexpr std::array<std::string_view, 7> kModels{
    "spm",    "spm+derivative",    "spm+derivative+dispersion",
    "glover", "glover+derivative", "glover+derivative+dispersion",
    "fir"};

double gamma_density(double x, double shape, double rate) {
  if (!(x > 0.0)) return 0.0;
  return std::exp(shape * std::log(rate) + (shape - 1.0) * std::log(x) - rate * x -
                  std::lgamma(shape));
}

void check(std::string_view model, double tr_s, int bins, std::span<const int> fir_delays) {
  if (std::find(kModels.begin(), kModels.end(), model) == kModels.end()) {
    throw Error(ErrorKind::usage, "hrf: found '" + std::string(model) +
                                      "', expected spm, glover (with +derivative or "
                                      "+derivative+dispersion) or fir");
  }
  if (!(tr_s > 0.0) || bins < 1) {
    throw Error(ErrorKind::usage, "hrf: repetition time and bins must be positive");
  }
  if (model == "fir" && fir_delays.empty()) {
    throw Error(ErrorKind::usage, "hrf fir: found no delay, expected at least one (volumes)");
  }
  for (const int delay : fir_delays) {
    if (delay < 0) throw Error(ErrorKind::usage, "hrf fir: a delay is negative");
  }
}

bool is_glover(std::string_view model) { return model.starts_with("glover"); }
bool has_derivative(std::string_view model) { return model.find("+der") != model.npos; }
bool has_dispersion(std::string_view model) { return model.find("+disp") != model.npos; }

Eigen::MatrixXd boxes(std::span<const int> delays, int bins, double height) {
  const int last = *std::max_element(delays.begin(), delays.end());
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero((last + 1) * bins, static_cast<int>(delays.size()));
  for (std::size_t d = 0; d < delays.size(); ++d) {
    out.block(delays[d] * bins, static_cast<Eigen::Index>(d), bins, 1).setConstant(height);
  }
  return out;
}

Eigen::MatrixXd joined(const std::vector<Eigen::VectorXd>& columns) {
  Eigen::MatrixXd out(columns[0].size(), static_cast<Eigen::Index>(columns.size()));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    out.col(static_cast<Eigen::Index>(c)) = columns[c];
  }
  return out;
}

// nilearn's difference of gamma densities on linspace(0, 32, n) - onset, each starting one bin
// late.
Eigen::VectorXd shifted_difference(double bin_s, const DoubleGamma& p) {
  constexpr double kLength = 32.0;
  const auto n = static_cast<Eigen::Index>(std::rint(kLength / bin_s));
  const double spacing = kLength / static_cast<double>(n - 1);
  Eigen::VectorXd out(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const double t = spacing * static_cast<double>(i) - p.onset_s - bin_s;
    out[i] = gamma_density(t, p.delay_s / p.dispersion_s, 1.0 / p.dispersion_s) -
             p.ratio * gamma_density(t, p.undershoot_s / p.undershoot_dispersion_s,
                                     1.0 / p.undershoot_dispersion_s);
  }
  return out / out.sum();
}

} // namespace

std::vector<std::string_view> models() { return {kModels.begin(), kModels.end()}; }

Eigen::VectorXd double_gamma(double step_s, const DoubleGamma& p) {
  constexpr int kFine = 16;
  const double fine_s = step_s / kFine;
  const auto n = static_cast<Eigen::Index>(std::floor(p.length_s / step_s)) + 1;
  Eigen::VectorXd out(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const double u = static_cast<double>(i * kFine) - p.onset_s / fine_s;
    out[i] = gamma_density(u, p.delay_s / p.dispersion_s, fine_s / p.dispersion_s) -
             gamma_density(u, p.undershoot_s / p.undershoot_dispersion_s,
                           fine_s / p.undershoot_dispersion_s) /
                 p.ratio;
  }
  return out / out.sum();
}

Eigen::MatrixXd orthogonalised(const Eigen::MatrixXd& columns) {
  Eigen::MatrixXd out = columns;
  Eigen::MatrixXd basis(columns.rows(), 0);
  for (Eigen::Index c = 0; c < columns.cols(); ++c) {
    Eigen::VectorXd rest = columns.col(c);
    for (int pass = 0; pass < 2; ++pass) rest -= basis * (basis.transpose() * rest).eval();
    const double left = rest.norm();
    if (left > 1e-12 * columns.col(c).norm() && left > 0.0) {
      out.col(c) = rest;
      basis.conservativeResize(Eigen::NoChange, basis.cols() + 1);
      basis.rightCols(1) = rest / left;
    } else {
      out.col(c).setZero();
    }
  }
  return out;
}

Eigen::MatrixXd spm_basis(std::string_view model, double tr_s, int bins,
                          std::span<const int> fir_delays) {
  check(model, tr_s, bins, fir_delays);
  if (model == "fir") return boxes(fir_delays, bins, 1.0);
  const double step_s = tr_s / bins;
  DoubleGamma p;
  if (is_glover(model)) p = {6.0, 12.0, 0.9, 0.9, 1.0 / 0.48, 0.0, 32.0};
  std::vector<Eigen::VectorXd> columns{double_gamma(step_s, p)};
  if (has_derivative(model)) {
    DoubleGamma late = p;
    late.onset_s += 1.0;
    columns.emplace_back(columns[0] - double_gamma(step_s, late));
  }
  if (has_dispersion(model)) {
    constexpr double kStep = 0.01;
    DoubleGamma wide = p;
    wide.dispersion_s += kStep;
    columns.emplace_back((columns[0] - double_gamma(step_s, wide)) / kStep);
  }
  return orthogonalised(joined(columns));
}

Eigen::MatrixXd nilearn_basis(std::string_view model, double tr_s, int oversampling,
                              std::span<const int> fir_delays) {
  check(model, tr_s, oversampling, fir_delays);
  if (model == "fir") return boxes(fir_delays, oversampling, 1.0 / oversampling);
  const double bin_s = tr_s / oversampling;
  DoubleGamma p;
  p.ratio = 0.167;
  if (is_glover(model)) p = {6.0, 12.0, 0.9, 0.9, 0.48, 0.0, 32.0};
  std::vector<Eigen::VectorXd> columns{shifted_difference(bin_s, p)};
  if (has_derivative(model)) {
    constexpr double kStep = 0.1;
    DoubleGamma late = p;
    late.onset_s += kStep;
    columns.emplace_back((columns[0] - shifted_difference(bin_s, late)) / kStep);
  }
  if (has_dispersion(model)) {
    constexpr double kStep = 0.01;
    // Here nilearn leaves the undershoot's dispersion at 1, also for Glover.
    DoubleGamma narrow = p;
    narrow.undershoot_dispersion_s = 1.0;
    DoubleGamma wide = narrow;
    wide.dispersion_s += kStep;
    columns.emplace_back((shifted_difference(bin_s, narrow) - shifted_difference(bin_s, wide)) /
                         kStep);
  }
  return joined(columns);
}

std::vector<std::string> suffixes(std::string_view model, std::span<const int> fir_delays) {
  std::vector<std::string> out;
  if (model == "fir") {
    for (const int delay : fir_delays) out.push_back("_delay_" + std::to_string(delay));
    return out;
  }
  out.emplace_back();
  if (has_derivative(model)) out.emplace_back("_derivative");
  if (has_dispersion(model)) out.emplace_back("_dispersion");
  return out;
}

} // namespace boldmill::hrf
