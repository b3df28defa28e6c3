#include "pipeline/bids/fieldmap_estimator.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

constexpr double kLongestReadout_s = 1.0;

struct Candidate {
  BidsFile file;
  Sidecar sidecar;
};

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// Everything that belongs to one field: an identifier, or the entities all its files share.
struct Group {
  std::string identifier;
  std::vector<Candidate> members;
};

std::optional<Candidate> read(const BidsIndex& index, const ParticipantSession& session,
                              const BidsFile& file, std::vector<std::string>& warnings) {
  if (!file.problem.empty()) {
    warnings.push_back(display(file.path) + ": " + file.problem);
    return std::nullopt;
  }
  try {
    return Candidate{file, index.metadata(session, file)};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    warnings.emplace_back(error.what());
    return std::nullopt;
  }
}

// The groups that name the run, in the order of preference.
std::vector<Group> groups_of(const BidsIndex& index, const ParticipantSession& session,
                             const BoldRun& run, const Sidecar& bold,
                             std::vector<std::string>& warnings) {
  std::vector<Candidate> fieldmaps;
  for (const BidsFile& file : session.fieldmaps) {
    if (auto candidate = read(index, session, file, warnings)) {
      fieldmaps.push_back(std::move(*candidate));
    }
  }
  std::vector<Group> groups;
  for (const std::string& source : bold.b0_field_source) {
    Group group{source, {}};
    for (const Candidate& candidate : fieldmaps) {
      if (contains(candidate.sidecar.b0_field_identifier, source))
        group.members.push_back(candidate);
    }
    for (const BoldRun& other : session.runs) {
      std::vector<BidsFile> files{other.file};
      if (other.sbref) files.push_back(*other.sbref);
      for (const BidsFile& file : files) {
        auto candidate = read(index, session, file, warnings);
        if (candidate && contains(candidate->sidecar.b0_field_identifier, source)) {
          group.members.push_back(std::move(*candidate));
        }
      }
    }
    groups.push_back(std::move(group));
  }
  const bool found = std::any_of(groups.begin(), groups.end(),
                                 [](const Group& group) { return !group.members.empty(); });
  if (found) return groups;
  // Without B0 fields: one group of everything that is intended for the run.
  Group group;
  for (Candidate& candidate : fieldmaps) {
    if (contains(candidate.sidecar.intended_for, run.file.path)) {
      group.members.push_back(std::move(candidate));
    }
  }
  groups.push_back(std::move(group));
  return groups;
}

class Finder {
public:
  Finder(const BidsIndex& index, const ParticipantSession& session, const BoldRun& run,
         const AxisLength& axis_length)
      : index_(index), session_(session), run_(run), axis_length_(axis_length) {}

  FieldmapEstimator find(const std::vector<FieldmapKind>& kinds) {
    const Sidecar bold = index_.metadata(session_, run_.file);
    if (!encode({run_.file, bold}, out_.run)) {
      out_.reason = reasons_.back();
      return std::move(out_);
    }
    const auto groups = groups_of(index_, session_, run_, bold, out_.warnings);
    bool any = false;
    for (const Group& group : groups) {
      any = any || !group.members.empty();
      for (const FieldmapKind kind : kinds) {
        if (take(kind, group)) {
          out_.kind = kind;
          out_.identifier = group.identifier;
          return std::move(out_);
        }
      }
    }
    if (session_.fieldmaps.empty()) {
      out_.reason = "the session has no field map";
    } else if (!any) {
      out_.reason = bold.b0_field_source.empty()
                        ? "no field map names the run (IntendedFor)"
                        : "no file has a B0FieldIdentifier that the run names as B0FieldSource, "
                          "and none is intended for it";
    } else if (reasons_.empty()) {
      out_.reason = "the run's field maps are of another kind";
    } else {
      out_.reason = reasons_.front();
    }
    return std::move(out_);
  }

private:
  bool encode(const Candidate& candidate, EncodedFile& out) {
    const std::string name = display(candidate.file.path);
    out.file = candidate.file;
    out.direction = candidate.sidecar.phase_encoding_direction;
    if (out.direction.empty()) {
      reasons_.push_back(name + ": no PhaseEncodingDirection");
      return false;
    }
    const auto time = total_readout_time(candidate.sidecar, candidate.file, axis_length_);
    out.readout_s = time.s;
    if (!time.reason.empty()) reasons_.push_back(name + ": " + time.reason);
    return time.reason.empty();
  }

