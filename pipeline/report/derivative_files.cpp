#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "pipeline/report/files.hpp"
#include "pipeline/report/report.hpp"
#include "stages/core/error.hpp"

namespace boldmill::report {
namespace fs = std::filesystem;
namespace {

constexpr const char* kIntendedUse = "Research use only. Not a medical device; scores and "
                                     "predictions are not for decisions about a person.";

// A value of the configuration for running text; lists without brackets and quotes.
std::string value(const Json& config, const char* section, const char* key) {
  if (!config.contains(section) || !config[section].contains(key)) return "?";
  const Json& found = config[section][key];
  if (!found.is_array()) return found.is_string() ? found.get<std::string>() : found.dump();
  std::string text;
  for (const Json& item : found) {
    text += (text.empty() ? "" : ", ") + (item.is_string() ? item.get<std::string>() : item.dump());
  }
  return text.empty() ? "none" : text;
}

// The description already there, null when there is none that can be read.
Json description_in(const fs::path& out) {
  std::ifstream file(out / "dataset_description.json");
  return file ? Json::parse(file, nullptr, false) : Json();
}

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
  std::string targets;
  for (const auto& prediction : cohort.predictions()) {
    targets += (targets.empty() ? "" : ", ") + prediction.target;
  }
  if (targets.empty()) {
    t << "Nothing was predicted.\n";
  } else {
    t << "Predictions of " << targets << " are out-of-fold predictions of an elastic net ("
      << v("prediction", "cv") << ", " << v("prediction", "n_repeats")
      << " repeats); imputation and standardisation were fitted inside each training fold.\n";
  }
  return t.str();
}

// Of the runs that were processed.
std::string distortion_text(const store::CohortReader& cohort) {
  std::map<std::string, int> methods;
  int n = 0;
  for (const store::RunRecord& run : cohort.runs().run) {
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

std::string slice_timing_text(const store::CohortReader& cohort) {
  std::size_t n = 0;
  std::size_t corrected = 0;
  for (const store::RunRecord& run : cohort.runs().run) {
    if (run.n_volumes == 0) continue;
    ++n;
    if (!std::isnan(run.slice_reference_s)) ++corrected;
  }
  if (corrected == 0) return "Slice timing was not corrected. ";
  return "Slice timing was corrected in " + std::to_string(corrected) + " of " + std::to_string(n) +
         " runs (windowed sinc of 24 taps, to the middle moment unless slice_timing.reference says "
         "otherwise). ";
}

} // namespace

void refuse_foreign_dataset(const fs::path& out) {
  std::error_code code;
  if (!fs::exists(out / "dataset_description.json", code)) return;
  const Json values = description_in(out);
  const auto holds = [&](const char* key, const char* word) {
    return values.is_object() && values.contains(key) &&
           values[key].dump().find(word) != std::string::npos;
  };
  if (holds("DatasetType", "derivative") && holds("GeneratedBy", "\"boldmill\"")) return;
  throw Error(ErrorKind::usage, bids::display(out.filename().string()) +
                                    ": the output folder holds a dataset that boldmill did not "
                                    "write; give a folder of its own");
}

std::string methods_text(const store::CohortReader& cohort, const ReportInfo& info) {
  const Json c = Json::parse(cohort.header().config_json, nullptr, false);
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  std::ostringstream t;
  t << "# Methods\n\nImages were processed with boldmill " << info.generator_version
    << ". The T1-weighted image was corrected for "
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
    << " degrees of freedom; mutual information, then the white-matter edge). "
    << echoes_text(cohort) << slice_timing_text(cohort) << distortion_text(cohort)
    << "All transforms were applied in one "
       "cubic B-spline interpolation to a "
    << v("target", "spacing_mm") << " mm grid in the space of the template ("
    << template_text(cohort) << ").\n\n"
    << "Framewise displacement (Power, " << v("framewise_displacement", "head_radius_mm")
    << " mm sphere) and DVARS were computed as in fMRIPrep; the signals of white matter and "
       "cerebrospinal fluid are means over eroded masks. Regions:\n"
    << regions_text(cohort) << "\nRegions covered by less than " << v("extraction", "min_coverage")
    << " are missing. Region means were cleaned with strategy "
    << v("nuisance_regression", "strategy") << ", filter " << v("nuisance_regression", "filter")
    << " (high-pass " << v("nuisance_regression", "high_pass_hz") << " Hz, low-pass "
    << v("nuisance_regression", "low_pass_hz")
    << " Hz, 0 is none), volumes with a framewise displacement above "
    << v("nuisance_regression", "fd_threshold_mm") << " mm censored; runs with fewer than "
    << v("nuisance_regression", "min_dof") << " degrees of freedom left, or with more than "
    << v("gates", "max_fd_share") << " of their volumes above " << v("gates", "fd_exclusion_mm")
    << " mm, were excluded. Connectivity is Pearson correlation and Fisher z. "
    << tasks_text(cohort, c) << "Measures whose task was not acquired are missing.\n\n"
    << cohort_text(c, cohort);
  if (!info.template_note.empty()) t << "\nNote: " << info.template_note << ".\n";
  t << "\n" << kIntendedUse << "\n\n## References\n";
  for (const std::string& reference : info.references) t << "- " << reference << "\n";
  return t.str();
}

void write_dataset_description(const fs::path& out, const ReportInfo& info) {
  std::error_code code;
  fs::create_directories(out, code);
  Json description = Json::object();
  const Json before = description_in(out);
  if (!info.dataset_name.empty()) {
    description["Name"] = info.dataset_name + " - boldmill derivatives";
  } else { // merging and exporting know no dataset; what a run has written stays
    const bool named = before.is_object() && before.contains("Name") && before["Name"].is_string();
    description["Name"] = named ? before["Name"] : Json("boldmill derivatives");
  }
  description["BIDSVersion"] = "1.8.0";
  description["DatasetType"] = "derivative";
  description["GeneratedBy"] =
      Json::array({Json{{"Name", "boldmill"}, {"Version", info.generator_version}}});
  if (!info.raw_link.empty()) {
    description["DatasetLinks"] = Json{{"raw", info.raw_link}};
  } else if (before.is_object() && before.contains("DatasetLinks")) {
    description["DatasetLinks"] = before["DatasetLinks"];
  }
  write_json(out / "dataset_description.json", description);
  // BIDS knows neither boldref nor xfm files; fMRIPrep ignores them too.
  bids::write_file_atomically(out / ".bidsignore",
                              "*.h5\n**/*.h5\n*.html\nmethods.md\ntables\nlogs/\nfigures/"
                              "\n.boldmill/\n*_relmat.tsv\n*_timeseries.tsv\n*_timeseries.json"
                              "\n*_xfm.*\n*_boldref.*\n");
}

void write_derivative_files(const fs::path& out, const store::CohortReader& cohort,
                            const ReportInfo& info) {
  write_dataset_description(out, info);
  std::string readme = "# boldmill derivatives\n\n`cohort.h5` holds everything; `tables/` and "
                       "`index.html` show it; `methods.md` says how it was "
                       "made.\n\n" +
                       std::string(kIntendedUse) + "\n";
  if (!info.template_note.empty()) readme += "\nNote: " + info.template_note + ".\n";
  bids::write_file_atomically(out / "README.md", readme);
  bids::write_file_atomically(out / "methods.md", methods_text(cohort, info));
}

} // namespace boldmill::report
