// Out-of-fold models of the arms of one study.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "stages/cohort/kernels/folds.hpp"
#include "stages/cohort/kernels/regression.hpp"
#include "stages/cohort/treatment_parts.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"

namespace boldmill::treatment {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLeastOfAFold = 5; // outcomes of an arm in the training folds

std::vector<double> penalties(Eigen::Index n) {
  std::vector<double> out;
  for (int i = -12; i <= 12; ++i) out.push_back(static_cast<double>(n) * std::pow(10.0, 0.25 * i));
  return out;
}

// Everything a model of the outcome may see.
cohort::Rows predictor_rows(const Inputs& in) {
  const cohort::Rows adjusting = adjusting_rows(in);
  cohort::Rows out;
  out.x.resize(in.outcome.size(), in.rows.x.cols() + adjusting.x.cols());
  if (in.rows.x.cols() > 0) out.x.leftCols(in.rows.x.cols()) = in.rows.x;
  if (adjusting.x.cols() > 0) out.x.rightCols(adjusting.x.cols()) = adjusting.x;
  out.names = in.rows.names;
  out.names.insert(out.names.end(), adjusting.names.begin(), adjusting.names.end());
  out.batch = in.rows.batch;
  return out;
}

struct Split {
  std::vector<Eigen::Index> training, test; // places in the study
};

Split split_of(const StudyFit& fit, int fold) {
  Split out;
  for (std::size_t i = 0; i < fit.fold.size(); ++i) {
    (fit.fold[i] == fold ? out.test : out.training).push_back(static_cast<Eigen::Index>(i));
  }
  return out;
}

std::vector<Eigen::Index> rows_at(const StudyFit& fit, const std::vector<Eigen::Index>& places) {
  std::vector<Eigen::Index> out;
  for (const Eigen::Index place : places) out.push_back(fit.rows[static_cast<std::size_t>(place)]);
  return out;
}

// Steps fitted on the training rows, applied to both.
struct Prepared {
  Eigen::MatrixXd training, test;
};
Prepared prepare(const Inputs& in, const cohort::Rows& all, const StudyFit& fit,
                 const Split& split) {
  const cohort::Rows training = all.select(rows_at(fit, split.training));
  const cohort::Rows test = all.select(rows_at(fit, split.test));
  const auto steps = cohort::fit_steps(in.steps, training);
  Prepared out{cohort::apply_steps(steps, training).x, cohort::apply_steps(steps, test).x};
  if (out.training.array().isNaN().any() || out.test.array().isNaN().any()) {
    throw Error(ErrorKind::internal, "treatment: predictors missing after the learning steps");
  }
  return out;
}

// Ones, the adjusting columns, an indicator of every arm but the first.
Eigen::MatrixXd presence_design(const Inputs& in, const StudyFit& fit, const Eigen::MatrixXd& x,
                                const std::vector<Eigen::Index>& places,
                                const std::vector<int>& arms) {
  const auto n_extra = static_cast<Eigen::Index>(arms.empty() ? 0 : arms.size() - 1);
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(x.rows(), 1 + x.cols() + n_extra);
  out.col(0).setOnes();
  if (x.cols() > 0) out.middleCols(1, x.cols()) = x;
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    const auto row = fit.rows[static_cast<std::size_t>(places[static_cast<std::size_t>(i)])];
    const int arm = in.arm[static_cast<std::size_t>(row)];
    for (Eigen::Index a = 0; a < n_extra; ++a) {
      out(i, 1 + x.cols() + a) = arms[static_cast<std::size_t>(a + 1)] == arm;
    }
  }
  return out;
}

