#include "pipeline/bids/sidecar.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

using nlohmann::json;

constexpr double kLongestTr = 30.0;

std::string shown(const json& value) {
  return display(value.dump(-1, ' ', false, json::error_handler_t::replace), 60);
}

// Reads single keys of the merged object; what is not usable is written down, not thrown.
class Reader {
public:
  Reader(const json& values, std::vector<std::string>& warnings)
      : values_(values), warnings_(warnings) {}

  [[nodiscard]] std::optional<double> number(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_number() && std::isfinite(value->get<double>())) return value->get<double>();
    return refuse(key, *value, "a number"), std::nullopt;
  }

  [[nodiscard]] std::optional<double> positive(const char* key) {
    const std::optional<double> value = number(key);
    if (value && *value > 0.0) return value;
    if (value) refuse(key, values_.at(key), "a positive number");
    return std::nullopt;
  }

  [[nodiscard]] std::string text(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return {};
    if (value->is_string()) return value->get<std::string>();
    return refuse(key, *value, "text"), std::string();
  }

  [[nodiscard]] std::string direction(const char* key) {
    const std::string value = text(key);
    if (value.empty()) return {};
    const bool axis = value[0] == 'i' || value[0] == 'j' || value[0] == 'k';
    if (axis && (value.size() == 1 || value.substr(1) == "-")) return value;
    return refuse(key, values_.at(key), "i, i-, j, j-, k or k-"), std::string();
  }

  [[nodiscard]] std::vector<std::string> texts(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return {};
    if (value->is_string()) return {value->get<std::string>()};
    std::vector<std::string> list;
    if (value->is_array()) {
      for (const json& item : *value) {
        if (item.is_string()) list.push_back(item.get<std::string>());
      }
      if (list.size() == value->size()) return list;
    }
    return refuse(key, *value, "text or a list of text"), std::vector<std::string>();
  }

private:
  const json* find(const char* key) const {
    const auto found = values_.find(key);
    return found == values_.end() || found->is_null() ? nullptr : &*found;
  }
  void refuse(const char* key, const json& value, const char* expected) {
    warnings_.push_back(std::string(key) + ": found " + shown(value) + ", expected " + expected);
  }

  const json& values_;
  std::vector<std::string>& warnings_;
};

[[noreturn]] void refuse(const Sidecar& sidecar, const std::string& what) {
  const std::string from =
      sidecar.sources.empty() ? std::string() : " (from " + display(sidecar.sources.back()) + ")";
  throw Error(ErrorKind::input, display(sidecar.file) + ": " + what + from);
}

void read_repetition_time(Sidecar& sidecar) {
  const auto found = sidecar.values->find("RepetitionTime");
  if (found == sidecar.values->end() || found->is_null()) return;
  if (!found->is_number() || !(found->get<double>() > 0.0) ||
      !std::isfinite(found->get<double>())) {
    refuse(sidecar,
           "RepetitionTime: found " + shown(*found) + ", expected a positive number of seconds");
  }
  sidecar.repetition_time_s = found->get<double>();
}

void read_slice_timing(Sidecar& sidecar) {
  const auto found = sidecar.values->find("SliceTiming");
  if (found == sidecar.values->end() || found->is_null()) return;
  if (!found->is_array()) {
    refuse(sidecar, "SliceTiming: found " + shown(*found) + ", expected a list of seconds");
  }
  for (const json& value : *found) {
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0.0) {
      refuse(sidecar, "SliceTiming: found " + shown(value) + " in the list, expected seconds >= 0");
    }
    sidecar.slice_timing_s.push_back(value.get<double>());
  }
}

// "bids::sub-01/func/x" and "func/x" (relative to the participant) both become "sub-01/func/x".
std::string relative_to_dataset(std::string target, const std::string& participant) {
  if (const std::size_t uri = target.find("::"); target.starts_with("bids:") && uri < 64) {
    return target.substr(uri + 2);
  }
  if (target.starts_with("bids::")) return target.substr(6);
  if (target.starts_with("./")) target = target.substr(2);
  if (target.starts_with("/")) target = target.substr(1);
  if (target.starts_with("sub-") || participant.empty()) return target;
  return participant + "/" + target;
}

} // namespace

