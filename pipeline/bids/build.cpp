#include "pipeline/bids/build.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

#include "pipeline/bids/text.hpp"

namespace boldmill::bids {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// An events.tsv with the entities it names, and how far down the tree it lies.
struct EventsFile {
  std::string path;
  Entities entities;
  int depth = 0;
};

void add_events(std::vector<EventsFile>& events, const std::string& folder, const std::string& name,
                int depth) {
  if (!name.ends_with("_events.tsv")) return;
  std::optional<ParsedName> parsed = parse_name(name);
  if (!parsed) return;
  events.push_back(
      {folder.empty() ? name : folder + "/" + name, std::move(parsed->entities), depth});
}

long echo_number(const BidsFile& file) {
  const std::string_view label = entity(file.entities, "echo");
  long number = 0;
  std::from_chars(label.data(), label.data() + label.size(), number);
  return number;
}

// What lies in one session folder, sorted into kinds.
struct SessionFiles {
  std::vector<BidsFile> t1w, lesions, bold, sbref, fieldmaps;
  std::vector<std::string> sidecars;
  std::vector<EventsFile> events;
};

class SessionBuilder {
public:
  SessionBuilder(const ParticipantScan& participant, const SessionScan& session,
                 const Wanted& wanted, ParticipantResult& result)
      : participant_(participant), session_(session), wanted_(wanted), result_(result) {}

  ParticipantSession build(const std::vector<std::string>& root_files) {
    ParticipantSession row;
    row.participant_id = participant_.participant_id;
    row.session_id = session_.session_id;
    row.id = row.participant_id + (row.session_id.empty() ? "" : "_" + row.session_id);
    row.folder = session_.path;
    collect(root_files);
    row.t1w = std::move(files_.t1w);
    row.lesions = std::move(files_.lesions);
    row.fieldmaps = std::move(files_.fieldmaps);
    row.sidecars = std::move(files_.sidecars);
    const std::string scans = row.id + "_scans.tsv";
    if (contains(session_.files, scans)) row.scans = session_.path + "/" + scans;
    make_runs(row);
    return row;
  }

private:
  void note(Level level, const char* code, const std::string& where, std::string message) {
    result_.notes.push_back({level, code, where, std::move(message)});
  }

  void collect(const std::vector<std::string>& root_files) {
    for (const std::string& name : root_files) add_events(files_.events, "", name, 0);
    for (const std::string& name : participant_.files) {
      add_upper(participant_.participant_id, name, 1);
    }
    if (!session_.session_id.empty()) {
      for (const std::string& name : session_.files) add_upper(session_.path, name, 2);
    }
    for (const FolderScan& folder : session_.folders) {
      for (const ScannedFile& file : folder.files) add_file(folder, file);
    }
  }

  void add_upper(const std::string& folder, const std::string& name, int depth) {
    if (name.ends_with(".json")) files_.sidecars.push_back(folder + "/" + name);
    add_events(files_.events, folder, name, depth);
  }

  void add_file(const FolderScan& folder, const ScannedFile& scanned) {
    const std::string at = session_.path + "/" + folder.datatype;
    if (scanned.name.ends_with(".json")) files_.sidecars.push_back(at + "/" + scanned.name);
    if (folder.datatype == "func") add_events(files_.events, at, scanned.name, 3);
    if (!is_image(scanned.name)) return;
    const std::string path = at + "/" + scanned.name;
    std::string why;
    std::optional<ParsedName> parsed = parse_name(scanned.name, &why);
    const bool lesion = parsed && entity(parsed->entities, "label") == "lesion";
    // fMRIPrep's older name for lesion masks: sub-01_T1w_label-lesion_roi.nii.gz.
    if (lesion) std::erase(parsed->bare, "T1w");
    if (parsed && !parsed->bare.empty()) {
      why = "\"" + display(parsed->bare[0]) + "\" is not of the form key-label";
      parsed.reset();
    }
    if (!parsed) return note(Level::error, "file_name", path, "left out: " + why);
    BidsFile file{path,
                  folder.datatype,
                  std::move(parsed->entities),
                  std::move(parsed->suffix),
                  std::move(parsed->extension),
                  scanned.bytes,
                  scanned.problem};
    if (file.extension != ".nii" && file.extension != ".nii.gz") {
      return note(Level::error, "file_name", path,
                  "left out: extension \"" + display(file.extension) + "\", expected .nii[.gz]");
    }
    if (!in_place(file)) return;
    sort_in(std::move(file));
  }