// Probability of an outcome of the test rows, by the arm received.
void predict_presence(const Inputs& in, const Prepared& x, const Split& split, StudyFit& fit) {
  const auto arm_at = [&](Eigen::Index place) {
    return in.arm[static_cast<std::size_t>(fit.rows[static_cast<std::size_t>(place)])];
  };
  Eigen::VectorXd present(static_cast<Eigen::Index>(split.training.size()));
  std::map<int, std::pair<double, double>> of_arm; // present, all
  for (std::size_t i = 0; i < split.training.size(); ++i) {
    const Eigen::Index place = split.training[i];
    const double y = in.outcome[fit.rows[static_cast<std::size_t>(place)]];
    present[static_cast<Eigen::Index>(i)] = std::isnan(y) ? 0.0 : 1.0;
    of_arm[arm_at(place)].first += std::isnan(y) ? 0.0 : 1.0;
    of_arm[arm_at(place)].second += 1.0;
  }
  const auto share = [&](Eigen::Index place) {
    const auto& [seen, all] = of_arm[arm_at(place)];
    return all > 0.0 ? seen / all : 1.0;
  };
  std::vector<int> arms;
  for (const auto& [arm, unused] : of_arm) arms.push_back(arm);
  cohort::LogisticFit model;
  if (present.minCoeff() < 1.0) {
    model =
        cohort::logistic_fit(presence_design(in, fit, x.training, split.training, arms), present);
  }
  Eigen::VectorXd p;
  if (model.converged) {
    p = cohort::logistic_probability(presence_design(in, fit, x.test, split.test, arms),
                                     model.beta);
  }
  for (std::size_t i = 0; i < split.test.size(); ++i) {
    fit.present[split.test[i]] =
        model.converged ? p[static_cast<Eigen::Index>(i)] : share(split.test[i]);
  }
}

// m of every arm for the test rows, and its share among the training rows.
void predict_outcomes(const Inputs& in, const Prepared& x, const Split& split, StudyFit& fit) {
  double n_modelled = 0.0;
  std::vector<double> n_of(fit.arms.size(), 0.0);
  for (std::size_t a = 0; a < fit.arms.size(); ++a) {
    std::vector<Eigen::Index> own; // positions among the training rows
    for (std::size_t i = 0; i < split.training.size(); ++i) {
      const auto row = fit.rows[static_cast<std::size_t>(split.training[i])];
      if (in.arm[static_cast<std::size_t>(row)] != fit.arms[a]) continue;
      n_of[a] += 1.0;
      if (!std::isnan(in.outcome[row])) own.push_back(static_cast<Eigen::Index>(i));
    }
    n_modelled += n_of[a];
    Eigen::VectorXd y(static_cast<Eigen::Index>(own.size()));
    for (std::size_t i = 0; i < own.size(); ++i) {
      y[static_cast<Eigen::Index>(i)] = in.outcome[fit.rows[static_cast<std::size_t>(
          split.training[static_cast<std::size_t>(own[i])])]];
    }
    Eigen::VectorXd m = Eigen::VectorXd::Constant(x.test.rows(), kNaN);
    if (own.size() >= kLeastOfAFold) {
      const Eigen::MatrixXd training = x.training(own, Eigen::all);
      m = cohort::ridge_fit(training, y, penalties(y.size())).predict(x.test);
    }
    for (std::size_t i = 0; i < split.test.size(); ++i) {
      fit.predicted(split.test[i], static_cast<Eigen::Index>(a)) = m[static_cast<Eigen::Index>(i)];
    }
  }
  for (const Eigen::Index place : split.test) {
    for (std::size_t a = 0; a < fit.arms.size(); ++a) {
      fit.share(place, static_cast<Eigen::Index>(a)) = n_of[a] / n_modelled;
    }
  }
}

} // namespace

cohort::Rows adjusting_rows(const Inputs& in) {
  const Eigen::Index n_baseline = in.baseline.size() > 0 ? 1 : 0;
  cohort::Rows out;
  out.x.resize(in.outcome.size(), n_baseline + in.covariates.cols());
  if (n_baseline > 0) out.x.col(0) = in.baseline;
  if (in.covariates.cols() > 0) out.x.rightCols(in.covariates.cols()) = in.covariates;
  for (Eigen::Index c = 0; c < out.x.cols(); ++c) {
    out.names.push_back("adjusting_" + std::to_string(c));
  }
  out.batch = in.rows.batch;
  return out;
}

