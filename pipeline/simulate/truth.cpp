#include "pipeline/simulate/truth.hpp"

#include <cmath>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/simulate/sidecars.hpp"

namespace boldmill::simulate {
namespace {

constexpr const char* kReadme = R"(# Truth of the simulated cohort

- `dataset.json`: every parameter, population effects, site effects, biotype shifts, outcome weights
- `participants.tsv`: traits of each person in SD (group and biotype included), biotype, physiology
- `edges.tsv`: per run and edge the person's population value (`person_z`) and the realised Fisher z
  of the noise-free sources (`realised_z`) and of the noise-free means over the regions (`region_z`)
- `circuits.tsv`: per run and circuit the mean of these over the circuit's edges
- `activations.tsv`: effect of each contrast per region, in percent of baseline for a long block
- `interactions.tsv`: per direction of a pair the coupling added to hub -> target while the condition is
  shown (`strength`), the slope of the target's on the seed's neural series, condition minus control
  (`slope`), and the same for the percent signal of the regions as scanned (`region_slope`)
- `motion.tsv`: true framewise displacement per run (50 mm sphere)
- `sub-*/`: motion per volume, noise-free sources, field (Hz), labels and the shape of each person

Conventions stand in the JSON file beside each table; the model is in METHOD.md of the program.
)";

Json params_json(const SimulationParams& params) {
  Json json;
  for_each_field(params,
                 [&json](std::string_view name, const auto& value, std::string_view,
                         std::string_view, const Limits&) { json[std::string(name)] = value; });
  return json;
}

Json population_json(const Study& study) {
  Json json;
  json["circuit_sd_z"] = kCircuitSd_z;
  json["edge_sd_z"] = kEdgeSd_z;
  json["session_sd_z"] = study.params.sessions > 1 ? kSessionSd_z : 0.0;
  for (const Edge& edge : edges()) json["edge_mean_z"][std::string(edge.code)] = edge.mean_z;
  for (std::size_t c = 0; c < kCircuits; ++c) {
    const std::vector<double>& d = study.params.effect_size;
    json["effect_size_sd"][std::string(circuit_names()[c])] = d[d.size() == 1 ? 0 : c];
  }
  json["effect_size_sd"]["COG"] = study.params.task_effect_size;
  json["effect_note"] =
      "patients minus controls on the trait, in SD of controls of one site; the realised effect of "
      "this cohort is in realised_effects";
  json["activation"] = {{"nogo_contrast_mean", kNogoContrast},
                        {"nogo_contrast_sd", kNogoSd},
                        {"face_contrast_mean", kFaceContrast},
                        {"face_contrast_sd", kFaceSd}};
  json["interaction"] = {{"mean", kPpiMean}, {"sd", kPpiSd}};
  if (study.params.sessions > 1) {
    const double icc = 1.0 / (1.0 + kSessionShare * kSessionShare);
    json["task_session_share"] = kSessionShare;
    json["task_icc"] = icc; // of the true values, before any measurement error
  }
  return json;
}

Json sites_json(const Study& study) {
  Json json = Json::array();
  for (const Site& site : study.sites) {
    json.push_back({{"site", site.name},
                    {"scanner", site.scanner},
                    {"shift_sd", site.shift_sd},
                    {"scale", site.scale},
                    {"gain", site.gain},
                    {"noise_factor", site.noise_factor},
                    {"bold_axes", site.bold.codes},
                    {"bold_tilt_rad", site.bold.tilt_rad},
                    {"t1w_axes", site.t1w.codes}});
  }
  return json;
}

Json outcome_json(const SimulationParams& params) {
  const OutcomeWeights w;
  return {{"traits", {"DMN", "SAL", "ATT", "COG"}},
          {"rumination", w.rumination},
          {"interaction", w.interaction},
          {"prognosis", w.prognosis},
          {"r2", params.outcome_r2},
          {"rumination_equation",
           "45 + 10 (sqrt(r2) w.t/|w| + sqrt(1 - r2) e), e ~ N(0, 1), t the traits"},
          {"symptom_change_equation",
           "-45 + 22 (sqrt(r2) (0.8 s i.t/|i| + 0.6 p.t/|p|) + sqrt(1 - r2) e) percent, s = -1 on "
           "medication and +1 on behavioural therapy; then rounded through the severities"}};
}

void write_people(const std::filesystem::path& folder, const Study& study,
                  const std::vector<Person>& people, const std::vector<SessionTruth>& truths) {
  std::vector<std::string> id, site, group, biotype;
  std::array<std::vector<double>, 4> trait;
  std::vector<double> cardiac, breathing, peak, shift;
  const auto sessions = static_cast<std::size_t>(study.params.sessions);
  for (std::size_t p = 0; p < people.size(); ++p) {
    id.push_back("sub-" + people[p].label);
    site.push_back(study.sites[static_cast<std::size_t>(people[p].site)].name);
    group.push_back(people[p].patient ? "patient" : "control");
    biotype.push_back(people[p].biotype < 0 ? "" : std::to_string(people[p].biotype));
    for (std::size_t c = 0; c < 4; ++c) trait[c].push_back(people[p].trait[c]);
    cardiac.push_back(people[p].cardiac_hz);
    breathing.push_back(people[p].breathing_hz);
    peak.push_back(people[p].hrf.peak_s);
    shift.push_back(truths[p * sessions].max_shift_voxels);
  }
  bids::TableWriter table;
  table.text("participant_id", id).text("site", site).text("group", group).text("biotype", biotype);
  table.numbers("trait_DMN", trait[0]).numbers("trait_SAL", trait[1]);
  table.numbers("trait_ATT", trait[2]).numbers("trait_COG", trait[3]);
  table.numbers("cardiac_hz", cardiac).numbers("breathing_hz", breathing);
  table.numbers("hrf_peak_s", peak).numbers("largest_shift_voxels", shift);
  table.write(folder / "participants.tsv");
}

// Columns shared by the tables over runs.
struct Keys {
  std::vector<std::string> participant, session, task, item;
  template <class Row>
  void add(const Row& row, const std::string& name) {
    participant.push_back(row.participant);
    session.push_back(row.session);
    task.push_back(row.task);
    item.push_back(name);
  }
  void start(bids::TableWriter& table, const std::string& item_name) const {
    table.text("participant_id", participant).text("session_id", session).text("task", task);
    if (!item_name.empty()) table.text(item_name, item);
  }
};

void write_edges(const std::filesystem::path& folder, const std::vector<SessionTruth>& truths) {
  Keys keys;
  Keys circuit_keys;
  std::vector<double> person, realised, region;
  std::array<std::vector<double>, 3> mean;
  for (const SessionTruth& truth : truths) {
    for (std::size_t first = 0; first < truth.edges.size(); first += kEdges) {
      for (std::size_t c = 0; c < kCircuits; ++c) {
        std::array<double, 3> sum{};
        double n = 0.0;
        for (std::size_t e = 0; e < kEdges; ++e) {
          if (static_cast<std::size_t>(edges()[e].circuit) != c) continue;
          const EdgeTruth& row = truth.edges[first + e];
          sum[0] += row.person_z;
          sum[1] += row.realised_z;
          sum[2] += row.region_z;
          n += 1.0;
        }
        circuit_keys.add(truth.edges[first], std::string(circuit_names()[c]) + "-C");
        for (std::size_t k = 0; k < 3; ++k) mean[k].push_back(sum[k] / n);
      }
    }
    for (const EdgeTruth& row : truth.edges) {
      keys.add(row, row.edge);
      person.push_back(row.person_z);
      realised.push_back(row.realised_z);
      region.push_back(row.region_z);
    }
  }
  bids::TableWriter table;
  keys.start(table, "edge");
  table.numbers("person_z", person).numbers("realised_z", realised).numbers("region_z", region);
  table.write(folder / "edges.tsv");
  bids::TableWriter circuits;
  circuit_keys.start(circuits, "circuit");
  circuits.numbers("person_z", mean[0]).numbers("realised_z", mean[1]).numbers("region_z", mean[2]);
  circuits.write(folder / "circuits.tsv");
}

void write_task_tables(const std::filesystem::path& folder,
                       const std::vector<SessionTruth>& truths) {
  Keys activation;
  Keys interaction;
  std::vector<std::string> contrast, interaction_contrast, seed, target;
  std::vector<double> source, region, strength, slope, region_slope;
  for (const SessionTruth& truth : truths) {
    for (const ActivationTruth& row : truth.activations) {
      activation.add(row, row.region);
      contrast.push_back(row.contrast);
      source.push_back(row.source_percent);
      region.push_back(row.region_percent);
    }
    for (const PpiTruth& row : truth.interactions) {
      interaction.add(row, row.pair);
      interaction_contrast.push_back(row.contrast);
      seed.push_back(row.seed);
      target.push_back(row.target);
      strength.push_back(row.strength);
      slope.push_back(row.slope);
      region_slope.push_back(row.region_slope);
    }
  }
  bids::TableWriter table;
  activation.start(table, "region");
  table.text("contrast", contrast).numbers("source_percent", source);
  table.numbers("region_percent", region);
  table.write(folder / "activations.tsv");
  bids::TableWriter pairs;
  interaction.start(pairs, "pair");
  pairs.text("contrast", interaction_contrast).text("seed", seed).text("target", target);
  pairs.numbers("strength", strength).numbers("slope", slope);
  pairs.numbers("region_slope", region_slope);
  pairs.write(folder / "interactions.tsv");
}

void write_motion_table(const std::filesystem::path& folder,
                        const std::vector<SessionTruth>& truths) {
  Keys keys;
  std::vector<double> mean, largest;
  for (const SessionTruth& truth : truths) {
    for (const MotionTruth& row : truth.motion) {
      keys.add(row, "");
      mean.push_back(row.mean_fd_mm);
      largest.push_back(row.max_fd_mm);
    }
  }
  bids::TableWriter table;
  keys.start(table, "");
  table.numbers("mean_fd_mm", mean).numbers("max_fd_mm", largest);
  table.write(folder / "motion.tsv");
}

// Realised circuit means of the first session's resting run, or of its first run.
Eigen::MatrixXd circuit_means(const Study& study, const std::vector<SessionTruth>& truths,
                              std::size_t n_people) {
  const auto sessions = static_cast<std::size_t>(study.params.sessions);
  Eigen::MatrixXd z = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(n_people), kCircuits);
  std::size_t first = 0;
  for (std::size_t t = 0; t < study.params.tasks.size(); ++t) {
    if (study.params.tasks[t] == "rest") first = t * kEdges;
  }
  std::array<double, kCircuits> n{};
  for (const Edge& edge : edges()) n[static_cast<std::size_t>(edge.circuit)] += 1.0;
  for (std::size_t p = 0; p < n_people; ++p) {
    for (std::size_t e = 0; e < kEdges; ++e) {
      const auto c = static_cast<std::size_t>(edges()[e].circuit);
      z(static_cast<Eigen::Index>(p), static_cast<Eigen::Index>(c)) +=
          truths[p * sessions].edges[first + e].realised_z / n[c];
    }
  }
  return z;
}

