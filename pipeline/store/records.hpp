// What one participant-session leaves behind: the content of a shard, and a row of the cohort.
// Plain data; nothing here knows HDF5. See section 6 of the contract for the layout on disk.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace boldmill::store {

struct AtlasRecord {
  std::string name;                     // e.g. "AAL", "circuits"
  std::string space;                    // space of the target template
  std::string description;              // how it got there, warnings included
  std::vector<std::string> label;       // R
  std::vector<std::int32_t> index;      // R, value in the label image or running number
  std::vector<double> x_mm, y_mm, z_mm; // R, centre of mass in the target space
  std::vector<std::int32_t> n_voxels;   // R, on the output grid
  bool operator==(const AtlasRecord&) const = default;
};

struct ParcelSeries {
  Eigen::MatrixXf values;       // T x R as extracted, NaN columns where coverage is too low
  Eigen::MatrixXf denoised;     // T x R after nuisance regression (0 rows when refused), per-run z
  std::vector<double> coverage; // R, share of the region's voxels inside the run's brain mask
};

// Bytes of a carpet plot, a row per voxel; see stage carpet. Empty when not made.
struct Carpet {
  std::vector<std::int8_t> before, after; // rows x columns, row by row; after may be empty
  std::vector<std::int32_t> tissue;       // rows, label of the voxel's tissue
  int volumes_per_column = 1;
  int volumes_per_column_after = 1; // of the volumes kept
};

// The regressors of a task in the first-level model of a run. Empty: it has no model.
struct TaskDesign {
  std::vector<std::string> name; // K
  Eigen::MatrixXf values;        // T x K
};

struct RunRecord {
  std::string run_id; // "sub-01_ses-a_task-rest_run-1"
  std::string task;
  double tr_s = 0.0;
  int n_volumes = 0;
  int n_kept = 0;
  double mean_fd_mm = 0.0;
  double fd_above_threshold = 0.0; // share of volumes
  double mean_std_dvars = 0.0;
  std::string distortion;         // method of the correction, "none" without, "" when not processed
  double slice_reference_s = 0.0; // volume t stands for t * tr_s + this; NaN: not corrected
  double tsnr = 0.0;
  double coreg_dice = 0.0;
  double coreg_displacement_mm = 0.0; // against the headers, RMS over an 80 mm sphere
  double mirror_gain = 0.0;           // of the similarity with left and right exchanged, NMI
  double template_coverage = 0.0;     // share of the template's brain in the field of view
  double dropout = 0.0;               // share of the T1w's brain in it that has no signal
  double fwhm_mm = 0.0;               // smoothness of the noise, geometric mean of the axes
  double t1w_mirror_gain = 0.0;       // of the T1w's correlation with the template, sides exchanged
  double norm_dice = 0.0;
  double norm_correlation = 0.0;
  double norm_min_jacobian = 0.0;
  double norm_max_jacobian = 0.0;
  double dof_left = 0.0;
  std::string status;      // "ok", "warning", "failed", "excluded"
  std::string reason;      // empty when ok
  std::string qc_decision; // from a person's decisions file, empty when none
  std::string qc_rater;
  std::vector<std::string> confound_names;    // K
  Eigen::MatrixXd confounds;                  // T x K, NaN is missing
  std::string confound_metadata;              // JSON object: column -> what a sidecar says of it
  std::vector<std::uint8_t> kept;             // T
  std::map<std::string, double> quality;      // by name, see stage run_quality
  Carpet carpet;                              // in shards only
  TaskDesign design;                          // in shards only
  std::map<std::string, ParcelSeries> series; // by atlas name; absent when the run failed
};

// One connectivity matrix of a participant-session: the upper triangle row by row.
struct ConnectivityRecord {
  std::string source; // task label, or "residual"
  std::string atlas;
  std::string kind;          // "correlation", "fisher_z"
  std::vector<double> edges; // R (R - 1) / 2
  int n_volumes = 0;
};

// A measure of every region, or one number for all of them: of a participant-session, over the
// runs of one task.
struct RegionalRecord {
  std::string source; // task label
  std::string atlas;
  std::string name; // "alff", "strength_positive", "global_efficiency", ...
  bool per_region = true;
  std::vector<double> values; // R, or one
};

struct MeasureRecord {
  double value = 0.0;                                    // NaN when missing
  double se = 0.0;                                       // NaN when not known
  double coverage = 0.0;                                 // smallest region coverage that entered
  std::string reason;                                    // why missing
  double dof = std::numeric_limits<double>::quiet_NaN(); // of se
  double half_difference = std::numeric_limits<double>::quiet_NaN(); // first half minus second
};

struct StageRecord {
  std::string name;
  int version = 0;
  std::string key; // cache key (hex sha256)
  bool operator==(const StageRecord&) const = default;
};

struct InputRecord {
  std::string path; // relative to the dataset
  std::uint64_t bytes = 0;
  std::string sha256;
};

