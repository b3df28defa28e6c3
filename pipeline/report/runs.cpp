#include "pipeline/bids/tsv.hpp"
#include "pipeline/report/files.hpp"
#include "pipeline/report/report.hpp"

namespace boldmill::report {
namespace fs = std::filesystem;
namespace {

std::string atlas_label(const std::string& name) {
  std::string label;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) label += c;
  }
  return label.empty() ? "atlas" : label;
}

const store::AtlasRecord* atlas_of(const store::CohortHeader& header, const std::string& name) {
  for (const auto& atlas : header.atlases) {
    if (atlas.name == name) return &atlas;
  }
  return nullptr;
}

void write_series(const fs::path& out, const store::CohortHeader& header,
                  const store::RunRecord& run, std::vector<fs::path>& written) {
  const fs::path folder = func_folder(out, run.run_id);
  for (const auto& [name, series] : run.series) {
    const store::AtlasRecord* atlas = atlas_of(header, name);
    if (atlas == nullptr) continue;
    for (const auto& [stat, values] :
         {std::pair<const char*, const Eigen::MatrixXf*>{"mean", &series.values},
          {"denoised", &series.denoised}}) {
      if (values->size() == 0) continue;
      const fs::path file =
          folder / (bids::safe_component(run.run_id) + "_atlas-" + atlas_label(name) + "_" +
                    (std::string(stat) == "mean" ? "stat-mean" : "desc-denoised_stat-mean") +
                    "_timeseries.tsv");
      bids::write_tsv(file, atlas->label, values->cast<double>());
      written.push_back(file.lexically_relative(out));
    }
  }
}

void write_matrices(const fs::path& out, const store::CohortReader& cohort,
                    const store::ParticipantsTable& people, std::size_t row,
                    std::vector<fs::path>& written) {
  std::string id = people.participant_id[row];
  if (!people.session_id[row].empty()) id += "_" + people.session_id[row];
  for (const auto& name : cohort.connectivity_names()) {
    const Eigen::VectorXd edges = cohort.connectivity_row(name, row);
    const store::AtlasRecord* atlas = atlas_of(cohort.header(), name.atlas);
    if (atlas == nullptr || (edges.array().isNaN()).all()) continue;
    const auto n = static_cast<Eigen::Index>(atlas->label.size());
    Eigen::MatrixXd matrix = Eigen::MatrixXd::Identity(n, n);
    if (name.kind == "fisher_z")
      matrix.diagonal().setConstant(std::numeric_limits<double>::quiet_NaN());
    Eigen::Index e = 0;
    for (Eigen::Index a = 0; a < n; ++a) {
      for (Eigen::Index b = a + 1; b < n; ++b, ++e) matrix(a, b) = matrix(b, a) = edges[e];
    }
    bids::TableWriter table;
    table.text("Node", atlas->label);
    for (Eigen::Index c = 0; c < n; ++c) {
      table.numbers(atlas->label[static_cast<std::size_t>(c)],
                    std::span<const double>(matrix.col(c).data(), static_cast<std::size_t>(n)));
    }
    const fs::path file =
        func_folder(out, id) /
        (bids::safe_component(id) + "_task-" + atlas_label(name.source) + "_atlas-" +
         atlas_label(name.atlas) + "_stat-" +
         (name.kind == "fisher_z" ? "fisherz" : "pearsoncorrelation") + "_relmat.tsv");
    table.write(file);
    written.push_back(file.lexically_relative(out));
  }
}

} // namespace

fs::path func_folder(const fs::path& out, const std::string& run_id) {
  fs::path folder = out;
  const std::size_t first = run_id.find('_');
  folder /= bids::safe_component(run_id.substr(0, first));
  if (first != std::string::npos && run_id.compare(first + 1, 4, "ses-") == 0) {
    folder /=
        bids::safe_component(run_id.substr(first + 1, run_id.find('_', first + 1) - first - 1));
  }
  return folder / "func";
}

std::vector<fs::path> write_confounds(const fs::path& out, const store::RunRecord& run) {
  const fs::path folder = func_folder(out, run.run_id);
  const std::string stem = bids::safe_component(run.run_id) + "_desc-confounds_timeseries";
  bids::write_tsv(folder / (stem + ".tsv"), run.confound_names, run.confounds);
  Json json = Json::object();
  json["RepetitionTime"] = run.tr_s;
  json["Description"] = "confounds with fMRIPrep's column names; n/a is missing";
  const Json columns = Json::parse(run.confound_metadata, nullptr, false);
  if (columns.is_object()) json.update(columns);
  write_json(folder / (stem + ".json"), json);
  return {(folder / (stem + ".tsv")).lexically_relative(out),
          (folder / (stem + ".json")).lexically_relative(out)};
}

std::vector<fs::path> export_runs(const fs::path& out, const store::CohortReader& cohort) {
  std::vector<fs::path> written;
  store::RunTable runs = cohort.runs();
  for (store::RunRecord& run : runs.run) {
    cohort.read_run(run);
    if (run.confounds.size() > 0) {
      const auto files = write_confounds(out, run);
      written.insert(written.end(), files.begin(), files.end());
    }
    write_series(out, cohort.header(), run, written);
    run = {}; // one run at a time in memory
  }
  const store::ParticipantsTable people = cohort.participants();
  for (std::size_t row = 0; row < cohort.n_rows(); ++row)
    write_matrices(out, cohort, people, row, written);
  return written;
}

std::vector<fs::path> export_file(const fs::path& file, const fs::path& out,
                                  const ReportInfo& info) {
  refuse_foreign_dataset(out);
  const store::CohortReader cohort(file);
  ReportInfo noted = info;
  constexpr const char* kSingle = "single-subject template";
  for (const auto& atlas : cohort.header().atlases) {
    if (atlas.description.find(kSingle) != std::string::npos) noted.template_note = kSingle;
  }
  write_derivative_files(out, cohort, noted);
  std::vector<fs::path> written{"dataset_description.json", "README.md", ".bidsignore",
                                "methods.md"};
  for (const auto& more : {write_tables(out, cohort), export_runs(out, cohort)}) {
    written.insert(written.end(), more.begin(), more.end());
  }
  return written;
}

} // namespace boldmill::report
