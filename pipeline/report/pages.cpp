#include "pipeline/report/pages.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <span>

#include "pipeline/cache/archive.hpp"
#include "pipeline/report/viewer.hpp"
#include "pipeline/report/web_bundle.hpp"
#include "stages/core/processes.hpp"

namespace boldmill::report {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kPagesAtOnce = 32;
constexpr std::size_t kWorthProcesses = 8; // pages, some tens of milliseconds each

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

// Null without a shard that can be read.
std::shared_ptr<const store::ShardPictures> pictures_of(const fs::path& shard) {
  if (shard.empty()) return nullptr;
  try {
    return std::make_shared<const store::ShardPictures>(shard);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    return nullptr;
  }
}

// The page of a person and what its viewer loads; returns the files, the page last.
std::vector<std::string> write_person_page(const fs::path& out, const std::string& page,
                                           std::vector<Session> sessions) {
  std::vector<std::string> written;
  for (Session& session : sessions) session.pictures = pictures_of(session.shard);
  const std::string script = volumes_script(sessions);
  const std::string file = script.empty() ? "" : volumes_file(page);
  if (!file.empty()) {
    fs::create_directories(out / "figures");
    bids::write_file_atomically(out / file, script);
    written.emplace_back(file);
  }
  bids::write_file_atomically(out / page, participant_page(sessions, file));
  written.emplace_back(page);
  return written;
}

using Files = std::vector<std::vector<std::string>>; // of each page, itself last
using PageOfPerson = std::pair<std::string, std::vector<Session>>;

// Once for all pages that have a viewer: those with a file before their own.
void write_viewer(const fs::path& out, const Files& of_pages, std::vector<fs::path>& written) {
  for (const auto& files : of_pages) written.insert(written.end(), files.begin(), files.end());
  const bool needed = std::any_of(of_pages.begin(), of_pages.end(),
                                  [](const auto& files) { return files.size() > 1; });
  if (!needed) return;
  bids::write_file_atomically(out / kViewerFile, std::string(viewer_script()) + "\n");
  written.emplace_back(kViewerFile);
}

// Whether it was there to be written.
bool write_template(const fs::path& out, Session session, std::vector<fs::path>& written) {
  if (session.pictures == nullptr) session.pictures = pictures_of(session.shard);
  const std::string script = template_script(session);
  if (script.empty()) return false;
  fs::create_directories(out / "figures");
  bids::write_file_atomically(out / kTemplateVolumesFile, script);
  written.emplace_back(kTemplateVolumesFile);
  return true;
}

// Of all rows between the first and the last of these pages; none when they lie far apart.
std::optional<EdgesOfRows> edges_of(std::span<const PageOfPerson> pages) {
  std::size_t first = std::numeric_limits<std::size_t>::max(), last = 0, n = 0;
  const Stored* stored = nullptr;
  for (const auto& [file, sessions] : pages) {
    for (const Session& session : sessions) {
      first = std::min(first, session.row);
      last = std::max(last, session.row);
      stored = session.stored;
      ++n;
    }
  }
  if (stored == nullptr || last - first >= 2 * n) return std::nullopt;
  EdgesOfRows out{first, {}, {}};
  for (auto& name : stored->cohort.connectivity_names()) {
    if (name.kind != "correlation") continue; // all that a page shows
    out.edges.push_back(stored->cohort.connectivity_rows(name, first, last - first + 1));
    out.name.push_back(std::move(name));
  }
  return out;
}

// The pages of some people one after the other.
Files write_block(const fs::path& out, std::span<PageOfPerson> people) {
  const auto edges = edges_of(people);
  Files files;
  for (auto& [page, sessions] : people) {
    for (Session& session : sessions) session.edges = edges ? &*edges : nullptr;
    files.push_back(write_person_page(out, page, sessions));
  }
  return files;
}

// HDF5 lets one thread in, so the pages of many people are made by several processes.
Files write_people_pages(const fs::path& out, std::vector<PageOfPerson>& people,
                         const Context& context) {
  const int n_processes = processes_for(people.size(), kWorthProcesses);
  const std::size_t fair = people.size() / (4 * static_cast<std::size_t>(n_processes)) + 1;
  const std::size_t at_once = std::min(kPagesAtOnce, fair); // so that all have some to do
  const auto block = [&](std::size_t b) {
    const std::size_t first = b * at_once;
    return std::span(people).subspan(first, std::min(at_once, people.size() - first));
  };
  Files of_pages;
  const auto make = [&](std::size_t b) {
    Files files = write_block(out, block(b));
    cache::Archive bytes;
    bytes(files);
    return bytes.bytes();
  };
  const auto use = [&](std::size_t, const std::string& bytes) {
    Files files;
    cache::Archive archive(bytes);
    archive(files);
    of_pages.insert(of_pages.end(), files.begin(), files.end());
  };
  const auto name = [&](std::size_t b) { return "pages from " + block(b).front().first; };
  in_processes({(people.size() + at_once - 1) / at_once, make, use, name}, n_processes, context);
  return of_pages;
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
                                  const ReportInfo& info, const Context& context) {
  const ReportInfo own = stored_info(out, cohort, info);
  const Stored stored(cohort, own);
  std::vector<fs::path> written{"index.html"};
  bids::write_file_atomically(out / written.front(), cohort_page(stored));
  std::map<std::string, std::vector<Session>> by_page;
  for (std::size_t row = 0; row < stored.people.participant_id.size(); ++row) {
    by_page[stored.page(row)].push_back(
        {&stored, row,
         shard_of(out, stored.people.participant_id[row], stored.people.session_id[row])});
  }
  std::vector<PageOfPerson> people(by_page.begin(), by_page.end());
  const auto of_pages = write_people_pages(out, people, context);
  write_viewer(out, of_pages, written);
  bool has_template = false;
  for (std::size_t i = 0; i < people.size() && !has_template; ++i) {
    if (of_pages[i].size() < 2) continue; // no viewer
    for (const Session& session : people[i].second) {
      has_template = has_template || write_template(out, session, written);
    }
  }
  return written;
}

std::vector<fs::path> write_shard_pages(const fs::path& out, const std::vector<fs::path>& shards,
                                        const ReportInfo& info) {
  std::vector<fs::path> written;
  if (shards.empty()) return written;
  const ReportInfo own = stored_info(out, store::CohortReader(shards.front()), info);
  Files of_pages;
  bool has_template = false;
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
    of_pages.push_back(write_person_page(out, page, sessions));
    for (const Session& session : sessions) {
      has_template = has_template || write_template(out, session, written);
    }
    begin = end;
  }
  write_viewer(out, of_pages, written);
  return written;
}

} // namespace boldmill::report
