#include "stages/ppi/ppi.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "stages/core/mixture_noise.hpp"
#include "stages/core/parallel.hpp"
#include "stages/ppi/kernels/convolution.hpp"
#include "stages/ppi/kernels/kept_rows.hpp"
#include "stages/ppi/kernels/weighted_fit.hpp"
#include "stages/ppi/neural_deconvolution.hpp"

namespace boldmill::ppi {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::input, "ppi: " + message);
}

void check_sizes(const Inputs& in, const Params& params) {
  const Eigen::Index bins = in.series.rows() * params.bins_per_volume;
  const auto n_conditions = static_cast<Eigen::Index>(in.conditions.size());
  const auto n_regions = static_cast<std::size_t>(in.series.cols());
  if (params.reference_bin >= params.bins_per_volume) {
    throw Error(ErrorKind::usage, "ppi: reference_bin: found " +
                                      std::to_string(params.reference_bin) + ", expected below " +
                                      std::to_string(params.bins_per_volume));
  }
  if (in.hrf.size() == 0 || !in.hrf.allFinite()) refuse("the response is empty or not finite");
  if (in.psychological.rows() != bins || in.psychological.cols() != n_conditions) {
    refuse("conditions have " + std::to_string(in.psychological.rows()) + " bins in " +
           std::to_string(in.psychological.cols()) + " columns, expected " + std::to_string(bins) +
           " bins, one column each of " + std::to_string(n_conditions) + " conditions");
  }
  if (!in.psychological.allFinite()) refuse("a condition is not finite");
  for (const Contrast& contrast : in.contrasts) {
    if (contrast.weights.size() == n_conditions) continue;
    refuse("contrast " + contrast.name + " has " + std::to_string(contrast.weights.size()) +
           " weights, expected " + std::to_string(n_conditions));
  }
  for (const Question& q : in.questions) {
    if (q.seed >= n_regions || q.target >= n_regions || q.contrast >= in.contrasts.size()) {
      refuse("a question names a region or contrast that was not given");
    }
    if (q.seed == q.target) refuse("a region cannot be its own target");
  }
  if (!in.rho.empty() && !in.whitening.empty()) refuse("both rho and a whitening matrix are given");
  if ((!in.rho.empty() && in.rho.size() != n_regions) ||
      (!in.whitening.empty() && in.whitening.size() != n_regions)) {
    refuse("rho or whitening: expected one per region");
  }
  const bool mixture = params.noise == "mixture" && in.rho.empty() && in.whitening.empty();
  if (mixture && !(in.tr_s > 0.0)) {
    refuse("found repetition time " + std::to_string(in.tr_s) +
           " s, noise mixture expects more than 0");
  }
  for (const double rho : in.rho) {
    if (!(std::abs(rho) < 1.0))
      refuse("rho: found " + std::to_string(rho) + ", expected in (-1, 1)");
  }
}

Estimate missing(std::string reason) { return {kNaN, kNaN, kNaN, kNaN, std::move(reason), {}}; }

// What the seeds of a run share.
struct Run {
  const Inputs& in;
  const Params& params;
  std::vector<Eigen::Index> kept;
  Eigen::MatrixXd nuisance;         // n x (1 + C)
  Eigen::MatrixXd psychological;    // the conditions, centred when asked
  Eigen::MatrixXd main_effects;     // n x K: h * u
  std::vector<std::string> problem; // R: why a region has no series, empty when it has
  std::vector<char> has_event;      // K
  neural_deconvolution::Params neural_params;
  neural_deconvolution::Basis basis;

  [[nodiscard]] bool noise_is_given() const { return !in.rho.empty() || !in.whitening.empty(); }
  [[nodiscard]] bool fits_noise() const { return params.noise == "mixture" && !noise_is_given(); }
  [[nodiscard]] bool deconvolves() const { return params.deconvolution != "none"; }
  [[nodiscard]] std::string name(std::size_t region) const {
    return in.regions.empty() ? "region " + std::to_string(region + 1) : in.regions[region];
  }
  [[nodiscard]] Sampling sampling() const {
    return {params.bins_per_volume, params.reference_bin, 0};
  }
};

