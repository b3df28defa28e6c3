// Alignment under faults: how often is a result right, or flagged, and how often is a clean case
// flagged?
//   robustness PEOPLE_FOLDER TEMPLATE.nii.gz [MOST_PEOPLE]
// PEOPLE_FOLDER is a BIDS folder with sub-*/anat/*_T1w.nii.gz and sub-*/func/*_bold.nii.gz (a
// simulated cohort, or real people). Per person: 8 clean cases (BOLD header moved by up to 10 mm
// and 8 degrees), 12 faulty ones of BOLD or T1w, and two that promise nothing (both images
// exchanged, another person's T1w). Right: RMS displacement over an 80 mm sphere from the pose of
// the untouched pair, moved by the known change, below 3 mm. Flagged: the stage says doubtful (or,
// for the T1w, a rotation above 60 degrees against the header).
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <vector>

#include "benchmarks/preprocessing/damage.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/bias_field.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/template_mask.hpp"
#include "stages/core/random.hpp"
#include "stages/core/smooth.hpp"
#include "stages/functional/bold_mask.hpp"
#include "stages/functional/boldref.hpp"
#include "stages/functional/coregistration.hpp"
#include "stages/functional/dummy_scans.hpp"
#include "stages/functional/kernels/mirror_evidence.hpp"

using namespace boldmill;
using namespace boldmill::damage;
namespace fs = std::filesystem;

