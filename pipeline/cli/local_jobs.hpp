// Job scripts as child processes of this one.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace boldmill::cli {

class LocalJobs {
public:
  explicit LocalJobs(std::stop_token stop) : stop_(std::move(stop)) {}
  // Starts `bash script` with further environment variables; both outputs go to `log`. Error{disk}.
  void start(const std::filesystem::path& script,
             const std::vector<std::pair<std::string, std::string>>& environment,
             const std::filesystem::path& log);
  [[nodiscard]] std::size_t size() const { return running_.size(); }
  // Its exit code; 128 + signal when it was killed. A request to stop is handed on as SIGTERM.
  [[nodiscard]] int wait_for_one();

private:
  std::stop_token stop_;
  std::set<pid_t> running_;
  bool told_ = false;
};

} // namespace boldmill::cli
