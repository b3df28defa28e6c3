// recovery REPLICATES SEED [SETTING...]: do the real stages recover what the simulator put in? See
// recovery_people.hpp. True effects have the spread that makes var_true / (var_true + error
// variance) the reliability stated, the error variance being found on 300 replicates of a pilot.
// Prints a Markdown table and compares with the targets: slope of the estimate on the truth, mean
// error, correlation with the truth beside sqrt(var_true / (var_true + mean SE^2)), coverage of
// 95 % intervals. A ! marks what misses its target; exit 1 then.
// Settings: faces, faces_fast, gonogo, gonogo_fast, rest, rest_fast. CPU minutes are printed.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "benchmarks/task/recovery_people.hpp"
#include "stages/task/kernels/tail.hpp"

namespace {

using namespace boldmill;
using recovery::Found;
using recovery::Replicate;
using recovery::Setting;

constexpr std::size_t kPilot = 300;
constexpr double kBeyond999 = 3.2905; // normal, two-sided 0.1 %
constexpr double kReliabilities[] = {0.2, 0.4, 0.6};
constexpr recovery::Planted kMeans{.activation_mean = 0.35, .interaction_mean = 0.3};

struct Summary {
  double slope = 0, slope_se = 0, mean_error = 0, mean_error_se = 0;
  double r = 0, r_expected = 0, coverage = 0, se_ratio = 0;
  std::size_t n = 0;
};

Summary summarise(const std::vector<Found>& all) {
  std::vector<Found> there;
  for (const Found& f : all) {
    if (std::isfinite(f.estimate) && f.se > 0.0) there.push_back(f);
  }
  Summary s;
  s.n = there.size();
  const auto n = static_cast<double>(s.n);
  double mx = 0, my = 0;
  for (const Found& f : there) {
    mx += f.truth / n;
    my += f.estimate / n;
  }
  double xx = 0, yy = 0, xy = 0, se2 = 0, covered = 0, error = 0;
  for (const Found& f : there) {
    xx += (f.truth - mx) * (f.truth - mx);
    yy += (f.estimate - my) * (f.estimate - my);
    xy += (f.truth - mx) * (f.estimate - my);
    se2 += f.se * f.se / n;
    error += (f.estimate - f.truth) * (f.estimate - f.truth) / n;
    covered += std::abs(z_of_t((f.estimate - f.truth) / f.se, f.dof)) < 1.959964 ? 1.0 : 0.0;
  }
  s.mean_error = my - mx;
  s.mean_error_se = std::sqrt((error - s.mean_error * s.mean_error) / n);
  s.slope = xy / xx;
  s.slope_se = std::sqrt((yy - s.slope * xy) / (n - 2.0) / xx);
  s.r = xy / std::sqrt(xx * yy);
  const double true_variance = xx / (n - 1.0);
  s.r_expected = std::sqrt(true_variance / (true_variance + se2));
  s.coverage = covered / n;
  s.se_ratio = std::sqrt(se2 / error);
  return s;
}

std::vector<Found> pick(const std::vector<Replicate>& all, Found Replicate::*which) {
  std::vector<Found> out;
  for (const Replicate& one : all) out.push_back(one.*which);
  return out;
}

double error_sd(const std::vector<Found>& all) {
  double sum = 0.0, squares = 0.0;
  for (const Found& f : all) {
    sum += f.estimate - f.truth;
    squares += (f.estimate - f.truth) * (f.estimate - f.truth);
  }
  const auto n = static_cast<double>(all.size());
  return std::sqrt((squares - sum * sum / n) / (n - 1.0));
}

double spread(double reliability, double error) {
  return error * std::sqrt(reliability / (1.0 - reliability));
}

struct Row {
  const char *setting, *measure;
  double reliability;
  double slope_limit;
};

bool print_row(const Row& row, const Summary& s) {
  const auto n = static_cast<double>(s.n);
  const double half = kBeyond999 * std::sqrt(0.05 * 0.95 / n);
  const double r_error = kBeyond999 * (1.0 - s.r_expected * s.r_expected) / std::sqrt(n);
  const bool covers = std::abs(s.coverage - 0.95) <= half;
  const bool follows = std::abs(s.r - s.r_expected) <= r_error;
  const bool slope = std::abs(s.slope - 1.0) <= row.slope_limit + 1.96 * s.slope_se;
  const auto mark = [](bool good) { return good ? "" : " !"; };
  std::printf("| %s | %s | %.1f | %zu | %.3f +- %.3f%s | %.3f +- %.3f | %.3f (%.3f)%s | %.3f%s "
              "| %.4f to %.4f | %.3f |\n",
              row.setting, row.measure, row.reliability, s.n, s.slope, s.slope_se, mark(slope),
              s.mean_error, s.mean_error_se, s.r, s.r_expected, mark(follows), s.coverage,
              mark(covers), 0.95 - half, 0.95 + half, s.se_ratio);
  std::fflush(stdout);
  return covers && follows && slope;
}

// The slope over all reliabilities, each by its precision.
bool print_pooled(const Row& row, const std::vector<Summary>& all) {
  double slope = 0.0, weight = 0.0;
  for (const Summary& s : all) {
    slope += s.slope / (s.slope_se * s.slope_se);
    weight += 1.0 / (s.slope_se * s.slope_se);
  }
  slope /= weight;
  const bool inside = std::abs(slope - 1.0) <= row.slope_limit;
  std::printf("| %s | %s | all | | %.3f +- %.3f: %s 1 +- %.2f | | | | | |\n", row.setting,
              row.measure, slope, 1.0 / std::sqrt(weight), inside ? "inside" : "OUTSIDE",
              row.slope_limit);
  std::fflush(stdout);
  return inside;
}

// One measure varies over replicates, the other has its mean: a large interaction is noise to the
// activation that is louder in one condition, which no model of stationary noise can know.
bool activation_rows(const Setting& setting, std::size_t n) {
  recovery::Planted planted = kMeans;
  constexpr auto kMeasure = recovery::Measure::activation;
  const auto find = [&](std::size_t count, const std::string& stream) {
    return pick(recovery::task_replicates(setting, planted, kMeasure, count, "/a/" + stream),
                &Replicate::activation);
  };
  const double error = error_sd(find(kPilot, "pilot"));
  Row row{setting.name, "activation, %", 0.0, 0.05};
  bool good = true;
  std::vector<Summary> all;
  for (const double reliability : kReliabilities) {
    row.reliability = reliability;
    planted.activation_sd = spread(reliability, error);
    all.push_back(summarise(find(n, std::to_string(reliability))));
    good &= print_row(row, all.back());
  }
  return print_pooled(row, all) && good;
}

bool interaction_rows(const Setting& setting, std::size_t n) {
  recovery::Planted planted = kMeans;
  constexpr auto kMeasure = recovery::Measure::interaction;
  const auto pilot = recovery::task_replicates(setting, planted, kMeasure, kPilot, "/i/pilot");
  const double error = error_sd(pick(pilot, &Replicate::forward));
  Row row{setting.name, "interaction, hub as seed", 0.0, 0.1};
  Row reverse{setting.name, "interaction, target as seed (no target)", 0.0, 0.1};
  bool good = true;
  std::vector<Summary> all;
  for (const double reliability : kReliabilities) {
    row.reliability = reverse.reliability = reliability;
    planted.interaction_sd = spread(reliability, error);
    const auto made = recovery::task_replicates(setting, planted, kMeasure, n,
                                                "/i/" + std::to_string(reliability));
    all.push_back(summarise(pick(made, &Replicate::forward)));
    good &= print_row(row, all.back());
    (void)print_row(reverse, summarise(pick(made, &Replicate::backward)));
  }
  return print_pooled(row, all) && good;
}

bool rest_setting(const Setting& setting, std::size_t n) {
  constexpr double kMeanZ = 0.4;
  const double error = error_sd(recovery::rest_replicates(setting, kMeanZ, 0.0, kPilot, "/pilot"));
  bool good = true;
  for (const double reliability : kReliabilities) {
    const auto all = recovery::rest_replicates(setting, kMeanZ, spread(reliability, error), n,
                                               "/" + std::to_string(reliability));
    good &= print_row({setting.name, "Fisher z", reliability, 0.05}, summarise(all));
  }
  return good;
}

} // namespace

