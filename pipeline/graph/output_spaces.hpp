// In which spaces and at which resolutions images are written: the tokens of --output-spaces.
//   T1w (anat)          the T1w's space; BOLD series at their own voxel size
//   boldref (func)      the run's own reference grid
//   <template>          a template that is installed, by the name of its space, at
//   target.spacing_mm any but boldref may be followed by :res-<mm>, e.g. T1w:res-2,
//   MNI152NLin2009cAsym:res-1.5
// The figure is millimetres: fMRIPrep's is the number of a resolution in TemplateFlow, which for
// the MNI152 templates means the same for 1 and 2.
#pragma once

#include <string>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::graph {

struct OutputSpace {
  enum class Kind { boldref, t1w, standard };
  Kind kind = Kind::standard;
  std::string space;       // as asked for; of a prepared standard space the label in file names
  double spacing_mm = 0.0; // 0: not asked for

  // Of a prepared standard space.
  Grid anat_grid, bold_grid;
  PointMap to_target, from_target; // between it and the study's target, no steps for the target
  std::string reference;           // the template's name

  // "_space-T1w_res-2": what stands in file names, "" for boldref.
  [[nodiscard]] std::string entities() const;
};

// Without repetitions. Throws Error{usage} naming every token that cannot be meant.
[[nodiscard]] std::vector<OutputSpace> parse_output_spaces(const std::vector<std::string>& tokens);

// Letters and digits of a template's space.
[[nodiscard]] std::string space_label(const std::string& space);

} // namespace boldmill::graph
