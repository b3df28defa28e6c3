// biotype_calibration null FAMILY PEOPLE COHORTS [REPETITIONS 99] [median|pmm]
// biotype_calibration power SEPARATION PEOPLE COHORTS [REPETITIONS 99]
// biotype_calibration battery PEOPLE REPETITIONS
// FAMILY: gaussian, skewed, heavy, elliptical, missing, sited. Cohorts of 41 correlated features
// through the whole chain (imputation, ComBat where there are sites, standardisation). null: share
// of cohorts without structure that are rejected at 5 %, beside the 99.9 % interval of a binomial.
// power: four groups, each SEPARATION SD high on its own quarter of the features; rejections and
// the adjusted Rand index of the clusters at the chosen k and at 4. battery: the time of B copula
// cohorts with stability on each (50 people left out, 100 subsamples).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "stages/cohort/biotype_test.hpp"
#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/kernels/correlation_clustering.hpp"
#include "stages/cohort/standardisation.hpp"
#include "stages/core/random.hpp"

namespace {

using namespace boldmill;

// Sizes of blocks and the correlation inside them; 0.2 between blocks.
const std::vector<std::pair<int, double>> kBlocks = {{5, .57}, {3, .4}, {6, .4}, {5, .5},
                                                     {4, .3},  {3, .4}, {2, .3}, {3, .4},
                                                     {2, .3},  {3, .4}, {3, .5}, {2, .3}};
constexpr double kShared = 0.2;
constexpr Eigen::Index kFeatures = 41;

Eigen::MatrixXd cloud(Eigen::Index n, Random& random) {
  Eigen::MatrixXd x(n, kFeatures);
  for (Eigen::Index i = 0; i < n; ++i) {
    const double shared = random.normal();
    Eigen::Index c = 0;
    for (const auto& [size, r] : kBlocks) {
      const double block = random.normal();
      for (int k = 0; k < size; ++k, ++c) {
        x(i, c) = std::sqrt(kShared) * shared + std::sqrt(r - kShared) * block +
                  std::sqrt(1.0 - r) * random.normal();
      }
    }
  }
  return x;
}

double chi_square(int freedom, Random& random) {
  double out = 0.0;
  for (int i = 0; i < freedom; ++i) out += std::pow(random.normal(), 2);
  return out;
}

// Student's t with 3 degrees of freedom at the quantile of a normal value.
double t3_of(double z) {
  const double p = 0.5 * std::erfc(-z / std::sqrt(2.0));
  double low = -1e4;
  double high = 1e4;
  const auto cdf = [](double t) {
    const double u = t / std::sqrt(3.0);
    return 0.5 + (u / (1.0 + u * u) + std::atan(u)) / 3.14159265358979323846;
  };
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (cdf(middle) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

biotype_test::Inputs cohort_of(const std::string& family, Eigen::Index n, std::uint64_t seed,
                               const std::string& impute) {
  Random random(stream_seed(seed, family));
  biotype_test::Inputs out;
  Eigen::MatrixXd& x = out.rows.x;
  x = cloud(n, random);
  if (family == "skewed") x = (0.7 * x.array()).exp();
  if (family == "heavy") x = x.unaryExpr([](double z) { return t3_of(z); });
  if (family == "elliptical") {
    for (Eigen::Index i = 0; i < n; ++i) x.row(i) /= std::sqrt(chi_square(4, random) / 4.0);
  }
  if (family == "missing") {
    for (double& value : x.reshaped()) {
      if (random.uniform() < 0.1) value = std::numeric_limits<double>::quiet_NaN();
    }
  }
  if (family == "sited") {
    const int sites = 4;
    Eigen::MatrixXd shift(sites, kFeatures), factor(sites, kFeatures);
    for (double& value : shift.reshaped()) value = random.normal();
    for (double& value : factor.reshaped()) value = std::exp(0.3 * random.normal());
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto site = static_cast<Eigen::Index>(random.below(sites));
      out.rows.batch.push_back(static_cast<int>(site));
      x.row(i) = x.row(i).cwiseProduct(factor.row(site)) + shift.row(site);
    }
  }
  for (Eigen::Index c = 0; c < kFeatures; ++c) out.rows.names.push_back("f" + std::to_string(c));
  out.chains = {{impute == "pmm" ? chained_imputation::step({}) : imputation::step({}),
                 combat::step({}), standardisation::step({})}};
  return out;
}

biotype_test::Params test_only(int repetitions, int seed) {
  return {.repetitions = repetitions,
          .permutations = 0,
          .stability_nulls = 0,
          .max_factors = 1,
          .bootstraps = 0,
          .random_seed = seed};
}

// Limits of the number of rejections that hold 99.9 % at 5 %.
std::pair<int, int> binomial_limits(int n) {
  std::vector<double> probability;
  for (int k = 0; k <= n; ++k) {
    probability.push_back(std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) -
                                   std::lgamma(n - k + 1.0) + k * std::log(0.05) +
                                   (n - k) * std::log(0.95)));
  }
  int low = 0;
  int high = n;
  for (double sum = probability[0]; sum < 0.0005; sum += probability[static_cast<std::size_t>(low)])
    ++low;
  for (double sum = probability[static_cast<std::size_t>(n)]; sum < 0.0005;
       sum += probability[static_cast<std::size_t>(high)])
    --high;
  return {low, high};
}

