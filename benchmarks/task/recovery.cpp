// recovery REPLICATES [SETTING...]: do the real stages recover what the simulator put in? Each
// replicate is one person of pipeline/simulate: events, neural fluctuations, activation and
// interaction of that person through a haemodynamic response of their own, sampled at the volumes
// as region series, plus noise with slow components. Estimated with task_design, glm, ppi and
// correlation as they come. True effects have the spread that makes var_true / (var_true + error
// variance) the reliability stated, the error variance being found on 300 people of a pilot. Prints
// a Markdown table; verdicts compare with the targets. Settings: faces, faces_fast, gonogo, fisher.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "pipeline/simulate/signals.hpp"
#include "stages/connectivity/correlation.hpp"
#include "stages/core/parallel.hpp"
#include "stages/ppi/ppi.hpp"
#include "stages/task/glm.hpp"
#include "stages/task/hrf.hpp"
#include "stages/task/kernels/tail.hpp"
#include "stages/task/task_design.hpp"

namespace {

using namespace boldmill;

constexpr double kBaseline = 1000.0;
constexpr double kFluctuationPercent = 1.0;
constexpr double kNoisePercent = 0.5;
constexpr double kTau[] = {0.0, 2.0, 15.0}; // s; 0 is white
constexpr double kShare[] = {0.5, 0.25, 0.25};

struct Setting {
  const char* name;
  const char* task;
  double tr_s;
  int n_volumes;
  const char *plus, *minus;
  int hub, target; // sources; the activation is the target's
  double correlation;
};

struct Planted {
  double activation_mean, activation_sd, interaction_mean, interaction_sd;
};

struct Found {
  double truth = 0.0, estimate = 0.0, se = 0.0, dof = 0.0;
};
struct Person {
  Found activation, forward, backward; // hub -> target, and the target as seed
};

void add_noise(Eigen::VectorXd& y, double tr_s, Random& random) {
  for (std::size_t k = 0; k < 3; ++k) {
    const double a = kTau[k] > 0.0 ? std::exp(-tr_s / kTau[k]) : 0.0;
    double state = random.normal();
    for (double& value : y) {
      value += std::sqrt(kShare[k]) * kNoisePercent * state;
      state = a * state + std::sqrt(1.0 - a * a) * random.normal();
    }
  }
}

simulate::SourceModel model_of(const Setting& setting, const simulate::Design& design,
                               double activation, double interaction, Random& random) {
  simulate::SourceModel model;
  model.correlation = Eigen::MatrixXd::Identity(simulate::kSources, simulate::kSources);
  model.correlation(setting.hub, setting.target) = setting.correlation;
  model.correlation(setting.target, setting.hub) = setting.correlation;
  model.activation = Eigen::MatrixXd::Constant(
      simulate::kSources, static_cast<Eigen::Index>(design.conditions.size()), 0.2);
  const auto at = [&](const char* name) {
    return static_cast<int>(std::find(design.conditions.begin(), design.conditions.end(), name) -
                            design.conditions.begin());
  };
  model.activation(setting.target, at(setting.plus)) += activation;
  if (interaction != 0.0) {
    model.interactions.push_back({.hub = setting.hub,
                                  .target = setting.target,
                                  .conditions = {at(setting.plus)},
                                  .strength = interaction});
  }
  model.fluctuation_percent = kFluctuationPercent;
  model.hrf.peak_s = 6.0 + 0.3 * random.normal();
  model.hrf.undershoot_s = 16.0 + 0.5 * random.normal();
  return model;
}

// T x 2: hub and target.
Eigen::MatrixXd region_series(const Setting& setting, const simulate::SourceSignals& signals,
                              Random& random) {
  Eigen::MatrixXd out(setting.n_volumes, 2);
  std::vector<float> values(simulate::kSources);
  for (int t = 0; t < setting.n_volumes; ++t) {
    signals.at((t + 0.5) * setting.tr_s, values.data());
    out(t, 0) = static_cast<double>(values[static_cast<std::size_t>(setting.hub)]);
    out(t, 1) = static_cast<double>(values[static_cast<std::size_t>(setting.target)]);
  }
  for (Eigen::Index r = 0; r < 2; ++r) {
    Eigen::VectorXd column = out.col(r);
    add_noise(column, setting.tr_s, random);
    out.col(r) = kBaseline * (1.0 + column.array() / 100.0);
  }
  return out;
}

Found found(double truth, const ppi::Estimate& e) {
  return {truth, e.effect, std::sqrt(e.variance), e.dof};
}

ppi::Inputs ppi_inputs(const Setting& setting, const simulate::Design& design,
                       const task_design::Design& first_level, const Eigen::MatrixXd& series) {
  ppi::Inputs in;
  in.series = series;
  in.hrf = hrf::double_gamma(setting.tr_s / 16.0);
  in.conditions = design.conditions;
  in.psychological.resize(Eigen::Index{setting.n_volumes} * 16,
                          static_cast<Eigen::Index>(in.conditions.size()));
  Eigen::VectorXd weights = Eigen::VectorXd::Zero(in.psychological.cols());
  for (std::size_t k = 0; k < in.conditions.size(); ++k) {
    std::vector<ppi::Event> events;
    for (const simulate::Event& e : design.events) {
      if (e.condition == static_cast<int>(k)) events.push_back({e.onset_s, e.duration_s});
    }
    const auto column = static_cast<Eigen::Index>(k);
    in.psychological.col(column) =
        ppi::microtime_condition(events, setting.n_volumes, setting.tr_s, 16);
    if (in.conditions[k] == setting.plus) weights[column] = 1.0;
    if (in.conditions[k] == setting.minus) weights[column] = -1.0;
  }
  std::vector<Eigen::Index> drift;
  for (std::size_t c = 0; c < first_level.columns.size(); ++c) {
    if (first_level.columns[c].role == "drift") drift.push_back(static_cast<Eigen::Index>(c));
  }
  in.confounds = first_level.matrix(Eigen::all, drift);
  in.contrasts = {{"plus - minus", weights}};
  in.questions = ppi::both_directions({{0, 1}}, 0);
  in.tr_s = setting.tr_s;
  return in;
}

Person simulate_person(const Setting& setting, const Planted& planted, std::uint64_t seed) {
  Random random(seed);
  const double activation = planted.activation_mean + planted.activation_sd * random.normal();
  const double b = planted.interaction_mean + planted.interaction_sd * random.normal();
  const double length_s = setting.n_volumes * setting.tr_s;
  const simulate::Design design = simulate::make_design(setting.task, 0.0, length_s, random);
  const auto model = model_of(setting, design, activation, b, random);
  const Eigen::MatrixXd series =
      region_series(setting, simulate::make_signals(model, design, length_s, random), random);

  std::vector<task_design::Event> events;
  for (const simulate::Event& e : design.events) {
    events.push_back(
        {e.onset_s, e.duration_s, design.conditions[static_cast<std::size_t>(e.condition)]});
  }
  const task_design::Design first_level = task_design::run(
      {.events = events, .n_volumes = setting.n_volumes, .tr_s = setting.tr_s}, {});
  const std::string expression = std::string(setting.plus) + " - " + setting.minus;
  const std::vector<Contrast> contrasts{
      {expression, contrast_weights(expression, first_level.names())}};
  const Eigen::MatrixXf y = series.cast<float>();
  glm::Params percent;
  percent.percent_signal = true;
  const auto fit = glm::run({.series = {y.data(), y.rows(), y.cols()},
                             .design = &first_level.matrix,
                             .tr_s = setting.tr_s,
                             .contrasts = contrasts},
                            percent, {});
  const auto& c = fit.contrasts[0];
  Person out;
  out.activation = {activation, static_cast<double>(c.effect[1]),
                    std::sqrt(static_cast<double>(c.variance[1])), static_cast<double>(c.dof[1])};
  const auto interactions = ppi::run(ppi_inputs(setting, design, first_level, series), {}, {});
  out.forward = found(b, interactions.estimates[0]);
  // Least squares of the hub on the target, with and without the coupling.
  const double r = setting.correlation;
  out.backward = found((r + b) / (1.0 + 2.0 * r * b + b * b) - r, interactions.estimates[1]);
  return out;
}

std::vector<Person> people_of(const Setting& setting, const Planted& planted, std::size_t n,
                              const std::string& stream) {
  std::vector<Person> out(n);
  parallel_blocks({}, n, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      out[i] = simulate_person(setting, planted,
                               stream_seed(1, setting.name + stream, std::to_string(i)));
    }
  });
  return out;
}

