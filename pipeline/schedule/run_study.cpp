#include "pipeline/schedule/run_study.hpp"

#include <algorithm>

#include "pipeline/graph/derived_run.hpp"
#include "pipeline/graph/person.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::schedule {
namespace {

// What the tasks of one participant-session hand to each other; the graph orders their access.
struct SessionState {
  bool shard_is_current = false;
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

class StudyRun {
public:
  StudyRun(const graph::Study& study, const graph::Plan& plan)
      : study_(study), states_(study.index.sessions.size()) {
    for (std::size_t s = 0; s < states_.size(); ++s) {
      states_[s].inputs.runs.assign(study.index.sessions[s].runs.size(),
                                    Failure{ErrorKind::internal, "not processed"});
    }
    for (const graph::PlanNode& node : plan.nodes) tasks_.push_back(task_of(node));
  }

  StudyResult run(const graph::Plan& plan, const StudyOptions& options) {
    Options scheduling{.slots = options.nprocs,
                       .budget_bytes = options.budget_bytes,
                       .stop = options.stop,
                       .stop_on_first_failure = options.stop_on_first_failure};
    if (options.on_event) {
      scheduling.on_event = [&](const Event& event) {
        options.on_event(plan.nodes[event.task], event);
      };
    }
    const double started = graph::wall_s();
    const std::vector<Report> reports = execute(tasks_, scheduling);
    StudyResult result = collect(plan, reports);
    result.wall_s = graph::wall_s() - started;
    result.interrupted = options.stop.stop_requested();
    return result;
  }

private:
  Task task_of(const graph::PlanNode& node) {
    Task task{.id = node.id,
              .after = node.after,
              .needs_success = true,
              .peak_bytes = node.peak_bytes,
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
        if (state.shard_is_current) return;
        const bids::BoldRun& run = session.runs[r];
        const graph::DerivedSource* source = graph::derived_source(study_, run);
        if (source != nullptr) {
          state.inputs.runs[r] = graph::process_derived_run(study_, session, run, *source, context);
        } else {
          state.inputs.runs[r] = graph::process_run(
              study_, session, run, std::get<graph::Anatomy>(state.inputs.anatomy), context);
        }
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
    const bool volumes = study_.write_volumes != "none";
    if (!volumes && graph::shard_is_current(study_, session)) {
      state.shard_is_current = true;
      return;
    }
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
  }

  void run_person(SessionState& state, const bids::ParticipantSession& session,
                  const Context& context) const {
    store::PersonRecord person;
    if (state.shard_is_current) {
      person = store::read_shard(study_.shard_path(session)).second;
    } else {
      person = graph::make_person(study_, session, state.inputs, context);
      context.check_stop();
      graph::write_person(study_, session, person);
    }
    for (const store::RunRecord& run : person.runs)
      state.lines.push_back({run.run_id, run.status, run.reason});
    state.inputs = {}; // the images are large
  }

  [[nodiscard]] StudyResult collect(const graph::Plan& plan,
                                    const std::vector<Report>& reports) const {
    StudyResult result;
    for (std::size_t t = 0; t < reports.size(); ++t) {
      const Report& report = reports[t];
      if (report.state == State::failed &&
          (report.failure.kind == ErrorKind::disk || report.failure.kind == ErrorKind::usage)) {
        if (!result.fatal) result.fatal = report.failure;
      }
      if (plan.nodes[t].kind != graph::TaskKind::person) continue;
      const bids::ParticipantSession& session = study_.index.sessions[plan.nodes[t].session];
      const SessionState& state = states_[plan.nodes[t].session];
      result.runs.insert(result.runs.end(), state.lines.begin(), state.lines.end());
      if (report.state == State::done) ++result.n_people_done;
      if (report.state == State::failed)
        result.people.push_back({session.id, "failed", report.failure.message});
      if (report.state == State::done && session.runs.empty()) {
        result.people.push_back(
            {session.id, "warning", session.problem.empty() ? "no BOLD run" : session.problem});
      }
    }
    return result;
  }

  const graph::Study& study_;
  std::vector<SessionState> states_;
  std::vector<Task> tasks_;
};

} // namespace

StudyResult run_study(const graph::Study& study, const graph::Plan& plan,
                      const StudyOptions& options) {
  return StudyRun(study, plan).run(plan, options);
}

} // namespace boldmill::schedule
