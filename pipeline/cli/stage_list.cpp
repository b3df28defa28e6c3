#include "pipeline/cli/stage_list.hpp"

namespace boldmill::cli {

// Defined in pipeline/cli/stages.
void add_affine(CLI::App& stage_app);
void add_biotype_test(CLI::App& stage_app);
void add_biotypes(CLI::App& stage_app);
void add_bias_field(CLI::App& stage_app);
void add_bold_mask(CLI::App& stage_app);
void add_bold_resampling(CLI::App& stage_app);
void add_boldref(CLI::App& stage_app);
void add_brain_mask(CLI::App& stage_app);
void add_confounds(CLI::App& stage_app);
void add_connectivity(CLI::App& stage_app);
void add_coregistration(CLI::App& stage_app);
void add_denoise(CLI::App& stage_app);
void add_distortion(CLI::App& stage_app);
void add_dummy_scans(CLI::App& stage_app);
void add_extraction(CLI::App& stage_app);
void add_fieldmap_free(CLI::App& stage_app);
void add_fieldmap_pepolar(CLI::App& stage_app);
void add_fieldmap_phase(CLI::App& stage_app);
void add_head_motion(CLI::App& stage_app);
void add_normalization(CLI::App& stage_app);
void add_predict(CLI::App& stage_app);
void add_regions(CLI::App& stage_app);
void add_multi_echo(CLI::App& stage_app);
void add_slice_timing(CLI::App& stage_app);
void add_carpet(CLI::App& stage_app);
void add_combat(CLI::App& stage_app);
void add_compcor(CLI::App& stage_app);
void add_despike(CLI::App& stage_app);
void add_impute(CLI::App& stage_app);
void add_motion_filter(CLI::App& stage_app);
void add_norms(CLI::App& stage_app);
void add_qc_fc(CLI::App& stage_app);
void add_run_quality(CLI::App& stage_app);
void add_alff(CLI::App& stage_app);
void add_reho(CLI::App& stage_app);
void add_seed_map(CLI::App& stage_app);
void add_signal_quality(CLI::App& stage_app);
void add_graph_measures(CLI::App& stage_app);
void add_modularity(CLI::App& stage_app);
void add_sliding_window(CLI::App& stage_app);
void add_tissue(CLI::App& stage_app);
void add_glm(CLI::App& stage_app);
void add_group_statistics(CLI::App& stage_app);
void add_treatment(CLI::App& stage_app);

void add_stages(CLI::App& stage_app) {
  // In the order of the data's way.
  static constexpr AddStage kStages[] = {add_bias_field,
                                         add_affine,
                                         add_brain_mask,
                                         add_normalization,
                                         add_tissue,
                                         add_dummy_scans,
                                         add_boldref,
                                         add_head_motion,
                                         add_bold_mask,
                                         add_fieldmap_pepolar,
                                         add_fieldmap_phase,
                                         add_fieldmap_free,
                                         add_distortion,
                                         add_coregistration,
                                         add_multi_echo,
                                         add_slice_timing,
                                         add_bold_resampling,
                                         add_regions,
                                         add_extraction,
                                         add_compcor,
                                         add_confounds,
                                         add_motion_filter,
                                         add_despike,
                                         add_denoise,
                                         add_run_quality,
                                         add_carpet,
                                         add_connectivity,
                                         add_sliding_window,
                                         add_graph_measures,
                                         add_modularity,
                                         add_seed_map,
                                         add_alff,
                                         add_reho,
                                         add_signal_quality,
                                         add_glm,
                                         add_qc_fc,
                                         add_impute,
                                         add_combat,
                                         add_norms,
                                         add_biotypes,
                                         add_biotype_test,
                                         add_predict,
                                         add_group_statistics,
                                         add_treatment};
  for (const AddStage add : kStages) add(stage_app);
}

} // namespace boldmill::cli
