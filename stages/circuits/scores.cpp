#include "stages/circuits/scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "stages/core/statistics.hpp"

namespace boldmill::scores {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Group {
  std::vector<Eigen::Index> members;
  std::vector<double> weight; // one per member
};

std::map<std::string, Eigen::Index> positions(const std::vector<std::string>& names) {
  std::map<std::string, Eigen::Index> out;
  for (std::size_t i = 0; i < names.size(); ++i) out[names[i]] = static_cast<Eigen::Index>(i);
  return out;
}

Group group_of(const std::vector<std::string>& members, const std::vector<double>& orientation,
               const std::map<std::string, Eigen::Index>& position) {
  Group group;
  for (std::size_t m = 0; m < members.size(); ++m) {
    group.members.push_back(position.at(members[m]));
    group.weight.push_back(orientation.empty() ? 1.0 : orientation[m]);
  }
  return group;
}

// What a mean is made of: measures and their weights.
struct Terms {
  std::vector<Eigen::Index> measure;
  std::vector<double> weight;
};

struct Averaged {
  Eigen::MatrixXd value, smallest_coverage, present_share; // rows x groups
  std::vector<std::vector<Terms>> terms;                   // rows x groups; none where missing
};

// `of`: what each column of `value` is made of, per row; null: columns are measures.
void add_terms(const std::vector<Terms>* of, Eigen::Index column, double weight, Terms& terms) {
  if (of == nullptr) {
    terms.measure.push_back(column);
    terms.weight.push_back(weight);
    return;
  }
  const Terms& member = (*of)[static_cast<std::size_t>(column)];
  for (std::size_t k = 0; k < member.measure.size(); ++k) {
    terms.measure.push_back(member.measure[k]);
    terms.weight.push_back(weight * member.weight[k]);
  }
}

// Mean over the members present, missing below `min_share` of them.
Averaged average(const Eigen::MatrixXd& value, const Eigen::MatrixXd& coverage,
                 const std::vector<std::vector<Terms>>* of, const std::vector<Group>& groups,
                 double min_share) {
  const Eigen::Index n_groups = static_cast<Eigen::Index>(groups.size());
  Averaged out;
  for (auto* matrix : {&out.value, &out.smallest_coverage, &out.present_share}) {
    matrix->setConstant(value.rows(), n_groups, kNaN);
  }
  out.terms.assign(static_cast<std::size_t>(value.rows()), std::vector<Terms>(groups.size()));
  for (Eigen::Index row = 0; row < value.rows(); ++row) {
    const auto* made_of = of == nullptr ? nullptr : &(*of)[static_cast<std::size_t>(row)];
    for (Eigen::Index g = 0; g < n_groups; ++g) {
      const Group& group = groups[static_cast<std::size_t>(g)];
      const auto present = std::count_if(group.members.begin(), group.members.end(),
                                         [&](auto c) { return !std::isnan(value(row, c)); });
      const double share = group.members.empty() ? 0.0
                                                 : static_cast<double>(present) /
                                                       static_cast<double>(group.members.size());
      out.present_share(row, g) = share;
      if (present == 0 || share < min_share) continue;
      Terms& terms = out.terms[static_cast<std::size_t>(row)][static_cast<std::size_t>(g)];
      double sum = 0.0;
      double smallest = kNaN;
      for (std::size_t m = 0; m < group.members.size(); ++m) {
        const Eigen::Index c = group.members[m];
        if (std::isnan(value(row, c))) continue;
        sum += group.weight[m] * value(row, c);
        smallest = std::fmin(smallest, coverage(row, c));
        add_terms(made_of, c, group.weight[m] / static_cast<double>(present), terms);
      }
      out.value(row, g) = sum / static_cast<double>(present);
      out.smallest_coverage(row, g) = smallest;
    }
  }
  return out;
}

// w'Cw over the terms of a mean, C given by element.
template <class Element>
double quadratic(const Terms& terms, Element&& element) {
  double sum = 0.0;
  for (std::size_t a = 0; a < terms.measure.size(); ++a) {
    for (std::size_t b = 0; b < terms.measure.size(); ++b) {
      sum += terms.weight[a] * terms.weight[b] * element(terms.measure[a], terms.measure[b]);
    }
  }
  return sum < 0.0 ? 0.0 : sum; // rounding; NaN stays
}

// Means divided by their spread among the controls; missing where they have none.
void restandardise(const Model& model, Averaged& means) {
  for (Eigen::Index row = 0; row < means.value.rows(); ++row) {
    for (Eigen::Index g = 0; g < means.value.cols(); ++g) {
      Terms& terms = means.terms[static_cast<std::size_t>(row)][static_cast<std::size_t>(g)];
      if (terms.measure.empty()) continue;
      const double spread = std::sqrt(quadratic(
          terms, [&](Eigen::Index i, Eigen::Index j) { return model.correlation(i, j); }));
      if (spread > 1e-6) {
        means.value(row, g) /= spread;
        for (double& weight : terms.weight) weight /= spread;
      } else {
        means.value(row, g) = kNaN;
        terms = {};
      }
    }
  }
}

struct Errors {
  Errors(Eigen::Index rows, Eigen::Index groups)
      : total(Eigen::MatrixXd::Constant(rows, groups, kNaN)), run(total) {}
  Eigen::MatrixXd total, run; // rows x groups
};

// z, its standard errors and the correlation of the errors (empty: independent) of one row.
struct RowErrors {
  Eigen::Index row;
  Eigen::RowVectorXd z, z_se;
  Eigen::MatrixXd correlation;
};

void add_errors(const Averaged& means, const RowErrors& of, const Model& model, Errors& out) {
  for (Eigen::Index g = 0; g < means.value.cols(); ++g) {
    const Terms& terms = means.terms[static_cast<std::size_t>(of.row)][static_cast<std::size_t>(g)];
    if (terms.measure.empty()) continue;
    const double run = quadratic(terms, [&](Eigen::Index i, Eigen::Index j) {
      const double r = of.correlation.size() > 0 ? of.correlation(i, j) : (i == j ? 1.0 : 0.0);
      return r == 0.0 ? 0.0 : r * of.z_se[i] * of.z_se[j];
    });
    const double reference = quadratic(terms, [&](Eigen::Index i, Eigen::Index j) {
      const double r = model.correlation(i, j);
      return r / std::sqrt(model.n[i] * model.n[j]) +
             of.z[i] * of.z[j] * r * r / (2.0 * std::sqrt((model.n[i] - 1.0) * (model.n[j] - 1.0)));
    });
    out.run(of.row, g) = std::sqrt(run);
    out.total(of.row, g) = std::sqrt(run + reference);
  }
}

Eigen::MatrixXd or_unknown(const Eigen::MatrixXd& matrix, const Eigen::MatrixXd& like) {
  if (matrix.size() > 0) return matrix;
  return Eigen::MatrixXd::Constant(like.rows(), like.cols(), kNaN);
}

void check_sizes(const Model& model, const Inputs& inputs) {
  const auto n_measures = static_cast<Eigen::Index>(inputs.taxonomy->measures.size());
  const auto fits = [&](const Eigen::MatrixXd& m) {
    return m.size() == 0 || (m.rows() == inputs.measures.rows() && m.cols() == n_measures);
  };
  if (model.mean.size() != n_measures || model.sd.size() != n_measures ||
      model.correlation.rows() != n_measures || inputs.measures.cols() != n_measures ||
      !fits(inputs.se) || !fits(inputs.coverage)) {
    throw Error(ErrorKind::internal, "scores: the model or the rows do not fit the " +
                                         std::to_string(n_measures) + " measures of the taxonomy");
  }
}

Eigen::MatrixXd correlation_of(const Inputs& inputs, Eigen::Index row) {
  if (!inputs.error_correlation) return {};
  Eigen::MatrixXd out = inputs.error_correlation(row);
  const Eigen::Index n = inputs.measures.cols();
  if (out.size() > 0 && (out.rows() != n || out.cols() != n)) {
    throw Error(ErrorKind::internal, "scores: an error correlation of " +
                                         std::to_string(out.rows()) + " measures, expected " +
                                         std::to_string(n));
  }
  return out;
}

} // namespace

