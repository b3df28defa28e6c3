// What people read beside cohort.h5: the files of a BIDS derivative, tables, the methods paragraph
// and a plain index.html. Reads only the store; needs no network and no browser features.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/store/reader.hpp"

namespace boldmill::report {

struct ReportInfo {
  std::string generator_version; // "0.1.0"
  std::string dataset_name;      // of the input dataset, may be ""
  std::string template_note;     // e.g. "single-subject template (Colin27)", "" when none is needed
  std::vector<std::string> references; // "Author year, journal, doi:...", of the stages that ran
  std::string raw_link; // where the input dataset is, seen from the output; "": as already written
};

// Throws usage when `out` holds the dataset_description.json of a dataset this program did not
// make.
void refuse_foreign_dataset(const std::filesystem::path& out);

// dataset_description.json and .bidsignore in `out`, which is made when it is not there.
void write_dataset_description(const std::filesystem::path& out, const ReportInfo& info);

// dataset_description.json, README.md, .bidsignore, methods.md in `out`. Each by rename.
void write_derivative_files(const std::filesystem::path& out, const store::CohortReader& cohort,
                            const ReportInfo& info);

// The methods paragraph in Markdown with the parameters of the effective configuration, and how
// many runs had which correction.
[[nodiscard]] std::string methods_text(const store::CohortReader& cohort, const ReportInfo& info);

// tables/{runs,quality,qc_fc,graphs,circuit_measures,circuit_scores,reliability,predictions_<target>,
// review,group_statistics,treatment_*,scored_<target>}.{tsv,json}
// and task-<T>_atlas-<A>_stat-<measure>_bold; tables without content are not written. Returns the
// paths relative to `out`.
std::vector<std::filesystem::path> write_tables(const std::filesystem::path& out,
                                                const store::CohortReader& cohort);

// circuit_scores and scored_<target> of `results`, which the rows of `cohort` got from a model
// file.
std::vector<std::filesystem::path> write_scored_tables(const std::filesystem::path& out,
                                                       const store::CohortReader& cohort,
                                                       const store::CohortResults& results);

// Per run: confounds and parcel series; per participant-session: connectivity matrices (relmat).
// Names as BIDS derivatives. Returns the paths relative to `out`.
std::vector<std::filesystem::path> export_runs(const std::filesystem::path& out,
                                               const store::CohortReader& cohort);

// func/*_desc-confounds_timeseries.{tsv,json} of one run (sub-X/[ses-Y/]func/ under `out`).
std::vector<std::filesystem::path> write_confounds(const std::filesystem::path& out,
                                                   const store::RunRecord& run);

// index.html: one file, no scripts, no network, every text escaped.
void write_index_html(const std::filesystem::path& out, const store::CohortReader& cohort,
                      const ReportInfo& info);
[[nodiscard]] std::string index_html(const store::CohortReader& cohort, const ReportInfo& info);

// All of the above but index.html, from a cohort file or a shard: the `export` verb.
std::vector<std::filesystem::path> export_file(const std::filesystem::path& file,
                                               const std::filesystem::path& out,
                                               const ReportInfo& info);

} // namespace boldmill::report
