#include "pipeline/cli/validate_check.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/image_io/nifti.hpp"
#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::cli {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool about_this_file(const Error& error) {
  return error.kind() == ErrorKind::input || error.kind() == ErrorKind::gate;
}

// Runs `body`; the message of an Error about one file, or "".
template <class Body>
std::string problem_of(Body&& body) {
  try {
    body();
    return {};
  } catch (const Error& error) {
    if (!about_this_file(error)) throw;
    return error.what();
  }
}

void append(std::vector<std::string>& list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

void check_events_table(const bids::BidsIndex& index, const bids::BoldRun& run,
                        const CountEvents& count, RunCheck& check) {
  if (!run.events) return;
  std::vector<bids::Event> events;
  const std::string problem = problem_of([&] {
    events = bids::read_events(index.absolute(*run.events));
    check.n_events = static_cast<int>(events.size());
    const double length = check.n_volumes > 0 ? check.n_volumes * check.tr_s
                                              : std::numeric_limits<double>::infinity();
    for (const std::string& warning : bids::check_events(events, length)) {
      check.warnings.push_back(*run.events + ": " + warning);
    }
  });
  if (!problem.empty()) {
    check.warnings.push_back("events are not usable: " + problem);
  } else if (count) {
    check.task_events = count(run.task, events);
  }
}

void check_image(const bids::BidsIndex& index, const bids::ParticipantSession& session,
                 const bids::BoldRun& run, bool headers, RunCheck& check) {
  double header_tr_s = kNaN;
  if (headers) {
    const image_io::NiftiHeader header = image_io::read_header(index.absolute(run.file));
    check.shape = header.grid.shape;
    check.n_volumes = header.n_volumes;
    header_tr_s = header.tr_s;
    append(check.warnings, header.notes);
    if (header.n_volumes < 2) {
      throw Error(ErrorKind::input, run.file.path + ": found " + std::to_string(header.n_volumes) +
                                        " volume, expected a 4-D series");
    }
  }
  const bids::Sidecar sidecar = index.metadata(session, run.file);
  append(check.warnings, sidecar.warnings);
  if (!headers && !sidecar.repetition_time_s) return; // the header may have it
  const bids::RepetitionTime tr = bids::resolve_repetition_time(sidecar, header_tr_s);
  check.tr_s = tr.tr_s;
  if (!tr.warning.empty()) check.warnings.push_back(tr.warning);
  if (!headers) return;
  // Slices lie along the third axis unless the sidecar says otherwise.
  const std::string& axis = sidecar.slice_encoding_direction;
  const std::size_t slice_axis = axis.empty() || axis[0] == 'k' ? 2 : axis[0] == 'j' ? 1 : 0;
  const std::string timing = problem_of([&] {
    static_cast<void>(bids::resolve_slice_timing(sidecar, check.shape[slice_axis], check.tr_s));
  });
  if (!timing.empty()) check.warnings.push_back("slice times are not usable: " + timing);
}

RunCheck check_run(const bids::BidsIndex& index, const bids::ParticipantSession& session,
                   const bids::BoldRun& run, bool headers, const CountEvents& count) {
  RunCheck check;
  check.run_id = run.run_id;
  check.path = run.file.path;
  check.task = run.task;
  check.problem = run.file.problem;
  if (!check.problem.empty()) return check;
  check.problem = problem_of([&] { check_image(index, session, run, headers, check); });
  check_events_table(index, run, count, check);
  return check;
}

void check_anatomy(const bids::BidsIndex& index, const bids::ParticipantSession& session,
                   bool headers, SessionCheck& check) {
  std::string last;
  for (const bids::AnatFile& file : session.t1w) {
    std::string problem = file.problem;
    if (problem.empty() && headers) {
      problem = problem_of([&] {
        const image_io::NiftiHeader header = image_io::read_header(index.absolute(file));
        append(check.warnings, header.notes);
        if (header.n_volumes != 1) {
          throw Error(ErrorKind::input, "found " + std::to_string(header.n_volumes) +
                                            " volumes, expected a 3-D image");
        }
      });
    }
    if (problem.empty()) {
      check.t1w.push_back(file.path);
    } else {
      last = problem.starts_with(file.path) ? problem : file.path + ": " + problem;
      check.warnings.push_back(last);
    }
  }
  if (check.problem.empty() && check.t1w.empty()) {
    check.problem = "no T1w image that can be read: " + last;
  }
}

SessionCheck check_session(const bids::BidsIndex& index, const bids::ParticipantSession& session,
                           bool headers, const CountEvents& count) {
  SessionCheck check;
  check.id = session.id;
  check.participant_id = session.participant_id;
  check.session_id = session.session_id;
  check.problem = session.problem;
  check_anatomy(index, session, headers, check);
  for (const bids::BoldRun& run : session.runs) {
    check.runs.push_back(check_run(index, session, run, headers, count));
    if (check.runs.back().problem.empty() && !check.problem.empty()) {
      check.runs.back().problem = check.problem;
    }
  }
  static_cast<void>(index.scans(session, check.table_warnings));
  const bool any = std::any_of(check.runs.begin(), check.runs.end(),
                               [](const RunCheck& run) { return run.problem.empty(); });
  if (!any && check.problem.empty()) {
    check.problem = "no BOLD run that can be processed: " + check.runs.front().problem;
  }
  return check;
}

} // namespace

std::string reason_nothing_runs(const bids::BidsIndex& index) {
  std::string first = "expected a T1w and a BOLD run of someone";
  bool named = false;
  for (const bids::ParticipantSession& session : index.sessions) {
    if (session.runs.empty()) continue;
    const SessionCheck check = check_session(index, session, true, {});
    for (const RunCheck& run : check.runs) {
      if (run.problem.empty()) return "";
      if (!named) first = run.problem;
      named = true;
    }
  }
  return first;
}

std::vector<SessionCheck> check_sessions(const bids::BidsIndex& index, bool headers,
                                         const CountEvents& count, const Context& context) {
  std::vector<SessionCheck> checks(index.sessions.size());
  constexpr std::size_t kGrain = 4; // sessions per task
  parallel_blocks(context, checks.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      checks[i] = check_session(index, index.sessions[i], headers, count);
    }
  });
  return checks;
}

} // namespace boldmill::cli