// Mean NoGo minus Go of the control regions in the first session; empty without that task.
Eigen::MatrixXd control_activation(const Study& study, const std::vector<SessionTruth>& truths,
                                   std::size_t n_people) {
  const auto sessions = static_cast<std::size_t>(study.params.sessions);
  Eigen::MatrixXd mean = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(n_people), 1);
  double n = 0.0;
  for (std::size_t p = 0; p < n_people; ++p) {
    for (const ActivationTruth& row : truths[p * sessions].activations) {
      if (row.contrast != "nogo_vs_go" || !row.region.starts_with("C")) continue;
      mean(static_cast<Eigen::Index>(p), 0) += row.region_percent / 3.0;
      n += 1.0;
    }
  }
  return n > 0.0 ? mean : Eigen::MatrixXd();
}

} // namespace

std::vector<double> realised_effects(const Eigen::MatrixXd& z, const std::vector<Person>& people) {
  std::vector<double> effects;
  for (Eigen::Index c = 0; c < z.cols(); ++c) {
    std::array<double, 2> sum{};
    std::array<double, 2> n{};
    double squares = 0.0;
    for (std::size_t p = 0; p < people.size(); ++p) {
      const double value = z(static_cast<Eigen::Index>(p), c);
      sum[people[p].patient ? 1 : 0] += value;
      n[people[p].patient ? 1 : 0] += 1.0;
      if (!people[p].patient) squares += value * value;
    }
    const double control = sum[0] / n[0];
    const double sd = std::sqrt((squares - n[0] * control * control) / (n[0] - 1.0));
    effects.push_back((sum[1] / n[1] - control) / sd);
  }
  return effects;
}

