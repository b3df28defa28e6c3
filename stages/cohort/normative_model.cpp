#include "stages/cohort/normative_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/cohort/kernels/normal_scores.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::normative_model {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kAgeBlock = 0; // prior precisions: what is continuous, and sites
constexpr int kSiteBlock = 1;

std::vector<Eigen::Index> linear_columns(const Model& model) {
  std::vector<Eigen::Index> out;
  for (std::size_t c = 0; c < model.covariate_names.size(); ++c) {
    if (static_cast<Eigen::Index>(c) != model.age) out.push_back(static_cast<Eigen::Index>(c));
  }
  return out;
}

struct Design {
  Eigen::MatrixXd x, v;
  std::vector<int> block;
  std::vector<std::uint8_t> age_outside, new_batch, complete;
};

// Columns: 1, spline of age, other covariates (standardised), sites. NaN where a covariate is.
Design design_of(const Model& model, const Inputs& rows) {
  const Eigen::Index n = rows.x.rows();
  const auto linear = linear_columns(model);
  const auto q = static_cast<Eigen::Index>(linear.size());
  const auto sites = static_cast<Eigen::Index>(model.batches.size());
  const Eigen::Index s = model.spline.size();
  const Eigen::Index vs = model.variance_spline.size();
  Design out{Eigen::MatrixXd::Zero(n, 1 + s + q + sites),
             Eigen::MatrixXd::Ones(n, 1 + vs),
             {-1},
             std::vector<std::uint8_t>(static_cast<std::size_t>(n), 0),
             {},
             {}};
  out.new_batch = out.age_outside;
  out.complete.assign(static_cast<std::size_t>(n), 1);
  out.block.insert(out.block.end(), static_cast<std::size_t>(s + q), kAgeBlock);
  out.block.insert(out.block.end(), static_cast<std::size_t>(sites), kSiteBlock);
  out.x.col(0).setOnes();
  if (model.age >= 0) {
    const Eigen::VectorXd age = rows.covariates.col(model.age);
    out.x.middleCols(1, s) = model.spline.evaluate(age);
    out.v.rightCols(vs) = model.variance_spline.evaluate(age);
    const Eigen::VectorXd& knots = model.spline.knots;
    for (Eigen::Index i = 0; i < n; ++i) {
      const bool outside = age[i] < knots[0] || age[i] > knots[knots.size() - 1];
      out.age_outside[static_cast<std::size_t>(i)] = outside ? 1 : 0;
    }
  }
  for (Eigen::Index c = 0; c < q; ++c) {
    const double sd = model.linear_sd[c];
    out.x.col(1 + s + c) =
        (rows.covariates.col(linear[static_cast<std::size_t>(c)]).array() - model.linear_mean[c]) /
        (sd > 0.0 ? sd : 1.0);
  }
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto row = static_cast<std::size_t>(i);
    if (rows.covariates.cols() > 0 && !rows.covariates.row(i).allFinite()) out.complete[row] = 0;
    if (sites == 0) continue;
    const int id = rows.batch.empty() ? -1 : rows.batch[row];
    const auto found = std::lower_bound(model.batches.begin(), model.batches.end(), id);
    if (found == model.batches.end() || *found != id) {
      out.new_batch[row] = 1;
    } else {
      out.x(i, 1 + s + q + (found - model.batches.begin())) = 1.0;
    }
  }
  return out;
}

void check(const Inputs& rows) {
  const auto n = static_cast<std::size_t>(rows.x.rows());
  if (rows.names.size() != static_cast<std::size_t>(rows.x.cols()) ||
      rows.covariate_names.size() != static_cast<std::size_t>(rows.covariates.cols()) ||
      (rows.covariates.cols() > 0 && static_cast<std::size_t>(rows.covariates.rows()) != n) ||
      (!rows.batch.empty() && rows.batch.size() != n)) {
    throw Error(ErrorKind::internal,
                "normative_model: names, covariates or batches do not fit the table");
  }
}