  bool take(FieldmapKind kind, const Group& group) {
    switch (kind) {
    case FieldmapKind::pepolar: return take_pepolar(group);
    case FieldmapKind::phase_difference: return take_phase(group, {"phasediff"});
    case FieldmapKind::two_phases: return take_phase(group, {"phase1", "phase2"});
    case FieldmapKind::direct: return take_direct(group);
    default: return false;
    }
  }

  static bool same_encoding(const EncodedFile& a, const EncodedFile& b) {
    return a.direction == b.direction &&
           std::abs(a.readout_s - b.readout_s) < 0.02 * std::max(a.readout_s, b.readout_s);
  }
  static bool opposite(const EncodedFile& a, const EncodedFile& b) {
    return a.direction[0] != b.direction[0] || a.direction.size() != b.direction.size();
  }

  bool take_pepolar(const Group& group) {
    std::vector<EncodedFile> images;
    for (const Candidate& member : group.members) {
      const std::string& suffix = member.file.suffix;
      if (suffix != "epi" && suffix != "bold" && suffix != "sbref" && suffix != "m0scan") continue;
      EncodedFile image;
      if (encode(member, image)) images.push_back(std::move(image));
    }
    if (images.empty()) return false;
    const auto has_opposite = [&] {
      return std::any_of(images.begin(), images.end(),
                         [&](const EncodedFile& image) { return opposite(image, images[0]); });
    };
    if (!has_opposite()) {
      // The run shows the other direction itself; its single-band reference does it better.
      if (!opposite(images[0], out_.run)) {
        reasons_.push_back("all images have the phase encoding " + images[0].direction +
                           ", expected opposite ones");
        return false;
      }
      EncodedFile own = out_.run;
      if (run_.sbref) {
        auto candidate = read(index_, session_, *run_.sbref, out_.warnings);
        EncodedFile reference;
        if (candidate && encode(*candidate, reference) && same_encoding(reference, own)) {
          own = reference;
        }
      }
      images.insert(images.begin(), own);
    }
    // Images encoded like the run come first: the field is in the pose of the first.
    std::stable_partition(images.begin(), images.end(), [&](const EncodedFile& image) {
      return image.direction == out_.run.direction;
    });
    out_.epi = std::move(images);
    return true;
  }

  // The image beside `file` with another suffix.
  [[nodiscard]] std::optional<BidsFile> beside(const BidsFile& file,
                                               std::string_view suffix) const {
    for (const BidsFile& other : session_.fieldmaps) {
      if (other.suffix == suffix && other.entities == file.entities && other.problem.empty()) {
        return other;
      }
    }
    return std::nullopt;
  }

  bool take_phase(const Group& group, const std::vector<std::string_view>& suffixes) {
    for (const Candidate& member : group.members) {
      if (member.file.suffix != suffixes[0]) continue;
      std::vector<BidsFile> phase{member.file};
      std::optional<double> first = member.sidecar.echo_time1_s;
      std::optional<double> second = member.sidecar.echo_time2_s;
      if (suffixes.size() > 1) {
        const auto other = beside(member.file, suffixes[1]);
        if (!other) {
          reasons_.push_back(display(member.file.path) + ": no phase2 beside it");
          continue;
        }
        const auto candidate = read(index_, session_, *other, out_.warnings);
        if (!candidate) continue;
        phase.push_back(*other);
        first = member.sidecar.echo_time_s;
        second = candidate->sidecar.echo_time_s;
      }
      const char* keys = suffixes.size() > 1 ? "EchoTime of both" : "EchoTime1 and EchoTime2";
      if (!first || !second || !(*second > *first) || *second > 0.2) {
        reasons_.push_back(display(member.file.path) + ": found no " + keys +
                           " that grow and are seconds");
        continue;
      }
      auto magnitude = beside(member.file, "magnitude1");
      if (!magnitude) magnitude = beside(member.file, "magnitude");
      if (!magnitude) {
        reasons_.push_back(display(member.file.path) + ": no magnitude image beside it");
        continue;
      }
      out_.phase = std::move(phase);
      out_.magnitude = std::move(magnitude);
      out_.echo_time1_s = *first;
      out_.echo_time2_s = *second;
      return true;
    }
    return false;
  }

