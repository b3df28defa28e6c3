#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "pipeline/report/pages.hpp"
#include "pipeline/report/viewer.hpp"
#include "pipeline/report/web_bundle.hpp"

namespace boldmill::report {
namespace fs = std::filesystem;
namespace {

std::string shard_name(const std::string& participant, const std::string& session) {
  return participant + (session.empty() ? "" : "_" + session) + ".h5";
}

fs::path shard_of(const fs::path& out, const std::string& participant, const std::string& session) {
  fs::path folder = out / participant;
  if (!session.empty()) folder /= session;
  const fs::path shard = folder / shard_name(participant, session);
  std::error_code code;
  return fs::is_regular_file(shard, code) ? shard : fs::path();
}

// What is stored goes before what the caller knows, so that pages made later are the same.
ReportInfo stored_info(const fs::path& out, const store::CohortReader& cohort,
                       const ReportInfo& info) {
  ReportInfo own = info;
  const std::string name = stored_dataset_name(out);
  if (!name.empty()) own.dataset_name = name;
  own.template_note.clear();
  for (const auto& atlas : cohort.header().atlases) {
    if (atlas.description.find("single-subject template") != std::string::npos) {
      own.template_note = "single-subject template";
    }
  }
  return own;
}

// The page of a person and what its viewer loads.
void write_person_page(const fs::path& out, const std::string& page,
                       const std::vector<Session>& sessions, std::vector<fs::path>& written) {
  const std::string script = volumes_script(sessions);
  const std::string file = script.empty() ? "" : volumes_file(page);
  if (!file.empty()) {
    fs::create_directories(out / "figures");
    bids::write_file_atomically(out / file, script);
    written.emplace_back(file);
    if (std::find(written.begin(), written.end(), fs::path(kViewerFile)) == written.end()) {
      bids::write_file_atomically(out / kViewerFile, std::string(viewer_script()) + "\n");
      written.emplace_back(kViewerFile);
    }
  }
  bids::write_file_atomically(out / page, participant_page(sessions, file));
  written.emplace_back(page);
}

} // namespace

std::string stored_dataset_name(const fs::path& out) {
  std::ifstream file(out / "dataset_description.json");
  const Json description = file ? Json::parse(file, nullptr, false) : Json();
  if (!description.is_object() || !description.contains("Name") || !description["Name"].is_string())
    return "";
  std::string name = description["Name"];
  const std::string ending = " - boldmill derivatives";
  if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  return name == "boldmill derivatives" ? "" : name;
}

std::vector<fs::path> write_pages(const fs::path& out, const store::CohortReader& cohort,
                                  const ReportInfo& info) {
  const ReportInfo own = stored_info(out, cohort, info);
  const Stored stored(cohort, own);
  std::vector<fs::path> written{"index.html"};
  bids::write_file_atomically(out / written.front(), cohort_page(stored));
  std::map<std::string, std::vector<Session>> people;
  for (std::size_t row = 0; row < stored.people.participant_id.size(); ++row) {
    people[stored.page(row)].push_back(
        {&stored, row,
         shard_of(out, stored.people.participant_id[row], stored.people.session_id[row])});
  }
  for (const auto& [file, sessions] : people) {
    write_person_page(out, file, sessions, written);
  }
  return written;
}

std::vector<fs::path> write_shard_pages(const fs::path& out, const std::vector<fs::path>& shards,
                                        const ReportInfo& info) {
  std::vector<fs::path> written;
  if (shards.empty()) return written;
  const ReportInfo own = stored_info(out, store::CohortReader(shards.front()), info);
  for (std::size_t begin = 0; begin < shards.size();) { // the sessions of a person stand together
    std::vector<std::unique_ptr<store::CohortReader>> readers;
    std::vector<std::unique_ptr<Stored>> stored;
    std::vector<Session> sessions;
    std::string page;
    std::size_t end = begin;
    for (; end < shards.size(); ++end) {
      auto reader = std::make_unique<store::CohortReader>(shards[end]);
      auto one = std::make_unique<Stored>(*reader, own);
      one->of_shard = true;
      if (!page.empty() && one->page(0) != page) break;
      page = one->page(0);
      sessions.push_back({one.get(), 0, shards[end]});
      readers.push_back(std::move(reader));
      stored.push_back(std::move(one));
    }
    write_person_page(out, page, sessions, written);
    begin = end;
  }
  return written;
}

} // namespace boldmill::report
