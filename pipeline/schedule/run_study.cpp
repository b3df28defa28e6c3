#include "pipeline/schedule/run_study.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "pipeline/graph/derived_run.hpp"
#include "pipeline/graph/person.hpp"
#include "pipeline/graph/resident_memory.hpp"
#include "pipeline/store/shard.hpp"
#include "stages/core/outcome.hpp"

namespace boldmill::schedule {
namespace {

// What the tasks of one participant-session hand to each other; the graph orders their access.
struct SessionState {
  bool shard_is_current = false;
  bool elsewhere = false; // another process works on it
  double begun_s = 0.0;
  graph::PersonInputs inputs;
  std::vector<RunLine> lines;
};

// Messages end up in outputs: paths in them are relative to the dataset.
Failure without_root(Failure failure, const std::filesystem::path& root) {
  for (std::string prefix : {std::filesystem::absolute(root).string(), root.string()}) {
    while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
    if (prefix.size() < 2) continue;
    prefix += '/';
    for (std::size_t at = 0; (at = failure.message.find(prefix, at)) != std::string::npos;) {
      failure.message.erase(at, prefix.size());
    }
  }
  return failure;
}

// Gives a claim back when the participant-session has ended, well or not.
struct Release {
  cache::Claims* claims;
  const std::string& session;
  ~Release() {
    if (claims != nullptr) claims->release(session);
  }
};

// The tasks of some participant-sessions alone.
graph::Plan part_of(const graph::Plan& plan, const std::set<std::size_t>& sessions) {
  graph::Plan part;
  std::vector<std::size_t> position(plan.nodes.size(), 0);
  for (std::size_t n = 0; n < plan.nodes.size(); ++n) {
    if (!sessions.contains(plan.nodes[n].session)) continue;
    position[n] = part.nodes.size();
    part.nodes.push_back(plan.nodes[n]);
    for (std::size_t& before : part.nodes.back().after) before = position[before];
  }
  return part;
}

class StudyRun {
public:
  StudyRun(const graph::Study& study, const StudyOptions& options)
      : study_(study), options_(options), states_(study.index.sessions.size()) {
    for (std::size_t s = 0; s < states_.size(); ++s) {
      states_[s].inputs.runs.assign(study.index.sessions[s].runs.size(),
                                    Failure{ErrorKind::internal, "not processed"});
    }
  }

  StudyResult run(const graph::Plan& plan) {
    const double started = graph::wall_s();
    StudyResult result;
    graph::Plan todo = plan;
    for (;;) {
      round(todo, result);
      const std::set<std::size_t> left = elsewhere();
      if (left.empty() || result.fatal || options_.stop.stop_requested()) break;
      if (options_.stop_on_first_failure && !result.people.empty()) break;
      const std::set<std::size_t> free = wait_for(left);
      waited_ = true;
      todo = part_of(plan, free);
    }
    for (const SessionState& state : states_) {
      result.runs.insert(result.runs.end(), state.lines.begin(), state.lines.end());
    }
    result.wall_s = graph::wall_s() - started;
    result.interrupted = options_.stop.stop_requested();
    return result;
  }

private:
  void round(const graph::Plan& plan, StudyResult& result) {
    std::vector<Task> tasks;
    for (const graph::PlanNode& node : plan.nodes) tasks.push_back(task_of(node));
    Options scheduling{.slots = options_.nprocs,
                       .budget_bytes = options_.budget_bytes,
                       .base_bytes = base_bytes(),
                       .stop = options_.stop,
                       .stop_on_first_failure = options_.stop_on_first_failure};
    if (options_.on_event) {
      scheduling.on_event = [&](const Event& event) {
        options_.on_event(plan.nodes[event.task], event);
      };
    }
    collect(plan, execute(tasks, scheduling), result);
  }

  // Templates, atlases, tables and the program itself.
  static std::size_t base_bytes() {
    graph::return_freed_memory();
    return graph::resident_memory().now_bytes;
  }

  [[nodiscard]] std::set<std::size_t> elsewhere() const {
    std::set<std::size_t> sessions;
    for (std::size_t s = 0; s < states_.size(); ++s) {
      if (states_[s].elsewhere) sessions.insert(s);
    }
    return sessions;
  }

  // Until another process has let go of at least one of them.
  [[nodiscard]] std::set<std::size_t> wait_for(const std::set<std::size_t>& sessions) {
    constexpr std::chrono::milliseconds kLongest{2000};
    std::chrono::milliseconds pause{50};
    std::set<std::size_t> free;
    while (free.empty() && !options_.stop.stop_requested()) {
      std::this_thread::sleep_for(pause);
      pause = std::min(2 * pause, kLongest);
      for (const std::size_t s : sessions) {
        if (!options_.claims->held_elsewhere(study_.index.sessions[s].id)) free.insert(s);
      }
    }
    for (const std::size_t s : free) states_[s].elsewhere = false;
    return free;
  }

  // Whether this process makes the participant-session now.
  bool begin(SessionState& state, const bids::ParticipantSession& session) const {
    state.begun_s = graph::wall_s();
    const bool volumes = study_.write_volumes != "none";
    // What another process has just made is not made again, failed runs and --force or not.
    state.shard_is_current =
        waited_ ? graph::shard_is_current(study_, session, graph::Accept::failed_runs)
                : !volumes && graph::shard_is_current(study_, session);
    if (state.shard_is_current || options_.claims == nullptr) return !state.shard_is_current;
    state.elsewhere = !options_.claims->take(session.id);
    if (state.elsewhere) return false;
    // It may have been finished between the two looks.
    state.shard_is_current = !volumes && graph::shard_is_current(study_, session);
    return !state.shard_is_current;
  }