Run prepare(const Inputs& in, const Params& params, const Context& context) {
  Run run{.in = in, .params = params};
  run.kept = kept_rows(in.keep, in.series.rows(), "ppi");
  run.nuisance = confounds_with_constant(in.confounds, run.kept, in.series.rows(), "ppi");
  run.psychological = in.psychological;
  for (Eigen::Index k = 0; k < run.psychological.cols(); ++k) {
    auto column = run.psychological.col(k);
    run.has_event.push_back(column.isZero(0.0) ? 0 : 1);
    if (params.center_conditions) column.array() -= column.mean();
  }
  run.main_effects = convolve_and_sample(in.psychological, in.hrf, run.kept, run.sampling());
  for (std::size_t r = 0; r < static_cast<std::size_t>(in.series.cols()); ++r) {
    const Eigen::VectorXd y = in.series.col(static_cast<Eigen::Index>(r))(run.kept);
    const bool varies = y.size() > 0 && y.allFinite() && y.minCoeff() < y.maxCoeff();
    run.problem.push_back(varies ? "" : run.name(r) + " has no finite, varying series");
  }
  if (run.deconvolves()) {
    run.neural_params.variances = params.deconvolution;
    run.neural_params.prior = params.neural_prior;
    run.neural_params.bins_per_volume = params.bins_per_volume;
    run.neural_params.sample_bin = params.reference_bin;
    run.basis = neural_deconvolution::prepare(
        {static_cast<int>(in.series.rows()), in.keep, in.hrf, in.confounds}, run.neural_params,
        context);
  }
  return run;
}

// The design of one seed: conditions, interactions, seed, constant, confounds. A condition without
// an event leaves a column of zeros, so that positions stay.
struct SeedDesign {
  Eigen::MatrixXd columns;
  SeedReport report;
};

SeedDesign design_of(const Run& run, std::size_t seed, const Context& context) {
  const Eigen::Index n_conditions = run.psychological.cols();
  const auto n = static_cast<Eigen::Index>(run.kept.size());
  const Eigen::VectorXd all = run.in.series.col(static_cast<Eigen::Index>(seed));
  const Eigen::VectorXd y = all(run.kept);
  SeedDesign out;
  out.report.seed = seed;
  out.report.noise_variance = out.report.prior_variance = kNaN;
  Eigen::MatrixXd interactions(n, n_conditions);
  if (run.deconvolves()) {
    const auto neural = neural_deconvolution::run({&run.basis, all}, run.neural_params, context);
    out.report.noise_variance = neural.noise_variance;
    out.report.prior_variance = neural.prior_variance;
    out.report.at_limit = neural.at_limit;
    out.report.prior_exponent = neural.prior_exponent;
    const Eigen::MatrixXd product = run.psychological.array().colwise() * neural.neural.array();
    interactions = convolve_and_sample(product, run.in.hrf, run.kept, run.sampling());
  } else {
    const Eigen::MatrixXd psychological =
        convolve_and_sample(run.psychological, run.in.hrf, run.kept, run.sampling());
    const Eigen::VectorXd clean =
        y - run.nuisance * run.nuisance.completeOrthogonalDecomposition().solve(y);
    interactions = psychological.array().colwise() * clean.array();
  }
  for (Eigen::Index k = 0; k < n_conditions; ++k) {
    if (run.has_event[static_cast<std::size_t>(k)] == 0) interactions.col(k).setZero();
  }
  out.columns.resize(n, 2 * n_conditions + 1 + run.nuisance.cols());
  out.columns << run.main_effects, interactions, y.array() - y.mean(), run.nuisance;
  out.report.n_columns = static_cast<int>(out.columns.cols());
  return out;
}

// Where the contrast's weights stand in the design.
Eigen::VectorXd in_design(const Eigen::VectorXd& weights, Eigen::Index n_columns) {
  Eigen::VectorXd out = Eigen::VectorXd::Zero(n_columns);
  out.segment(weights.size(), weights.size()) = weights;
  return out;
}

