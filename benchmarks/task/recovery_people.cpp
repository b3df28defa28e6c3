#include "benchmarks/task/recovery_people.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/simulate/signals.hpp"
#include "stages/connectivity/correlation.hpp"
#include "stages/core/parallel.hpp"
#include "stages/ppi/ppi.hpp"
#include "stages/task/glm.hpp"
#include "stages/task/hrf.hpp"
#include "stages/task/task_design.hpp"

namespace boldmill::recovery {
namespace {

constexpr double kBaseline = 1000.0;
constexpr double kFluctuationPercent = 1.0;
constexpr double kNoisePercent = 0.5;
constexpr double kRestingPercent = 0.2; // activation of every condition
struct Part {
  double tau_s, share; // tau 0 is white
};
constexpr std::array<Part, 3> kNoise{{{0.0, 0.5}, {2.0, 0.25}, {15.0, 0.25}}};

constexpr Eigen::Index kPairs = simulate::kSources / 2;
constexpr Eigen::Index hub(Eigen::Index pair) { return 2 * pair; }
constexpr Eigen::Index target(Eigen::Index pair) { return 2 * pair + 1; }
constexpr Eigen::Index kBins = 16; // of a volume, ppi's default

void add_noise(Eigen::VectorXd& y, double tr_s, Random& random) {
  for (const Part& part : kNoise) {
    const double a = part.tau_s > 0.0 ? std::exp(-tr_s / part.tau_s) : 0.0;
    double state = random.normal();
    for (double& value : y) {
      value += std::sqrt(part.share) * kNoisePercent * state;
      state = a * state + std::sqrt(1.0 - a * a) * random.normal();
    }
  }
}

simulate::SourceModel resting_model(Random& random) {
  simulate::SourceModel model;
  model.correlation = Eigen::MatrixXd::Identity(simulate::kSources, simulate::kSources);
  model.fluctuation_percent = kFluctuationPercent;
  model.hrf.peak_s = 6.0 + 0.3 * random.normal();
  model.hrf.undershoot_s = 16.0 + 0.5 * random.normal();
  return model;
}

void correlate(simulate::SourceModel& model, Eigen::Index pair, double r) {
  model.correlation(hub(pair), target(pair)) = r;
  model.correlation(target(pair), hub(pair)) = r;
}

// T x kSources.
Eigen::MatrixXd region_series(const Setting& setting, const simulate::SourceSignals& signals,
                              Random& random) {
  Eigen::MatrixXd out(setting.n_volumes, simulate::kSources);
  std::vector<float> values(simulate::kSources);
  for (int t = 0; t < setting.n_volumes; ++t) {
    signals.at((t + 0.5) * setting.tr_s, values.data());
    out.row(t) =
        Eigen::Map<const Eigen::RowVectorXf>(values.data(), simulate::kSources).cast<double>();
  }
  for (Eigen::Index r = 0; r < out.cols(); ++r) {
    Eigen::VectorXd column = out.col(r);
    add_noise(column, setting.tr_s, random);
    out.col(r) = kBaseline * (1.0 + column.array() / 100.0);
  }
  return out;
}

// A person's events, first-level design and region series.
struct Run {
  const Setting& setting;
  simulate::Design design;
  task_design::Design first_level;
  Eigen::MatrixXd series;
};

task_design::Design first_level_of(const Setting& setting, const simulate::Design& design) {
  std::vector<task_design::Event> events;
  for (const simulate::Event& e : design.events) {
    events.push_back(
        {e.onset_s, e.duration_s, design.conditions[static_cast<std::size_t>(e.condition)]});
  }
  return task_design::run({.events = events, .n_volumes = setting.n_volumes, .tr_s = setting.tr_s},
                          {});
}

void estimate_activation(const Run& run, std::vector<Replicate>& out) {
  const std::string expression = std::string(run.setting.plus) + " - " + run.setting.minus;
  const std::vector<Contrast> contrasts{
      {expression, contrast_weights(expression, run.first_level.names())}};
  Eigen::MatrixXf y(run.series.rows(), kPairs);
  for (Eigen::Index p = 0; p < kPairs; ++p) y.col(p) = run.series.col(target(p)).cast<float>();
  glm::Params percent;
  percent.percent_signal = true;
  const auto fit = glm::run({.series = {y.data(), y.rows(), y.cols()},
                             .design = &run.first_level.matrix,
                             .tr_s = run.setting.tr_s,
                             .contrasts = contrasts},
                            percent, {});
  const glm::ContrastResult& c = fit.contrasts[0];
  for (Eigen::Index p = 0; p < kPairs; ++p) {
    Found& found = out[static_cast<std::size_t>(p)].activation;
    found.estimate = static_cast<double>(c.effect[p]);
    found.se = std::sqrt(static_cast<double>(c.variance[p]));
    found.dof = static_cast<double>(c.dof[p]);
  }
}

ppi::Inputs ppi_inputs(const Run& run) {
  const Setting& setting = run.setting;
  ppi::Inputs in;
  in.series = run.series;
  in.hrf = hrf::double_gamma(setting.tr_s / static_cast<double>(kBins));
  in.conditions = run.design.conditions;
  in.psychological.resize(setting.n_volumes * kBins,
                          static_cast<Eigen::Index>(in.conditions.size()));
  Eigen::VectorXd weights = Eigen::VectorXd::Zero(in.psychological.cols());
  for (std::size_t k = 0; k < in.conditions.size(); ++k) {
    std::vector<ppi::Event> events;
    for (const simulate::Event& e : run.design.events) {
      if (e.condition == static_cast<int>(k)) events.push_back({e.onset_s, e.duration_s});
    }
    const auto column = static_cast<Eigen::Index>(k);
    in.psychological.col(column) =
        ppi::microtime_condition(events, setting.n_volumes, setting.tr_s, kBins);
    if (in.conditions[k] == setting.plus) weights[column] = 1.0;
    if (in.conditions[k] == setting.minus) weights[column] = -1.0;
  }
  std::vector<Eigen::Index> drift;
  for (std::size_t c = 0; c < run.first_level.columns.size(); ++c) {
    if (run.first_level.columns[c].role == "drift") drift.push_back(static_cast<Eigen::Index>(c));
  }
  in.confounds = run.first_level.matrix(Eigen::all, drift);
  in.contrasts = {{"plus - minus", weights}};
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (Eigen::Index p = 0; p < kPairs; ++p) {
    pairs.emplace_back(static_cast<std::size_t>(hub(p)), static_cast<std::size_t>(target(p)));
  }
  in.questions = ppi::both_directions(pairs, 0);
  in.tr_s = setting.tr_s;
  return in;
}

void estimate_interactions(const Run& run, std::vector<Replicate>& out) {
  const auto set = [](Found& found, const ppi::Estimate& e) {
    found.estimate = e.effect;
    found.se = std::sqrt(e.variance);
    found.dof = e.dof;
  };
  const ppi::Outputs found = ppi::run(ppi_inputs(run), {}, {});
  for (std::size_t p = 0; p < out.size(); ++p) {
    set(out[p].forward, found.estimates[2 * p]);
    set(out[p].backward, found.estimates[2 * p + 1]);
  }
}

std::vector<Replicate> person(const Setting& setting, const Planted& planted, Measure measure,
                              std::uint64_t seed) {
  Random random(seed);
  const double length_s = setting.n_volumes * setting.tr_s;
  Run run{.setting = setting,
          .design = simulate::make_design(setting.task, 0.0, length_s, random),
          .first_level = {},
          .series = {}};
  const auto at = [&](const char* name) {
    const auto& all = run.design.conditions;
    return static_cast<int>(std::find(all.begin(), all.end(), name) - all.begin());
  };
  simulate::SourceModel model = resting_model(random);
  model.activation = Eigen::MatrixXd::Constant(
      simulate::kSources, static_cast<Eigen::Index>(run.design.conditions.size()), kRestingPercent);
  std::vector<Replicate> out(static_cast<std::size_t>(kPairs));
  for (Eigen::Index p = 0; p < kPairs; ++p) {
    Replicate& own = out[static_cast<std::size_t>(p)];
    own.activation.truth = planted.activation_mean + planted.activation_sd * random.normal();
    const double b = planted.interaction_mean + planted.interaction_sd * random.normal();
    own.forward.truth = b;
    // Least squares of the hub on the target, with and without the coupling.
    const double r = setting.correlation;
    own.backward.truth = (r + b) / (1.0 + 2.0 * r * b + b * b) - r;
    correlate(model, p, r);
    model.activation(target(p), at(setting.plus)) += own.activation.truth;
    model.interactions.push_back({.hub = static_cast<int>(hub(p)),
                                  .target = static_cast<int>(target(p)),
                                  .conditions = {at(setting.plus)},
                                  .strength = b});
  }
  run.series =
      region_series(setting, simulate::make_signals(model, run.design, length_s, random), random);
  run.first_level = first_level_of(setting, run.design);
  if (measure == Measure::activation) {
    estimate_activation(run, out);
  } else {
    estimate_interactions(run, out);
  }
  return out;
}

// Blocks of kPairs replicates, a person each, cut to n.
template <class T, class MakePerson>
std::vector<T> collected(std::size_t n, const Setting& setting, const std::string& stream,
                         MakePerson&& make_person) {
  constexpr auto kEach = static_cast<std::size_t>(kPairs);
  std::vector<std::vector<T>> people((n + kEach - 1) / kEach);
  parallel_blocks({}, people.size(), 1, [&](std::size_t i, std::size_t) {
    people[i] = make_person(stream_seed(setting.seed, setting.name + stream, std::to_string(i)));
  });
  std::vector<T> out;
  for (const auto& one : people) out.insert(out.end(), one.begin(), one.end());
  out.resize(n);
  return out;
}

} // namespace

std::vector<Replicate> task_replicates(const Setting& setting, const Planted& planted,
                                       Measure measure, std::size_t n, const std::string& stream) {
  return collected<Replicate>(n, setting, stream, [&](std::uint64_t seed) {
    return person(setting, planted, measure, seed);
  });
}

std::vector<Found> rest_replicates(const Setting& setting, double mean, double sd, std::size_t n,
                                   const std::string& stream) {
  constexpr double kSignal = kFluctuationPercent * kFluctuationPercent;
  constexpr double kLeft = kSignal / (kSignal + kNoisePercent * kNoisePercent);
  return collected<Found>(n, setting, stream, [&](std::uint64_t seed) {
    Random random(seed);
    const simulate::Design nothing{.task = "rest", .conditions = {}, .events = {}};
    simulate::SourceModel model = resting_model(random);
    model.activation.resize(simulate::kSources, 0);
    std::vector<Found> out(static_cast<std::size_t>(kPairs));
    for (Eigen::Index p = 0; p < kPairs; ++p) {
      const double r = std::tanh(std::clamp(mean + sd * random.normal(), -1.5, 1.5));
      correlate(model, p, r);
      out[static_cast<std::size_t>(p)].truth = std::atanh(kLeft * r);
    }
    const double length_s = setting.tr_s * setting.n_volumes;
    const Eigen::MatrixXf y =
        region_series(setting, simulate::make_signals(model, nothing, length_s, random), random)
            .cast<float>();
    for (Eigen::Index p = 0; p < kPairs; ++p) {
      const auto edge = correlation::run({{y.col(hub(p)).data(), y.rows(), 2}, {}, 0}, {}, {});
      Found& found = out[static_cast<std::size_t>(p)];
      found.estimate = edge.fisher_z[0];
      found.se = edge.fisher_z_se[0];
      found.dof = 1e6; // the standard error is that of a normal z
    }
    return out;
  });
}

} // namespace boldmill::recovery
