#include "pipeline/simulate/sidecars.hpp"

#include <cmath>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/tsv.hpp"

namespace boldmill::simulate {
namespace {

Json phase_json(const Site& site, bool positive) {
  Json json;
  json["PhaseEncodingDirection"] = positive ? "j" : "j-";
  json["TotalReadoutTime"] = site.readout_s;
  json["EffectiveEchoSpacing"] = site.readout_s / (site.bold.shape[1] - 1);
  return json;
}

std::vector<double> rounded(std::vector<double> values) {
  for (double& v : values) v = std::round(v * 1e6) / 1e6;
  return values;
}

Json participants_json() {
  Json json;
  json["age"] = {{"Description", "age at the first session"}, {"Units", "year"}};
  json["sex"] = {{"Description", "sex"}, {"Levels", {{"F", "female"}, {"M", "male"}}}};
  json["site"] = {{"Description", "recruiting site"}};
  json["scanner"] = {{"Description", "scanner of the site"}};
  json["group"] = {{"Description", "diagnostic group"},
                   {"Levels", {{"control", "healthy"}, {"patient", "depressive disorder"}}}};
  json["arm"] = {{"Description", "randomised treatment"},
                 {"Levels", {{"medication", "antidepressant"}, {"behavioural", "psychotherapy"}}}};
  json["severity_baseline"] = {{"Description", "symptom severity before treatment"}};
  json["severity_followup"] = {{"Description", "symptom severity after treatment"}};
  json["symptom_change"] = {{"Description", "change of severity from baseline; negative is better"},
                            {"Units", "percent"}};
  json["response"] = {{"Description", "severity fell by more than half"},
                      {"Levels", {{"0", "no"}, {"1", "yes"}}}};
  json["rumination"] = {{"Description", "trait rumination, everybody"}};
  return json;
}

void write_participants(const std::filesystem::path& root, const std::vector<Site>& sites,
                        const std::vector<Person>& people) {
  std::vector<std::string> id, sex, site, scanner, group, arm, response;
  std::vector<double> age, baseline, followup, change, rumination;
  for (const Person& p : people) {
    const Site& s = sites[static_cast<std::size_t>(p.site)];
    id.push_back("sub-" + p.label);
    sex.push_back(p.sex);
    site.push_back(s.name);
    scanner.push_back(s.scanner);
    group.push_back(p.patient ? "patient" : "control");
    arm.push_back(p.arm < 0 ? "" : (p.arm == 0 ? "medication" : "behavioural"));
    response.push_back(!p.patient ? "" : (p.response() ? "1" : "0"));
    age.push_back(p.age);
    baseline.push_back(p.severity_baseline);
    followup.push_back(p.severity_followup);
    change.push_back(std::round(p.symptom_change * 10.0) / 10.0);
    rumination.push_back(std::round(p.rumination * 100.0) / 100.0);
  }
  bids::TableWriter table;
  table.text("participant_id", id).numbers("age", age).text("sex", sex).text("site", site);
  table.text("scanner", scanner).text("group", group).text("arm", arm);
  table.numbers("severity_baseline", baseline).numbers("severity_followup", followup);
  table.numbers("symptom_change", change).text("response", response);
  table.numbers("rumination", rumination);
  table.write(root / "participants.tsv");
  write_json(root / "participants.json", participants_json());
}

Json events_json(const std::string& task) {
  Json levels;
  for (const std::string& condition : conditions_of(task)) {
    levels[condition] = task == "gonogo"
                            ? (condition == "go" ? "green word, press" : "red word, do not press")
                            : "block of eight " + condition + " faces" +
                                  (task == "nonconscious" ? ", each masked by a neutral face" : "");
  }
  Json json;
  json["trial_type"] = {{"Description", "condition"}, {"Levels", levels}};
  if (task == "gonogo") {
    json["response_time"] = {{"Description", "button press after onset"}, {"Units", "s"}};
  }
  return json;
}

} // namespace

void write_json(const std::filesystem::path& path, const Json& json) {
  bids::write_file_atomically(path, json.dump(2) + "\n");
}

Json scanner_json(const Site& site) {
  return {{"Manufacturer", site.manufacturer},
          {"ManufacturersModelName", site.model},
          {"DeviceSerialNumber", site.scanner},
          {"InstitutionName", site.name},
          {"MagneticFieldStrength", 3.0}};
}

Json bold_json(const Site& site, const std::string& task, const std::string& b0_field) {
  Json json = scanner_json(site);
  json["TaskName"] = task;
  json["RepetitionTime"] = site.tr_s;
  json["EchoTime"] = site.te_s;
  json["FlipAngle"] = site.flip_deg;
  json["SliceTiming"] = rounded(site.slice_times_s);
  json.update(phase_json(site, site.phase_positive));
  json["B0FieldSource"] = b0_field;
  return json;
}

Json epi_json(const Site& site, bool phase_positive, const std::string& b0_field,
              const std::vector<std::string>& intended_for) {
  Json json = scanner_json(site);
  json["EchoTime"] = 0.06;
  json["FlipAngle"] = 90;
  json.update(phase_json(site, phase_positive));
  json["B0FieldIdentifier"] = b0_field;
  json["IntendedFor"] = intended_for;
  return json;
}

Json t1w_json(const Site& site) {
  Json json = scanner_json(site);
  json["RepetitionTime"] = 2.3;
  json["EchoTime"] = 0.003;
  json["InversionTime"] = 0.9;
  json["FlipAngle"] = 9;
  return json;
}

void write_events(const std::filesystem::path& path, const Design& design) {
  std::vector<double> onset, duration, response;
  std::vector<std::string> type;
  for (const Event& event : design.events) {
    onset.push_back(event.onset_s);
    duration.push_back(event.duration_s);
    type.push_back(design.conditions[static_cast<std::size_t>(event.condition)]);
    response.push_back(std::round(event.response_time_s * 1e3) / 1e3);
  }
  bids::TableWriter table;
  table.numbers("onset", onset).numbers("duration", duration).text("trial_type", type);
  if (design.task == "gonogo") table.numbers("response_time", response);
  table.write(path);
}

void write_dataset_files(const std::filesystem::path& root, const SimulationParams& params,
                         const std::vector<Site>& sites, const std::vector<Person>& people) {
  write_json(root / "dataset_description.json",
             {{"Name", "Simulated circuit cohort"},
              {"BIDSVersion", "1.9.0"},
              {"DatasetType", "raw"},
              {"License", "CC0"},
              {"Authors", {"boldmill simulate"}},
              {"GeneratedBy", {{{"Name", "boldmill"}, {"Description", "boldmill simulate"}}}}});
  bids::write_file_atomically(
      root / "README",
      "Simulated brain images: no person was scanned.\n\nEvery image was computed by "
      "`boldmill simulate` from one anatomy and random numbers. What is true about it (motion,\n"
      "poses, fields, source time courses, effects) stands in sourcedata/truth; start with "
      "sourcedata/truth/README.md.\n");
  write_participants(root, sites, people);
  for (const std::string& task : params.tasks) {
    if (task != "rest") write_json(root / ("task-" + task + "_events.json"), events_json(task));
  }
}

std::string direction_label(const Grid& grid, bool phase_positive) {
  const bool anterior = grid.affine(1, 1) > 0.0;
  return anterior == phase_positive ? "PA" : "AP";
}

} // namespace boldmill::simulate