StudyFit fit_study(const Inputs& in, const std::vector<Eigen::Index>& rows, const Params& params,
                   const Context& context) {
  StudyFit fit;
  fit.rows = rows;
  fit.study = in.study[static_cast<std::size_t>(rows.front())];
  std::map<int, int> outcomes;
  std::vector<int> strata; // arm, and whether the outcome is there
  for (const Eigen::Index row : rows) {
    const int arm = in.arm[static_cast<std::size_t>(row)];
    const bool seen = !std::isnan(in.outcome[row]);
    outcomes[arm] += seen ? 1 : 0;
    strata.push_back(2 * arm + (seen ? 1 : 0));
  }
  for (const auto& [arm, n] : outcomes) {
    if (n >= params.min_per_arm) fit.arms.push_back(arm);
  }
  const auto n = static_cast<Eigen::Index>(rows.size());
  const auto n_arms = static_cast<Eigen::Index>(fit.arms.size());
  fit.predicted = Eigen::MatrixXd::Constant(n, n_arms, kNaN);
  fit.share = fit.predicted;
  fit.present = Eigen::VectorXd::Constant(n, kNaN);
  fit.n_folds = std::min(params.n_folds, static_cast<int>(n));
  if (fit.arms.empty() || fit.n_folds < 2) return fit;
  const std::string& name = in.study_name[static_cast<std::size_t>(fit.study)];
  fit.fold =
      cohort::k_fold(rows.size(), fit.n_folds, strata, {},
                     stream_seed(static_cast<std::uint64_t>(params.random_seed), "treatment", name))
          .fold;
  const cohort::Rows predictors = predictor_rows(in);
  const cohort::Rows adjusting = adjusting_rows(in);
  // Every fold writes its own places only.
  parallel_blocks(context, static_cast<std::size_t>(fit.n_folds), 1,
                  [&](std::size_t begin, std::size_t end) {
                    for (std::size_t f = begin; f < end; ++f) {
                      const Split split = split_of(fit, static_cast<int>(f));
                      if (split.test.empty()) continue;
                      predict_outcomes(in, prepare(in, predictors, fit, split), split, fit);
                      predict_presence(in, prepare(in, adjusting, fit, split), split, fit);
                    }
                  });
  return fit;
}

Pair pair_of(const Inputs& in, const StudyFit& fit, int arm_a, int arm_b) {
  Pair pair{&fit, arm_a, arm_b, {}, {}, {}};
  std::vector<double> in_b;
  for (std::size_t i = 0; i < fit.rows.size(); ++i) {
    const int arm = in.arm[static_cast<std::size_t>(fit.rows[i])];
    if (arm != arm_a && arm != arm_b) continue;
    pair.places.push_back(static_cast<Eigen::Index>(i));
    pair.rows.push_back(fit.rows[i]);
    in_b.push_back(arm == arm_b ? 1.0 : 0.0);
  }
  pair.in_b =
      Eigen::Map<const Eigen::VectorXd>(in_b.data(), static_cast<Eigen::Index>(in_b.size()));
  return pair;
}

Eigen::VectorXd modelled_assignment(const Inputs& in, const Pair& pair) {
  StudyFit own; // the pair as a study of its own, with the folds of the study
  own.rows = pair.rows;
  for (const Eigen::Index place : pair.places) {
    own.fold.push_back(pair.fit->fold[static_cast<std::size_t>(place)]);
  }
  const cohort::Rows adjusting = adjusting_rows(in);
  Eigen::VectorXd out(pair.in_b.size());
  for (int f = 0; f < pair.fit->n_folds; ++f) {
    const Split split = split_of(own, f);
    if (split.test.empty()) continue;
    const Prepared x = prepare(in, adjusting, own, split);
    const auto with_ones = [](const Eigen::MatrixXd& columns) {
      Eigen::MatrixXd design(columns.rows(), 1 + columns.cols());
      design << Eigen::VectorXd::Ones(columns.rows()), columns;
      return design;
    };
    const auto model = cohort::logistic_fit(with_ones(x.training), pair.in_b(split.training));
    if (!model.converged) return {};
    out(split.test) = cohort::logistic_probability(with_ones(x.test), model.beta);
  }
  return out;
}

} // namespace boldmill::treatment
