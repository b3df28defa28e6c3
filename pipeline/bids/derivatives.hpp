// Outputs of fMRIPrep of every naming generation, found by entities, never by position.
//   before 1.2   *_bold_space-S_preproc, *_bold_space-S_brainmask, *_bold_confounds.tsv,
//   *_T1w_preproc 1.2 - 20.1   *_space-S_desc-preproc_bold, *_desc-confounds_regressors.tsv
//   from 20.2    *_desc-confounds_timeseries.tsv, res-N
//   from 23.x    *_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt, *_desc-coreg_boldref
//   26.0         *_space-orig_desc-hmc_boldref, *_space-run_boldref
// Layouts: DIR/sub-* and the legacy DIR/fmriprep/sub-*.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/bids/index.hpp"
#include "pipeline/bids/model.hpp"

namespace boldmill::bids {

struct DerivedTransform {
  std::string from, to; // spaces as named; the file holds the ITK point map `to` -> `from`
  BidsFile file;
};

// What exists for one run in one space. Paths are relative to DerivativesIndex::root.
struct DerivedRun {
  std::string space;      // "" is the run's own space
  std::string resolution; // "" or the res- label
  std::optional<BidsFile> bold, mask, boldref, hmc_boldref, coreg_boldref;
  std::optional<BidsFile> confounds, confounds_json;
  std::optional<BidsFile> dense; // space-fsLR .dtseries.nii, whatever `space` was asked for
  std::optional<BidsFile> aroma; // desc-aroma_timeseries.tsv, of fMRIPost-AROMA
  std::vector<DerivedTransform> transforms;
  std::vector<std::string> missing; // of bold, mask, boldref, confounds: what was looked for
};

struct DerivedAnat {
  std::optional<BidsFile> t1w, mask, dseg;
  std::map<std::string, BidsFile> tissue; // "CSF", "GM", "WM" -> probability map
  std::vector<DerivedTransform> transforms;
  std::vector<std::string> missing; // of t1w, mask
};

class DerivativesIndex {
public:
  std::string name;           // NAME of --derivatives NAME=DIR
  std::filesystem::path root; // DIR or DIR/fmriprep
  std::string generated_by;   // "fMRIPrep 20.2.1" from dataset_description.json, or ""
  std::vector<Note> notes;
  std::vector<std::string> participants; // "sub-01", bytewise

  [[nodiscard]] std::filesystem::path absolute(const BidsFile& file) const {
    return root / file.path;
  }
  [[nodiscard]] bool has_participant(const std::string& participant_id) const;
  // The functions below read the participant's folders on each call: nothing is kept in memory.
  // `space` as in the file names ("MNI152NLin2009cAsym", "T1w",
  // "MNIPediatricAsym:cohort-2"); "" for the run's own space. An
  // empty `resolution` accepts any, none preferred, then the lowest label.
  [[nodiscard]] DerivedRun find(const BoldRun& run, const std::string& space,
                                const std::string& resolution = {}) const;
  // `space` "" is the participant's own T1w space.
  [[nodiscard]] DerivedAnat anatomy(const ParticipantSession& session,
                                    const std::string& space = {}) const;
  // Spaces in which a preprocessed BOLD of this run exists, bytewise.
  [[nodiscard]] std::vector<std::string> spaces(const BoldRun& run) const;
};

// Error{usage}: no such folder. Error{dataset}: no sub-* folder in DIR or DIR/fmriprep.
[[nodiscard]] DerivativesIndex index_derivatives(const std::string& name,
                                                 const std::filesystem::path& root,
                                                 const Context& context = {});

// "NAME=DIR" or "DIR" (name from the folder). Error{usage}.
[[nodiscard]] std::pair<std::string, std::filesystem::path>
parse_derivatives_argument(const std::string& argument);

} // namespace boldmill::bids