Model fit(const Eigen::MatrixXd& reference, const Params& params) {
  const Eigen::Index n_measures = reference.cols();
  Model model{Eigen::VectorXd::Constant(n_measures, kNaN),
              Eigen::VectorXd::Constant(n_measures, kNaN),
              Eigen::VectorXd::Zero(n_measures),
              {}};
  for (Eigen::Index m = 0; m < n_measures; ++m) {
    const std::span<const double> column(reference.col(m).data(),
                                         static_cast<std::size_t>(reference.rows()));
    model.n[m] = static_cast<double>(
        std::count_if(column.begin(), column.end(), [](double v) { return !std::isnan(v); }));
    if (model.n[m] < params.min_reference) continue;
    const double sd = standard_deviation(column);
    if (!(sd > 0.0)) continue;
    model.mean[m] = mean(column);
    model.sd[m] = sd;
  }
  // A Gram matrix, so that it is positive semi-definite with values missing too.
  Eigen::MatrixXd z = (reference.rowwise() - model.mean.transpose()).array().rowwise() /
                      (model.sd.array() * (model.n.array() - 1.0).sqrt()).transpose();
  z = z.array().isNaN().select(0.0, z);
  model.correlation = z.transpose() * z;
  for (Eigen::Index m = 0; m < n_measures; ++m) {
    if (!std::isnan(model.mean[m])) continue;
    model.correlation.row(m).setConstant(kNaN);
    model.correlation.col(m).setConstant(kNaN);
  }
  return model;
}

