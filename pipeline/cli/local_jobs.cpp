#include "pipeline/cli/local_jobs.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "stages/core/error.hpp"

extern char** environ; // NOLINT(readability-redundant-declaration)

namespace boldmill::cli {

void LocalJobs::start(const std::filesystem::path& script,
                      const std::vector<std::pair<std::string, std::string>>& environment,
                      const std::filesystem::path& log) {
  std::vector<std::string> words;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string word = *entry;
    // The child is no job of a scheduler that this process may itself be a job of.
    if (!word.starts_with("SLURM_")) words.push_back(word);
  }
  for (const auto& [name, value] : environment) words.push_back(name + "=" + value);
  std::vector<char*> variables;
  for (std::string& word : words) variables.push_back(word.data());
  variables.push_back(nullptr);
  std::string shell = "bash";
  std::string path = script.string();
  char* arguments[] = {shell.data(), path.data(), nullptr};

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0666);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none); // this process blocks what it waits for
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int error = posix_spawnp(&child, "bash", &files, &attributes, arguments, variables.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    throw Error(ErrorKind::disk, log.filename().string() +
                                     ": the job could not be started: " + std::strerror(error));
  }
  running_.insert(child);
  told_ = false;
}

int LocalJobs::wait_for_one() {
  for (;;) {
    if (stop_.stop_requested() && !told_) {
      for (const pid_t child : running_) ::kill(child, SIGTERM);
      told_ = true;
    }
    for (const pid_t child : running_) {
      int status = 0;
      const pid_t ended = ::waitpid(child, &status, WNOHANG);
      if (ended == 0) continue;
      running_.erase(child);
      if (ended < 0) return 4; // it was never ours
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

} // namespace boldmill::cli
