// What the JSON sidecars of one file say, merged along the inheritance principle.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace boldmill::bids {

// Absent keys are empty. Units are BIDS units: seconds.
struct Sidecar {
  std::string file;                 // the described file, relative to the dataset
  std::vector<std::string> sources; // JSON files merged, top of the dataset first
  std::optional<double> repetition_time_s;
  std::vector<double> slice_timing_s;   // one per slice, empty when absent
  std::string slice_encoding_direction; // "i", "j", "k" with optional "-"
  std::string phase_encoding_direction; // same
  std::optional<double> total_readout_time_s;
  std::optional<double> effective_echo_spacing_s;
  std::optional<double> echo_time_s;
  std::optional<double> echo_time1_s, echo_time2_s; // phasediff
  std::string units;                                // of a fieldmap
  std::string task_name;
  std::string manufacturer, model, institution, station; // scanner
  std::optional<double> magnetic_field_strength_t;
  std::optional<int> n_volumes_discarded_by_user;
  std::vector<std::string> intended_for; // relative to the dataset, "sub-01/func/..."
  std::vector<std::string> b0_field_identifier;
  std::vector<std::string> b0_field_source;
  std::vector<std::string> warnings;            // values that were not usable, in words
  std::shared_ptr<const nlohmann::json> values; // everything, never null
};

// Typed access to merged values. Error{input} when RepetitionTime or SliceTiming is not usable;
// anything else that is not usable becomes a warning and stays absent.
[[nodiscard]] Sidecar make_sidecar(std::string file, std::vector<std::string> sources,
                                   nlohmann::json merged);

struct RepetitionTime {
  double tr_s = 0.0;
  std::string warning; // empty, or how sidecar and header disagree
};
// The sidecar is authoritative, the header a check and the fallback. `header_tr_s` in seconds, 0 or
// NaN when the header does not say. Error{input}: neither gives a time in (0, 30] s; values above
// are named as probable milliseconds, never divided silently.
[[nodiscard]] RepetitionTime resolve_repetition_time(const Sidecar& sidecar, double header_tr_s);

// Slice times that fit the image: `n_slices` of them, each in [0, tr_s). Empty when the sidecar has
// none; Error{input} when they do not fit.
[[nodiscard]] std::vector<double> resolve_slice_timing(const Sidecar& sidecar, int n_slices,
                                                       double tr_s);

} // namespace boldmill::bids