  bool take_direct(const Group& group) {
    for (const Candidate& member : group.members) {
      if (member.file.suffix != "fieldmap") continue;
      std::string units = member.sidecar.units;
      if (units == "Tesla") units = "T";
      if (units != "Hz" && units != "rad/s" && units != "T") {
        reasons_.push_back(display(member.file.path) + ": Units: found \"" + display(units) +
                           "\", expected Hz, rad/s or T");
        continue;
      }
      out_.field = member.file;
      out_.units = units;
      out_.magnitude = beside(member.file, "magnitude");
      return true;
    }
    return false;
  }

  const BidsIndex& index_;
  const ParticipantSession& session_;
  const BoldRun& run_;
  const AxisLength& axis_length_;
  FieldmapEstimator out_;
  std::vector<std::string> reasons_;
};

} // namespace

std::string_view to_string(FieldmapKind kind) {
  switch (kind) {
  case FieldmapKind::pepolar: return "opposite phase encoding";
  case FieldmapKind::phase_difference: return "phase difference";
  case FieldmapKind::two_phases: return "two phase images";
  case FieldmapKind::direct: return "direct field map";
  default: return "none";
  }
}

bool FieldmapEstimator::uses_run() const {
  return std::any_of(epi.begin(), epi.end(),
                     [&](const EncodedFile& image) { return image.file.path == run.file.path; });
}

std::vector<BidsFile> FieldmapEstimator::files() const {
  std::vector<BidsFile> list;
  for (const EncodedFile& image : epi) {
    if (image.file.path != run.file.path) list.push_back(image.file);
  }
  list.insert(list.end(), phase.begin(), phase.end());
  if (field) list.push_back(*field);
  if (magnitude) list.push_back(*magnitude);
  return list;
}

TotalReadoutTime total_readout_time(const Sidecar& sidecar, const BidsFile& file,
                                    const AxisLength& axis_length) {
  double time = 0.0;
  std::string key = "TotalReadoutTime";
  if (sidecar.total_readout_time_s) {
    time = *sidecar.total_readout_time_s;
  } else if (sidecar.effective_echo_spacing_s) {
    key = "EffectiveEchoSpacing x (ReconMatrixPE - 1)";
    double lines = 0.0;
    const auto found = sidecar.values->find("ReconMatrixPE");
    if (found != sidecar.values->end() && found->is_number()) {
      lines = found->get<double>();
    } else if (!sidecar.phase_encoding_direction.empty() && axis_length) {
      lines = axis_length(file, sidecar.phase_encoding_direction[0] - 'i');
    }
    time = *sidecar.effective_echo_spacing_s * (lines - 1.0);
  } else {
    return {0.0, "neither TotalReadoutTime nor EffectiveEchoSpacing"};
  }
  if (time > 0.0 && time <= kLongestReadout_s) return {time, {}};
  return {0.0, key + ": found " + format_number(time) + ", expected (0, 1] s" +
                   (time > kLongestReadout_s ? "; is it in milliseconds?" : "")};
}

FieldmapEstimator fieldmap_estimator(const BidsIndex& index, const ParticipantSession& session,
                                     const BoldRun& run, const std::vector<FieldmapKind>& kinds,
                                     const AxisLength& axis_length) {
  return Finder(index, session, run, axis_length).find(kinds);
}

} // namespace boldmill::bids
