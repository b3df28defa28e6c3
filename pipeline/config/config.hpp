// The typed configuration: every number that can change a result, and nothing about how to execute.
// Layers: built-in defaults < preset < file < --set. All errors are reported at once.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/config/cohort_sections.hpp"
#include "pipeline/config/sections.hpp"
#include "pipeline/config/task_names.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/bias_field.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/normalization.hpp"
#include "stages/anatomy/t1w_average.hpp"
#include "stages/anatomy/tissue.hpp"
#include "stages/circuits/intrinsic_measures.hpp"
#include "stages/circuits/measure_covariance.hpp"
#include "stages/circuits/reliability.hpp"
#include "stages/circuits/scores.hpp"
#include "stages/cohort/biotype_test.hpp"
#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/group_statistics.hpp"
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/normative_model.hpp"
#include "stages/cohort/penalised_regression.hpp"
#include "stages/cohort/standardisation.hpp"
#include "stages/cohort/treatment.hpp"
#include "stages/connectivity/alff.hpp"
#include "stages/connectivity/correlation.hpp"
#include "stages/connectivity/graph_measures.hpp"
#include "stages/connectivity/modularity.hpp"
#include "stages/connectivity/reho.hpp"
#include "stages/connectivity/sliding_window.hpp"
#include "stages/connectivity/tangent.hpp"
#include "stages/denoise/carpet.hpp"
#include "stages/denoise/compcor.hpp"
#include "stages/denoise/confounds.hpp"
#include "stages/denoise/despike.hpp"
#include "stages/denoise/dvars.hpp"
#include "stages/denoise/framewise_displacement.hpp"
#include "stages/denoise/motion_filter.hpp"
#include "stages/denoise/nuisance_regression.hpp"
#include "stages/denoise/qc_fc.hpp"
#include "stages/denoise/run_quality.hpp"
#include "stages/denoise/tissue_signals.hpp"
#include "stages/functional/bold_mask.hpp"
#include "stages/functional/boldref.hpp"
#include "stages/functional/coregistration.hpp"
#include "stages/functional/dummy_scans.hpp"
#include "stages/functional/fieldmap_alignment.hpp"
#include "stages/functional/fieldmap_free.hpp"
#include "stages/functional/fieldmap_pepolar.hpp"
#include "stages/functional/fieldmap_phase.hpp"
#include "stages/functional/head_motion.hpp"
#include "stages/functional/multi_echo.hpp"
#include "stages/functional/slice_timing.hpp"
#include "stages/regions/circuit_regions.hpp"
#include "stages/regions/extraction.hpp"
#include "stages/regions/label_atlas.hpp"
#include "stages/task/glm.hpp"

