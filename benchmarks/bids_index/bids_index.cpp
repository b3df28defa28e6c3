// bids_index generate DIR N   writes N participants: a T1w and two runs with sidecars, small files
// bids_index DIR [threads]    indexes DIR three times and reads every sidecar once
#include <sys/resource.h>
#include <tbb/global_control.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "pipeline/bids/index.hpp"
#include "stages/core/parallel.hpp"

namespace {

using boldmill::bids::BidsIndex;
using Clock = std::chrono::steady_clock;

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) throw std::runtime_error(path.string() + ": cannot write");
}

void generate(const std::filesystem::path& root, int n) {
  std::filesystem::create_directories(root);
  write(root / "dataset_description.json", R"({"Name": "benchmark", "BIDSVersion": "1.8.0"})");
  write(root / "task-rest_bold.json", R"({"TaskName": "rest", "Manufacturer": "none"})");
  std::string table = "participant_id\tage\tsex\tgroup\tsite\n";
  std::string timing = R"({"RepetitionTime": 2.0, "EchoTime": 0.03, "SliceTiming": [0)";
  for (int i = 1; i < 36; ++i) timing += ", " + std::to_string(i * 2.0 / 36.0);
  timing += "]}";
  for (int i = 0; i < n; ++i) {
    char label[16];
    std::snprintf(label, sizeof label, "sub-%05d", i);
    const std::string sub = label;
    table += sub + "\t" + std::to_string(20 + i % 60) + "\tF\tcontrol\tsite" +
             std::to_string(i % 10) + "\n";
    std::filesystem::create_directories(root / sub / "anat");
    std::filesystem::create_directories(root / sub / "func");
    write(root / sub / "anat" / (sub + "_T1w.nii.gz"), "x");
    write(root / sub / "anat" / (sub + "_T1w.json"), R"({"EchoTime": 0.003})");
    for (const char* run : {"1", "2"}) {
      const std::string stem = sub + "_task-rest_run-" + run + "_bold";
      write(root / sub / "func" / (stem + ".nii.gz"), "x");
      write(root / sub / "func" / (stem + ".json"), timing);
    }
  }
  write(root / "participants.tsv", table);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

int measure(const std::filesystem::path& root) {
  BidsIndex index;
  for (int repetition = 0; repetition < 3; ++repetition) {
    const Clock::time_point start = Clock::now();
    index = boldmill::bids::index_dataset(root);
    std::printf("index %d: %.3f s, %zu participants, %zu runs, %zu notes, peak %.1f MiB\n",
                repetition + 1, seconds_since(start), index.participant_ids().size(),
                index.n_runs(), index.notes.size(), peak_mb());
  }
  const Clock::time_point start = Clock::now();
  const std::size_t wrong = boldmill::parallel_sum(
      boldmill::Context{}, index.sessions.size(), 8, std::size_t{0},
      [&](std::size_t begin, std::size_t end) {
        std::size_t count = 0;
        for (std::size_t i = begin; i < end; ++i) {
          for (const auto& run : index.sessions[i].runs) {
            const auto sidecar = index.metadata(index.sessions[i], run.file);
            count += sidecar.repetition_time_s == 2.0 && sidecar.task_name == "rest" ? 0 : 1;
          }
        }
        return count;
      });
  std::printf("sidecars of every run: %.3f s, %zu wrong, peak %.1f MiB\n", seconds_since(start),
              wrong, peak_mb());
  return wrong == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  try {
    const std::string first = argc > 1 ? argv[1] : "";
    if (first == "generate" && argc == 4) {
      generate(argv[2], std::stoi(argv[3]));
      return 0;
    }
    if (argc != 2 && argc != 3) {
      std::cerr << "usage: bids_index generate DIR N | bids_index DIR [threads]\n";
      return 2;
    }
    const std::size_t threads = argc == 3 ? std::stoul(argv[2]) : 64;
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    return measure(first);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
