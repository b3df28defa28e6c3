// One session of one person: images, sidecars and truth.
#pragma once

#include <vector>

#include "pipeline/simulate/anatomy.hpp"
#include "pipeline/simulate/names.hpp"
#include "pipeline/simulate/population.hpp"
#include "pipeline/simulate/scanner.hpp"
#include "pipeline/simulate/shape.hpp"
#include "pipeline/simulate/simulate.hpp"

namespace boldmill::simulate {

// Shared by all people, read only.
struct Study {
  const SimulationParams& params;
  const Anatomy& anatomy;
  const std::vector<Site>& sites;
  const std::vector<Volume>& contrasts; // per site
};

// What the truth tables list about one run.
struct EdgeTruth {
  std::string participant, session, task, edge;
  double person_z = 0;   // this person's population value in this session
  double realised_z = 0; // Fisher z of the noise-free sources over the acquired volumes
  double region_z = 0;   // the same for the noise-free means over the two regions as scanned
};
struct ActivationTruth {
  std::string participant, session, task, region, contrast;
  double source_percent = 0; // of the region's source, for a long block
  double region_percent = 0; // of the region's mean signal as scanned (blur, drop-out)
};
struct PpiTruth { // one direction
  std::string participant, session, task, pair, contrast, seed, target;
  double strength = 0;     // coupling hub -> target added while the condition is shown
  double slope = 0;        // of the target on the seed, condition minus control, neural units
  double region_slope = 0; // the same for the percent signal of the regions as scanned
};
struct MotionTruth {
  std::string participant, session, task;
  double mean_fd_mm = 0, max_fd_mm = 0;
};
struct SessionTruth {
  std::vector<EdgeTruth> edges;
  std::vector<ActivationTruth> activations;
  std::vector<PpiTruth> interactions;
  std::vector<MotionTruth> motion;
  double max_shift_voxels = 0;
};

[[nodiscard]] SessionTruth write_session(const Study& study, const Person& person, int session,
                                         const std::filesystem::path& root, const Context& context);

} // namespace boldmill::simulate