namespace boldmill::config {

// What is read of the dataset and what its columns mean.
struct InputParams {
  std::vector<std::string> task_id;
  std::vector<std::string> rest_tasks{"rest"};
  std::string bold = "auto";
  std::string file_format = "nifti";
  int dummy_scans = -1;
  bool use_sbref = true;
  bool use_lesion_masks = true;
  std::vector<std::string> participant_columns{"site", "scanner", "age", "sex", "group"};
  std::string group_column = "group";
  std::vector<std::string> control_values{"control", "healthy", "HC", "CN"};
  std::string taxonomy = "published2024";
  bool operator==(const InputParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, InputParams>
{
  auto& [task_id, rest_tasks, bold, file_format, dummy_scans, use_sbref, use_lesion_masks,
         participant_columns, group_column, control_values, taxonomy] = params;
  visit("task_id", task_id, "", "tasks to process, empty for all", Limits{});
  visit("rest_tasks", rest_tasks, "", "task labels that are task-free", Limits{});
  visit("bold", bold, "",
        "which series are used: derivatives takes desc-preproc_bold in the target's space from "
        "--derivatives, raw does not, auto takes it where it is there",
        Limits::one_of({"auto", "raw", "derivatives"}));
  visit("file_format", file_format, "",
        "of preprocessed series: cifti takes the dense series in fsLR (.dtseries.nii) and the "
        "labels of --path atlas=FILE.dlabel.nii; circuit measures, which are volumes, are missing",
        Limits::one_of({"nifti", "cifti"}));
  visit("dummy_scans", dummy_scans, "volumes", "volumes before steady state, -1 to detect them",
        Limits::between(-1, 1000));
  visit("use_sbref", use_sbref, "", "coregister by the single-band reference where there is one",
        Limits{});
  visit("use_lesion_masks", use_lesion_masks, "",
        "leave the masks anat/*label-lesion_{roi,mask} out of the fit to the template", Limits{});
  visit("participant_columns", participant_columns, "",
        "columns of participants.tsv that may enter the output", Limits{});
  visit("group_column", group_column, "", "column that tells healthy controls", Limits{});
  visit("control_values", control_values, "", "values of it that mean healthy control", Limits{});
  visit("taxonomy", taxonomy, "", "circuit definition, a file of configs/taxonomies", Limits{});
}

// Where regions and series live.
struct TargetParams {
  std::string template_name = "auto";
  double spacing_mm = 2.0;
  std::vector<std::string> atlases{"AAL"};
  double min_template_dice = 0.85;
  bool operator==(const TargetParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, TargetParams>
{
  auto& [template_name, spacing_mm, atlases, min_template_dice] = params;
  visit("template_name", template_name, "", "target template, auto for the best one installed",
        Limits{});
  visit("spacing_mm", spacing_mm, "mm", "voxel size of the grid in template space",
        Limits::between(1.0, 8.0));
  visit("atlases", atlases, "", "label atlases beside the circuit regions", Limits{});
  visit("min_template_dice", min_template_dice, "",
        "a template-to-template warp with a smaller brain overlap is refused",
        Limits::between(0.0, 1.0));
}

// Tissue masks on the grid of a BOLD reference, from probabilities on the T1w's.
struct TissueMaskParams {
  double csf_threshold = 0.9;
  double white_matter_threshold = 0.95;
  bool operator==(const TissueMaskParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, TissueMaskParams>
{
  auto& [csf_threshold, white_matter_threshold] = params;
  visit("csf_threshold", csf_threshold, "",
        "smallest csf share of a BOLD voxel; lowered step by step when too few voxels pass",
        Limits::between(0.1, 1.0));
  visit("white_matter_threshold", white_matter_threshold, "",
        "smallest white matter share of a BOLD voxel", Limits::between(0.1, 1.0));
}

// Automatic decisions on runs and people; a decisions file overrules them.
struct GateParams {
  double fd_exclusion_mm = 0.3;
  double max_fd_share = 0.25;
  double min_time_s = 0.0;
  double min_coreg_dice = 0.7;
  double min_norm_dice = 0.85;
  double min_derived_dice = 0.5;
  double min_norm_jacobian = 0.0;
  double warn_norm_correlation = 0.8;
  double max_mirror_gain = 0.005;
  double warn_tsnr = 15.0;
  double warn_dropout = 0.15;
  double warn_template_coverage = 0.8;
  double warn_coreg_displacement_mm = 30.0;
  double warn_fwhm_mm = 10.0;
  bool operator==(const GateParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, GateParams>
{
  auto& [fd_exclusion_mm, max_fd_share, min_time_s, min_coreg_dice, min_norm_dice, min_derived_dice,
         min_norm_jacobian, warn_norm_correlation, max_mirror_gain, warn_tsnr, warn_dropout,
         warn_template_coverage, warn_coreg_displacement_mm, warn_fwhm_mm] = params;
  visit("fd_exclusion_mm", fd_exclusion_mm, "mm",
        "framewise displacement that counts against a run", Limits::between(0.0, 100.0));
  visit("max_fd_share", max_fd_share, "",
        "runs with a larger share of volumes above it are excluded from the measures",
        Limits::between(0.0, 1.0));
  visit("min_time_s", min_time_s, "s", "runs with less kept time are excluded from the measures",
        Limits::between(0.0, 1e6));
  visit("min_coreg_dice", min_coreg_dice, "",
        "runs whose brain mask overlaps the T1w's less, inside the field of view, fail",
        Limits::between(0.0, 1.0));
  visit("min_norm_dice", min_norm_dice, "",
        "people whose brain mask overlaps the template's less fail", Limits::between(0.0, 1.0));
  visit("min_derived_dice", min_derived_dice, "",
        "preprocessed runs whose brain mask overlaps the template's less, inside the field of "
        "view, fail: they are in another space",
        Limits::between(0.0, 1.0));
  visit("min_norm_jacobian", min_norm_jacobian, "",
        "people whose warp has a smaller Jacobian determinant fail", Limits::between(-10.0, 1.0));
  visit("warn_norm_correlation", warn_norm_correlation, "",
        "people whose warped T1w correlates less with the template get a warning",
        Limits::between(-1.0, 1.0));
  visit("max_mirror_gain", max_mirror_gain, "NMI",
        "runs that fit the T1w better by more with left and right exchanged fail",
        Limits::between(0.0, 1.0));
  visit("warn_tsnr", warn_tsnr, "", "runs whose median temporal SNR is lower get a warning",
        Limits::between(0.0, 1000.0));
  visit("warn_dropout", warn_dropout, "",
        "runs whose T1w brain, inside the field of view, has no BOLD signal in a larger share",
        Limits::between(0.0, 1.0));
  visit("warn_template_coverage", warn_template_coverage, "",
        "runs whose field of view holds a smaller share of the template's brain",
        Limits::between(0.0, 1.0));
  visit("warn_coreg_displacement_mm", warn_coreg_displacement_mm, "mm",
        "runs that lie further from where the headers say (RMS over an 80 mm sphere)",
        Limits::between(0.0, 1000.0));
  visit("warn_fwhm_mm", warn_fwhm_mm, "mm",
        "runs whose noise is smoother (FWHM from neighbours' correlation)",
        Limits::between(0.0, 100.0));
}

// Susceptibility distortion: where the field comes from and what is done with it.
struct DistortionParams {
  std::string method = "auto";
  std::string jacobian = "auto";
  bool operator==(const DistortionParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, DistortionParams>
{
  auto& [method, jacobian] = params;
  visit("method", method, "",
        "where the field comes from: auto takes what was measured for the run (opposite phase "
        "encoding, phase images, direct map, in this order) or nothing; free estimates the shift "
        "against the T1w",
        Limits::one_of({"auto", "pepolar", "phase", "direct", "free", "none"}));
  visit("jacobian", jacobian, "",
        "intensities are multiplied by the change of volume: always, never, or with fields from "
        "opposite phase encoding only (auto)",
        Limits::one_of({"auto", "always", "never"}));
}

// What is done to voxels before regions are averaged.
struct VoxelParams {
  bool despike = false;
  double smoothing_mm = 0.0;
  bool quality_of_derivatives = false;
  std::vector<std::string> regressors;
  bool operator==(const VoxelParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, VoxelParams>
{
  auto& [despike, smoothing_mm, quality_of_derivatives, regressors] = params;
  visit("despike", despike, "", "spikes of voxels are pulled in (see despike)", Limits{});
  visit(
      "smoothing_mm", smoothing_mm, "mm",
      "FWHM of a Gaussian over the brain's voxels, 0 outside; 0 is none. Region means of smoothed "
      "images",
      Limits::between(0.0, 50.0));
  visit("quality_of_derivatives", quality_of_derivatives, "",
        "of runs preprocessed elsewhere: DVARS before and after denoising, MRIQC's and AFNI's "
        "values and the carpet from their voxels, held in memory; without it what their table of "
        "confounds tells",
        Limits{});
  visit("regressors", regressors, "",
        "series of every voxel's own that are removed with the confounds: images beside a "
        "preprocessed series, on its grid, by how their names end, such as "
        "desc-LFO_timeseries.nii.gz; a * stands for any text. Task models do not hold them",
        Limits{});
}

// Which matrices a person gets.
struct ConnectivityParams {
  std::vector<std::string> kinds{"correlation", "fisher_z"};
  int lag = 1;
  int n_volumes = 0;
  int random_seed = 1;
  bool operator==(const ConnectivityParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, ConnectivityParams>
{
  auto& [kinds, lag, n_volumes, random_seed] = params;
  visit("kinds", kinds, "",
        "what edges hold; ledoit_wolf ones are shrunk as nilearn's, tangent is fitted to the whole "
        "cohort, sliding_window gives mean and SD over windows",
        Limits::one_of({"correlation", "fisher_z", "spearman", "covariance", "precision", "partial",
                        "lagged", "ledoit_wolf", "ledoit_wolf_covariance", "ledoit_wolf_precision",
                        "ledoit_wolf_partial", "tangent", "sliding_window"}));
  visit("lag", lag, "volumes", "of kind lagged: how much later the other region is",
        Limits::between(1, 1e6));
  visit("n_volumes", n_volumes, "volumes",
        "matrices from exactly so many kept volumes of each task, drawn at random; 0 takes all",
        Limits::between(0, 1e6));
  visit("random_seed", random_seed, "", "of that draw", Limits::between(0, 2147483647));
}

// Measures of regions beside their series, see graph/regional.
struct RegionalParams {
  std::vector<std::string> measures;
  std::string graph_kind = "correlation";
  bool operator==(const RegionalParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, RegionalParams>
{
  auto& [measures, graph_kind] = params;
  visit("measures", measures, "",
        "alff, falff, reho, tsnr: means over the voxels of a region; graph: strength, clustering, "
        "efficiency, participation; modularity: Louvain modules with their null",
        Limits::one_of({"alff", "falff", "reho", "tsnr", "graph", "modularity"}));
  visit("graph_kind", graph_kind, "",
        "kind of connectivity whose matrix is the graph, one of connectivity.kinds",
        Limits::one_of({"correlation", "fisher_z", "spearman", "partial", "ledoit_wolf",
                        "ledoit_wolf_partial"}));
}

// How task runs become measures: the design of the first level, and which runs count.
struct TaskModelParams {
  std::string variant = "exact";
  std::string hrf = "spm";
  std::vector<int> fir_delays;
  double high_pass_hz = 0.0078125;
  double slice_time_ref = 0.5;
  bool orthogonalise = true;
  std::string unlisted = "own_column";
  std::string run_weights = "precision";
  std::string task_free_source = "auto";
  double min_coverage = 0.5;
  int min_volumes = 50;
  bool operator==(const TaskModelParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, TaskModelParams>
{
  auto& [variant, hrf, fir_delays, high_pass_hz, slice_time_ref, orthogonalise, unlisted,
         run_weights, task_free_source, min_coverage, min_volumes] = params;
  visit("variant", variant, "", "how the response is sampled, as in stage glm",
        Limits::one_of({"exact", "spm", "nilearn"}));
  visit("hrf", hrf, "", "response function; contrasts are of its first column, of fir the mean",
        Limits::one_of({"spm", "spm+derivative", "spm+derivative+dispersion", "glover",
                        "glover+derivative", "glover+derivative+dispersion", "fir"}));
  visit("fir_delays", fir_delays, "volumes", "delays of hrf fir, 0 first",
        Limits::between(0, 1000));
  visit("high_pass_hz", high_pass_hz, "Hz", "slower cosines are regressors; 0 is none",
        Limits::between(0.0, 1.0));
  visit("slice_time_ref", slice_time_ref, "",
        "when within its repetition time a volume counts as taken, where slices were not brought "
        "to one moment; else that moment counts",
        Limits::between(0.0, 1.0));
  visit("orthogonalise", orthogonalise, "",
        "variants exact and spm: make modulators and derivatives orthogonal to what stands before "
        "them",
        Limits{});
  visit("unlisted", unlisted, "", "trial types that no condition of the task names",
        Limits::one_of({"own_column", "leave_out", "refuse"}));
  visit("run_weights", run_weights, "", "several runs of a task: by 1 / variance, or all alike",
        Limits::one_of({"precision", "equal"}));
  visit("task_free_source", task_free_source, "",
        "task-free measures: auto takes a resting run where one can be used, else the residuals "
        "of task runs",
        Limits::one_of({"auto", "rest", "residual"}));
  visit("min_coverage", min_coverage, "",
        "smallest share of a region's voxels inside the brain mask of a task run; a region of the "
        "circuit definition can have its own",
        Limits::between(0.0, 1.0));
  visit("min_volumes", min_volumes, "volumes", "task runs with fewer volumes kept give no measure",
        Limits::between(1, 1e6));
}

// Psychophysiological interactions; bins and the sampled bin follow task_model.
struct PpiParams {
  std::string deconvolution = "reml";
  std::string noise = "mixture";
  bool center_conditions = true;
  int min_dof = 10;
  bool operator==(const PpiParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, PpiParams>
{
  auto& [deconvolution, noise, center_conditions, min_dof] = params;
  visit("deconvolution", deconvolution, "",
        "neural series of the seed: reml, spm (fixed variances, needs glm.percent_signal), or none",
        Limits::one_of({"reml", "spm", "none"}));
  visit("noise", noise, "",
        "of the target: mixture of white noise and correlations of 2, 6 and 20 s, or white",
        Limits::one_of({"mixture", "white"}));
  visit("center_conditions", center_conditions, "",
        "remove the mean of each condition before it multiplies the seed", Limits{});
  visit("min_dof", min_dof, "", "fewer residual degrees of freedom give no estimate",
        Limits::between(1, 1e6));
}

// What the pages show beyond the numbers.
struct ReportParams {
  bool figures = true;
  bool operator==(const ReportParams&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit)
  requires std::is_same_v<std::remove_const_t<P>, ReportParams>
{
  auto& [figures] = params;
  visit("figures", figures, "",
        "pictures of anatomy and runs (masks, alignment, distortion, signal) in each shard and on "
        "its page: about 2 % of the time of a person and 1 MB. The carpet is kept without them",
        Limits{});
}

// A file that is not part of the dataset: where it is now (execution), and what it is (content).
struct ExternalFile {
  std::string path;   // as given; never stored
  std::string name;   // last part of the path
  std::string sha256; // "" until read; of a folder: of the sorted names and digests of its files
};

struct Config {
  std::string preset;
  InputParams input;
  TargetParams target;
  t1w_average::Params t1w_average;
  bias_field::Params bias_field;
  affine::Params affine;
  brain_mask::Params brain_mask;
  tissue::Params tissue;
  normalization::Params normalization;
  dummy_scans::Params dummy_scans;
  boldref::Params boldref;
  head_motion::Params head_motion;
  DistortionParams distortion;
  fieldmap_pepolar::Params fieldmap_pepolar;
  fieldmap_phase::Params fieldmap_phase;
  fieldmap_free::Params fieldmap_free;
  fieldmap_alignment::Params fieldmap_alignment;
  bold_mask::Params bold_mask;
  coregistration::Params coregistration;
  multi_echo::Params multi_echo;
  slice_timing::Params slice_timing;
  framewise_displacement::Params framewise_displacement;
  dvars::Params dvars;
  TissueMaskParams tissue_masks;
  tissue_signals::Params tissue_signals;
  compcor::Params compcor;
  confounds::Params confounds;
  label_atlas::Params label_atlas;
  circuit_regions::Params circuit_regions;
  VoxelParams voxels;
  despike::Params despike;
  extraction::Params extraction;
  GateParams gates;
  motion_filter::Params motion_filter;
  nuisance_regression::Params nuisance_regression;
  run_quality::Params run_quality;
  carpet::Params carpet;
  ConnectivityParams connectivity;
  correlation::Params correlation;
  tangent::Params tangent;
  sliding_window::Params sliding_window;
  RegionalParams regional;
  alff::Params alff;
  reho::Params reho;
  graph_measures::Params graph_measures;
  modularity::Params modularity;
  qc_fc::Params qc_fc;
  intrinsic_measures::Params intrinsic_measures;
  TaskModelParams task_model;
  glm::Params glm{.percent_signal = true};
  PpiParams ppi;
  measure_covariance::Params measure_covariance;
  scores::Params scores;
  reliability::Params reliability;
  CohortParams cohort;
  imputation::Params imputation;
  chained_imputation::Params chained_imputation{.imputations = 5};
  combat::Params combat{.single_member = "location", .unseen = "unchanged"};
  normative_model::Params normative_model;
  biotype_test::Params biotype_test{.repetitions = 99, .stability_nulls = 19};
  standardisation::Params standardisation;
  penalised_regression::Params prediction;
  AssociationParams associations;
  group_statistics::Params group_statistics;
  TrialParams trial;
  treatment::Params treatment;
  ReportParams report;
  TaskNamesByKey tasks;                      // section "tasks", see task_names.hpp
  std::map<std::string, ExternalFile> files; // by role, see file_roles()
};

// visit(name, params, summary) once per section, in the order of the data's way.
template <class C, class V>
void for_each_section(C& c, V&& visit) {
  visit("input", c.input, std::string_view("what is read of the dataset and what columns mean"));
  visit("target", c.target, std::string_view("template, grid and atlases"));
  visit("t1w_average", c.t1w_average, t1w_average::kStage.summary);
  visit("bias_field", c.bias_field, bias_field::kStage.summary);
  visit("affine", c.affine, affine::kStage.summary);
  visit("brain_mask", c.brain_mask, brain_mask::kStage.summary);
  visit("tissue", c.tissue, tissue::kStage.summary);
  visit("normalization", c.normalization, normalization::kStage.summary);
  visit("dummy_scans", c.dummy_scans, dummy_scans::kStage.summary);
  visit("boldref", c.boldref, boldref::kStage.summary);
  visit("head_motion", c.head_motion, head_motion::kStage.summary);
  visit("distortion", c.distortion,
        std::string_view("correction of susceptibility distortion, and by which field"));
  visit("fieldmap_pepolar", c.fieldmap_pepolar, fieldmap_pepolar::kStage.summary);
  visit("fieldmap_phase", c.fieldmap_phase, fieldmap_phase::kStage.summary);
  visit("fieldmap_free", c.fieldmap_free, fieldmap_free::kStage.summary);
  visit("fieldmap_alignment", c.fieldmap_alignment, fieldmap_alignment::kStage.summary);
  visit("bold_mask", c.bold_mask, bold_mask::kStage.summary);
  visit("coregistration", c.coregistration, coregistration::kStage.summary);
  visit("multi_echo", c.multi_echo, multi_echo::kStage.summary);
  visit("slice_timing", c.slice_timing, slice_timing::kStage.summary);
  visit("framewise_displacement", c.framewise_displacement, framewise_displacement::kStage.summary);
  visit("dvars", c.dvars, dvars::kStage.summary);
  visit("tissue_masks", c.tissue_masks,
        std::string_view("csf and white matter masks on the grid of a BOLD reference"));
  visit("tissue_signals", c.tissue_signals, tissue_signals::kStage.summary);
  visit("compcor", c.compcor, compcor::kStage.summary);
  visit("confounds", c.confounds, confounds::kStage.summary);
  visit("label_atlas", c.label_atlas, label_atlas::kStage.summary);
  visit("circuit_regions", c.circuit_regions, circuit_regions::kStage.summary);
  visit("voxels", c.voxels, std::string_view("what is done to voxels before regions are averaged"));
  visit("despike", c.despike, despike::kStage.summary);
  visit("extraction", c.extraction, extraction::kStage.summary);
  visit("gates", c.gates, std::string_view("automatic decisions on runs and people"));
  visit("motion_filter", c.motion_filter, motion_filter::kStage.summary);
  visit("nuisance_regression", c.nuisance_regression, nuisance_regression::kStage.summary);
  visit("run_quality", c.run_quality, run_quality::kStage.summary);
  visit("carpet", c.carpet, carpet::kStage.summary);
  visit("connectivity", c.connectivity, std::string_view("which matrices are made, and of what"));
  visit("correlation", c.correlation, correlation::kStage.summary);
  visit("tangent", c.tangent, tangent::kStage.summary);
  visit("sliding_window", c.sliding_window, sliding_window::kStage.summary);
  visit("regional", c.regional, std::string_view("measures of regions beside their series"));
  visit("alff", c.alff, alff::kStage.summary);
  visit("reho", c.reho, reho::kStage.summary);
  visit("graph_measures", c.graph_measures, graph_measures::kStage.summary);
  visit("modularity", c.modularity, modularity::kStage.summary);
  visit("qc_fc", c.qc_fc, qc_fc::kStage.summary);
  visit("intrinsic_measures", c.intrinsic_measures, intrinsic_measures::kStage.summary);
  visit("task_model", c.task_model, std::string_view("how task runs become circuit measures"));
  visit("glm", c.glm, glm::kStage.summary);
  visit("ppi", c.ppi, std::string_view("psychophysiological interactions between regions"));
  visit("measure_covariance", c.measure_covariance, measure_covariance::kStage.summary);
  visit("scores", c.scores, scores::kStage.summary);
  visit("reliability", c.reliability, reliability::kStage.summary);
  visit("cohort", c.cohort, std::string_view("targets and the columns the group stage uses"));
  visit("imputation", c.imputation, imputation::kStage.summary);
  visit("chained_imputation", c.chained_imputation, chained_imputation::kStage.summary);
  visit("combat", c.combat, combat::kStage.summary);
  visit("normative_model", c.normative_model, normative_model::kStage.summary);
  visit("biotype_test", c.biotype_test, biotype_test::kStage.summary);
  visit("standardisation", c.standardisation, standardisation::kStage.summary);
  visit("prediction", c.prediction, penalised_regression::kStage.summary);
  visit("associations", c.associations,
        std::string_view("groups and symptoms that scores are tested for"));
  visit("group_statistics", c.group_statistics, group_statistics::kStage.summary);
  visit("trial", c.trial, std::string_view("columns of outcomes and treatments"));
  visit("treatment", c.treatment, treatment::kStage.summary);
  visit("report", c.report, std::string_view("what the pages show beyond the numbers"));
}

// Roles of external files and what each is for.
[[nodiscard]] const std::map<std::string, std::string>& file_roles();

struct Layers {
  std::string preset;                       // name or "", from the command line
  std::filesystem::path file;               // "" for none
  std::vector<std::string> assignments;     // "section.key=value"
  std::map<std::string, std::string> paths; // role -> path, from --path
};

// The effective configuration. Throws Error{usage} with every problem, one per line.
[[nodiscard]] Config load(const Layers& layers);
// From the text of a stored configuration; external files keep name and sha256 and need paths.
[[nodiscard]] Config parse(const std::string& json, const std::string& source,
                           const std::map<std::string, std::string>& paths);

// Canonical JSON: every key, fixed order. Itself a valid input. Paths are not in it.
[[nodiscard]] Json to_json(const Config& config);
[[nodiscard]] Json schema();
// What one key ("section.key" or "section") means: unit, range, default, source stage.
[[nodiscard]] std::string explain(const std::string& key);
[[nodiscard]] std::string params_text(const Json& section); // compact canonical text

// The folder that holds configs/ and share/: $BOLDMILL_DATA, beside the program, or the source
// tree.
[[nodiscard]] std::filesystem::path
data_file(const std::string& relative); // Error{usage} if absent

} // namespace boldmill::config