Measure learn(const Eigen::VectorXd& values, const Design& design, const Params& params) {
  std::vector<Eigen::Index> rows;
  std::vector<double> present;
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]) || design.complete[static_cast<std::size_t>(i)] == 0) continue;
    rows.push_back(i);
    present.push_back(values[i]);
  }
  Measure out;
  out.n = static_cast<int>(rows.size());
  if (out.n < params.min_people) return out;
  out.centre = mean(present);
  const double sd = standard_deviation(present);
  if (!(sd > 1e-12 * std::abs(out.centre))) return out;
  out.scale = sd;
  cohort::RegressionData data{(values(rows).array() - out.centre) / sd, design.x(rows, Eigen::all),
                              design.block, design.v(rows, Eigen::all)};
  out.fitted = cohort::fit_regression(data, params.warp);
  if (!std::isfinite(out.fitted.posterior.log_evidence)) out.scale = 0.0;
  return out;
}

// Distribution of g for one row under one measure's model.
struct Predicted {
  double mean = 0.0, noise = 0.0, open = 0.0; // variances: of people, of what is not known
};

Predicted predicted(const Measure& measure, const Design& design, Eigen::Index row) {
  const auto& posterior = measure.fitted.posterior;
  const Eigen::RowVectorXd x = design.x.row(row);
  Predicted out{x.dot(posterior.weights),
                std::exp(design.v.row(row).dot(measure.fitted.hyper.variance)),
                x * posterior.covariance * x.transpose()};
  if (design.new_batch[static_cast<std::size_t>(row)] != 0) {
    out.open += std::exp(-measure.fitted.hyper.log_precision[kSiteBlock]);
  }
  return out;
}

double in_units(const Measure& measure, double g) {
  return measure.centre + measure.scale * measure.fitted.hyper.warp.inverse(g);
}

void check_names(const Model& model, const Inputs& rows) {
  check(rows);
  if (rows.names != model.names || rows.covariate_names != model.covariate_names) {
    throw Error(ErrorKind::input,
                "normative_model: found " + std::to_string(rows.names.size()) + " measures and " +
                    std::to_string(rows.covariate_names.size()) + " covariates, expected the " +
                    std::to_string(model.names.size()) + " and " +
                    std::to_string(model.covariate_names.size()) + " of the model, by name");
  }
}

} // namespace

Model fit(const Inputs& reference, const Params& params, const Context& context) {
  check(reference);
  Model model{
      .params = params, .names = reference.names, .covariate_names = reference.covariate_names};
  const auto age =
      std::find(reference.covariate_names.begin(), reference.covariate_names.end(), params.age);
  if (age != reference.covariate_names.end()) {
    model.age = age - reference.covariate_names.begin();
    const Eigen::VectorXd values = reference.covariates.col(model.age);
    model.spline = cohort::SplineBasis::at_quantiles(values, params.interior_knots);
    if (params.variance_of_age)
      model.variance_spline = cohort::SplineBasis::at_quantiles(values, 0);
  }
  const auto linear = linear_columns(model);
  model.linear_mean.resize(static_cast<Eigen::Index>(linear.size()));
  model.linear_sd.resize(model.linear_mean.size());
  for (std::size_t c = 0; c < linear.size(); ++c) {
    const Eigen::VectorXd values = reference.covariates.col(linear[c]);
    const std::vector<double> all(values.begin(), values.end());
    model.linear_mean[static_cast<Eigen::Index>(c)] = mean(all);
    model.linear_sd[static_cast<Eigen::Index>(c)] = standard_deviation(all);
  }
  std::set<int> ids(reference.batch.begin(), reference.batch.end());
  ids.erase(-1);
  if (ids.size() > 1) model.batches.assign(ids.begin(), ids.end());
  const Design design = design_of(model, reference);
  const auto complete = std::count(design.complete.begin(), design.complete.end(), 1);
  if (reference.x.cols() == 0 || complete < params.min_people) {
    throw Error(ErrorKind::input, "normative_model: found " + std::to_string(complete) +
                                      " reference people with all covariates and " +
                                      std::to_string(reference.x.cols()) +
                                      " measures, expected at least " +
                                      std::to_string(params.min_people) + " people and 1 measure");
  }
  model.measures.resize(reference.names.size());
  parallel_blocks(context, model.measures.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t m = begin; m < end; ++m) {
      model.measures[m] =
          learn(reference.x.col(static_cast<Eigen::Index>(m)), design, model.params);
      context.advance();
    }
  });
  return model;
}

