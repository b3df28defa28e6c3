// A participant-session as bytes, on its way from a process that reads its shard. Without series,
// confounds and edges, as CohortReader::person leaves it. Internal to this folder.
#pragma once

#include "pipeline/cache/archive.hpp"
#include "pipeline/store/records.hpp"

namespace boldmill::store {

inline void archive(cache::Archive& a, RunRecord& r) {
  a(r.run_id, r.task, r.tr_s, r.n_volumes, r.n_kept, r.mean_fd_mm, r.fd_above_threshold,
    r.mean_std_dvars, r.distortion, r.slice_reference_s, r.tsnr, r.coreg_dice,
    r.coreg_displacement_mm, r.mirror_gain, r.template_coverage, r.dropout, r.fwhm_mm,
    r.t1w_mirror_gain, r.norm_dice, r.norm_correlation, r.norm_min_jacobian, r.norm_max_jacobian,
    r.dof_left, r.status, r.reason, r.qc_decision, r.qc_rater, r.quality);
}
inline void archive(cache::Archive& a, ConnectivityRecord& r) {
  a(r.source, r.atlas, r.kind, r.n_volumes);
}
inline void archive(cache::Archive& a, RegionalRecord& r) {
  a(r.source, r.atlas, r.name, r.per_region, r.values);
}
inline void archive(cache::Archive& a, MeasureRecord& r) {
  a(r.value, r.se, r.coverage, r.reason, r.dof, r.half_difference);
}
inline void archive(cache::Archive& a, StageRecord& r) { a(r.name, r.version, r.key); }
inline void archive(cache::Archive& a, InputRecord& r) { a(r.path, r.bytes, r.sha256); }
inline void archive(cache::Archive& a, ResourceRecord& r) {
  a(r.stage, r.item, r.wall_s, r.cpu_s, r.peak_bytes, r.start_s, r.cores);
}
inline void archive(cache::Archive& a, PersonRecord& r) {
  a(r.participant_id, r.session_id, r.columns, r.runs, r.connectivity, r.regional, r.source,
    r.measures, r.error_correlation, r.stages, r.inputs, r.resources);
}

} // namespace boldmill::store
