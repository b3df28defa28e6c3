// Which files tell the field of one BOLD run, and what their sidecars say. B0FieldSource and
// B0FieldIdentifier first, then IntendedFor (bids:: URIs and relative paths).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/bids/index.hpp"

namespace boldmill::bids {

enum class FieldmapKind { none, pepolar, phase_difference, two_phases, direct };
[[nodiscard]] std::string_view to_string(FieldmapKind kind);

// An echo-planar image with its encoding.
struct EncodedFile {
  BidsFile file;
  std::string direction;  // PhaseEncodingDirection
  double readout_s = 0.0; // total readout time
};

struct FieldmapEstimator {
  FieldmapKind kind = FieldmapKind::none;
  std::string identifier;       // B0FieldIdentifier, "" when found by IntendedFor
  std::vector<EncodedFile> epi; // pepolar: two or more; the run or its sbref may be one of them
  std::vector<BidsFile> phase;  // phasediff; phase1 and phase2
  std::optional<BidsFile> magnitude;
  std::optional<BidsFile> field; // direct
  double echo_time1_s = 0.0, echo_time2_s = 0.0;
  std::string units;  // of the direct field: "Hz", "rad/s", "T"
  EncodedFile run;    // the BOLD run: how it will be undistorted
  std::string reason; // kind none: why
  std::vector<std::string> warnings;

  [[nodiscard]] bool uses_run() const;               // the run's own image is one of `epi`
  [[nodiscard]] std::vector<BidsFile> files() const; // all that are read, the run's left out
};

// Number of voxels of `file` along the stored axis; for EffectiveEchoSpacing without ReconMatrixPE.
using AxisLength = std::function<int(const BidsFile& file, int axis)>;

struct TotalReadoutTime {
  double s = 0.0;     // 0 when unknown
  std::string reason; // why unknown
};
// TotalReadoutTime, else EffectiveEchoSpacing x (ReconMatrixPE - 1). Values outside (0, 1] s are
// refused with a reason.
[[nodiscard]] TotalReadoutTime total_readout_time(const Sidecar& sidecar, const BidsFile& file,
                                                  const AxisLength& axis_length);

// Kinds to look for; the first that can be used, in this order.
inline constexpr FieldmapKind kMeasuredKinds[] = {FieldmapKind::pepolar,
                                                  FieldmapKind::phase_difference,
                                                  FieldmapKind::two_phases, FieldmapKind::direct};

// Never throws for what a dataset may lack: kind none with the reason. Error{input} only when the
// run's own sidecar is broken.
[[nodiscard]] FieldmapEstimator
fieldmap_estimator(const BidsIndex& index, const ParticipantSession& session, const BoldRun& run,
                   const std::vector<FieldmapKind>& kinds, const AxisLength& axis_length);

} // namespace boldmill::bids