  // A file must say the participant and session whose folder it lies in.
  bool in_place(const BidsFile& file) {
    const std::string sub = "sub-" + std::string(entity(file.entities, "sub"));
    const std::string_view ses = entity(file.entities, "ses");
    const std::string session = ses.empty() ? std::string() : "ses-" + std::string(ses);
    if (sub == participant_.participant_id && session == session_.session_id) return true;
    note(Level::error, "misplaced", file.path,
         "left out: the name says " + (sub == "sub-" ? "no participant" : sub) +
             (session.empty() ? "" : " " + session) + ", the folder " +
             participant_.participant_id +
             (session_.session_id.empty() ? "" : " " + session_.session_id));
    return false;
  }

  bool passes(const char* query, const BidsFile& file) const {
    const auto filter = wanted_.filter.find(query);
    return filter == wanted_.filter.end() || matches(filter->second, file);
  }

  void sort_in(BidsFile file) {
    const std::string_view part = entity(file.entities, "part");
    if (!part.empty() && part != "mag") {
      return note(Level::info, "left_out_part", file.path,
                  "left out: only magnitude images are used, this is part-" + std::string(part));
    }
    if (file.datatype == "fmap") {
      if (passes("fmap", file)) files_.fieldmaps.push_back(std::move(file));
    } else if (file.datatype == "anat" && file.suffix == "T1w") {
      if (passes("t1w", file)) keep(files_.t1w, std::move(file));
    } else if (file.datatype == "anat" && (file.suffix == "roi" || file.suffix == "mask") &&
               entity(file.entities, "label") == "lesion") {
      keep(files_.lesions, std::move(file));
    } else if (file.datatype == "func" && (file.suffix == "bold" || file.suffix == "sbref")) {
      add_functional(std::move(file));
    }
  }

  void add_functional(BidsFile file) {
    const std::string task(entity(file.entities, "task"));
    const bool bold = file.suffix == "bold";
    if (task.empty()) {
      if (bold) note(Level::error, "no_task", file.path, "left out: the name has no task- entity");
      return;
    }
    if (bold) result_.tasks.push_back(task);
    if (!wanted_.tasks.empty() && !contains(wanted_.tasks, task)) return;
    if (!passes(bold ? "bold" : "sbref", file)) return;
    keep(bold ? files_.bold : files_.sbref, std::move(file));
  }

  // Of x.nii and x.nii.gz the compressed one is used. Files come sorted: x.nii is first.
  void keep(std::vector<BidsFile>& list, BidsFile file) {
    if (!list.empty() && file.path == list.back().path + ".gz") {
      note(Level::warning, "duplicate_image", list.back().path,
           "left out: the same name exists with .nii.gz");
      list.back() = std::move(file);
      return;
    }
    list.push_back(std::move(file));
  }

  void make_runs(ParticipantSession& row) {
    std::map<std::string, std::vector<BidsFile>> by_run;
    for (BidsFile& file : files_.bold) {
      by_run[compose_entities(without(file.entities, {"echo", "part"}))].push_back(std::move(file));
    }
    for (auto& [run_id, images] : by_run) row.runs.push_back(make_run(run_id, std::move(images)));
  }

  BoldRun make_run(const std::string& run_id, std::vector<BidsFile> images) {
    std::stable_sort(images.begin(), images.end(), [](const BidsFile& a, const BidsFile& b) {
      return echo_number(a) < echo_number(b);
    });
    BoldRun run;
    run.run_id = run_id;
    run.participant_id = participant_.participant_id;
    run.session_id = session_.session_id;
    run.file = images.size() > 1 ? images[1] : images[0];
    run.task = entity(run.file.entities, "task");
    run.acquisition = entity(run.file.entities, "acq");
    run.reconstruction = entity(run.file.entities, "rec");
    run.direction = entity(run.file.entities, "dir");
    run.run = entity(run.file.entities, "run");
    if (images.size() > 1) {
      note(Level::info, "multi_echo", run_id,
           std::to_string(images.size()) +
               " echoes are combined; head motion and alignment are those of " +
               display(run.file.path));
      run.echoes = std::move(images);
    }
    run.sbref = sbref_of(run);
    run.events = events_of(run);
    if (!run.file.problem.empty()) {
      note(Level::error, "no_content", run.file.path, "cannot be processed: " + run.file.problem);
    }
    return run;
  }

  std::optional<BidsFile> sbref_of(const BoldRun& run) const {
    const BidsFile* best = nullptr;
    for (const BidsFile& file : files_.sbref) {
      if (without(file.entities, {"echo", "part"}) !=
          without(run.file.entities, {"echo", "part"})) {
        continue;
      }
      const bool same_echo = entity(file.entities, "echo") == entity(run.file.entities, "echo");
      if (best == nullptr || same_echo) best = &file;
    }
    return best == nullptr ? std::nullopt : std::optional<BidsFile>(*best);
  }

