// Models of the outcome with an arm-by-predictor product.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "stages/cohort/kernels/regression.hpp"
#include "stages/cohort/treatment_parts.hpp"

namespace boldmill::treatment {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kLeastOfABiotype = 2; // people with an outcome in each arm

struct Predictor {
  std::string name;
  Eigen::MatrixXd x; // pair's people x columns
};

// Indicators of the biotypes that both arms have, but the first.
Predictor biotypes_of(const Inputs& in, const Pair& pair) {
  std::map<int, std::array<int, 2>> count;
  for (std::size_t i = 0; i < pair.rows.size(); ++i) {
    const int label = in.biotype[static_cast<std::size_t>(pair.rows[i])];
    if (label < 0 || std::isnan(in.outcome[pair.rows[i]])) continue;
    ++count[label][pair.in_b[static_cast<Eigen::Index>(i)] > 0.5 ? 1 : 0];
  }
  std::vector<int> labels;
  for (const auto& [label, n] : count) {
    if (std::min(n[0], n[1]) >= kLeastOfABiotype) labels.push_back(label);
  }
  Predictor out{"biotype", {}};
  if (labels.size() < 2) return out;
  const auto n = static_cast<Eigen::Index>(pair.rows.size());
  out.x = Eigen::MatrixXd::Zero(n, static_cast<Eigen::Index>(labels.size()) - 1);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto row = static_cast<std::size_t>(pair.rows[static_cast<std::size_t>(i)]);
    const auto at = std::find(labels.begin(), labels.end(), in.biotype[row]);
    if (at == labels.end()) {
      out.x.row(i).setConstant(kNaN);
    } else if (at != labels.begin()) {
      out.x(i, at - labels.begin() - 1) = 1.0;
    }
  }
  return out;
}

// Ones, baseline, covariates, arm.
Eigen::MatrixXd adjusting_design(const Inputs& in, const Pair& pair) {
  const cohort::Rows adjusting = adjusting_rows(in).select(pair.rows);
  Eigen::MatrixXd out(pair.in_b.size(), 2 + adjusting.x.cols());
  out << Eigen::VectorXd::Ones(out.rows()), adjusting.x, pair.in_b;
  return out;
}

// 1 / P(outcome present); empty when nothing is missing or there is no model of it.
Eigen::VectorXd presence_weights(const Inputs& in, const Pair& pair, const Eigen::MatrixXd& z,
                                 double least) {
  std::vector<Eigen::Index> complete;
  for (Eigen::Index i = 0; i < z.rows(); ++i) {
    if (!z.row(i).array().isNaN().any()) complete.push_back(i);
  }
  const Eigen::VectorXd present =
      (!in.outcome(pair.rows).array().isNaN()).cast<double>().matrix()(complete);
  if (present.size() == 0 || present.minCoeff() == 1.0) return {};
  const auto model = cohort::logistic_fit(z(complete, Eigen::all), present);
  if (!model.converged) return {};
  Eigen::VectorXd out = Eigen::VectorXd::Constant(z.rows(), kNaN);
  out(complete) = cohort::logistic_probability(z(complete, Eigen::all), model.beta)
                      .array()
                      .max(least)
                      .inverse();
  return out;
}

Interaction model_of(const Inputs& in, const Pair& pair, const Eigen::MatrixXd& z,
                     const Predictor& predictor, const Eigen::VectorXd& weights,
                     const Params& params) {
  const Eigen::Index k = predictor.x.cols();
  Eigen::MatrixXd design(z.rows(), z.cols() + 2 * k);
  design << z, predictor.x, (predictor.x.array().colwise() * pair.in_b.array()).matrix();
  const Eigen::VectorXd y = in.outcome(pair.rows);
  std::vector<Eigen::Index> rows;
  for (Eigen::Index i = 0; i < z.rows(); ++i) {
    if (!std::isnan(y[i]) && !design.row(i).array().isNaN().any()) rows.push_back(i);
  }
  Interaction out{pair.fit->study, pair.arm_a, pair.arm_b, predictor.name};
  const bool weighted = weights.size() > 0;
  out.analysis = weighted ? "weighted" : "complete_case";
  out.n = static_cast<int>(rows.size());
  out.beta = out.se = out.bounds.lower = out.bounds.upper = kNaN;
  out.f = out.df1 = out.df2 = out.p = out.q = kNaN;
  if (k == 0 || out.n <= design.cols()) return out;
  const Eigen::VectorXd own = weighted ? Eigen::VectorXd(weights(rows)) : Eigen::VectorXd();
  const auto fit = cohort::linear_fit(design(rows, Eigen::all), y(rows), own,
                                      weighted ? cohort::Errors::hc3 : cohort::Errors::classical);
  std::vector<Eigen::Index> products;
  for (Eigen::Index c = 0; c < k; ++c) products.push_back(z.cols() + k + c);
  const auto wald = cohort::wald_test(fit, products);
  out.f = wald.f;
  out.df1 = wald.df1;
  out.df2 = wald.df2;
  out.p = wald.p_value;
  if (predictor.name == "biotype") return out;
  out.beta = fit.beta[products[0]];
  out.se = std::sqrt(fit.covariance(products[0], products[0]));
  const double half = cohort::t_critical(params.confidence, fit.degrees_of_freedom) * out.se;
  out.bounds = {out.beta - half, out.beta + half};
  return out;
}

} // namespace

void add_interactions(const Inputs& in, const Pair& pair, const Params& params,
                      std::vector<Interaction>& out) {
  const Eigen::MatrixXd z = adjusting_design(in, pair);
  const Eigen::VectorXd weights = presence_weights(in, pair, z, params.min_probability);
  std::vector<Predictor> predictors;
  for (std::size_t c = 0; c < in.tested_name.size(); ++c) {
    predictors.push_back(
        {in.tested_name[c], in.tested(pair.rows, Eigen::all).col(static_cast<Eigen::Index>(c))});
  }
  if (!in.biotype.empty()) predictors.push_back(biotypes_of(in, pair));
  for (const bool weighted : {false, true}) {
    if (weighted && weights.size() == 0) continue;
    const std::size_t first = out.size();
    Eigen::VectorXd p(static_cast<Eigen::Index>(in.tested_name.size()));
    for (std::size_t c = 0; c < predictors.size(); ++c) {
      out.push_back(
          model_of(in, pair, z, predictors[c], weighted ? weights : Eigen::VectorXd(), params));
      if (c < in.tested_name.size()) p[static_cast<Eigen::Index>(c)] = out.back().p;
    }
    const Eigen::VectorXd q = cohort::benjamini_hochberg(p);
    for (Eigen::Index c = 0; c < q.size(); ++c) out[first + static_cast<std::size_t>(c)].q = q[c];
  }
}

} // namespace boldmill::treatment