Outputs apply(const Model& model, const Inputs& rows, const Context& context) {
  check_names(model, rows);
  const Design design = design_of(model, rows);
  const Eigen::Index n = rows.x.rows();
  const Eigen::Index p = rows.x.cols();
  Outputs out;
  for (auto* matrix : {&out.z, &out.centile, &out.z_se, &out.expected})
    matrix->setConstant(n, p, kNaN);
  out.age_outside = design.age_outside;
  out.new_batch = design.new_batch;
  const auto count = static_cast<std::size_t>(p);
  parallel_blocks(context, count, 1, [&](std::size_t begin, std::size_t end) {
    for (auto m = static_cast<Eigen::Index>(begin); m < static_cast<Eigen::Index>(end); ++m) {
      const Measure& measure = model.measures[static_cast<std::size_t>(m)];
      if (!(measure.scale > 0.0)) continue;
      for (Eigen::Index i = 0; i < n; ++i) {
        if (design.complete[static_cast<std::size_t>(i)] == 0) continue;
        const Predicted at = predicted(measure, design, i);
        const double variance = at.noise + at.open;
        out.expected(i, m) = in_units(measure, at.mean);
        const double u = (rows.x(i, m) - measure.centre) / measure.scale;
        out.z(i, m) = (measure.fitted.hyper.warp.forward(u) - at.mean) / std::sqrt(variance);
        out.centile(i, m) = cohort::normal_tail(-out.z(i, m));
        out.z_se(i, m) = std::isnan(u) ? kNaN : std::sqrt(at.open / variance);
      }
    }
  });
  return out;
}

Eigen::MatrixXd value_at(const Model& model, const Inputs& rows, double centile) {
  check_names(model, rows);
  const Design design = design_of(model, rows);
  Eigen::MatrixXd out = Eigen::MatrixXd::Constant(rows.x.rows(), rows.x.cols(), kNaN);
  const double z = cohort::normal_quantile(centile);
  for (Eigen::Index m = 0; m < out.cols(); ++m) {
    const Measure& measure = model.measures[static_cast<std::size_t>(m)];
    if (!(measure.scale > 0.0)) continue;
    for (Eigen::Index i = 0; i < out.rows(); ++i) {
      if (design.complete[static_cast<std::size_t>(i)] == 0) continue;
      const Predicted at = predicted(measure, design, i);
      out(i, m) = in_units(measure, at.mean + z * std::sqrt(at.noise + at.open));
    }
  }
  return out;
}

cohort::LearningStep step(const Params& params) {
  const auto inputs_of = [](const cohort::Rows& rows) {
    return Inputs{rows.x, rows.names, rows.covariates, rows.covariate_names, rows.batch};
  };
  return {std::string(kStage.name),
          [params, inputs_of](const cohort::Rows& training) -> cohort::LearningStep::Apply {
            std::vector<Eigen::Index> controls;
            for (std::size_t i = 0; i < training.is_reference.size(); ++i) {
              if (training.is_reference[i] != 0) controls.push_back(static_cast<Eigen::Index>(i));
            }
            const bool enough = static_cast<int>(controls.size()) >= params.min_people;
            const Model model =
                fit(inputs_of(enough ? training.select(controls) : training), params, Context{});
            return [model, inputs_of](const cohort::Rows& rows) {
              cohort::Rows out = rows;
              out.x = apply(model, inputs_of(rows), Context{}).z;
              return out;
            };
          }};
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const auto knots = static_cast<std::size_t>(params.interior_knots);
  const std::size_t c = 4 + knots + shape.n_covariates + shape.n_batches;
  return (6 * shape.n_rows * (shape.n_columns + c) + shape.n_columns * (c * c + 4 * c)) *
         sizeof(double);
}

} // namespace boldmill::normative_model
