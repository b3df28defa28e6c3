// The circuit definition as data: regions, raw measures, features (averages of measures) and scores
// (averages of features). Read from configs/taxonomies/*.json by pipeline/config/taxonomy_json.hpp.
// Nothing in the code knows how many there are.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace boldmill::taxonomy {

struct Region {
  std::string code;       // "D1"; several codes may name the same mask
  std::string name;       // "anterior medial prefrontal cortex (amPFC)"
  std::string hemisphere; // "L", "R", "M"
  std::string circuit;    // "Default mode"
  std::string mask;       // identity of the mask: regions with equal `mask` are the same voxels
  std::string mask_file;  // file name in the published layout
  std::string definition; // "sphere10", "aal", "atlas"
  double x_mm = 0, y_mm = 0, z_mm = 0;             // peak, or centre of mass for atlas types
  double com_x_mm = 0, com_y_mm = 0, com_z_mm = 0; // centre of mass of the published mask
  double volume_mm3 = 0;                           // of the published mask
  double min_coverage = -1.0; // smallest share of it that counts; negative: the configuration's
};

// What is asked of a task: a weighted sum of its conditions.
struct Contrast {
  std::string name;                      // "thr_vs_neu"
  std::map<std::string, double> weights; // condition -> weight
};
// The conditions of a task and how a dataset writes them down. In labels and trial types a *
// stands for any text.
struct Condition {
  std::string name;                     // "fear"
  std::vector<std::string> trial_types; // entries of the events' column that are this condition
};
struct Task {
  std::string description;
  std::vector<std::string> labels;   // BIDS task labels
  std::string column = "trial_type"; // of events.tsv, tells the conditions
  std::vector<Condition> conditions;
  std::vector<std::string> modulators; // "CONDITION:COLUMN", see task_design
  std::vector<Contrast> contrasts;
};

enum class MeasureKind { intrinsic, activation, ppi };

struct Measure {
  std::string code; // unique name, e.g. "D2D1", "NS2", "NS2NS1b"
  MeasureKind kind = MeasureKind::intrinsic;
  std::string circuit;
  std::string task;     // "rest" for intrinsic, else the taxonomy's task key, e.g. "con"
  std::string contrast; // e.g. "sad_vs_neu"; empty for intrinsic
  std::string region_a; // for ppi the seed
  std::string region_b; // empty for activation
  std::string raw_name; // as in the published tables
  std::string feature;  // the feature it enters
  std::string note;     // e.g. a corrected label
};

struct Feature {
  std::string name;
  std::vector<std::string> members; // measure codes
};

struct Score {
  std::string name; // "DMN-C"
  std::string circuit;
  std::string kind;                 // "connectivity" or "activation"
  std::string symbol;               // short symbol of the paper, "D_C"
  std::vector<std::string> members; // feature names
  std::vector<double> orientation;  // a sign or weight per member; empty is all +1
};

struct Taxonomy {
  std::string name;
  std::string version;
  std::string description;
  std::string space;                 // of the coordinates and masks, e.g. "MNI152NLin6Asym"
  std::map<std::string, Task> tasks; // by key; "rest" is task-free
  std::vector<Region> regions;
  std::vector<Measure> measures;
  std::vector<Feature> features;
  std::vector<Score> scores;
};

[[nodiscard]] std::string to_string(MeasureKind kind);
[[nodiscard]] MeasureKind measure_kind(const std::string& text); // throws usage

// Everything that is wrong, empty when nothing is: unknown or repeated names, a measure without a
// feature, features and measures that do not partition, an orientation of another length.
[[nodiscard]] std::vector<std::string> problems(const Taxonomy& taxonomy);

[[nodiscard]] std::vector<std::string> measure_names(const Taxonomy& taxonomy);
[[nodiscard]] std::vector<std::string> feature_names(const Taxonomy& taxonomy);
[[nodiscard]] std::vector<std::string> score_names(const Taxonomy& taxonomy);

// What a name stands for, in a line of words: "connectivity of left amygdala and ... at rest",
// "mean of NS2NS1b, NS1NS2a", "Salience, connectivity: mean of S1S3, S2S4".
[[nodiscard]] std::string in_words(const Taxonomy& taxonomy, const Measure& measure);
[[nodiscard]] std::string in_words(const Taxonomy& taxonomy, const Feature& feature);
[[nodiscard]] std::string in_words(const Score& score);

// Regions with distinct masks, first code of each, in order: what has to be extracted.
[[nodiscard]] std::vector<Region> distinct_regions(const Taxonomy& taxonomy);
// Region code -> position in distinct_regions.
[[nodiscard]] std::map<std::string, std::size_t> region_positions(const Taxonomy& taxonomy);
// Region code -> position in `extracted`, a list with one code of each mask that was extracted.
// Codes that share a mask share the position; a region that was not extracted is absent.
[[nodiscard]] std::map<std::string, std::size_t>
region_columns(const Taxonomy& taxonomy, const std::vector<std::string>& extracted);

[[nodiscard]] const Contrast* find_contrast(const Task& task, const std::string& name); // or null
// Whether a run with this BIDS task label is one of the task.
[[nodiscard]] bool is_labelled(const Task& task, const std::string& label);

} // namespace boldmill::taxonomy
