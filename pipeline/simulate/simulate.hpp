// Writes a simulated BIDS cohort with known truth under sourcedata/truth/. The model is physical
// and never fitted to our estimators; equations, numbers and sources stand in METHOD.md beside this
// file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::simulate {

inline constexpr StageInfo kStage{
    .name = "simulate", .version = 1, .summary = "BIDS cohort with known truth", .references = {}};

struct SimulationParams {
  int participants = 12;
  std::string size = "tiny";
  int random_seed = 1;
  int sites = 2;
  int sessions = 1;
  double prevalence = 0.5;
  std::vector<std::string> tasks = {"rest", "gonogo"};
  std::vector<double> effect_size = {1.0, -0.8, 0.6};
  double task_effect_size = -0.6;
  double site_effect = 0.5;
  int biotypes = 3;
  double biotype_separation = 0.6;
  double outcome_r2 = 0.4;
  std::string motion = "typical";
  bool within_volume_motion = false;
  double noise = 1.0;
  double source_percent = 2.0;
  double distortion = 1.0;
  int dummy_scans = 0;
  int volumes = 0;
  bool truth_images = true;
  bool operator==(const SimulationParams&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [participants, size, random_seed, sites, sessions, prevalence, tasks, effect_size,
         task_effect_size, site_effect, biotypes, biotype_separation, outcome_r2, motion,
         within_volume_motion, noise, source_percent, distortion, dummy_scans, volumes,
         truth_images] = params;
  visit("participants", participants, "", "number of people", Limits::between(1, 100000));
  visit("size", size, "", "tiny: 3 mm T1w, 4 mm BOLD; real: 1 mm T1w, 3 mm BOLD, 240 volumes",
        Limits::one_of({"tiny", "real"}));
  visit("random_seed", random_seed, "", "same seed, same bytes", Limits::at_least(0));
  visit("sites", sites, "", "sites, each with its own scanner, grid and slice order",
        Limits::between(1, 20));
  visit("sessions", sessions, "", "sessions per person; more than one adds ses- folders",
        Limits::between(1, 10));
  visit("prevalence", prevalence, "", "share of patients at every site", Limits::between(0, 1));
  visit("tasks", tasks, "", "runs to acquire: rest, gonogo, conscious, nonconscious", Limits{});
  visit("effect_size", effect_size, "SD",
        "patients minus controls in the DMN, salience and attention circuits (one value or three)",
        Limits::between(-10, 10));
  visit("task_effect_size", task_effect_size, "SD",
        "patients minus controls in the cognitive-control activation", Limits::between(-10, 10));
  visit("site_effect", site_effect, "SD",
        "size of the sites' location effects on the circuits; scales differ by 15 % of it",
        Limits::between(0, 10));
  visit("biotypes", biotypes, "", "groups among the patients, shifted apart with mean zero",
        Limits::between(1, 6));
  visit("biotype_separation", biotype_separation, "SD",
        "length of each biotype's shift per circuit", Limits::between(0, 10));
  visit("outcome_r2", outcome_r2, "", "share of the outcomes' variance explained by circuits",
        Limits::between(0, 1));
  visit("motion", motion, "", "head motion", Limits::one_of({"none", "low", "typical", "high"}));
  visit("within_volume_motion", within_volume_motion, "",
        "the head moves from slice to slice, not only from volume to volume", Limits{});
  visit("noise", noise, "", "factor on thermal and physiological noise, drift and background",
        Limits::between(0, 20));
  visit("source_percent", source_percent, "%", "SD of a circuit source in the middle of its region",
        Limits::between(0, 20));
  visit("distortion", distortion, "", "factor on the susceptibility field", Limits::between(0, 2));
  visit("dummy_scans", dummy_scans, "", "volumes at the start before the steady state",
        Limits::between(0, 10));
  visit("volumes", volumes, "", "volumes of every run; 0 takes those of the size",
        Limits::between(0, 5000));
  visit("truth_images", truth_images, "", "also store true fields, deformations and labels",
        Limits{});
}

// Where the anatomy comes from. It must never be the template that the cohort is registered to.
struct AnatomyPaths {
  // T1w head and brain-only image on one grid; a brain alone gets a synthetic skull and scalp.
  std::filesystem::path head = "/usr/share/mricron/templates/ch2.nii.gz";
  std::filesystem::path brain = "/usr/share/mricron/templates/ch2bet.nii.gz";
  // Positions of the 28 circuit regions in this anatomy, e.g. configs/spaces/nlin6_points.tsv:
  // columns code, com_x, com_y, com_z (or x, y, z; mm), target_sha256 (of the head or brain image).
  // Empty, or without rows for this anatomy: the published MNI152NLin6Asym positions, which the
  // truth then says.
  std::filesystem::path points;
};

// Writes the cohort into `dir`, which must be absent or empty. Parallel over people; the bytes
// depend on the parameters and the anatomy alone. Throws Error: usage (unknown task, wrong number
// of effect sizes, directory not empty, anatomy missing), disk (a write failed), interrupted.
void simulate(const std::filesystem::path& dir, const SimulationParams& params,
              const AnatomyPaths& anatomy, const Context& context);
void simulate(const std::filesystem::path& dir, const SimulationParams& params,
              const Context& context);

} // namespace boldmill::simulate