struct Summary {
  double slope = 0, slope_se = 0, intercept = 0, r = 0, r_expected = 0, coverage = 0, se_ratio = 0;
  double weight = 0;
  std::size_t n = 0;
};

Summary summarise(const std::vector<Found>& all) {
  Summary s;
  double mx = 0, my = 0;
  for (const Found& f : all) {
    if (!std::isfinite(f.estimate) || !(f.se > 0.0)) continue;
    ++s.n;
    mx += f.truth;
    my += f.estimate;
  }
  const auto n = static_cast<double>(s.n);
  mx /= n;
  my /= n;
  double xx = 0, yy = 0, xy = 0, se2 = 0, covered = 0, error = 0;
  for (const Found& f : all) {
    if (!std::isfinite(f.estimate) || !(f.se > 0.0)) continue;
    xx += (f.truth - mx) * (f.truth - mx);
    yy += (f.estimate - my) * (f.estimate - my);
    xy += (f.truth - mx) * (f.estimate - my);
    se2 += f.se * f.se / n;
    error += (f.estimate - f.truth) * (f.estimate - f.truth) / n;
    covered += std::abs(z_of_t((f.estimate - f.truth) / f.se, f.dof)) < 1.959964 ? 1.0 : 0.0;
  }
  s.slope = xy / xx;
  s.slope_se = std::sqrt((yy - s.slope * xy) / (n - 2.0) / xx);
  s.intercept = my - s.slope * mx;
  s.r = xy / std::sqrt(xx * yy);
  const double true_variance = xx / (n - 1.0);
  s.r_expected = std::sqrt(true_variance / (true_variance + se2));
  s.coverage = covered / n;
  s.se_ratio = std::sqrt(se2 / error);
  s.weight = 1.0 / (s.slope_se * s.slope_se);
  return s;
}