struct ResourceRecord {
  std::string stage;
  std::string item; // run or participant
  double wall_s = 0.0;
  double cpu_s = 0.0;      // of the thread that called it
  double peak_bytes = 0.0; // resident memory of the process, the larger of before and after
  double start_s = std::numeric_limits<double>::quiet_NaN(); // Unix time
  double cores = std::numeric_limits<double>::quiet_NaN();   // that the process used meanwhile
};

struct PersonRecord {
  std::string participant_id;                 // "sub-01"
  std::string session_id;                     // "ses-a" or ""
  std::map<std::string, std::string> columns; // admitted columns of participants.tsv, "" missing
  std::vector<RunRecord> runs;
  std::vector<ConnectivityRecord> connectivity;
  std::vector<RegionalRecord> regional;
  std::string source; // where the task-free measures come from: "rest", "residual" or ""
  std::vector<MeasureRecord> measures; // in the taxonomy's order
  Eigen::MatrixXf error_correlation;   // measures x measures, of their errors; empty when unknown
  std::vector<StageRecord> stages;
  std::vector<InputRecord> inputs;
  std::vector<ResourceRecord> resources;
};

// What all shards of a cohort share; merge refuses shards that disagree.
struct CohortHeader {
  std::string created_by;  // "boldmill 0.1.0"
  std::string build;       // build identity
  std::string cpu_level;   // "x86-64-v3"
  std::string config_json; // effective configuration, canonical
  std::string config_sha256;
  std::string taxonomy_sha256;
  std::string cohort_id;            // digest of the dataset description, tells cohorts apart
  std::string command;              // paths cut to their last part; not compared
  std::vector<std::string> measure; // names, taxonomy order
  std::vector<std::string> feature;
  std::vector<std::string> score;
  std::vector<std::string> participant_columns; // admitted, in the file's order
  std::vector<AtlasRecord> atlases;
};

// ---- what the cohort stages add after the merge (section 6: /circuits, /cohort) ----

using FlagMatrix = Eigen::Matrix<std::uint8_t, Eigen::Dynamic, Eigen::Dynamic>; // 0 or 1

// N x S values with their standard errors and coverages; an empty matrix is not written.
struct ScoreTable {
  Eigen::MatrixXd value;    // NaN when missing
  Eigen::MatrixXd se;       // empty or N x S, NaN when not known
  Eigen::MatrixXd coverage; // empty or N x S
  Eigen::MatrixXd se_run;   // empty or N x S: without the error of the reference
  std::vector<std::vector<std::string>> reason; // empty or N x S: why missing, "" when present
};

// The healthy reference that features are standardised against.
struct ReferenceRecord {
  std::string axis = "measure"; // "measure" or "feature": what the three vectors run over
  std::vector<double> mean;
  std::vector<double> sd;
  std::vector<std::int32_t> n;
  std::string source;          // of its task-free measures: "rest", "residual" or ""
  Eigen::MatrixXd correlation; // of the healthy people's values; in model files only
};

struct MetricRecord {
  std::string name;   // "r2", "mae", "auc", ...
  double value = 0.0; // NaN when undefined
  double lower = 0.0; // interval, NaN when none
  double upper = 0.0;
  double p_permutation = 0.0; // NaN when not tested
};

// One target, one model, one way to cross-validate. Every vector over rows has N entries; rows that
// took no part are NaN (or fold -1). Empty vectors and matrices are not written.
struct PredictionRecord {
  std::string target;                      // column name
  std::string model;                       // "elastic_net"
  std::string cv;                          // "leave_site_out"
  std::vector<double> y;                   // N, class number when there are classes
  std::vector<double> prediction;          // N, regression
  std::vector<std::string> class_name;     // C, empty for a regression
  Eigen::MatrixXd probability;             // N x C
  std::vector<double> lower, upper;        // N, prediction interval
  double interval_level = 0.0;             // nominal coverage of the interval, 0 when there is none
  FlagMatrix set;                          // N x C, conformal class set
  std::vector<std::string> arm;            // A treatment arms
  Eigen::MatrixXd by_arm;                  // N x A
  std::vector<std::uint8_t> abstain;       // N
  std::vector<std::string> abstain_reason; // N, "" where it does not
  Eigen::MatrixXi fold;                    // repeats x N, test fold of a row, -1 not used
  // Of N x G circuits: sums of coefficient times standardised input, from the model that did not
  // see the person; of classes in log-odds.
  std::vector<std::string> contribution_name;
  Eigen::MatrixXd contribution;
  std::vector<std::string> coefficient_name; // K
  std::vector<double> coefficient;           // K, of the model fitted on every usable row
  Eigen::MatrixXd fold_coefficient;          // folds x K, of the models of the folds
  std::vector<MetricRecord> metrics;
  std::string null_metric;              // the metric of the permutation null
  std::vector<double> permutation_null; // values under permuted targets
  std::string model_card;               // JSON
};

struct NotDone {
  std::string analysis; // "predictions/age", "circuit_scores", ...
  std::string reason;
};