int main(int argc, char** argv) {
  const std::size_t n = argc > 1 ? static_cast<std::size_t>(std::atol(argv[1])) : 1000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const std::vector<std::string> wanted(argv + std::min(argc, 3), argv + argc);
  std::vector<Setting> settings{{"faces", "conscious", 2.0, 150, "sad", "neutral", 0.0},
                                {"faces_fast", "conscious", 0.71, 422, "sad", "neutral", 0.0},
                                {"gonogo", "gonogo", 2.0, 150, "nogo", "go", 0.4},
                                {"gonogo_fast", "gonogo", 0.71, 422, "nogo", "go", 0.4},
                                {"rest", "rest", 2.0, 240, "", "", 0.0},
                                {"rest_fast", "rest", 0.71, 420, "", "", 0.0}};
  std::printf(
      "| setting | measure | reliability | n | slope on truth | mean error | r with truth "
      "(expected) | coverage of 95 %% | 99.9 %% interval | mean SE / error |\n| --- | --- | --- "
      "| --- | --- | --- | --- | --- | --- | --- |\n");
  bool good = true;
  for (Setting& setting : settings) {
    setting.seed = seed;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), setting.name) == wanted.end()) {
      continue;
    }
    const bool rest = std::string(setting.task) == "rest";
    if (rest) {
      good &= rest_setting(setting, n);
    } else {
      good &= activation_rows(setting, n);
      good &= interaction_rows(setting, n);
    }
  }
  std::printf("\nCPU minutes: %.1f\n", static_cast<double>(std::clock()) / CLOCKS_PER_SEC / 60.0);
  return good ? 0 : 1;
}