std::vector<Found> pick(const std::vector<Person>& people, Found Person::*which) {
  std::vector<Found> out;
  for (const Person& p : people) out.push_back(p.*which);
  return out;
}

double error_sd(const std::vector<Person>& people, Found Person::*which) {
  double sum = 0.0, squares = 0.0;
  for (const Person& p : people) {
    const double e = (p.*which).estimate - (p.*which).truth;
    sum += e;
    squares += e * e;
  }
  const auto n = static_cast<double>(people.size());
  return std::sqrt((squares - sum * sum / n) / (n - 1.0));
}

bool print_row(const char* setting, const char* measure, const std::string& reliability,
               const Summary& s, double slope_limit) {
  const auto n = static_cast<double>(s.n);
  const double half = 3.2905 * std::sqrt(0.05 * 0.95 / n);
  const double r_error = 3.2905 * (1.0 - s.r_expected * s.r_expected) / std::sqrt(n);
  const bool covers = std::abs(s.coverage - 0.95) <= half;
  const bool follows = std::abs(s.r - s.r_expected) <= r_error;
  const bool slope = std::abs(s.slope - 1.0) <= slope_limit + 1.96 * s.slope_se;
  std::printf(
      "| %s | %s | %s | %zu | %.3f +- %.3f%s | %.3f | %.3f (%.3f)%s | %.3f%s | %.4f to %.4f "
      "| %.3f |\n",
      setting, measure, reliability.c_str(), s.n, s.slope, s.slope_se, slope ? "" : " !",
      s.intercept, s.r, s.r_expected, follows ? "" : " !", s.coverage, covers ? "" : " !",
      0.95 - half, 0.95 + half, s.se_ratio);
  std::fflush(stdout);
  return covers && follows && slope;
}

bool task_setting(const Setting& setting, std::size_t n) {
  Planted planted{0.35, 0.0, 0.3, 0.0};
  const std::vector<Person> pilot = people_of(setting, planted, 300, "/pilot");
  const double activation_error = error_sd(pilot, &Person::activation);
  const double interaction_error = error_sd(pilot, &Person::forward);
  bool good = true;
  std::vector<Summary> activation, forward;
  for (const double reliability : {0.2, 0.4, 0.6}) {
    const double ratio = std::sqrt(reliability / (1.0 - reliability));
    planted.activation_sd = ratio * activation_error;
    planted.interaction_sd = ratio * interaction_error;
    char text[16];
    std::snprintf(text, sizeof text, "%.1f", reliability);
    const auto people = people_of(setting, planted, n, std::string("/") + text);
    activation.push_back(summarise(pick(people, &Person::activation)));
    forward.push_back(summarise(pick(people, &Person::forward)));
    good &= print_row(setting.name, "activation, %", text, activation.back(), 0.05);
    good &= print_row(setting.name, "interaction, hub as seed", text, forward.back(), 0.1);
    (void)print_row(setting.name, "interaction, target as seed", text,
                    summarise(pick(people, &Person::backward)), 0.1);
  }
  const auto pooled = [&](const char* measure, const std::vector<Summary>& all, double limit) {
    double slope = 0.0, weight = 0.0;
    for (const Summary& s : all) {
      slope += s.weight * s.slope;
      weight += s.weight;
    }
    slope /= weight;
    const bool inside = std::abs(slope - 1.0) <= limit;
    std::printf("| %s | %s | pooled | | %.3f +- %.3f: %s 1 +- %.2f | | | | | |\n", setting.name,
                measure, slope, 1.0 / std::sqrt(weight), inside ? "inside" : "OUTSIDE", limit);
    return inside;
  };
  good &= pooled("activation, %", activation, 0.05);
  good &= pooled("interaction, hub as seed", forward, 0.1);
  return good;
}