// Connectivity in the tangent space of the cohort's geometric mean, of one source and atlas.
struct TangentRecord {
  using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  std::string source, atlas;
  Rows edges;           // N x R (R - 1) / 2, upper triangle row by row; NaN without
  Rows diagonal;        // N x R
  Eigen::MatrixXd mean; // R x R, NaN for regions that someone lacks
  std::int32_t n_people = 0;
};

// How much of the differences between people's connectivity is motion; see stage qc_fc.
struct QcFcRecord {
  std::string source, atlas, kind;
  std::vector<double> r, p;          // by edge
  std::vector<MetricRecord> summary; // median_absolute_r, share_significant, distance_dependence
  std::map<std::string, std::vector<double>> null; // of each summary, by its name
  std::vector<std::string> covariates;
  std::int32_t n_people = 0;
};

// How reliable each measure is over the cohort; see stage reliability. Columns by name in the order
// of reliability_columns(); NaN and "" are missing.
struct ReliabilityRecord {
  std::map<std::string, std::vector<double>> numbers;    // M each
  std::map<std::string, std::vector<std::string>> texts; // M each
  // N x M: change since the person's first session with the measure over what session error makes
  // of no change, standard normal without change.
  Eigen::MatrixXd reliable_change;
};
struct ReliabilityColumn {
  std::string name, what;
  bool is_text = false;
};
[[nodiscard]] const std::vector<ReliabilityColumn>& reliability_columns();

// Results of one analysis as columns of equal length over an axis of their own, or over `row`.
struct TableColumn {
  std::string name, what;
  bool is_text = false;
  std::vector<std::string> text; // "" missing
  std::vector<double> number;    // NaN missing
};
struct TableRecord {
  std::string path; // below /cohort, "treatment/policies"
  std::string axis; // "test", "policy", ... or "row"
  std::string what;
  std::string fitted_on; // attribute, "" without
  std::vector<TableColumn> columns;
};

// Arrays with named axes that belong together: a fitted model, or the results of one analysis. Axes
// that the group does not have itself (`row`, `measure`, ...) are those of the file.
struct NamedArray {
  std::string name = {}, what = {};
  std::vector<std::string> axes = {};
  std::vector<double> number = {}; // row by row, NaN missing
  std::vector<std::int32_t> integer = {};
  std::vector<std::string> text = {}; // "" missing
  bool is_integer = false, is_text = false;
};
struct NamedAxis {
  std::string name;
  std::size_t size = 0;
  std::vector<std::string> labels; // or
  std::vector<double> values;      // or neither: 0..size - 1
};
struct GroupRecord {
  std::string path = {}, what = {}; // below /cohort, or below /learned of a model file
  std::string fitted_on = {};       // attribute, "" without
  std::vector<std::pair<std::string, std::string>> settings = {}; // name and value as text
  std::vector<NamedAxis> axes = {};
  std::vector<NamedArray> arrays = {};
  // Error{input}: no such array.
  [[nodiscard]] const NamedArray& array(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const;
  [[nodiscard]] std::string setting(const std::string& name) const; // "" without
};

// A prediction model as it is applied to a new person: of its columns the value put in place of a
// missing one, then (x - mean) / sd, then intercept + x . coefficient.
struct FrozenPrediction {
  std::string target;
  std::vector<std::string> class_name; // two of a logistic model, else none
  std::vector<std::string> column;     // K measures
  std::vector<double> fill, mean, sd;  // K; sd 0: the column is 0
  std::vector<double> coefficient;     // K
  double intercept = 0.0;
  double largest_distance = 0.0;  // of a training row: root mean square of its standardised inputs
  double max_missing_share = 1.0; // of all measures; with more nothing is said
  double interval_level = 0.0;
  double half_width = 0.0;               // conformal, of a number
  std::vector<double> least_probability; // of each class to enter the set
  std::int32_t n_people = 0;
  std::string model_card; // JSON
  // Its imputation and harmonisation stand among what the file learned, below predictions/N; `fill`
  // is then not used.
  bool has_steps = false;
};

struct CohortResults {
  ScoreTable features; // N x F, standardised against the reference
  ScoreTable scores;   // N x S
  ReferenceRecord reference;
  std::string fitted_on = "whole_cohort"; // attribute of features, scores and reference
  FlagMatrix imputed;                     // N x measures, empty: nothing was imputed
  std::vector<PredictionRecord> predictions;
  std::vector<TangentRecord> tangents;
  std::vector<QcFcRecord> qc_fc;
  std::optional<ReliabilityRecord> reliability;
  Eigen::MatrixXd completed; // imputations x (N x measures), one below the other; empty: none
  std::vector<TableRecord> tables;
  std::vector<GroupRecord> groups;      // harmonization, norms, biotypes, ...
  std::vector<FrozenPrediction> frozen; // of the predictions, for the model file
  std::vector<GroupRecord> learned;     // of steps and norms, for the model file
  std::vector<NotDone> not_done;
};

} // namespace boldmill::store
