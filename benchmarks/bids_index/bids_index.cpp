// bids_index generate DIR N   writes N participants: a T1w and two runs with sidecars, small files
// bids_index DIR [threads]    indexes DIR three times and reads every sidecar once
// bids_index derivatives DIR N   writes what fMRIPrep 24 leaves of N participants with two runs
// each bids_index find DIR [threads]  indexes such a folder and finds the files of every run, three
// times
#include <sys/resource.h>
#include <tbb/global_control.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "pipeline/bids/derivatives.hpp"
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

void generate_derivatives(const std::filesystem::path& root, int n) {
  std::filesystem::create_directories(root);
  write(
      root / "dataset_description.json",
      R"({"Name": "fMRIPrep", "BIDSVersion": "1.4.0", "DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.1.1"}]})");
  const std::string in = "_space-MNI152NLin2009cAsym_res-2";
  std::vector<std::string> anat{"_desc-preproc_T1w.nii.gz", "_desc-preproc_T1w.json",
                                "_desc-brain_mask.nii.gz", "_desc-brain_mask.json", "_dseg.nii.gz"};
  for (const char* tissue : {"CSF", "GM", "WM"}) {
    anat.push_back(std::string("_label-") + tissue + "_probseg.nii.gz");
  }
  const std::size_t native = anat.size();
  for (std::size_t i = 0; i < native; ++i) anat.push_back(in + anat[i]);
  for (const char* pair : {"fsnative_to-T1w", "T1w_to-fsnative"}) {
    anat.push_back(std::string("_from-") + pair + "_mode-image_xfm.txt");
  }
  for (const char* pair : {"MNI152NLin2009cAsym_to-T1w", "T1w_to-MNI152NLin2009cAsym"}) {
    anat.push_back(std::string("_from-") + pair + "_mode-image_xfm.h5");
  }
  for (const char* hemi : {"_hemi-L_", "_hemi-R_"}) {
    for (const char* part : {"white.surf.gii", "pial.surf.gii", "midthickness.surf.gii",
                             "inflated.surf.gii", "sulc.shape.gii", "thickness.shape.gii"}) {
      anat.push_back(std::string(hemi) + part);
    }
  }
  std::vector<std::string> func{"_desc-confounds_timeseries.tsv",
                                "_desc-confounds_timeseries.json",
                                "_desc-coreg_boldref.nii.gz",
                                "_desc-coreg_boldref.json",
                                "_desc-hmc_boldref.nii.gz",
                                "_desc-hmc_boldref.json",
                                "_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
                                "_from-boldref_to-T1w_mode-image_desc-coreg_xfm.json",
                                "_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt",
                                "_from-orig_to-boldref_mode-image_desc-hmc_xfm.json"};
  for (const std::string& space : {std::string(), in}) {
    for (const char* what : {"_boldref", "_desc-brain_mask", "_desc-preproc_bold"}) {
      func.push_back(space + what + ".nii.gz");
      func.push_back(space + what + ".json");
    }
  }
  for (int i = 0; i < n; ++i) {
    char label[16];
    std::snprintf(label, sizeof label, "sub-%05d", i);
    const std::string sub = label;
    const std::filesystem::path folder = root / sub;
    for (const char* part : {"anat", "func", "figures"}) {
      std::filesystem::create_directories(folder / part);
    }
    for (const std::string& name : anat) write(folder / "anat" / (sub + name), "{}");
    for (const char* run : {"1", "2"}) {
      const std::string stem = sub + "_task-rest_run-" + run;
      for (const std::string& name : func) {
        write(folder / "func" / (stem + name),
              name.ends_with("bold.json") ? R"({"RepetitionTime": 2.0, "TaskName": "rest"})"
                                          : "{}");
      }
      for (const char* name : {"carpetplot", "compcorvar", "confoundcorr", "coreg", "rois"}) {
        write(folder / "figures" / (stem + "_desc-" + name + "_bold.svg"), "");
      }
    }
    write(root / (sub + ".html"), "");
  }
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

int find_all(const std::filesystem::path& root) {
  std::size_t wrong = 0;
  for (int repetition = 0; repetition < 3; ++repetition) {
    const Clock::time_point start = Clock::now();
    const BidsIndex index = boldmill::bids::index_dataset(root);
    const auto derivatives = boldmill::bids::index_derivatives("fmriprep", root);
    const double indexed = seconds_since(start);
    wrong = boldmill::parallel_sum(
        boldmill::Context{}, index.sessions.size(), 8, std::size_t{0},
        [&](std::size_t begin, std::size_t end) {
          std::size_t count = 0;
          for (std::size_t i = begin; i < end; ++i) {
            for (const auto& run : index.sessions[i].runs) {
              const auto found = derivatives.find(run, "MNI152NLin2009cAsym");
              count += found.missing.empty() && found.bold && found.mask && found.confounds ? 0 : 1;
            }
          }
          return count;
        });
    std::printf("derivatives %d: %.3f s, of it index %.3f s, %zu participants, %zu runs, %zu "
                "incomplete, peak %.1f MiB\n",
                repetition + 1, seconds_since(start), indexed, derivatives.participants.size(),
                index.n_runs(), wrong, peak_mb());
  }
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
    if (first == "derivatives" && argc == 4) {
      generate_derivatives(argv[2], std::stoi(argv[3]));
      return 0;
    }
    const int find = first == "find" ? 1 : 0;
    if (argc != 2 + find && argc != 3 + find) {
      std::cerr
          << "usage: bids_index generate|derivatives DIR N | bids_index [find] DIR [threads]\n";
      return 2;
    }
    const std::size_t threads = argc == 3 + find ? std::stoul(argv[2 + find]) : 64;
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    return find == 1 ? find_all(argv[2]) : measure(first);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
