// cohort_benchmark combat PEOPLE COLUMNS SITES FOLDER   harmonises a generated table
// cohort_benchmark battery TABLE PEOPLE FEATURES REPETITIONS   clusters, nulls, resamplings
// cohort_benchmark treatment STUDIES PEOPLE EFFECT   power and coverage over simulated studies
// Prints "name value" lines; with a folder, the table and the result as float64 for the rivals.
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "stages/cohort/biotypes.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/treatment_simulation.hpp"
#include "stages/core/random.hpp"

namespace {

using namespace boldmill;

class Clock {
public:
  [[nodiscard]] double wall_s() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void report(const std::string& name, double value) { std::cout << name << ' ' << value << '\n'; }

void report_process() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  report("process_cpu_s", seconds(usage.ru_utime) + seconds(usage.ru_stime));
  report("process_peak_mb", static_cast<double>(usage.ru_maxrss) / 1024.0);
}

void save(const std::string& file, const Eigen::MatrixXd& x) {
  std::ofstream stream(file, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(x.data()),
               static_cast<std::streamsize>(x.size() * Eigen::Index{sizeof(double)}));
  if (!stream) std::exit(4);
}

int run_combat(Eigen::Index n, Eigen::Index p, int sites, const std::string& folder) {
  Random random(1);
  Eigen::MatrixXd x(n, p);
  Eigen::MatrixXd covariates(n, 2);
  std::vector<int> site;
  for (Eigen::Index i = 0; i < n; ++i) {
    site.push_back(static_cast<int>(random.below(static_cast<std::uint64_t>(sites))));
    covariates(i, 0) = static_cast<float>(20.0 + 50.0 * random.uniform()); // neuroCombat: float32
    covariates(i, 1) = random.uniform() < 0.5 ? 1.0 : 0.0;
  }
  for (Eigen::Index c = 0; c < p; ++c) {
    Eigen::VectorXd shift(sites);
    Eigen::VectorXd factor(sites);
    for (int s = 0; s < sites; ++s) {
      shift[s] = 0.2 * random.normal();
      factor[s] = 0.7 + 0.6 * random.uniform();
    }
    for (Eigen::Index i = 0; i < n; ++i) {
      const int s = site[static_cast<std::size_t>(i)];
      x(i, c) = 0.3 + shift[s] + factor[s] * 0.2 * random.normal() - 0.002 * covariates(i, 0);
    }
  }
  if (!folder.empty()) {
    save(folder + "/x.f64", x);
    save(folder + "/covariates.f64", covariates);
    save(folder + "/site.f64", Eigen::Map<Eigen::VectorXi>(site.data(), n).cast<double>());
  }
  const combat::Inputs inputs{.x = {x.data(), n, p},
                              .batch = site,
                              .covariates = covariates,
                              .covariate_names = {},
                              .is_reference = {}};
  Eigen::MatrixXd y;
  for (int repetition = 0; repetition < 3; ++repetition) {
    const Clock fitting;
    const combat::Model model = combat::fit(inputs, {}, {});
    report("fit_s", fitting.wall_s());
    const Clock applying;
    y = combat::apply(model, inputs, {});
    report("apply_s", applying.wall_s());
  }
  report_process();
  if (!folder.empty()) save(folder + "/y.f64", y);
  return 0;
}

int run_battery(const std::string& table, Eigen::Index n, Eigen::Index p, int repetitions) {
  Eigen::MatrixXd x(n, p);
  std::ifstream stream(table, std::ios::binary);
  stream.read(reinterpret_cast<char*>(x.data()),
              static_cast<std::streamsize>(x.size() * Eigen::Index{sizeof(double)}));
  if (!stream) return 2;
  biotypes::Inputs inputs{x, {}, {}, {}};
  for (Eigen::Index f = 0; f < p; ++f) inputs.features.push_back("f" + std::to_string(f));
  biotypes::Params params;
  params.repetitions = params.resamplings = repetitions;
  params.stability_nulls = 0;
  const Clock clock;
  const auto out = biotypes::run(inputs, params, {});
  report("battery_s", clock.wall_s());
  report_process();
  std::cout.precision(15);
  for (std::size_t k = 0; k < out.k.size(); ++k) {
    const auto i = static_cast<Eigen::Index>(k);
    std::cout << "statistics " << out.k[k] << ' ' << out.silhouette[i] << ' ' << out.within_sum[i]
              << ' ' << out.nulls[0].p_value[i] << ' ' << out.nulls[1].p_value[i] << ' '
              << out.ari_resampling[i] << '\n';
  }
  return 0;
}

// Power and coverage over simulated randomised studies; see stages/cohort/treatment_simulation.hpp.
int run_treatment(int n_studies, int n_people, double effect) {
  const Clock clock;
  const auto found = treatment::simulate_studies(n_studies, n_people, effect, {});
  std::cout << "power " << found.power << "\nfalse_positives " << found.false_positives
            << "\ncovered_rule " << found.covered_rule << "\ncovered_effect "
            << found.covered_effect << "\ncovered_all_b " << found.covered_all_b << "\nwall_s "
            << clock.wall_s() << '\n';
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() >= 4 && words[0] == "combat") {
    return run_combat(std::stol(words[1]), std::stol(words[2]), std::stoi(words[3]),
                      words.size() > 4 ? words[4] : "");
  }
  if (words.size() == 5 && words[0] == "battery") {
    return run_battery(words[1], std::stol(words[2]), std::stol(words[3]), std::stoi(words[4]));
  }
  if (words.size() == 4 && words[0] == "treatment") {
    return run_treatment(std::stoi(words[1]), std::stoi(words[2]), std::stod(words[3]));
  }
  std::cerr << "cohort_benchmark combat PEOPLE COLUMNS SITES [FOLDER]\n"
               "cohort_benchmark battery TABLE.f64 PEOPLE FEATURES REPETITIONS\n"
               "cohort_benchmark treatment STUDIES PEOPLE EFFECT\n";
  return 2;
}
