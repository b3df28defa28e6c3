// Tables of what the cohort learned of its people.
#include <cmath>

#include "pipeline/report/table_file.hpp"

namespace boldmill::report {
namespace fs = std::filesystem;
using Text = std::vector<std::string>;

// Arrays of /cohort/biotypes over rows; the name of the cluster beside its number.
void write_biotypes(const fs::path& out, const store::CohortReader& cohort,
                    const store::ParticipantsTable& people, std::vector<fs::path>& written) {
  const auto record = cohort.group("biotypes");
  if (!record) return;
  const Text& name = record->array("profile_name").text;
  const std::string verdict = record->array("verdict_in_words").text.at(0);
  const auto profiles = [&](const std::vector<double>& label) {
    Text values;
    for (const double one : label) {
      values.push_back(one < 0 ? "" : name.at(static_cast<std::size_t>(one)));
    }
    return values;
  };
  const auto numbered = [](std::vector<double> label) {
    for (double& one : label) one = one < 0 ? std::nan("") : one;
    return label;
  };
  TableFile table = people_table(people);
  const auto& label = record->array("label").number;
  const auto& assigned = record->array("assigned").number;
  table.numbers("label", numbered(label), record->array("label").what + ". Verdict: " + verdict);
  table.text("profile", profiles(label), record->array("profile_name").what);
  table.numbers("assigned", numbered(assigned), record->array("assigned").what);
  table.text("assigned_profile", profiles(assigned), "of the cluster assigned");
  for (const char* each : {"margin", "stability", "co_assignment"}) {
    table.numbers(each, record->array(each).number, record->array(each).what);
  }
  table.write(out, "biotypes", written);
}

// z, centile and standard error of every measure that has a norm.
void write_norms(const fs::path& out, const store::CohortReader& cohort,
                 const store::ParticipantsTable& people, std::vector<fs::path>& written) {
  const auto record = cohort.group("norms");
  if (!record) return;
  const Text& measures = cohort.header().measure;
  TableFile table = people_table(people);
  for (std::size_t m = 0; m < measures.size(); ++m) {
    if (std::isnan(record->array("spread").number.at(m))) continue;
    for (const char* each : {"z", "centile", "z_se"}) {
      const store::NamedArray& array = record->array(each);
      std::vector<double> values;
      for (std::size_t row = 0; row < cohort.n_rows(); ++row) {
        values.push_back(array.number.at(row * measures.size() + m));
      }
      table.numbers(measures[m] + "_" + each, values, array.what);
    }
  }
  for (const char* each : {"age_outside", "new_site", "in_reference"}) {
    table.numbers(each, record->array(each).number, record->array(each).what);
  }
  table.write(out, "norms", written);
}

} // namespace boldmill::report
