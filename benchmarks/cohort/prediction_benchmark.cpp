// prediction_benchmark path FOLDER PEOPLE COLUMNS FAMILY ALPHA PENALTIES RATIO
//     one path on x.f64, y.f64
// prediction_benchmark nested FOLDER PEOPLE COLUMNS FAMILY PENALTIES RATIO
//     10 x 5 folds, three mixings
// prediction_benchmark permute PEOPLE COLUMNS FAMILY PENALTIES PERMUTATIONS
//     of the whole procedure
// prediction_benchmark interval PEOPLE COHORTS EFFECT SEED MODEL COLUMNS REPEATS
//     coverage of the true AUC of the model fitted on everybody
// Prints "name value" lines; `path` leaves lambda.f64 and beta.f64 (intercept, coefficients; a
// column a penalty) in the folder.
#include <ctime>

#include <cmath>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "stages/cohort/kernels/cross_validation.hpp"
#include "stages/cohort/kernels/metrics.hpp"
#include "stages/cohort/kernels/pooled_metric.hpp"
#include "stages/cohort/penalised_regression.hpp"
#include "stages/core/random.hpp"

namespace {

using namespace boldmill;
using cohort::Family;

double clock_s(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void report(const std::string& name, double value) { std::cout << name << ' ' << value << '\n'; }

// Wall and CPU time of all threads.
template <class Work>
void timed(const std::string& name, Work&& work) {
  const double wall = clock_s(CLOCK_MONOTONIC);
  const double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
  work();
  report(name + "_s", clock_s(CLOCK_MONOTONIC) - wall);
  report(name + "_cpu_s", clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

Eigen::MatrixXd load(const std::string& file, Eigen::Index rows, Eigen::Index columns) {
  Eigen::MatrixXd x(rows, columns);
  std::ifstream stream(file, std::ios::binary);
  stream.read(reinterpret_cast<char*>(x.data()),
              static_cast<std::streamsize>(x.size() * Eigen::Index{sizeof(double)}));
  if (!stream) throw Error(ErrorKind::input, file + ": too short");
  return x;
}

void save(const std::string& file, const Eigen::MatrixXd& x) {
  std::ofstream stream(file, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(x.data()),
               static_cast<std::streamsize>(x.size() * Eigen::Index{sizeof(double)}));
}

int run_path(const std::vector<std::string>& words) {
  const Eigen::Index n = std::stol(words[2]), p = std::stol(words[3]);
  const Eigen::MatrixXd x = load(words[1] + "/x.f64", n, p);
  const Eigen::VectorXd y = load(words[1] + "/y.f64", n, 1);
  const cohort::ElasticNetSettings settings{.family = words[4] == "gaussian" ? Family::gaussian
                                                                             : Family::binomial,
                                            .alpha = std::stod(words[5]),
                                            .tolerance = 1e-7};
  const auto lambdas =
      cohort::lambda_path(x, y, settings.alpha, std::stoi(words[6]), std::stod(words[7]));
  std::vector<cohort::ElasticNetFit> path;
  timed("path", [&] { path = cohort::elastic_net_path(x, y, lambdas, settings); });
  Eigen::MatrixXd beta(p + 1, static_cast<Eigen::Index>(path.size()));
  for (Eigen::Index l = 0; l < beta.cols(); ++l) {
    beta(0, l) = path[static_cast<std::size_t>(l)].intercept;
    beta.col(l).tail(p) = path[static_cast<std::size_t>(l)].beta;
  }
  save(words[1] + "/lambda.f64", Eigen::Map<const Eigen::VectorXd>(lambdas.data(), beta.cols()));
  save(words[1] + "/beta.f64", beta);
  return 0;
}

penalised_regression::Params nested_params(int penalties, double ratio) {
  penalised_regression::Params params;
  params.n_repeats = 1;
  params.n_lambdas = penalties;
  params.lambda_ratio = ratio;
  params.n_permutations = 0;
  return params;
}

int run_nested(const std::vector<std::string>& words) {
  const Eigen::Index n = std::stol(words[2]);
  penalised_regression::Inputs in;
  in.rows.x = load(words[1] + "/x.f64", n, std::stol(words[3]));
  in.target = load(words[1] + "/y.f64", n, 1);
  timed("nested", [&] {
    const auto out =
        penalised_regression::run(in, nested_params(std::stoi(words[5]), std::stod(words[6])), {});
    report(out.metrics.at(0).name, out.metrics.at(0).value);
  });
  return 0;
}

int run_permute(const std::vector<std::string>& words) {
  Random random(1);
  penalised_regression::Inputs in;
  in.rows.x.resize(std::stol(words[1]), std::stol(words[2]));
  in.target.resize(in.rows.x.rows());
  for (double& v : in.rows.x.reshaped()) v = random.normal();
  for (double& v : in.target) v = random.normal();
  if (words[3] == "binomial") in.target = (in.target.array() > 0).cast<double>();
  auto params = nested_params(std::stoi(words[4]), 1e-3);
  timed("once", [&] { (void)penalised_regression::run(in, params, {}); });
  params.n_permutations = std::stoi(words[5]);
  timed("permutations", [&] { (void)penalised_regression::run(in, params, {}); });
  return 0;
}

// Intervals of one cohort by the methods compared, against the true AUC of the model fitted on all.
struct Cover {
  std::string name;
  double hits = 0.0, below = 0.0, width = 0.0;
  void add(double lower, double upper, double truth) {
    hits += lower <= truth && truth <= upper ? 1.0 : 0.0;
    below += upper < truth ? 1.0 : 0.0;
    width += upper - lower;
  }
};

// AUC of a score that correlates `rho` with z where P(1 | z) = 1 / (1 + exp(-a z)), both standard
// normal: E Phi(rho (z1 - z0) / sqrt(2 (1 - rho^2))) over z1 of class 1 and z0 of class 0.
double auc_of_direction(double rho, double a) {
  const int points = 401;
  const double step = 16.0 / (points - 1);
  std::vector<double> z, in_class[2];
  double total[2] = {0.0, 0.0};
  for (int i = 0; i < points; ++i) {
    z.push_back(-8.0 + step * i);
    const double density = std::exp(-0.5 * z.back() * z.back());
    for (const int own : {0, 1}) {
      in_class[own].push_back(density / (1.0 + std::exp((own == 1 ? -a : a) * z.back())));
      total[own] += in_class[own].back();
    }
  }
  std::vector<double> below; // by difference of the two points
  const double scale = rho / std::sqrt(std::max(1e-12, 2.0 * (1.0 - rho * rho)));
  for (int d = -(points - 1); d < points; ++d) {
    below.push_back(0.5 * std::erfc(-scale * step * d / std::sqrt(2.0)));
  }
  double sum = 0.0;
  for (int i = 0; i < points; ++i) {
    for (int j = 0; j < points; ++j) {
      sum += in_class[1][static_cast<std::size_t>(i)] * in_class[0][static_cast<std::size_t>(j)] *
             below[static_cast<std::size_t>(i - j + points - 1)];
    }
  }
  return sum / (total[0] * total[1]);
}

penalised_regression::Inputs simulated(Eigen::Index rows, Eigen::Index p, double effect,
                                       Random& random) {
  penalised_regression::Inputs in;
  in.rows.x.resize(rows, p);
  in.target.resize(rows);
  for (double& v : in.rows.x.reshaped()) v = random.normal();
  for (Eigen::Index i = 0; i < rows; ++i) {
    const double eta = effect * (in.rows.x(i, 0) - in.rows.x(i, 1));
    in.target[i] = random.uniform() < 1.0 / (1.0 + std::exp(-eta)) ? 1.0 : 0.0;
  }
  return in;
}

// Of the model refitted on everybody.
double true_auc(const penalised_regression::Inputs& in, const penalised_regression::Outputs& out,
                double effect) {
  const Eigen::RowVectorXd mean = in.rows.x.colwise().mean();
  const Eigen::RowVectorXd sd = ((in.rows.x.rowwise() - mean).cwiseAbs2().colwise().sum() /
                                 static_cast<double>(in.rows.x.rows() - 1))
                                    .cwiseSqrt();
  const Eigen::VectorXd weight = out.coefficient.array() / sd.transpose().array();
  if (!(weight.norm() > 0.0)) return 0.5;
  const double rho = (weight[0] - weight[1]) / (std::sqrt(2.0) * weight.norm());
  return auc_of_direction(rho, std::sqrt(2.0) * effect);
}

int run_interval(const std::vector<std::string>& words) {
  const Eigen::Index n = std::stol(words[1]);
  const int cohorts = std::stoi(words[2]);
  const double effect = std::stod(words[3]);
  Random random(static_cast<std::uint64_t>(std::stol(words[4])));
  auto params = nested_params(10, 1e-3);
  params.model = words[5];
  const Eigen::Index p = std::stol(words[6]);
  params.n_repeats = std::stoi(words[7]);
  params.n_inner_folds = 3;
  Cover ours{"interval"}, delong{"delong_of_mean_predictions"};
  double bias = 0.0, squares = 0.0, truths = 0.0;
  for (int c = 0; c < cohorts; ++c) {
    params.random_seed = c + 1;
    const auto in = simulated(n, p, effect, random);
    const auto out = penalised_regression::run(in, params, {});
    if (!out.not_done.empty()) throw Error(ErrorKind::input, out.not_done);
    const double truth = true_auc(in, out, effect);
    ours.add(out.metrics[0].lower, out.metrics[0].upper, truth);
    std::vector<Eigen::Index> all(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Eigen::Index>(i);
    const auto group = cohort::metric_in_group(true, out.y, out.prediction, all);
    delong.add(group.lower, group.upper, truth);
    const double error = out.metrics[0].value - truth;
    bias += error;
    squares += error * error;
    truths += truth;
  }
  report("mean_true_auc", truths / cohorts);
  report("mean_bias_of_pooled", bias / cohorts);
  report("rms_error_of_pooled", std::sqrt(squares / cohorts));
  for (const Cover& cover : {ours, delong}) {
    report(cover.name + "_coverage", cover.hits / cohorts);
    report(cover.name + "_below", cover.below / cohorts);
    report(cover.name + "_width", cover.width / cohorts);
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 8 && words[0] == "path") return run_path(words);
  if (words.size() == 7 && words[0] == "nested") return run_nested(words);
  if (words.size() == 6 && words[0] == "permute") return run_permute(words);
  if (words.size() == 8 && words[0] == "interval") return run_interval(words);
  std::cerr << "prediction_benchmark path|nested|permute|interval ... (see the source)\n";
  return 2;
}
