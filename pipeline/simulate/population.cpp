#include "pipeline/simulate/population.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

namespace boldmill::simulate {
namespace {

std::uint64_t seed_of(const SimulationParams& params, std::string_view purpose,
                      const std::string& item) {
  return stream_seed(static_cast<std::uint64_t>(params.random_seed), purpose, item);
}

double combine(const std::array<double, 4>& weights, const std::array<double, 4>& trait) {
  double sum = 0.0;
  double norm = 0.0;
  for (std::size_t c = 0; c < 4; ++c) {
    sum += weights[c] * trait[c];
    norm += weights[c] * weights[c];
  }
  return sum / std::sqrt(norm);
}

void draw_traits(const SimulationParams& params, const Site& site, Random& random, Person& person) {
  for (std::size_t c = 0; c < 4; ++c) {
    person.trait[c] = random.normal();
    if (person.patient) {
      person.trait[c] += c < kCircuits ? params.effect_size[params.effect_size.size() == 1 ? 0 : c]
                                       : params.task_effect_size;
      person.trait[c] += biotype_shift(params, person.biotype)[c];
    }
  }
  for (std::size_t e = 0; e < kEdges; ++e) {
    const auto c = static_cast<std::size_t>(edges()[e].circuit);
    person.edge_z[e] =
        edges()[e].mean_z + site.shift_sd[c] * kCircuitSd_z +
        site.scale[c] * (kCircuitSd_z * person.trait[c] + kEdgeSd_z * random.normal());
  }
}

void draw_outcomes(const SimulationParams& params, Random& random, Person& person) {
  const OutcomeWeights weights;
  const double signal = std::sqrt(params.outcome_r2);
  const double rest = std::sqrt(1.0 - params.outcome_r2);
  person.rumination =
      45.0 + 10.0 * (signal * combine(weights.rumination, person.trait) + rest * random.normal());
  const double baseline = std::clamp(22.0 + 4.0 * random.normal(), 12.0, 38.0);
  const double interaction = combine(weights.interaction, person.trait);
  const double prognosis = combine(weights.prognosis, person.trait);
  const double sign = person.arm == 0 ? -1.0 : 1.0; // a negative change is a benefit
  const double change = -45.0 + 22.0 * (signal * (0.8 * sign * interaction + 0.6 * prognosis) +
                                        rest * random.normal());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  person.severity_baseline = person.patient ? std::round(baseline) : nan;
  person.severity_followup =
      person.patient
          ? std::round(std::clamp(person.severity_baseline * (1.0 + change / 100.0), 0.0, 53.0))
          : nan;
  person.symptom_change =
      person.patient ? 100.0 * (person.severity_followup / person.severity_baseline - 1.0) : nan;
}

Person draw_person(const SimulationParams& params, const std::vector<Site>& sites, int index) {
  Person person;
  char label[16];
  std::snprintf(label, sizeof label, params.participants > 999 ? "%05d" : "%03d", index + 1);
  person.label = label;
  const int n_sites = static_cast<int>(sites.size());
  person.site = index % n_sites;
  const int within = index / n_sites;
  // The share of patients is kept in every site as people arrive. The odd sites start half a
  // step later, so that small cohorts are balanced too.
  const double phase = person.site % 2 == 0 ? 0.0 : 0.5;
  const auto patients_before = [&](int n) { return std::floor(n * params.prevalence + phase); };
  person.patient = patients_before(within + 1) > patients_before(within);
  if (person.patient) {
    // Biotypes take turns within each site; arms are crossed with them.
    const int count = static_cast<int>(patients_before(within) - patients_before(0));
    const int turn = params.biotypes % 2 == 0 ? count / params.biotypes : 0;
    person.biotype = (count + person.site) % params.biotypes;
    person.arm = (count + turn + person.site) % 2;
  }
  Random random(seed_of(params, "person", person.label));
  person.sex = random.uniform() < 0.55 ? "F" : "M";
  person.age = std::round(std::clamp(34.0 + 10.0 * random.normal(), 18.0, 65.0));
  draw_traits(params, sites[static_cast<std::size_t>(person.site)], random, person);
  draw_outcomes(params, random, person);
  person.cardiac_hz = std::clamp(1.1 + 0.12 * random.normal(), 0.8, 1.6);
  person.breathing_hz = std::clamp(0.27 + 0.03 * random.normal(), 0.18, 0.36);
  person.hrf.peak_s = 6.0 + 0.3 * random.normal();
  person.hrf.undershoot_s = 16.0 + 0.5 * random.normal();
  return person;
}

double bounded_r(double z) { return std::tanh(std::clamp(z, -1.5, 1.5)); }

int condition_index(const std::vector<std::string>& conditions, std::string_view name) {
  const auto at = std::find(conditions.begin(), conditions.end(), name);
  return static_cast<int>(at - conditions.begin());
}

// Sources whose response to a condition exceeds the control condition.
std::vector<int> responders(std::string_view task, std::string_view condition) {
  if (condition == "nogo") return {9, 8, 19};
  if (condition == "sad" && task == "conscious") return {0, 4, 5, 6, 7};
  if (condition == "fear" || condition == "anger") {
    return task == "conscious" ? std::vector<int>{15, 6, 7} : std::vector<int>{16, 6, 7};
  }
  if (condition == "happy" && task == "conscious") return {17, 18};
  return {};
}

// `session`: draws what differs between sessions; null: nothing does.
Eigen::MatrixXd draw_activation(const Person& person, std::string_view task, Random& random,
                                Random* session) {
  const auto today = [session] {
    return session == nullptr ? 0.0 : kSessionShare * session->normal();
  };
  const std::vector<std::string> conditions = conditions_of(task);
  Eigen::MatrixXd amp =
      Eigen::MatrixXd::Zero(kSources, static_cast<Eigen::Index>(conditions.size()));
  const bool gonogo = task == "gonogo";
  for (std::size_t c = 0; c < conditions.size(); ++c) {
    const auto column = static_cast<Eigen::Index>(c);
    amp(20, column) = gonogo ? 3.0 : 1.5;                 // seeing
    if (!gonogo) amp(22, column) = amp(23, column) = 1.0; // faces
    if (conditions[c] == "go") amp(21, column) = 4.0;     // right-hand presses
    for (const int s : responders(task, conditions[c])) {
      const double own = random.normal();
      amp(s, column) +=
          gonogo ? kNogoContrast + kNogoSd * (0.8 * person.trait[3] + 0.6 * own + today())
                 : kFaceContrast + kFaceSd * (own + today());
    }
    // The default mode stays below baseline while a task is done; mixed selectivity elsewhere.
    for (Eigen::Index s = 0; s < kCircuitSources; ++s) {
      amp(s, column) += (s < 4 ? -0.2 : 0.2) * (gonogo ? 2.0 : 1.0) + 0.03 * random.normal();
    }
  }
  // Happy faces also move the ventromedial place of source D1 (region P1).
  if (task == "conscious") {
    amp(0, condition_index(conditions, "happy")) +=
        kFaceContrast + kFaceSd * (random.normal() + today());
  }
  return amp;
}

std::vector<Interaction> draw_interactions(std::string_view task, Random& random, Random* session) {
  const std::vector<std::string> conditions = conditions_of(task);
  std::vector<Interaction> all;
  for (const PpiPair& pair : ppi_pairs()) {
    if (pair.task != task) continue;
    Interaction interaction{.hub = pair.hub,
                            .target = pair.target,
                            .conditions = {},
                            .strength = kPpiMean + kPpiSd * random.normal()};
    if (session != nullptr) interaction.strength += kPpiSd * kSessionShare * session->normal();
    if (task == "gonogo") {
      interaction.conditions = {condition_index(conditions, "nogo")};
    } else if (pair.code.starts_with("NS")) {
      interaction.conditions = {condition_index(conditions, "sad")};
    } else {
      interaction.conditions = {condition_index(conditions, "fear"),
                                condition_index(conditions, "anger")};
    }
    all.push_back(interaction);
  }
  return all;
}

} // namespace

std::array<double, 4> biotype_shift(const SimulationParams& params, int biotype) {
  if (params.biotypes < 2 || biotype < 0) return {};
  const double angle = 2.0 * std::numbers::pi * biotype / params.biotypes;
  const double intrinsic = params.biotype_separation * std::cos(angle);
  return {intrinsic, intrinsic, intrinsic, params.biotype_separation * std::sin(angle)};
}

std::vector<Person> draw_people(const SimulationParams& params, const std::vector<Site>& sites) {
  std::vector<Person> people;
  for (int p = 0; p < params.participants; ++p) people.push_back(draw_person(params, sites, p));
  return people;
}

Eigen::MatrixXd source_correlation(std::array<double, kEdges> edge_z) {
  Eigen::MatrixXd r = Eigen::MatrixXd::Identity(kSources, kSources);
  const auto set = [&r](int a, int b, double value) { r(a, b) = r(b, a) = value; };
  const auto join = [&](int through, int a, int b) { set(a, b, r(a, through) * r(through, b)); };
  // The triangles D1-D2-D4 and D1-D3-D4 must be possible: shrink the default mode until they are.
  for (double shrink = 1.0; shrink > 0.05; shrink *= 0.95) {
    for (std::size_t e = 0; e < kEdges; ++e) {
      const double factor = edges()[e].circuit == 0 ? shrink : 1.0;
      set(edges()[e].a, edges()[e].b, bounded_r(factor * edge_z[e]));
    }
    const auto determinant = [&r](int a, int b, int c) {
      return 1.0 + 2.0 * r(a, b) * r(b, c) * r(a, c) - r(a, b) * r(a, b) - r(b, c) * r(b, c) -
             r(a, c) * r(a, c);
    };
    if (determinant(0, 1, 3) > 0.05 && determinant(0, 2, 3) > 0.05) break;
  }
  const double r14 = r(0, 3);
  const double given =
      (r(1, 0) * r(0, 2) + r(1, 3) * r(3, 2) - r14 * (r(1, 0) * r(3, 2) + r(1, 3) * r(0, 2))) /
      (1.0 - r14 * r14);
  set(1, 2, given);
  join(4, 6, 5);  // S3-S1-S2
  join(5, 4, 7);  // S1-S2-S4
  join(5, 6, 7);  // S3-S2-S4
  join(8, 9, 10); // A2-A1-A3
  join(9, 11, 8); // A4-A2-A1
  join(10, 12, 8);
  join(8, 11, 10);
  join(8, 12, 9);
  join(8, 11, 12);
  for (const int other : {9, 8, 10, 12}) join(11, 13, other);
  for (const int other : {10, 8, 9, 11}) join(12, 14, other);
  join(11, 13, 14);
  return r;
}

SourceModel person_model(const SimulationParams& params, const Person& person, int session,
                         std::string_view task, std::array<double, kEdges>& edge_z) {
  SourceModel model;
  Random of_session(seed_of(params, "session", person.label + "/" + std::to_string(session)));
  edge_z = person.edge_z;
  if (params.sessions > 1) {
    std::array<double, kCircuits> shift{};
    for (double& s : shift) s = kSessionSd_z * of_session.normal();
    for (std::size_t e = 0; e < kEdges; ++e) {
      edge_z[e] += shift[static_cast<std::size_t>(edges()[e].circuit)];
    }
  }
  model.correlation = source_correlation(edge_z);
  for (std::size_t e = 0; e < kEdges; ++e) {
    edge_z[e] = std::atanh(model.correlation(edges()[e].a, edges()[e].b));
  }
  Random of_task(seed_of(params, "task", person.label + "/" + std::string(task)));
  Random today(seed_of(params, "task session",
                       person.label + "/" + std::string(task) + "/" + std::to_string(session)));
  Random* changes = params.sessions > 1 ? &today : nullptr;
  model.activation = draw_activation(person, task, of_task, changes);
  model.interactions = draw_interactions(task, of_task, changes);
  model.fluctuation_percent = params.source_percent;
  model.hrf = person.hrf;
  return model;
}

} // namespace boldmill::simulate