Estimate estimate(const Run& run, const WeightedFit& fit, const Contrast& contrast,
                  const Eigen::VectorXd& y, Eigen::Index n_columns) {
  for (Eigen::Index k = 0; k < contrast.weights.size(); ++k) {
    if (contrast.weights[k] != 0.0 && run.has_event[static_cast<std::size_t>(k)] == 0) {
      return missing("condition " + run.in.conditions[static_cast<std::size_t>(k)] +
                     " has no event");
    }
  }
  if (fit.dof() < run.params.min_dof) {
    return missing(std::to_string(fit.dof()) + " degrees of freedom are left, expected at least " +
                   std::to_string(run.params.min_dof));
  }
  const Eigen::VectorXd weights = fit.weights(in_design(contrast.weights, n_columns));
  if (weights.size() == 0) {
    return missing("contrast " + contrast.name + ": the design has rank " +
                   std::to_string(fit.rank()) + " of " + std::to_string(n_columns) +
                   " columns and cannot tell its interactions apart");
  }
  const Eigen::VectorXd residual = fit.residual(y);
  const auto n = static_cast<double>(y.size());
  Estimate out;
  out.dof = static_cast<double>(fit.dof());
  out.effect = weights.dot(y);
  out.variance = residual.squaredNorm() / out.dof * weights.squaredNorm();
  out.t = out.effect / std::sqrt(out.variance);
  out.influence = std::sqrt(n / out.dof) * weights.cwiseProduct(residual);
  return out;
}

Eigen::MatrixXd whitening_of(const Run& run, std::size_t target) {
  const auto n = static_cast<Eigen::Index>(run.kept.size());
  if (!run.in.whitening.empty() && run.in.whitening[target].size() > 0) {
    const Eigen::MatrixXd& w = run.in.whitening[target];
    if (w.rows() != n || w.cols() != n) {
      refuse("whitening of " + run.name(target) + " is " + std::to_string(w.rows()) + " x " +
             std::to_string(w.cols()) + ", expected " + std::to_string(n) + " volumes kept");
    }
    return w;
  }
  if (!run.in.rho.empty() && run.in.rho[target] != 0.0) {
    return ar1_whitening(run.in.rho[target], run.kept);
  }
  return {};
}

// The target's noise under the seed's design, by the mixture that fits it best.
Estimate estimate_in_mixture(const Run& run, const SeedDesign& design, const MixtureNoise& noise,
                             const Contrast& contrast, const Eigen::VectorXd& y) {
  const auto choice = noise.choose(noise.powers(noise.filters().transpose() * y))[0];
  const Eigen::LLT<Eigen::MatrixXd> root(noise.covariance(choice.candidate));
  const WeightedFit fit(root.matrixL().solve(design.columns));
  Estimate out = estimate(run, fit, contrast, root.matrixL().solve(y), design.columns.cols());
  if (!out.reason.empty()) return out;
  const Eigen::VectorXd whitened = fit.weights(in_design(contrast.weights, design.columns.cols()));
  const Eigen::VectorXd weights = root.matrixU().solve(whitened);
  out.dof = noise.dof(choice.candidate, weights);
  std::vector<Eigen::MatrixXd> products = noise.products(choice.candidate, weights);
  for (Eigen::MatrixXd& v : products) v = fit.residual(root.matrixL().solve(v.col(0)));
  const double growth =
      1.0 + noise.added(choice.candidate, products)(0, 0) / whitened.squaredNorm();
  out.variance *= growth;
  out.t /= std::sqrt(growth);
  return out;
}

// Empty when too little is left to fit noise to; the estimates then say so.
std::optional<MixtureNoise> noise_of(const Run& run, const SeedDesign& design,
                                     const WeightedFit& plain) {
  if (!run.fits_noise() || plain.dof() < std::max(1, run.params.min_dof)) return std::nullopt;
  Eigen::VectorXd time_s(static_cast<Eigen::Index>(run.kept.size()));
  for (std::size_t i = 0; i < run.kept.size(); ++i) {
    time_s[static_cast<Eigen::Index>(i)] = run.in.tr_s * static_cast<double>(run.kept[i]);
  }
  return MixtureNoise(design.columns, time_s);
}

