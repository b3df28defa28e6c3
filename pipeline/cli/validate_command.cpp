#include "pipeline/cli/validate_command.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string_view>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/named_columns.hpp"
#include "pipeline/cli/validate_check.hpp"
#include "pipeline/cli/validate_tasks.hpp"
#include "stages/core/error.hpp"

namespace boldmill::cli {
namespace {

using bids::display;
using bids::Level;
using bids::Note;
using Json = nlohmann::ordered_json;

// Lists longer than this are cut in the text, never in the JSON.
constexpr std::size_t kShown = 10;
constexpr std::size_t kShownSessions = 20;
constexpr std::size_t kMessageBytes = 1000;

struct Validation {
  bids::BidsIndex index;
  std::vector<SessionCheck> sessions;
  std::vector<Note> notes; // of the index and of the checks
  std::string definition;  // name of the circuit definition
  std::optional<TaskMappings> tasks;
  std::size_t n_runs = 0, n_good_runs = 0, n_good_sessions = 0;

  [[nodiscard]] std::size_t count(Level level) const {
    return static_cast<std::size_t>(
        std::count_if(notes.begin(), notes.end(), [&](const Note& n) { return n.level == level; }));
  }
  [[nodiscard]] int exit_code() const {
    if (n_good_runs == 0) return 2;
    return count(Level::error) > 0 ? 1 : 0;
  }
};

void collect(Validation& validation) {
  validation.notes = validation.index.notes;
  // What the index has said about a file or a session is not said again.
  std::set<std::string_view> known;
  for (const Note& note : validation.index.notes) known.insert(note.where);
  for (std::size_t i = 0; i < validation.sessions.size(); ++i) {
    const SessionCheck& session = validation.sessions[i];
    if (session.problem.empty()) ++validation.n_good_sessions;
    if (!session.problem.empty() && validation.index.sessions[i].problem.empty()) {
      validation.notes.push_back({Level::error, "session_left_out", session.id, session.problem});
    }
    for (const std::string& warning : session.warnings) {
      validation.notes.push_back({Level::warning, "anatomy", session.id, warning});
    }
    for (const std::string& warning : session.table_warnings) {
      validation.notes.push_back({Level::warning, "scans_table", session.id, warning});
    }
    for (const RunCheck& run : session.runs) {
      ++validation.n_runs;
      validation.n_good_runs += run.problem.empty() ? 1 : 0;
      const bool own = !run.problem.empty() && run.problem != session.problem;
      if (own && !known.contains(run.path)) {
        validation.notes.push_back({Level::error, "run_left_out", run.run_id, run.problem});
      }
      for (const std::string& warning : run.warnings) {
        validation.notes.push_back({Level::warning, "run", run.run_id, warning});
      }
    }
  }
}

Validation validate(const ValidateOptions& options, const Context& context) {
  bids::IndexOptions index_options = options.index;
  if (!options.bids_filter_file.empty()) {
    index_options.selection.filter = bids::read_bids_filter(options.bids_filter_file);
  }
  Validation validation;
  validation.index = bids::index_dataset(options.bids_dir, index_options, context);
  validation.sessions =
      check_sessions(validation.index, options.check_headers,
                     options.taxonomy ? event_counter(*options.taxonomy) : CountEvents(), context);
  collect(validation);
  for (auto& line : absent_columns(options.config, validation.index.participants.names())) {
    validation.notes.push_back({Level::warning, "absent_column", "configuration", std::move(line)});
  }
  if (!options.taxonomy) return validation;
  validation.definition = options.taxonomy->name;
  validation.tasks =
      map_tasks(validation.sessions, *options.taxonomy, options.config.input.rest_tasks);
  for (const TaskMapping& task : validation.tasks->tasks) {
    for (const std::string& problem : task.problems) {
      validation.notes.push_back({Level::warning, "circuit_tasks", "events", problem});
    }
  }
  return validation;
}

std::string plural(std::size_t count, const std::string& word) {
  return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
}

void print_run(std::ostream& out, const RunCheck& run) {
  out << "  " << (run.problem.empty() ? "run      " : "left out ") << display(run.run_id);
  if (run.n_volumes > 0) {
    out << "  " << run.shape[0] << "x" << run.shape[1] << "x" << run.shape[2] << "x"
        << run.n_volumes;
  }
  if (run.tr_s > 0.0) out << "  TR " << bids::format_number(run.tr_s) << " s";
  if (run.n_events >= 0) out << "  " << run.n_events << " events";
  if (!run.problem.empty()) out << "  " << display(run.problem, kMessageBytes);
  out << '\n';
}

void print_sessions(std::ostream& out, const Validation& validation, bool verbose) {
  std::size_t shown = 0;
  for (const SessionCheck& session : validation.sessions) {
    if (!verbose && shown++ >= kShownSessions) {
      out << "... and " << plural(validation.sessions.size() - kShownSessions, "more session")
          << " (--verbose shows all)\n";
      break;
    }
    out << display(session.id) << "  " << session.t1w.size() << " T1w, "
        << plural(session.runs.size(), "run");
    if (!session.problem.empty()) out << "  left out: " << display(session.problem, kMessageBytes);
    out << '\n';
    for (const RunCheck& run : session.runs) print_run(out, run);
  }
}

// Notes of one level, those of one code together.
void print_notes(std::ostream& out, const Validation& validation, Level level, bool verbose) {
  std::map<std::string, std::vector<const Note*>> by_code;
  for (const Note& note : validation.notes) {
    if (note.level == level) by_code[note.code].push_back(&note);
  }
  for (const auto& [code, notes] : by_code) {
    for (std::size_t i = 0; i < notes.size(); ++i) {
      if (!verbose && i >= kShown) {
        out << bids::to_string(level) << " [" << code << "] ... and " << notes.size() - kShown
            << " more of this kind\n";
        break;
      }
      out << bids::to_string(level) << " [" << code << "] " << display(notes[i]->where) << ": "
          << display(notes[i]->message, kMessageBytes) << '\n';
    }
  }
}

void print_text(std::ostream& out, const Validation& validation, bool verbose) {
  const bids::BidsIndex& index = validation.index;
  out << display(index.description.name.empty() ? std::string("(dataset without a name)")
                                                : index.description.name)
      << "\nBIDS "
      << (index.description.bids_version.empty() ? "version not stated"
                                                 : display(index.description.bids_version))
      << ", " << plural(index.participant_ids().size(), "participant") << ", "
      << plural(index.sessions.size(), "row") << ", " << plural(validation.n_runs, "BOLD run")
      << "\n\n";
  print_sessions(out, validation, verbose);
  out << '\n';
  if (validation.tasks) print_mappings(out, validation.definition, *validation.tasks);
  print_notes(out, validation, Level::error, verbose);
  print_notes(out, validation, Level::warning, verbose);
  if (verbose) print_notes(out, validation, Level::info, verbose);
  out << validation.n_good_runs << " of " << plural(validation.n_runs, "run") << " of "
      << validation.n_good_sessions << " of "
      << plural(validation.sessions.size(), "participant-session") << " would be processed; "
      << plural(validation.count(Level::error), "error") << ", "
      << plural(validation.count(Level::warning), "warning") << '\n';
  if (validation.n_good_runs == 0) out << "nothing can run\n";
}

Json json_of(const RunCheck& run) {
  Json json{{"run_id", run.run_id},  {"path", run.path},
            {"task", run.task},      {"processed", run.problem.empty()},
            {"reason", run.problem}, {"warnings", run.warnings}};
  if (run.n_volumes > 0) {
    json["shape"] = run.shape;
    json["n_volumes"] = run.n_volumes;
  }
  if (run.tr_s > 0.0) json["tr_s"] = run.tr_s;
  if (run.n_events >= 0) json["n_events"] = run.n_events;
  return json;
}

Json json_of(const Validation& validation) {
  Json json{{"dataset",
             {{"name", validation.index.description.name},
              {"bids_version", validation.index.description.bids_version}}},
            {"summary",
             {{"participants", validation.index.participant_ids().size()},
              {"sessions", validation.sessions.size()},
              {"sessions_processed", validation.n_good_sessions},
              {"runs", validation.n_runs},
              {"runs_processed", validation.n_good_runs},
              {"errors", validation.count(Level::error)},
              {"warnings", validation.count(Level::warning)}}},
            {"sessions", Json::array()},
            {"notes", Json::array()},
            {"exit_code", validation.exit_code()}};
  for (const SessionCheck& session : validation.sessions) {
    Json runs = Json::array();
    for (const RunCheck& run : session.runs) runs.push_back(json_of(run));
    json["sessions"].push_back({{"participant_id", session.participant_id},
                                {"session_id", session.session_id},
                                {"processed", session.problem.empty()},
                                {"reason", session.problem},
                                {"t1w", session.t1w},
                                {"runs", std::move(runs)}});
  }
  if (validation.tasks) json["circuits"] = json_of(*validation.tasks);
  for (const Note& note : validation.notes) {
    json["notes"].push_back({{"level", bids::to_string(note.level)},
                             {"code", note.code},
                             {"where", note.where},
                             {"message", note.message}});
  }
  return json;
}

// File names need not be UTF-8: what is not becomes U+FFFD.
void print_json(std::ostream& out, const Json& json) {
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

} // namespace

int run_validate(const ValidateOptions& options, std::ostream& out, const Context& context) {
  try {
    const Validation validation = validate(options, context);
    if (options.json) {
      print_json(out, json_of(validation));
    } else {
      print_text(out, validation, options.verbose);
    }
    return validation.exit_code();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage && error.kind() != ErrorKind::dataset) throw;
    if (options.json) {
      print_json(out,
                 {{"error", error.what()}, {"kind", to_string(error.kind())}, {"exit_code", 2}});
    } else {
      out << "error: " << display(error.what(), 4 * kMessageBytes) << "\nnothing can run\n";
    }
    return 2;
  }
}

} // namespace boldmill::cli