Outputs apply(const Model& model, const Inputs& inputs, const Params& params) {
  check_sizes(model, inputs);
  const taxonomy::Taxonomy& taxonomy = *inputs.taxonomy;
  std::vector<Group> feature_groups, score_groups;
  const auto measure_position = positions(taxonomy::measure_names(taxonomy));
  for (const auto& feature : taxonomy.features) {
    feature_groups.push_back(group_of(feature.members, {}, measure_position));
  }
  const auto feature_position = positions(taxonomy::feature_names(taxonomy));
  for (const auto& score : taxonomy.scores) {
    const auto& orientation = params.use_orientation ? score.orientation : std::vector<double>{};
    score_groups.push_back(group_of(score.members, orientation, feature_position));
  }
  Outputs out;
  const Eigen::RowVectorXd mean = model.mean.transpose();
  const Eigen::RowVectorXd sd = model.sd.transpose();
  out.z = (inputs.measures.rowwise() - mean).array().rowwise() / sd.array();
  const Eigen::MatrixXd z_se = or_unknown(inputs.se, out.z).array().rowwise() / sd.array();
  Averaged features = average(out.z, or_unknown(inputs.coverage, out.z), nullptr, feature_groups,
                              params.min_measure_share);
  if (params.restandardise != "none") restandardise(model, features);
  Averaged scores = average(features.value, features.smallest_coverage, &features.terms,
                            score_groups, params.min_feature_share);
  if (params.restandardise == "all") restandardise(model, scores);
  Errors feature_errors(out.z.rows(), features.value.cols());
  Errors score_errors(out.z.rows(), scores.value.cols());
  for (Eigen::Index row = 0; row < out.z.rows(); ++row) {
    const RowErrors of{row, out.z.row(row), z_se.row(row), correlation_of(inputs, row)};
    add_errors(features, of, model, feature_errors);
    add_errors(scores, of, model, score_errors);
  }
  out.features = features.value;
  out.features_se = std::move(feature_errors.total);
  out.features_se_run = std::move(feature_errors.run);
  out.features_coverage = features.smallest_coverage;
  out.scores = scores.value;
  out.scores_se = std::move(score_errors.total);
  out.scores_se_run = std::move(score_errors.run);
  out.scores_coverage = scores.present_share;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return (shape.n_rows * (8 * shape.n_measures + 16 * shape.n_features + 16 * shape.n_scores) +
          2 * shape.n_measures * shape.n_measures) *
         sizeof(double);
}

} // namespace boldmill::scores