namespace {

constexpr double kRightMm = 3.0;
constexpr int kCleanPerPerson = 8;

struct Tally {
  int n = 0, right = 0, flagged = 0, wrong_unflagged = 0;
};
std::map<std::string, Tally> tallies;
std::map<std::string, std::vector<double>> mirror_gains; // of T1w images against the template

void count(const std::string& kind, const std::string& who, bool right, bool flagged,
           const std::string& detail) {
  Tally& tally = tallies[kind];
  ++tally.n;
  tally.right += right ? 1 : 0;
  tally.flagged += flagged ? 1 : 0;
  tally.wrong_unflagged += !right && !flagged ? 1 : 0;
  const bool expected = kind == "clean"                 ? right && !flagged
                        : kind == "sides exchanged"     ? flagged
                        : kind.starts_with("evidence:") ? true
                                                        : right || flagged;
  if (!expected) std::printf("%s, %s: %s\n", kind.c_str(), who.c_str(), detail.c_str());
}

struct Person {
  std::string name;
  Volume t1w, boldref;
  Mask t1w_mask;
  Affine to_template, mirror, bold_to_t1w;
};

struct Template {
  Volume brain;
  Mask mask;
};

affine::Outputs fit_anatomy(const Volume& t1w, const Template& target, Mask& mask) {
  const auto head = affine::run({t1w, target.brain, target.mask}, {}, {});
  mask = brain_mask::run({t1w, target.brain, target.mask, head.t1w_to_template}, {}, {}).mask;
  auto fit = affine::run({t1w, target.brain, target.mask, &mask, &head.t1w_to_template}, {}, {});
  fit.header_rotation_deg = head.header_rotation_deg;
  return fit;
}

coregistration::Outputs align(const Person& person, const Volume& boldref) {
  const auto mask = bold_mask::run({&boldref, nullptr}, {}, {});
  auto out = coregistration::run(
      {&boldref, &mask.mask, &person.t1w, &person.t1w_mask, &person.mirror}, {}, {});
  if (mask.doubtful) {
    out.doubtful = true;
    out.reason += " mask";
  }
  return out;
}

Eigen::Vector3d center_of(const Volume& image) { return center_of_mass_mm(image); }

void judge(const std::string& kind, const Person& person, const Volume& boldref,
           const Affine& moved) {
  try {
    const auto out = align(person, boldref);
    const Affine expected = person.bold_to_t1w * moved.inverse();
    const double error = rms_displacement_mm(out.bold_to_t1w, expected, center_of(boldref), 80.0);
    char detail[200];
    std::snprintf(detail, sizeof detail, "%.2f mm, dice %.3f, mirror gain %.4f, %s", error,
                  out.dice, out.mirror_similarity_gain,
                  out.doubtful ? out.reason.c_str() : "not flagged");
    count(kind, person.name, error < kRightMm, out.doubtful, detail);
  } catch (const Error& error) {
    count(kind, person.name, false, true, error.what());
  }
}

void judge_t1w(const std::string& kind, const Person& person, const Volume& t1w,
               const Affine& moved, const Template& target) {
  try {
    Mask mask;
    const auto fit = fit_anatomy(t1w, target, mask);
    const Affine expected = person.to_template * moved.inverse();
    const double error = rms_displacement_mm(fit.t1w_to_template, expected, center_of(t1w), 80.0);
    const bool flagged = fit.header_rotation_deg > 60.0;
    count(kind, person.name, error < kRightMm, flagged, std::to_string(error) + " mm");
    mirror_gains["T1w as it is"].push_back(fit.mirror_gain);
  } catch (const Error& error) {
    count(kind, person.name, false, true, error.what());
  }
}

// The same shrunken brain in both images.
void judge_atrophy(const Person& person, const Template& target) {
  const Eigen::Vector3d center =
      (person.to_template.inverse() * Eigen::Vector4d(0.0, -10.0, 14.0, 1.0)).head<3>();
  double bright = 0.0;
  for (const std::size_t v : indices_of(person.t1w_mask)) {
    bright = std::max(bright, static_cast<double>(person.t1w.data[v]));
  }
  Person shrunken = person;
  shrunken.t1w = atrophied(person.t1w, Affine::Identity(), person.t1w_mask, center, 0.2 * bright);
  judge_t1w("T1w of a shrunken brain", person, shrunken.t1w, Affine::Identity(), target);
  try {
    (void)fit_anatomy(shrunken.t1w, target, shrunken.t1w_mask);
  } catch (const Error& error) {
    count("BOLD and T1w of a shrunken brain", person.name, false, true, error.what());
    return;
  }
  float signal = 0.0F;
  for (const float value : person.boldref.data) signal = std::max(signal, value);
  const Volume boldref = atrophied(person.boldref, person.bold_to_t1w, person.t1w_mask, center,
                                   0.6 * static_cast<double>(signal));
  judge("BOLD and T1w of a shrunken brain", shrunken, boldref, Affine::Identity());
}

void judge_both_exchanged(const Person& person, const Template& target) {
  try {
    Mask mask;
    const auto fit = fit_anatomy(exchanged(person.t1w), target, mask);
    mirror_gains["T1w exchanged"].push_back(fit.mirror_gain);
    count("evidence: both images exchanged", person.name, false, fit.mirror_gain > 0.0, "");
  } catch (const Error& error) {
    count("evidence: both images exchanged", person.name, false, true, error.what());
  }
}

void judge_bold(const Person& person, int number, Random& random) {
  const Eigen::Vector3d center = center_of(person.boldref);
  for (int n = 0; n < kCleanPerPerson; ++n) {
    const Affine moved =
        random_move(random, 10.0 * random.uniform(), 8.0 * random.uniform(), center);
    judge("clean", person, with_header(person.boldref, moved), moved);
  }
  judge("sides exchanged", person, exchanged(person.boldref), Affine::Identity());
  Affine moved = quarter_turn(number, center);
  judge("BOLD header turned by 90 degrees", person, with_header(person.boldref, moved), moved);
  moved = random_move(random, 5.0, 30.0, center);
  judge("BOLD 30 degrees oblique", person, with_header(person.boldref, moved), moved);
  moved = random_move(random, 40.0, 3.0, center);
  judge("BOLD displaced by 40 mm", person, with_header(person.boldref, moved), moved);
  judge("BOLD covers half", person, slab(person.boldref, 0.5), Affine::Identity());
  judge("BOLD reference with 20 % noise", person, noisy(person.boldref, 0.2, random),
        Affine::Identity());
}

void run_person(const Person& person, const Person* other, const Template& target, int number) {
  Random random(static_cast<std::uint64_t>(100 + number));
  judge_bold(person, number, random);
  const Eigen::Vector3d head = center_of(person.t1w);
  const Affine moved = quarter_turn(number + 1, head);
  judge_t1w("T1w header turned by 90 degrees", person, with_header(person.t1w, moved), moved,
            target);
  const Eigen::Vector3d at = head + Eigen::Vector3d(number % 2 == 0 ? 35.0 : -35.0, -10.0, 25.0);
  const Volume hurt = lesioned(person.t1w, at, 22.0);
  judge_t1w("T1w with a lesion of 45 ml", person, hurt, Affine::Identity(), target);
  judge_t1w("T1w with 15 % noise", person, noisy(person.t1w, 0.15, random), Affine::Identity(),
            target);
  judge_atrophy(person, target);
  judge_both_exchanged(person, target);
  if (other == nullptr) return;
  Person mixed = *other; // the BOLD of `person` with the T1w of `other`
  mixed.name = person.name;
  mixed.bold_to_t1w = person.bold_to_t1w;
  judge("evidence: another person's T1w", mixed, person.boldref, Affine::Identity());
}

Person read_person(const fs::path& folder, const Template& target) {
  Person person;
  person.name = folder.filename().string();
  fs::path t1w, bold;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with("_T1w.nii.gz")) t1w = entry.path();
    if (name.ends_with("_bold.nii.gz") && bold.empty()) bold = entry.path();
  }
  person.t1w = image_io::read_volume(t1w, {.nonfinite_to_zero = true});
  if (person.t1w.grid.spacing_mm().minCoeff() < 0.95) person.t1w = downsample(person.t1w, 1.0, {});
  person.t1w = bias_field::run({person.t1w}, {}, {}).corrected;
  const auto fit = fit_anatomy(person.t1w, target, person.t1w_mask);
  person.to_template = fit.t1w_to_template;
  person.mirror = mid_sagittal_reflection(person.to_template);
  const Series series = image_io::read_series(bold, {}, {.nonfinite_to_zero = true});
  const int n_dummies = dummy_scans::run({series}, {}, {}).n_dummies;
  person.boldref = boldref::run({series, n_dummies}, {}, {}).reference;
  person.bold_to_t1w = align(person, person.boldref).bold_to_t1w;
  return person;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: robustness PEOPLE_FOLDER TEMPLATE.nii.gz [MOST_PEOPLE]\n");
    return 2;
  }
  Template target{image_io::read_volume(argv[2]), {}};
  target.mask = template_mask(target.brain, {});
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(argv[1])) {
    if (entry.path().filename().string().starts_with("sub-")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  const int most = argc > 3 ? std::atoi(argv[3]) : 1000;
  int number = 0;
  Person before;
  for (const fs::path& folder : folders) {
    if (number == most) break;
    Person person = read_person(folder, target);
    run_person(person, number > 0 ? &before : nullptr, target, number);
    before = std::move(person);
    std::fprintf(stderr, "%d people\r", ++number);
  }
  std::printf("%-36s %6s %6s %8s %s\n", "case", "n", "right", "flagged", "wrong, not flagged");
  for (const auto& [kind, tally] : tallies) {
    std::printf("%-36s %6d %6d %8d %d\n", kind.c_str(), tally.n, tally.right, tally.flagged,
                tally.wrong_unflagged);
  }
  for (auto& [kind, gains] : mirror_gains) {
    std::sort(gains.begin(), gains.end());
    std::printf("correlation gained by mirroring, %s: %zu, %.4f to %.4f, median %.4f\n",
                kind.c_str(), gains.size(), gains.front(), gains.back(), gains[gains.size() / 2]);
  }
  return 0;
}
