#include <fstream>

#include "pipeline/report/files.hpp"
#include "pipeline/report/references.hpp"
#include "pipeline/report/report.hpp"
#include "stages/core/error.hpp"

namespace boldmill::report {
namespace fs = std::filesystem;
namespace {

// The description already there, null when there is none that can be read.
Json description_in(const fs::path& out) {
  std::ifstream file(out / "dataset_description.json");
  return file ? Json::parse(file, nullptr, false) : Json();
}

} // namespace

void refuse_foreign_dataset(const fs::path& out) {
  std::error_code code;
  if (!fs::exists(out / "dataset_description.json", code)) return;
  const Json values = description_in(out);
  const auto holds = [&](const char* key, const char* word) {
    return values.is_object() && values.contains(key) &&
           values[key].dump().find(word) != std::string::npos;
  };
  if (holds("DatasetType", "derivative") && holds("GeneratedBy", "\"boldmill\"")) return;
  throw Error(ErrorKind::usage, bids::display(out.filename().string()) +
                                    ": the output folder holds a dataset that boldmill did not "
                                    "write; give a folder of its own");
}

void write_dataset_description(const fs::path& out, const ReportInfo& info) {
  std::error_code code;
  fs::create_directories(out, code);
  Json description = Json::object();
  const Json before = description_in(out);
  if (!info.dataset_name.empty()) {
    description["Name"] = info.dataset_name + " - boldmill derivatives";
  } else { // merging and exporting know no dataset; what a run has written stays
    const bool named = before.is_object() && before.contains("Name") && before["Name"].is_string();
    description["Name"] = named ? before["Name"] : Json("boldmill derivatives");
  }
  description["BIDSVersion"] = "1.8.0";
  description["DatasetType"] = "derivative";
  description["GeneratedBy"] =
      Json::array({Json{{"Name", "boldmill"}, {"Version", info.generator_version}}});
  if (!info.raw_link.empty()) {
    description["DatasetLinks"] = Json{{"raw", info.raw_link}};
  } else if (before.is_object() && before.contains("DatasetLinks")) {
    description["DatasetLinks"] = before["DatasetLinks"];
  }
  write_json(out / "dataset_description.json", description);
  // BIDS knows no boldref, boldmap and xfm files; fMRIPrep ignores them too.
  bids::write_file_atomically(
      out / ".bidsignore",
      "*.h5\n**/*.h5\n*.html\nmethods.md\nreferences.bib\ntables\nlogs\nfigures"
      "\n.boldmill/\n*_relmat.tsv\n*_timeseries.tsv\n*_timeseries.json"
      "\n*_xfm.*\n*_boldref.*\n*_boldmap.*\nmodel_card_*.json\n");
}

void write_derivative_files(const fs::path& out, const store::CohortReader& cohort,
                            const ReportInfo& info) {
  write_dataset_description(out, info);
  std::string readme = "# boldmill derivatives\n\n`cohort.h5` holds everything; `tables/` and "
                       "`index.html` show it; `methods.md` says how it was "
                       "made, `references.bib` by whose methods.\n\n" +
                       std::string(kIntendedUse) + "\n";
  if (!info.template_note.empty()) readme += "\nNote: " + info.template_note + ".\n";
  bids::write_file_atomically(out / "README.md", readme);
  bids::write_file_atomically(out / "methods.md", methods_text(cohort, info));
  bids::write_file_atomically(out / "references.bib",
                              bibtex_text(info.references, info.generator_version));
}

} // namespace boldmill::report
