// Who takes part: groups, sites, biotypes, traits of the circuits, activations, arms and outcomes.
#pragma once

#include <Eigen/Dense>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/simulate/regions.hpp"
#include "pipeline/simulate/scanner.hpp"
#include "pipeline/simulate/signals.hpp"
#include "pipeline/simulate/simulate.hpp"

namespace boldmill::simulate {

// Population constants; the truth files repeat them.
inline constexpr double kCircuitSd_z = 0.22; // person-to-person, shared by a circuit's edges
inline constexpr double kEdgeSd_z = 0.10;    // of each edge on its own
inline constexpr double kSessionSd_z = 0.08; // between sessions
inline constexpr double kNogoContrast = 2.0; // % for a long block, healthy mean
inline constexpr double kNogoSd = 0.8;
inline constexpr double kFaceContrast = 0.35; // emotion minus neutral where it is expected
inline constexpr double kFaceSd = 0.15;
inline constexpr double kPpiMean = 0.30;
inline constexpr double kPpiSd = 0.15;
// Spread between sessions of activations and interactions over that between people.
inline constexpr double kSessionShare = 0.5;

struct Person {
  std::string label; // "001"
  int site = 0;
  bool patient = false;
  int biotype = -1; // -1 in controls
  int arm = -1;     // 0 medication, 1 behavioural; -1 in controls
  std::string sex;
  double age = 0.0;
  std::array<double, 4> trait{};       // DMN, SAL, ATT, COG in SD, group and biotype included
  std::array<double, kEdges> edge_z{}; // population value of this person, site included
  double rumination = 0.0;
  double severity_baseline = 0.0, severity_followup = 0.0, symptom_change = 0.0; // NaN in controls
  double cardiac_hz = 1.1, breathing_hz = 0.27;
  Hrf hrf;

  [[nodiscard]] bool response() const { return symptom_change < -50.0; }
};

[[nodiscard]] std::vector<Person> draw_people(const SimulationParams& params,
                                              const std::vector<Site>& sites);

// Effect of each biotype on the four traits, in SD; mean zero over the biotypes.
[[nodiscard]] std::array<double, 4> biotype_shift(const SimulationParams& params, int biotype);

struct OutcomeWeights { // standardised: rumination; benefit of arm 0 minus arm 1; both arms
  std::array<double, 4> rumination{0.7, 0.0, -0.5, 0.5};
  std::array<double, 4> interaction{0.8, 0.0, 0.0, -0.6};
  std::array<double, 4> prognosis{0.0, 0.4, 0.0, 0.3};
};

// Correlations of the sources of this person in a session: the given edges exactly, the others by
// the completion that adds no further direct coupling (METHOD.md). Circuits are independent.
[[nodiscard]] Eigen::MatrixXd source_correlation(std::array<double, kEdges> edge_z);

// What this person does in a session and task. `edge_z` receives the session's values.
[[nodiscard]] SourceModel person_model(const SimulationParams& params, const Person& person,
                                       int session, std::string_view task,
                                       std::array<double, kEdges>& edge_z);

} // namespace boldmill::simulate