void answer_seed(const Run& run, std::size_t seed, SeedReport& report,
                 std::vector<Estimate>& estimates, const Context& context) {
  const auto& questions = run.in.questions;
  if (!run.problem[seed].empty()) {
    report = {.seed = seed, .noise_variance = kNaN, .prior_variance = kNaN};
    for (std::size_t q = 0; q < questions.size(); ++q) {
      if (questions[q].seed == seed) estimates[q] = missing(run.problem[seed]);
    }
    return;
  }
  const SeedDesign design = design_of(run, seed, context);
  const WeightedFit plain(design.columns);
  report = design.report;
  report.rank = static_cast<int>(plain.rank());
  const std::optional<MixtureNoise> noise = noise_of(run, design, plain);
  for (std::size_t q = 0; q < questions.size(); ++q) {
    if (questions[q].seed != seed) continue;
    const std::size_t target = questions[q].target;
    if (!run.problem[target].empty()) {
      estimates[q] = missing(run.problem[target]);
      continue;
    }
    const Eigen::VectorXd y = run.in.series.col(static_cast<Eigen::Index>(target))(run.kept);
    const Contrast& contrast = run.in.contrasts[questions[q].contrast];
    if (noise) {
      estimates[q] = estimate_in_mixture(run, design, *noise, contrast, y);
      continue;
    }
    const Eigen::MatrixXd whitening = whitening_of(run, target);
    if (whitening.size() == 0) {
      estimates[q] = estimate(run, plain, contrast, y, design.columns.cols());
    } else {
      const WeightedFit fit(whitening * design.columns);
      estimates[q] = estimate(run, fit, contrast, whitening * y, design.columns.cols());
    }
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  context.check_stop();
  check_sizes(inputs, params);
  Outputs out;
  std::vector<std::size_t> seeds;
  for (const Question& q : inputs.questions) {
    if (std::find(seeds.begin(), seeds.end(), q.seed) == seeds.end()) seeds.push_back(q.seed);
  }
  out.estimates.resize(inputs.questions.size());
  out.seeds.resize(seeds.size());
  if (seeds.empty()) return out;
  const Run shared = prepare(inputs, params, context);
  parallel_blocks(context, seeds.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t s = begin; s < end; ++s) {
      answer_seed(shared, seeds[s], out.seeds[s], out.estimates, context);
    }
  });
  return out;
}

std::vector<Question> both_directions(const std::vector<std::pair<std::size_t, std::size_t>>& pairs,
                                      std::size_t contrast) {
  std::vector<Question> out;
  for (const auto& [a, b] : pairs) {
    out.push_back({a, b, contrast});
    out.push_back({b, a, contrast});
  }
  return out;
}

Eigen::VectorXd microtime_condition(std::span<const Event> events, int n_volumes, double tr_s,
                                    int bins_per_volume) {
  const Eigen::Index n = Eigen::Index{n_volumes} * bins_per_volume;
  const double bin_s = tr_s / bins_per_volume;
  Eigen::VectorXd out = Eigen::VectorXd::Zero(n);
  for (const Event& event : events) {
    if (!std::isfinite(event.onset_s) || !(event.duration_s >= 0.0) ||
        !std::isfinite(event.amplitude)) {
      refuse("an event has onset " + std::to_string(event.onset_s) + " s and duration " +
             std::to_string(event.duration_s) +
             " s, expected finite and not negative, and a finite amplitude");
    }
    const auto first = static_cast<Eigen::Index>(std::lround(event.onset_s / bin_s));
    const bool instant = event.duration_s == 0.0;
    const auto length = instant ? Eigen::Index{1}
                                : std::max<Eigen::Index>(1, std::lround(event.duration_s / bin_s));
    const Eigen::Index begin = std::clamp<Eigen::Index>(first, 0, n);
    const Eigen::Index end = std::clamp<Eigen::Index>(first + length, 0, n);
    out.segment(begin, end - begin).array() += event.amplitude * (instant ? 1.0 / bin_s : 1.0);
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const neural_deconvolution::Shape deconvolution{
      shape.n_volumes, static_cast<std::size_t>(params.bins_per_volume), shape.n_confounds};
  const std::size_t n = shape.n_volumes;
  const std::size_t bins = n * static_cast<std::size_t>(params.bins_per_volume);
  const std::size_t columns = 2 * shape.n_conditions + 2 + shape.n_confounds;
  const std::size_t per_seed = 2 * n * n + 6 * n * columns + 2 * bins * shape.n_conditions;
  return neural_deconvolution::peak_bytes(deconvolution, {}) +
         (8 * per_seed + n * (shape.n_questions + 2 * shape.n_regions) +
          2 * bins * shape.n_conditions) *
             sizeof(double);
}

} // namespace boldmill::ppi
