#include "pipeline/cli/status_command.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "pipeline/bids/text.hpp"
#include "pipeline/config/sections.hpp"

namespace boldmill::cli {
namespace {

using config::Json;

constexpr std::size_t kShown = 20; // lines of one kind, without --verbose

std::string number(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string span_text(double seconds) {
  if (seconds < 90.0) return number("%.0f s", seconds);
  if (seconds < 5400.0) return number("%.0f min", seconds / 60.0);
  return number("%.1f h", seconds / 3600.0);
}

std::string clock_time(double after_s) {
  const auto when = static_cast<std::time_t>(schedule::unix_now_s() + after_s);
  std::tm local{};
  ::localtime_r(&when, &local);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &local);
  return text.data();
}

std::string count_line(const char* what, std::size_t n, const std::string& more = {}) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%-8s %6zu", what, n);
  return text.data() + more + "\n";
}

template <class Items, class Text>
void list(std::string& out, const Items& items, bool verbose, Text&& text) {
  const std::size_t n = verbose ? items.size() : std::min(items.size(), kShown);
  for (std::size_t i = 0; i < n; ++i) out += "  " + text(items[i]) + "\n";
  if (n < items.size()) {
    out += "  ... and " + std::to_string(items.size() - n) + " more, see --verbose\n";
  }
}

std::string finish_text(const schedule::Status& status) {
  if (status.pending.empty() && status.running.empty()) {
    if (!status.has_cohort) return "finish   all are through; the group level makes cohort.h5\n";
    return status.cohort_is_older
               ? "finish   all are through; cohort.h5 is older than they are, run the group level\n"
               : "finish   all done, cohort.h5 is there\n";
  }
  if (status.n_processes == 0) return "finish   no process is at work\n";
  if (!std::isfinite(status.remaining_s)) {
    return "finish   not known before the next has ended (" + std::to_string(status.n_processes) +
           " at work)\n";
  }
  return "finish   about " + clock_time(status.remaining_s) + " (in " +
         span_text(status.remaining_s) + "; " + std::to_string(status.n_processes) +
         (status.n_processes == 1 ? " process, " : " processes, ") +
         number("%.3g", status.per_hour) + " an hour)\n";
}

} // namespace

std::string status_text(const schedule::Status& status, bool verbose) {
  std::string out = count_line("asked", status.n_asked);
  out += count_line("done", status.done.size());
  out += count_line("running", status.running.size());
  list(out, status.running, verbose, [](const schedule::Running& running) {
    return bids::display(running.session) + " on " + bids::display(running.host);
  });
  out += count_line("failed", status.failed.size());
  list(out, status.failed, verbose, [](const schedule::SessionLine& line) {
    return bids::display(line.session) + ": " + bids::display(line.reason, 1000);
  });
  out += count_line("pending", status.pending.size());
  out += finish_text(status);
  if (!status.bad_runs.empty()) {
    out += "runs of those done that are not ok: " + std::to_string(status.bad_runs.size()) + "\n";
    list(out, status.bad_runs, verbose, [](const schedule::RunLine& run) {
      return bids::display(run.status) + " " + bids::display(run.run_id) + ": " +
             bids::display(run.reason, 1000);
    });
  }
  return out;
}

std::string status_json(const schedule::Status& status) {
  Json running = Json::array();
  for (const auto& one : status.running) {
    running.push_back({{"session", one.session}, {"host", one.host}, {"renewed_s", one.since_s}});
  }
  Json failed = Json::array();
  for (const auto& one : status.failed) {
    failed.push_back({{"session", one.session}, {"reason", one.reason}});
  }
  Json runs = Json::array();
  for (const auto& one : status.bad_runs) {
    runs.push_back({{"run_id", one.run_id}, {"status", one.status}, {"reason", one.reason}});
  }
  const Json json{
      {"asked", status.n_asked},
      {"done", status.done},
      {"running", running},
      {"failed", failed},
      {"pending", status.pending},
      {"runs_not_ok", runs},
      {"processes", status.n_processes},
      {"per_hour", status.per_hour},
      {"remaining_s", std::isfinite(status.remaining_s) ? Json(status.remaining_s) : Json()},
      {"cohort", status.has_cohort},
      {"cohort_is_older", status.cohort_is_older}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void add_status_options(CLI::App& app, StatusOptions& options, std::function<int()>& action) {
  app.add_option("out", options.out, "output folder of a study")->required();
  app.add_flag("--json", options.json, "JSON instead of text");
  app.add_flag("-v,--verbose", options.verbose, "every line, not only the first 20 of a kind");
  app.callback([&options, &action] {
    action = [&options] {
      const schedule::Status status = schedule::read_status(options.out);
      std::fputs(
          (options.json ? status_json(status) : status_text(status, options.verbose)).c_str(),
          stdout);
      return 0;
    };
  });
}

} // namespace boldmill::cli
