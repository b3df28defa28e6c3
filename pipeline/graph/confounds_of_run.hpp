// The confounds table of one run from its corrected series: motion, tissue means, CompCor.
#pragma once

#include "pipeline/graph/native_run.hpp"

namespace boldmill::graph {

struct RunConfounds {
  confounds::Outputs table;
  std::string metadata; // JSON object: column -> what a sidecar says of it
  std::vector<std::string> notes;
};

// csf and white_matter are means over the masks of aCompCor, as in fMRIPrep; where such a mask has
// too few voxels, over the eroded tissue masks instead, with a note.
[[nodiscard]] RunConfounds confounds_of_run(const NativeRun& run,
                                            const head_motion::Outputs& motion, int n_dummies,
                                            double tr_s, const config::Config& config,
                                            const Context& context);

// As in the sidecar of fMRIPrep.
[[nodiscard]] std::string metadata_json(const std::vector<confounds::ColumnMetadata>& columns);

} // namespace boldmill::graph
