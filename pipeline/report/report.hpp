// What people read beside cohort.h5: the files of a BIDS derivative, tables, the methods paragraph
// and the pages. Reads only the store.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/store/reader.hpp"
#include "stages/core/stage_info.hpp"

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

// dataset_description.json, README.md, .bidsignore, methods.md, references.bib in `out`. Each by
// rename.
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

// index.html and a page of every participant: each one file that opens from disk, loads nothing and
// depends on what is stored alone. A dataset without a name gets that of
// dataset_description.json. Returns the paths relative to `out`.
std::vector<std::filesystem::path> write_pages(const std::filesystem::path& out,
                                               const store::CohortReader& cohort,
                                               const ReportInfo& info, const Context& context = {});
// The participants' pages alone, from shards without a cohort; a person's shards stand together.
std::vector<std::filesystem::path>
write_shard_pages(const std::filesystem::path& out,
                  const std::vector<std::filesystem::path>& shards, const ReportInfo& info);
// Of the input, from dataset_description.json in `out`; "" when it has none.
[[nodiscard]] std::string stored_dataset_name(const std::filesystem::path& out);

// All of the above but the pages, from a cohort file or a shard: the `export` verb.
std::vector<std::filesystem::path> export_file(const std::filesystem::path& file,
                                               const std::filesystem::path& out,
                                               const ReportInfo& info);

} // namespace boldmill::report