Sidecar make_sidecar(std::string file, std::vector<std::string> sources, json merged) {
  Sidecar sidecar;
  sidecar.file = std::move(file);
  sidecar.sources = std::move(sources);
  if (!merged.is_object()) merged = json::object();
  sidecar.values = std::make_shared<const json>(std::move(merged));
  read_repetition_time(sidecar);
  read_slice_timing(sidecar);
  Reader reader(*sidecar.values, sidecar.warnings);
  sidecar.slice_encoding_direction = reader.direction("SliceEncodingDirection");
  sidecar.phase_encoding_direction = reader.direction("PhaseEncodingDirection");
  sidecar.total_readout_time_s = reader.positive("TotalReadoutTime");
  sidecar.effective_echo_spacing_s = reader.positive("EffectiveEchoSpacing");
  sidecar.echo_time_s = reader.positive("EchoTime");
  sidecar.echo_time1_s = reader.positive("EchoTime1");
  sidecar.echo_time2_s = reader.positive("EchoTime2");
  sidecar.units = reader.text("Units");
  sidecar.task_name = reader.text("TaskName");
  sidecar.manufacturer = reader.text("Manufacturer");
  sidecar.model = reader.text("ManufacturersModelName");
  sidecar.institution = reader.text("InstitutionName");
  sidecar.station = reader.text("StationName");
  sidecar.magnetic_field_strength_t = reader.positive("MagneticFieldStrength");
  if (const auto discarded = reader.number("NumberOfVolumesDiscardedByUser");
      discarded && *discarded >= 0.0 && *discarded < 1e6) {
    sidecar.n_volumes_discarded_by_user = static_cast<int>(*discarded);
  }
  const std::string participant = sidecar.file.substr(0, sidecar.file.find('/'));
  for (std::string& target : reader.texts("IntendedFor")) {
    sidecar.intended_for.push_back(relative_to_dataset(std::move(target), participant));
  }
  sidecar.b0_field_identifier = reader.texts("B0FieldIdentifier");
  sidecar.b0_field_source = reader.texts("B0FieldSource");
  if (sidecar.repetition_time_s && sidecar.values->contains("VolumeTiming")) {
    sidecar.warnings.emplace_back("VolumeTiming is ignored beside RepetitionTime");
  }
  return sidecar;
}

RepetitionTime resolve_repetition_time(const Sidecar& sidecar, double header_tr_s) {
  const bool header_usable = header_tr_s > 0.0 && header_tr_s <= kLongestTr;
  if (!sidecar.repetition_time_s) {
    if (sidecar.values && sidecar.values->contains("VolumeTiming")) {
      refuse(sidecar, "VolumeTiming without RepetitionTime: expected volumes at equal distances");
    }
    if (header_usable) {
      return {header_tr_s, "RepetitionTime: none in a sidecar; the image header's " +
                               format_number(header_tr_s) + " s is used"};
    }
    refuse(sidecar, "RepetitionTime: none in a sidecar, and the image header says " +
                        format_number(header_tr_s) + " s; expected (0, 30] s");
  }
  const double tr = *sidecar.repetition_time_s;
  if (tr > kLongestTr) {
    refuse(sidecar, "RepetitionTime: found " + format_number(tr) +
                        ", expected seconds in (0, 30]; is it in milliseconds?");
  }
  RepetitionTime resolved{tr, {}};
  // Headers round to 32 bits and often to milliseconds.
  if (header_usable && std::abs(header_tr_s - tr) > std::max(1e-3, 1e-3 * tr)) {
    resolved.warning = "RepetitionTime: sidecar " + format_number(tr) + " s, image header " +
                       format_number(header_tr_s) + " s; the sidecar is used";
  }
  return resolved;
}

std::vector<double> resolve_slice_timing(const Sidecar& sidecar, int n_slices, double tr_s) {
  const std::vector<double>& times = sidecar.slice_timing_s;
  if (times.empty()) return {};
  if (static_cast<int>(times.size()) != n_slices) {
    refuse(sidecar, "SliceTiming: found " + std::to_string(times.size()) + " times, expected " +
                        std::to_string(n_slices) + ", one per slice");
  }
  for (const double time : times) {
    if (!(time < tr_s)) {
      refuse(sidecar, "SliceTiming: found " + format_number(time) +
                          " s, expected less than the repetition time of " + format_number(tr_s) +
                          " s" + (time > 10.0 * tr_s ? "; is it in milliseconds?" : ""));
    }
  }
  return times;
}

} // namespace boldmill::bids
