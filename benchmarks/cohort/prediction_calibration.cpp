// prediction_calibration permutation PEOPLE COHORTS SEED MODEL COLUMNS PERMUTATIONS [plain|sited]
//     p of cohorts without signal: Kolmogorov-Smirnov distance from the uniform on 1/(B+1) .. 1 and
//     rejections at 5 %. sited: four sites shift outcome and measures alike, p is within site
// prediction_calibration conformal PEOPLE COHORTS SEED EFFECT MODEL COLUMNS [binary|continuous]
//     coverage of 90 % intervals or sets: out of fold, and of as many new people, before and after
//     abstention, by class; share abstained
// Prints "name value" lines.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "stages/cohort/penalised_regression.hpp"
#include "stages/core/random.hpp"

namespace {

using namespace boldmill;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void report(const std::string& name, double value) { std::cout << name << ' ' << value << '\n'; }

penalised_regression::Params small_params(const std::string& model) {
  penalised_regression::Params params;
  params.model = model;
  params.n_repeats = 1;
  params.n_lambdas = 10;
  params.n_inner_folds = 3;
  params.n_permutations = 0;
  return params;
}

Eigen::MatrixXd normal_matrix(Eigen::Index rows, Eigen::Index columns, Random& random) {
  Eigen::MatrixXd x(rows, columns);
  for (double& v : x.reshaped()) v = random.normal();
  return x;
}

int run_permutation(const std::vector<std::string>& words, bool sited) {
  const Eigen::Index n = std::stol(words[1]);
  const int cohorts = std::stoi(words[2]);
  Random random(static_cast<std::uint64_t>(std::stol(words[3])));
  auto params = small_params(words[4]);
  params.n_permutations = std::stoi(words[6]);
  const int levels = params.n_permutations + 1;
  std::vector<int> at_most(static_cast<std::size_t>(levels) + 1, 0);
  for (int c = 0; c < cohorts; ++c) {
    penalised_regression::Inputs in;
    in.rows.x = normal_matrix(n, std::stol(words[5]), random);
    in.target = normal_matrix(n, 1, random);
    for (Eigen::Index i = 0; i < n && sited; ++i) {
      in.site.push_back(static_cast<int>(i % 4));
      const double shift = 1.5 * static_cast<double>(i % 4);
      in.target[i] += shift;
      in.rows.x.row(i).array() += shift;
    }
    params.random_seed = c + 1;
    const auto out = penalised_regression::run(in, params, {});
    if (!out.not_done.empty()) throw Error(ErrorKind::input, out.not_done);
    for (int k = 1; k <= levels; ++k) {
      at_most[static_cast<std::size_t>(k)] += out.p_value <= (k + 1e-9) / levels ? 1 : 0;
    }
  }
  double distance = 0.0;
  for (int k = 1; k <= levels; ++k) {
    distance = std::max(distance, std::abs(at_most[static_cast<std::size_t>(k)] / double(cohorts) -
                                           k / double(levels)));
  }
  report("ks_distance", distance);
  report("ks_limit_1_percent", 1.628 / std::sqrt(cohorts));
  report("rejected_at_5_percent", at_most[static_cast<std::size_t>(levels / 20)] / double(cohorts));
  return 0;
}

struct Cover {
  double n = 0.0, hits = 0.0;
  void add(bool hit) {
    n += 1.0;
    hits += hit ? 1.0 : 0.0;
  }
  void print(const std::string& name) const {
    report(name + "_n", n);
    report(name + "_coverage", hits / n);
  }
};

int run_conformal(const std::vector<std::string>& words, bool binary) {
  const Eigen::Index n = std::stol(words[1]);
  const int cohorts = std::stoi(words[2]);
  Random random(static_cast<std::uint64_t>(std::stol(words[3])));
  const double effect = std::stod(words[4]);
  auto params = small_params(words[5]);
  const std::string of[2] = {"out_of_fold", "new_people"};
  const std::string when[2] = {"all", "kept"};
  Cover covers[2][2], by_class[2][2][2];
  double abstained[2] = {0.0, 0.0};
  for (int c = 0; c < cohorts; ++c) {
    penalised_regression::Inputs in;
    in.rows.x = normal_matrix(2 * n, std::stol(words[6]), random);
    Eigen::VectorXd truth(2 * n);
    for (Eigen::Index i = 0; i < 2 * n; ++i) {
      const double eta = effect * (in.rows.x(i, 0) - in.rows.x(i, 1));
      truth[i] = binary ? (random.uniform() < 1.0 / (1.0 + std::exp(-eta)) ? 1.0 : 0.0)
                        : eta + random.normal();
    }
    in.target = truth;
    in.target.tail(n).setConstant(kNaN); // people to come
    params.random_seed = c + 1;
    const auto out = penalised_regression::run(in, params, {});
    if (!out.not_done.empty()) throw Error(ErrorKind::input, out.not_done);
    for (Eigen::Index i = 0; i < 2 * n; ++i) {
      const int is_new = i < n ? 0 : 1;
      const int label = truth[i] > 0.5 ? 1 : 0;
      const bool hit =
          binary ? out.set(i, label) != 0 : out.lower[i] <= truth[i] && truth[i] <= out.upper[i];
      const bool kept = out.abstain[static_cast<std::size_t>(i)] == 0;
      abstained[is_new] += kept ? 0.0 : 1.0;
      for (int k = 0; k <= (kept ? 1 : 0); ++k) {
        covers[is_new][k].add(hit);
        if (binary) by_class[is_new][k][label].add(hit);
      }
    }
  }
  for (int w = 0; w < 2; ++w) {
    report(of[w] + "_abstained", abstained[w] / (static_cast<double>(n) * cohorts));
    for (int k = 0; k < 2; ++k) {
      covers[w][k].print(of[w] + "_" + when[k]);
      for (int label = 0; label < 2 && binary; ++label) {
        by_class[w][k][label].print(of[w] + "_" + when[k] + "_class_" + std::to_string(label));
      }
    }
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() >= 7 && words[0] == "permutation") {
    return run_permutation(words, words.size() > 7 && words[7] == "sited");
  }
  if (words.size() >= 7 && words[0] == "conformal") {
    return run_conformal(words, words.size() > 7 && words[7] == "binary");
  }
  std::cerr << "usage: see the first lines of prediction_calibration.cpp\n";
  return 2;
}