void run_null(const std::string& family, Eigen::Index n, int cohorts, int repetitions,
              const std::string& impute) {
  int rejected = 0;
  int biotypes = 0;
  double sum = 0.0;
  for (int i = 0; i < cohorts; ++i) {
    const auto inputs = cohort_of(family, n, static_cast<std::uint64_t>(i), impute);
    const auto out = biotype_test::run(inputs, test_only(repetitions, i), Context{});
    rejected += out.test.p_value <= 0.05 ? 1 : 0;
    biotypes += out.verdict == biotype_test::Verdict::biotypes ? 1 : 0;
    sum += out.test.p_value;
  }
  const auto [low, high] = binomial_limits(cohorts);
  std::cout << family << " n " << n << " cohorts " << cohorts << " rejected " << rejected
            << " expected " << low << " to " << high << " mean_p " << sum / cohorts
            << " called_biotypes " << biotypes << std::endl;
}

void run_power(double separation, Eigen::Index n, int cohorts, int repetitions) {
  std::vector<double> chosen, four;
  int rejected = 0;
  for (int i = 0; i < cohorts; ++i) {
    auto inputs = cohort_of("gaussian", n, static_cast<std::uint64_t>(i), "median");
    Random random(stream_seed(static_cast<std::uint64_t>(i), "groups"));
    std::vector<int> truth;
    for (Eigen::Index row = 0; row < n; ++row) {
      const auto group = static_cast<Eigen::Index>(random.below(4));
      truth.push_back(static_cast<int>(group));
      for (Eigen::Index c = group * kFeatures / 4; c < (group + 1) * kFeatures / 4; ++c) {
        inputs.rows.x(row, c) += separation;
      }
    }
    const auto out = biotype_test::run(inputs, test_only(repetitions, i), Context{});
    rejected += out.test.p_value <= 0.05 ? 1 : 0;
    chosen.push_back(cohort::adjusted_rand(out.label, truth));
    const auto z =
        standardisation::apply(standardisation::fit(inputs.rows.x, {}, {}), inputs.rows.x);
    four.push_back(cohort::adjusted_rand(
        cohort::cut(cohort::correlation_linkage(cohort::unit_rows(z)), 4).labels(4), truth));
  }
  const auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  std::cout << "power separation " << separation << " n " << n << " cohorts " << cohorts
            << " rejected " << rejected << " median_ari " << median(chosen) << " median_ari_at_4 "
            << median(four) << std::endl;
}

void run_battery(Eigen::Index n, int repetitions) {
  const auto inputs = cohort_of("missing", n, 1, "pmm");
  const auto start = std::chrono::steady_clock::now();
  const auto out = biotype_test::run(
      inputs, {.repetitions = repetitions, .stability_nulls = repetitions}, Context{});
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  std::cout << "battery n " << n << " repetitions " << repetitions << " seconds " << wall.count()
            << " p " << out.test.p_value << std::endl;
}

} // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto at = [&](std::size_t i, const char* otherwise) {
    return i < words.size() ? words[i] : std::string(otherwise);
  };
  if (words.size() < 3) {
    std::cerr << "usage: see the first lines of biotype_calibration.cpp\n";
    return 2;
  }
  if (words[0] == "null") {
    run_null(words[1], std::stol(words[2]), std::stoi(at(3, "100")), std::stoi(at(4, "99")),
             at(5, "median"));
  } else if (words[0] == "power") {
    run_power(std::stod(words[1]), std::stol(words[2]), std::stoi(at(3, "20")),
              std::stoi(at(4, "99")));
  } else {
    run_battery(std::stol(words[1]), std::stoi(words[2]));
  }
  return 0;
}