  Task task_of(const graph::PlanNode& node) {
    Task task{.id = node.id,
              .after = node.after,
              .needs_success = true,
              .peak_bytes = node.peak_bytes,
              .kept_bytes = node.kept_bytes,
              .group = node.session,
              .estimated_s = node.estimated_s,
              .body = {},
              .on_failure = {}};
    SessionState& state = states_[node.session];
    const bids::ParticipantSession& session = study_.index.sessions[node.session];
    switch (node.kind) {
    case graph::TaskKind::anatomy:
      task.body = [this, &state, &session](const Context& context) {
        run_anatomy(state, session, context);
      };
      task.on_failure = [this, &state](const Failure& failure) {
        state.inputs.anatomy = without_root(failure, study_.index.root);
      };
      break;
    case graph::TaskKind::bold_run:
      task.body = [this, &state, &session, r = node.run](const Context& context) {
        if (state.shard_is_current || state.elsewhere) return;
        const bids::BoldRun& run = session.runs[r];
        const graph::DerivedSource* source = graph::derived_source(study_, run);
        if (source != nullptr) {
          state.inputs.runs[r] = graph::process_derived_run(study_, session, run, *source, context);
        } else {
          state.inputs.runs[r] = graph::process_run(
              study_, session, run, std::get<graph::Anatomy>(state.inputs.anatomy), context);
        }
        graph::return_freed_memory();
      };
      task.on_failure = [this, &state, r = node.run](const Failure& failure) {
        state.inputs.runs[r] = without_root(failure, study_.index.root);
      };
      break;
    case graph::TaskKind::person:
      task.needs_success = false;
      task.body = [this, &state, &session](const Context& context) {
        run_person(state, session, context);
      };
      break;
    case graph::TaskKind::cohort:
      throw Error(ErrorKind::internal, "run_study: the plan holds a cohort node");
    }
    return task;
  }

  void run_anatomy(SessionState& state, const bids::ParticipantSession& session,
                   const Context& context) const {
    if (!begin(state, session)) return;
    const bool volumes = study_.write_volumes != "none";
    if (!graph::anatomy_is_needed(study_, session)) return;
    if (!session.problem.empty())
      throw Error(ErrorKind::input, session.id + ": " + session.problem);
    const bool needs_images =
        volumes ||
        std::any_of(session.runs.begin(), session.runs.end(), [&](const bids::BoldRun& run) {
          if (graph::derived_source(study_, run) != nullptr) return false;
          const auto cached = capture([&] { return graph::run_is_cached(study_, session, run); });
          return std::holds_alternative<bool>(cached) && !std::get<bool>(cached);
        });
    state.inputs.anatomy = graph::run_anatomy(study_, session, needs_images, context);
    graph::return_freed_memory();
  }

  void run_person(SessionState& state, const bids::ParticipantSession& session,
                  const Context& context) const {
    if (state.elsewhere) return;
    const Release release{options_.claims, session.id};
    store::PersonRecord person;
    if (state.shard_is_current) {
      person = store::read_shard(study_.shard_path(session)).second;
    } else {
      person = graph::make_person(study_, session, state.inputs, context);
      context.check_stop();
      graph::write_person(study_, session, person, context);
    }
    for (const store::RunRecord& run : person.runs)
      state.lines.push_back({run.run_id, run.status, run.reason});
    state.inputs = {}; // the images are large
    if (!state.shard_is_current) graph::return_freed_memory();
    if (options_.journal == nullptr) return;
    SessionLine line{.session = session.id,
                     .state = state.shard_is_current ? "kept" : "done",
                     .reason = {},
                     .wall_s = graph::wall_s() - state.begun_s,
                     .bad = {}};
    for (const RunLine& run : state.lines) {
      if (run.status != "ok") line.bad.push_back(run);
    }
    options_.journal->add(line);
  }

  void collect(const graph::Plan& plan, const std::vector<Report>& reports, StudyResult& result) {
    for (std::size_t t = 0; t < reports.size(); ++t) {
      const Report& report = reports[t];
      if (report.state == State::failed &&
          (report.failure.kind == ErrorKind::disk || report.failure.kind == ErrorKind::usage)) {
        if (!result.fatal) result.fatal = report.failure;
      }
      if (plan.nodes[t].kind != graph::TaskKind::person) continue;
      const bids::ParticipantSession& session = study_.index.sessions[plan.nodes[t].session];
      if (states_[plan.nodes[t].session].elsewhere) continue;
      if (report.state == State::done) ++result.n_people_done;
      if (report.state == State::failed) add_failed(session, report.failure, result);
      if (report.state == State::done && session.runs.empty()) {
        result.people.push_back(
            {session.id, "warning", session.problem.empty() ? "no BOLD run" : session.problem});
      }
    }
  }

  void add_failed(const bids::ParticipantSession& session, const Failure& failure,
                  StudyResult& result) const {
    result.people.push_back({session.id, "failed", failure.message});
    if (options_.journal == nullptr || failure.kind == ErrorKind::interrupted) return;
    // The disk may be what failed; the summary says it in any case.
    (void)capture([&] {
      options_.journal->add({session.id, "failed", failure.message, 0.0, {}});
      return true;
    });
  }

  const graph::Study& study_;
  const StudyOptions& options_;
  std::vector<SessionState> states_;
  bool waited_ = false; // in a later round, for what another process had
};

} // namespace

StudyResult run_study(const graph::Study& study, const graph::Plan& plan,
                      const StudyOptions& options) {
  return StudyRun(study, options).run(plan);
}

} // namespace boldmill::schedule
