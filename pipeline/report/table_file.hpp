// A TSV below tables/ with what its columns mean beside it. Internal to this folder.
#pragma once

#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/report/files.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::report {

// One table with the description of each column beside it.
class TableFile {
public:
  TableFile& text(const std::string& name, const std::vector<std::string>& values,
                  const std::string& description) {
    writer_.text(name, values);
    json_[name] = {{"Description", description}};
    return *this;
  }
  TableFile& numbers(const std::string& name, const std::vector<double>& values,
                     const std::string& description, const std::string& units = "") {
    writer_.numbers(name, std::span<const double>(values));
    json_[name] = {{"Description", description}};
    if (!units.empty()) json_[name]["Units"] = units;
    return *this;
  }
  void write(const std::filesystem::path& out, const std::string& name,
             std::vector<std::filesystem::path>& written) {
    writer_.write(out / "tables" / (name + ".tsv"));
    write_json(out / "tables" / (name + ".json"), json_);
    written.push_back(std::filesystem::path("tables") / (name + ".tsv"));
    written.push_back(std::filesystem::path("tables") / (name + ".json"));
  }

private:
  bids::TableWriter writer_;
  Json json_ = Json::object();
};

inline std::vector<double> column(const Eigen::MatrixXd& matrix, Eigen::Index c) {
  return {matrix.col(c).data(), matrix.col(c).data() + matrix.rows()};
}

inline TableFile people_table(const store::ParticipantsTable& people) {
  TableFile table;
  table.text("participant_id", people.participant_id, "participant");
  table.text("session_id", people.session_id, "session, n/a without sessions");
  return table;
}

// tables/biotypes and tables/norms, where the cohort has them.
void write_biotypes(const std::filesystem::path& out, const store::CohortReader& cohort,
                    const store::ParticipantsTable& people,
                    std::vector<std::filesystem::path>& written);
void write_norms(const std::filesystem::path& out, const store::CohortReader& cohort,
                 const store::ParticipantsTable& people,
                 std::vector<std::filesystem::path>& written);

} // namespace boldmill::report