// Rest: the Fisher z of two regions of correlation tanh(z) that both carry noise.
bool fisher_setting(std::size_t n) {
  bool good = true;
  for (const auto& [tr_s, n_volumes] : {std::pair{0.71, 420}, {2.0, 240}}) {
    for (const double reliability : {0.2, 0.4, 0.6}) {
      std::vector<Found> all(n);
      const auto pass = [&](std::size_t count, double sd, const std::string& stream) {
        parallel_blocks({}, count, 4, [&](std::size_t begin, std::size_t end) {
          for (std::size_t i = begin; i < end; ++i) {
            Random random(stream_seed(2, stream, std::to_string(i)));
            const double z = std::clamp(0.4 + sd * random.normal(), -1.5, 1.5);
            Setting rest{"rest", "rest", tr_s, n_volumes, "", "", 1, 3, std::tanh(z)};
            const simulate::Design nothing{.task = "rest", .conditions = {}, .events = {}};
            auto model = model_of(rest, nothing, 0.0, 0.0, random);
            const Eigen::MatrixXf y =
                region_series(
                    rest, simulate::make_signals(model, nothing, tr_s * n_volumes, random), random)
                    .cast<float>();
            const auto out = correlation::run({{y.data(), y.rows(), y.cols()}, {}, 0}, {}, {});
            // What the noise leaves of the correlation.
            const double left =
                kFluctuationPercent * kFluctuationPercent /
                (kFluctuationPercent * kFluctuationPercent + kNoisePercent * kNoisePercent);
            all[i] = {std::atanh(left * std::tanh(z)), out.fisher_z[0], out.fisher_z_se[0], 1e6};
          }
        });
      };
      char text[16];
      std::snprintf(text, sizeof text, "%.1f", reliability);
      const std::string stream = std::to_string(tr_s) + "/" + text;
      all.resize(std::max<std::size_t>(n, 300));
      pass(300, 0.0, stream + "/pilot");
      double sum = 0.0, squares = 0.0;
      for (std::size_t i = 0; i < 300; ++i) {
        const double e = all[i].estimate - all[i].truth;
        sum += e;
        squares += e * e;
      }
      const double error = std::sqrt((squares - sum * sum / 300.0) / 299.0);
      all.resize(n);
      pass(n, error * std::sqrt(reliability / (1.0 - reliability)), stream);
      good &= print_row(tr_s < 1.0 ? "rest, TR 0.71 s" : "rest, TR 2 s", "Fisher z", text,
                        summarise(all), 0.05);
    }
  }
  return good;
}

} // namespace

int main(int argc, char** argv) {
  const std::size_t n = argc > 1 ? static_cast<std::size_t>(std::atol(argv[1])) : 1000;
  std::vector<std::string> wanted(argv + std::min(argc, 2), argv + argc);
  if (wanted.empty()) wanted = {"faces", "faces_fast", "gonogo", "fisher"};
  const std::vector<Setting> settings{
      {"faces", "conscious", 2.0, 150, "sad", "neutral", 0, 4, 0.0},
      {"faces_fast", "conscious", 0.71, 422, "sad", "neutral", 0, 4, 0.0},
      {"gonogo", "gonogo", 2.0, 150, "nogo", "go", 8, 9, 0.4}};
  std::printf(
      "| setting | measure | reliability | people | slope on truth | intercept | r with truth "
      "(expected) | coverage of 95 %% | 99.9 %% interval | mean SE / error |\n| --- | --- | --- "
      "| --- | --- | --- | --- | --- | --- | --- |\n");
  bool good = true;
  for (const Setting& setting : settings) {
    if (std::find(wanted.begin(), wanted.end(), setting.name) != wanted.end()) {
      good &= task_setting(setting, n);
    }
  }
  if (std::find(wanted.begin(), wanted.end(), "fisher") != wanted.end()) good &= fisher_setting(n);
  return good ? 0 : 1;
}
