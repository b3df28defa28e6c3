// The echoes of a multi-echo run. Masks, head motion and alignment come from run.file (the second
// echo); the series that is sampled is the sum of all, weighted by T2*. See multi_echo.hpp.
#pragma once

#include <string>
#include <vector>

#include "pipeline/graph/study.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/store/records.hpp"
#include "stages/functional/multi_echo.hpp"

namespace boldmill::graph {

struct EchoPlan {
  std::vector<store::InputRecord> inputs; // by echo; empty: nothing to combine
  std::vector<double> times_s;
  std::vector<std::string> warnings; // why the echoes are not combined
  [[nodiscard]] std::string key() const;
};
// `main` is the header of run.file.
[[nodiscard]] EchoPlan plan_echoes(const Study& study, const bids::ParticipantSession& session,
                                   const bids::BoldRun& run, const image_io::NiftiHeader& main);

struct EchoInputs {
  const EchoPlan& plan;
  int n_dummies = 0;
  std::span<const Affine> ref_to_volume;
  const Mask& brain; // on the grid of the series
};
// Replaces the series of run.file by the sum. Holds one more series at a time. Errors: input.
[[nodiscard]] multi_echo::Outputs combine_echoes(const Study& study, const bids::BoldRun& run,
                                                 const EchoInputs& inputs, Series& bold,
                                                 const Context& context);

} // namespace boldmill::graph
