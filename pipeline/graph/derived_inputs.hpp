// The files of a run preprocessed elsewhere, found and identified; their key.
#pragma once

#include <limits>
#include <optional>

#include "pipeline/graph/bold_run.hpp"
#include "pipeline/image_io/nifti.hpp"

namespace boldmill::graph {

inline constexpr StageInfo kDerivedStage{.name = "derived_run",
                                         .version = 2,
                                         .summary =
                                             "series and confounds of a run preprocessed elsewhere",
                                         .references = {}};

// As given, with the digest that enters the key.
struct DerivedInput {
  std::filesystem::path path;
  store::InputRecord record;
};

struct DerivedInputs {
  DerivedInput bold, mask, confounds; // mask: not of a dense series
  std::optional<DerivedInput> aroma{};
  std::optional<DerivedInput> sidecar{};  // of the confounds
  std::vector<DerivedInput> regressors{}; // of voxels.regressors, in its order
  image_io::NiftiHeader header{};
  double tr_s = 0.0;
  // StartTime: what moment of a volume slices were brought to
  double start_s = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::string> warnings{};

  [[nodiscard]] std::vector<store::InputRecord> records() const;
};

[[nodiscard]] bool is_dense(const Study& study); // series are CIFTI

// Errors: input when a file is missing or no series.
[[nodiscard]] DerivedInputs open_derived(const Study& study, const DerivedSource& source);
// Of the run's result.
[[nodiscard]] std::string key_of(const Study& study, const DerivedInputs& opened);

} // namespace boldmill::graph
