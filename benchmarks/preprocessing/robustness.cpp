// Alignment under faults: how often is a result right, or flagged, and how often is a clean case
// flagged?
//   robustness PEOPLE_FOLDER TEMPLATE.nii.gz [MOST_PEOPLE]
// PEOPLE_FOLDER is a BIDS folder with sub-*/anat/*_T1w.nii.gz and sub-*/func/*_bold.nii.gz (a
// simulated cohort, or real people). Per person: 4 clean cases (BOLD header moved by up to 10 mm
// and 8 degrees) and 7 faulty ones of BOLD or T1w. Right: RMS displacement over an 80 mm sphere
// from the pose of the untouched pair, moved by the known change, below 3 mm. Flagged: the stage
// says doubtful (or, for the T1w, a rotation above 60 degrees against the header).
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <numbers>

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
namespace fs = std::filesystem;

namespace {

constexpr double kRightMm = 3.0;

struct Tally {
  int n = 0, right = 0, flagged = 0, wrong_unflagged = 0;
};
std::map<std::string, Tally> tallies;

void count(const std::string& kind, const std::string& who, bool right, bool flagged,
           const std::string& detail) {
  Tally& tally = tallies[kind];
  ++tally.n;
  tally.right += right ? 1 : 0;
  tally.flagged += flagged ? 1 : 0;
  tally.wrong_unflagged += !right && !flagged ? 1 : 0;
  const bool expected = kind == "clean"             ? right && !flagged
                        : kind == "sides exchanged" ? flagged
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

Affine random_move(Random& random, double mm, double degrees, const Eigen::Vector3d& center) {
  Eigen::Vector3d shift, turn;
  for (int a = 0; a < 3; ++a) {
    shift[a] = random.normal();
    turn[a] = random.normal();
  }
  shift *= mm / shift.norm();
  turn *= degrees * std::numbers::pi / 180.0 / turn.norm();
  return rigid_matrix({shift, turn}, center);
}

Volume with_header(Volume image, const Affine& moved) {
  image.grid.affine = moved * image.grid.affine;
  return image;
}

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

Volume
exchanged(Volume image) { // voxels reversed along the axis nearest to x, under the same header
  int axis = 0;
  for (int a = 1; a < 3; ++a) {
    if (std::abs(image.grid.affine(0, a)) > std::abs(image.grid.affine(0, axis))) axis = a;
  }
  const Volume source = image;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    auto at = image.grid.coordinates(v);
    auto& i = at[static_cast<std::size_t>(axis)];
    i = image.grid.shape[static_cast<std::size_t>(axis)] - 1 - i;
    image.data[v] = source.data[source.grid.index(at[0], at[1], at[2])];
  }
  return image;
}

Volume slab(const Volume& image, double share) { // the lower part of the slices
  Volume out = image;
  out.grid.shape[2] = std::max(8, static_cast<int>(share * image.grid.shape[2]));
  const int from = (image.grid.shape[2] - out.grid.shape[2]) / 2;
  out.grid.affine.topRightCorner<3, 1>() = image.grid.to_mm(Eigen::Vector3d(0.0, 0.0, from));
  const auto begin = image.data.begin() + static_cast<std::ptrdiff_t>(image.grid.index(0, 0, from));
  out.data.assign(begin, begin + static_cast<std::ptrdiff_t>(out.grid.n_voxels()));
  return out;
}

Volume noisy(Volume image, double share, Random& random) {
  double mean = 0.0;
  std::size_t n = 0;
  for (const float v : image.data)
    mean += static_cast<double>(v) / static_cast<double>(image.data.size());
  double bright = 0.0;
  for (const float v : image.data) {
    if (static_cast<double>(v) > mean) {
      bright += static_cast<double>(v);
      ++n;
    }
  }
  const double sd = share * bright / static_cast<double>(n);
  for (float& v : image.data) {
    v = static_cast<float>(
        std::hypot(static_cast<double>(v) + sd * random.normal(), sd * random.normal()));
  }
  return image;
}

Affine quarter_turn(int which, const Eigen::Vector3d& center) {
  Eigen::Vector3d turn = Eigen::Vector3d::Zero();
  turn[which % 3] = (which / 3 % 2 == 0 ? 1.0 : -1.0) * std::numbers::pi / 2.0;
  return rigid_matrix({Eigen::Vector3d::Zero(), turn}, center);
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
  } catch (const Error& error) {
    count(kind, person.name, false, true, error.what());
  }
}

void run_person(const Person& person, const Template& target, int number) {
  Random random(static_cast<std::uint64_t>(100 + number));
  const Eigen::Vector3d center = center_of(person.boldref);
  for (int n = 0; n < 4; ++n) {
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
  const Eigen::Vector3d head = center_of(person.t1w);
  moved = quarter_turn(number + 1, head);
  judge_t1w("T1w header turned by 90 degrees", person, with_header(person.t1w, moved), moved,
            target);
  Volume lesioned = person.t1w;
  const Eigen::Vector3d at = head + Eigen::Vector3d(number % 2 == 0 ? 35.0 : -35.0, -10.0, 25.0);
  for (std::size_t v = 0; v < lesioned.data.size(); ++v) {
    const auto [i, j, k] = lesioned.grid.coordinates(v);
    if ((lesioned.grid.to_mm(Eigen::Vector3d(i, j, k)) - at).norm() < 22.0)
      lesioned.data[v] *= 0.3F;
  }
  judge_t1w("T1w with a lesion of 45 ml", person, lesioned, Affine::Identity(), target);
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
  for (const fs::path& folder : folders) {
    if (number == most) break;
    run_person(read_person(folder, target), target, number++);
    std::fprintf(stderr, "%d people\r", number);
  }
  std::printf("%-36s %6s %6s %8s %s\n", "case", "n", "right", "flagged", "wrong, not flagged");
  for (const auto& [kind, tally] : tallies) {
    std::printf("%-36s %6d %6d %8d %d\n", kind.c_str(), tally.n, tally.right, tally.flagged,
                tally.wrong_unflagged);
  }
  return 0;
}