void write_cohort_truth(const std::filesystem::path& root, const Study& study,
                        const std::vector<Person>& people,
                        const std::vector<SessionTruth>& truths) {
  const std::filesystem::path folder = root / "sourcedata" / "truth";
  Json json;
  json["parameters"] = params_json(study.params);
  json["anatomy_sha256"] = study.anatomy.sha256;
  json["region_positions"] = study.anatomy.places.carried
                                 ? "carried from MNI152NLin6Asym to the anatomy"
                                 : "published MNI152NLin6Asym coordinates used in the anatomy";
  json["population"] = population_json(study);
  json["sites"] = sites_json(study);
  for (int b = 0; b < study.params.biotypes; ++b) {
    json["biotype_shift_sd"].push_back(biotype_shift(study.params, b));
  }
  json["outcomes"] = outcome_json(study.params);
  const std::vector<double> effects =
      realised_effects(circuit_means(study, truths, people.size()), people);
  for (std::size_t c = 0; c < kCircuits; ++c) {
    // JSON has no NaN: a cohort without controls or patients has no effect.
    const std::string name = std::string(circuit_names()[c]) + "-C";
    json["realised_effects"][name] = std::isfinite(effects[c]) ? Json(effects[c]) : Json(nullptr);
  }
  const Eigen::MatrixXd control = control_activation(study, truths, people.size());
  if (control.size() > 0) {
    const double effect = realised_effects(control, people)[0];
    json["realised_effects"]["COG-A"] = std::isfinite(effect) ? Json(effect) : Json(nullptr);
  }
  write_json(folder / "dataset.json", json);
  bids::write_file_atomically(folder / "README.md", kReadme);
  write_people(folder, study, people, truths);
  write_edges(folder, truths);
  write_task_tables(folder, truths);
  write_motion_table(folder, truths);
}

} // namespace boldmill::simulate
