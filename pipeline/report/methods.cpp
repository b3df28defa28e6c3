// The methods paragraph: what ran, with the parameters it ran with, and nothing else.
#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "pipeline/report/files.hpp"
#include "pipeline/report/methods_parts.hpp"
#include "pipeline/report/report.hpp"

namespace boldmill::report {
namespace {

std::string template_text(const store::CohortReader& cohort) {
  const auto& atlases = cohort.header().atlases;
  return atlases.empty() ? "no regions" : atlases.front().space;
}

std::string regions_text(const store::CohortReader& cohort) {
  std::string text;
  for (const store::AtlasRecord& atlas : cohort.header().atlases) {
    text += "\n- " + atlas.name + ", " + std::to_string(atlas.label.size()) +
            " regions: " + (atlas.description.empty() ? "as given" : atlas.description);
  }
  return text + "\n";
}

// What the group level did, and only that.
std::string cohort_text(const Json& c, const store::CohortReader& cohort) {
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  std::ostringstream t;
  const auto not_done = cohort.not_done();
  t << chain_text(c, cohort);
  const bool scored =
      std::none_of(not_done.begin(), not_done.end(),
                   [](const store::NotDone& item) { return item.analysis == "circuit_scores"; });
  if (scored && cohort.scores()) {
    t << "Circuit measures were standardised against the cohort's healthy group (column "
      << v("input", "group_column") << ", values " << v("input", "control_values") << "; at least "
      << v("scores", "min_reference") << " people) and averaged into features and scores. ";
  } else {
    t << "Circuit scores were not computed. ";
  }
  t << norms_text(c, cohort) << biotypes_text(c, cohort);
  std::string targets;
  for (const auto& prediction : cohort.predictions()) {
    targets += (targets.empty() ? "" : ", ") + prediction.target;
  }
  if (targets.empty()) {
    t << "Nothing was predicted.\n";
  } else {
    t << "Predictions of " << targets << " are out-of-fold predictions of an elastic net ("
      << v("prediction", "cv") << ", " << v("prediction", "n_repeats") << " repeats); imputation"
      << (v("cohort", "harmonization") == "combat" && cohort.group("harmonization")
              ? ", harmonisation"
              : "")
      << " and standardisation were fitted inside each training fold.\n";
  }
  return t.str();
}

// Of the runs that were processed.
std::string distortion_text(const store::RunTable& runs) {
  std::map<std::string, int> methods;
  int n = 0;
  for (const store::RunRecord& run : runs.run) {
    if (run.n_volumes == 0) continue;
    ++n;
    if (run.distortion != "none" && !run.distortion.empty()) ++methods[run.distortion];
  }
  if (methods.empty()) return "Susceptibility distortion was not corrected. ";
  std::string text = "Susceptibility distortion was corrected";
  const char* separator = " ";
  for (const auto& [method, count] : methods) {
    text += separator + ("in " + std::to_string(count)) + " of " + std::to_string(n) + " runs (" +
            method + ")";
    separator = ", ";
  }
  return text + ". ";
}

std::string echoes_text(const store::CohortReader& cohort) {
  const auto stages = cohort.stages();
  const bool any = std::any_of(stages.begin(), stages.end(),
                               [](const auto& stage) { return stage.name == "multi_echo"; });
  if (!any) return "";
  return "The echoes of multi-echo runs were combined before anything was interpolated, weighted "
         "by "
         "TE exp(-TE / T2*) with T2* fitted to their means. ";
}

// First-level models and interactions, when any run had them.
std::string tasks_text(const store::CohortReader& cohort, const Json& c) {
  const auto stages = cohort.stages();
  const bool any = std::any_of(stages.begin(), stages.end(),
                               [](const auto& stage) { return stage.name == "glm"; });
  if (!any) return "";
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  return "Task runs were modelled on the region means before nuisance regression, with conditions "
         "(response function " +
         v("task_model", "hrf") + ", sampling " + v("task_model", "variant") +
         "), the same confounds, cosines (" + v("task_model", "high_pass_hz") +
         " Hz) and a constant in one design, noise model " + v("glm", "noise") +
         "; effects are in percent of a region's mean: " + v("glm", "percent_signal") +
         ". Psychophysiological interactions are generalised (one per condition beside the "
         "conditions and the seed), with deconvolution " +
         v("ppi", "deconvolution") + " and noise model " + v("ppi", "noise") +
         ". Standard errors are those within a run. Where no resting run could be used, task-free "
         "connectivity is that of task residuals (task_free_source " +
         v("task_model", "task_free_source") + "; /circuits/source says which). ";
}

std::string slice_timing_text(const store::RunTable& runs) {
  std::size_t n = 0;
  std::size_t corrected = 0;
  for (const store::RunRecord& run : runs.run) {
    if (run.n_volumes == 0) continue;
    ++n;
    if (!std::isnan(run.slice_reference_s)) ++corrected;
  }
  if (corrected == 0) return "Slice timing was not corrected. ";
  return "Slice timing was corrected in " + std::to_string(corrected) + " of " + std::to_string(n) +
         " runs (windowed sinc of 24 taps, to the middle moment unless slice_timing.reference says "
         "otherwise). ";
}

// Runs whose note says that the white-matter edge was of no use.
std::string without_edge_text(const store::RunTable& runs) {
  std::size_t n = 0;
  for (const store::RunRecord& run : runs.run) {
    if (run.reason.find("not by the white-matter edge") != std::string::npos) ++n;
  }
  if (n == 0) return "";
  return "; in " + std::to_string(n) + (n == 1 ? " run" : " runs") +
         " mutual information alone, for the reason in the note of the run";
}

bool has_stage(const std::vector<store::StageRecord>& stages, const char* name) {
  return std::any_of(stages.begin(), stages.end(),
                     [&](const store::StageRecord& stage) { return stage.name == name; });
}

// No run was processed from its raw image.
bool all_given(const std::vector<store::StageRecord>& stages) {
  return has_stage(stages, "derived_run") && !has_stage(stages, "head_motion");
}

// How the runs came to be what regions are averaged of.
std::string preprocessing_text(const store::CohortReader& cohort, const Json& c) {
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  const auto stages = cohort.stages();
  std::ostringstream t;
  if (has_stage(stages, "derived_run")) {
    t << "Runs preprocessed elsewhere were taken as given: their series in the space of the "
         "template "
      << "(" << template_text(cohort) << "), their brain masks and their confounds. ";
    if (all_given(stages)) return t.str();
    t << "The other runs were processed as follows. ";
  }
  const store::RunTable runs = cohort.runs();
  t << "The T1-weighted image was corrected for "
    << "intensity non-uniformity (N4), registered to the template by a multi-start affine map and "
       "a symmetric diffeomorphic "
    << "transformation with local cross-correlation (levels of "
    << v("normalization", "level_spacing_mm") << " mm, window radius "
    << v("normalization", "window_radius")
    << " voxels), and segmented into cerebrospinal fluid, grey and "
    << "white matter. For each BOLD run, volumes before steady state were detected, a robust "
       "reference was made, rigid head motion was "
    << "estimated on the raw series, and the reference was aligned to the T1w ("
    << v("coregistration", "degrees_of_freedom")
    << " degrees of freedom; mutual information, then the white-matter edge"
    << without_edge_text(runs) << "). " << echoes_text(cohort) << slice_timing_text(runs)
    << distortion_text(runs)
    << "All transforms were applied in one "
       "cubic B-spline interpolation to a "
    << v("target", "spacing_mm") << " mm grid in the space of the template ("
    << template_text(cohort) << "). ";
  return t.str();
}

} // namespace

std::string methods_text(const store::CohortReader& cohort, const ReportInfo& info) {
  const Json c = Json::parse(cohort.header().config_json, nullptr, false);
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  std::ostringstream t;
  t << "# Methods\n\nImages were processed with boldmill " << info.generator_version << ". "
    << preprocessing_text(cohort, c) << "\n\n";
  if (!all_given(cohort.stages())) {
    t << "Framewise displacement (Power, " << v("framewise_displacement", "head_radius_mm")
      << " mm sphere) and DVARS were computed as in fMRIPrep; the signals of white matter and "
         "cerebrospinal fluid are means over eroded masks. ";
  }
  t << "Regions:\n"
    << regions_text(cohort) << "\nRegions covered by less than " << v("extraction", "min_coverage")
    << " are missing. " << denoising_text(c) << connectivity_text(c) << regional_text(c)
    << tasks_text(cohort, c) << "Measures whose task was not acquired are missing.\n\n"
    << cohort_text(c, cohort);
  if (!info.template_note.empty()) t << "\nNote: " << info.template_note << ".\n";
  t << "\n" << kIntendedUse << "\n\n## References\n";
  for (const std::string& reference : info.references) t << "- " << reference << "\n";
  return t.str();
}

} // namespace boldmill::report