  // The deepest that applies; within a folder the most specific.
  std::optional<std::string> events_of(const BoldRun& run) const {
    const EventsFile* best = nullptr;
    for (const EventsFile& file : files_.events) {
      if (!subset(file.entities, run.file.entities)) continue;
      if (best == nullptr || file.depth > best->depth ||
          (file.depth == best->depth && file.entities.size() > best->entities.size())) {
        best = &file;
      }
    }
    return best == nullptr ? std::nullopt : std::optional<std::string>(best->path);
  }

  const ParticipantScan& participant_;
  const SessionScan& session_;
  const Wanted& wanted_;
  ParticipantResult& result_;
  SessionFiles files_;
};

std::size_t n_usable(const std::vector<BidsFile>& files) {
  return static_cast<std::size_t>(std::count_if(
      files.begin(), files.end(), [](const BidsFile& f) { return f.problem.empty(); }));
}

// A session without an own T1w takes those of the first other session that has one.
void share_anatomy(std::vector<ParticipantSession>& sessions, std::vector<Note>& notes) {
  std::vector<const ParticipantSession*> donors;
  for (const ParticipantSession& session : sessions) {
    if (n_usable(session.t1w) > 0) donors.push_back(&session);
  }
  if (donors.empty()) return;
  const ParticipantSession donor = *donors.front();
  for (ParticipantSession& session : sessions) {
    if (n_usable(session.t1w) > 0) continue;
    session.t1w = donor.t1w;
    session.lesions = donor.lesions;
    session.t1w_from_other_session = true;
    for (const std::string& path : donor.sidecars) {
      if (!contains(session.sidecars, path)) session.sidecars.push_back(path);
    }
    if (!session.runs.empty()) {
      notes.push_back({Level::info, "t1w_other_session", session.id,
                       "no T1w image of its own; " + donor.t1w.front().path + " is used"});
    }
  }
}

void explain(ParticipantSession& session, bool selected_tasks, std::vector<Note>& notes) {
  for (const BidsFile& file : session.t1w) {
    if (file.problem.empty() || session.t1w_from_other_session) continue;
    notes.push_back({Level::warning, "no_content", file.path, "left out: " + file.problem});
  }
  const bool any_run = std::any_of(session.runs.begin(), session.runs.end(),
                                   [](const BoldRun& run) { return run.file.problem.empty(); });
  if (session.runs.empty()) {
    session.problem =
        selected_tasks ? "no BOLD run of the tasks and filters asked for" : "no BOLD run";
  } else if (n_usable(session.t1w) == 0) {
    session.problem = session.t1w.empty()
                          ? "no T1w image"
                          : "no T1w image that can be read: " + session.t1w[0].problem;
  } else if (!any_run) {
    session.problem = "no BOLD run that can be read: " + session.runs[0].file.problem;
  }
  if (!session.problem.empty()) {
    // A session with anatomy only is common and nothing is wrong with it.
    const Level level = session.runs.empty() ? Level::warning : Level::error;
    notes.push_back({level, "session_left_out", session.id, session.problem});
  }
}

} // namespace

ParticipantResult build_participant(const ParticipantScan& scan, const Wanted& wanted,
                                    const std::vector<std::string>& root_files) {
  ParticipantResult result;
  result.notes = scan.notes;
  result.has_sessions_table = contains(scan.files, scan.participant_id + "_sessions.tsv");
  // All sessions are built: an anatomical image may come from one that is not asked for.
  for (const SessionScan& session : scan.sessions) {
    result.session_ids.push_back(session.session_id);
    result.sessions.push_back(SessionBuilder(scan, session, wanted, result).build(root_files));
  }
  if (scan.sessions.empty()) {
    const SessionScan empty{{}, scan.participant_id, {}, {}};
    result.sessions.push_back(SessionBuilder(scan, empty, wanted, result).build(root_files));
  }
  share_anatomy(result.sessions, result.notes);
  if (!wanted.sessions.empty()) {
    std::erase_if(result.sessions, [&](const ParticipantSession& session) {
      return !contains(wanted.sessions, session.session_id);
    });
  }
  const bool selected = !wanted.tasks.empty() || wanted.filter.contains("bold");
  for (ParticipantSession& session : result.sessions) explain(session, selected, result.notes);
  return result;
}

} // namespace boldmill::bids
