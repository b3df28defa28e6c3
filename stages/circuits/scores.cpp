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

struct Averaged {
  Eigen::MatrixXd value, se, smallest_coverage, present_share; // rows x groups
};

// Mean over the members present, missing below `min_share` of them.
Averaged average(const Eigen::MatrixXd& value, const Eigen::MatrixXd& se,
                 const Eigen::MatrixXd& coverage, const std::vector<Group>& groups,
                 double min_share) {
  const Eigen::Index n_groups = static_cast<Eigen::Index>(groups.size());
  Averaged out;
  for (auto* matrix : {&out.value, &out.se, &out.smallest_coverage, &out.present_share}) {
    matrix->setConstant(value.rows(), n_groups, kNaN);
  }
  for (Eigen::Index row = 0; row < value.rows(); ++row) {
    for (Eigen::Index g = 0; g < n_groups; ++g) {
      const Group& group = groups[static_cast<std::size_t>(g)];
      double sum = 0.0;
      double variance = 0.0;
      double smallest = kNaN;
      int present = 0;
      for (std::size_t m = 0; m < group.members.size(); ++m) {
        const Eigen::Index c = group.members[m];
        if (std::isnan(value(row, c))) continue;
        ++present;
        sum += group.weight[m] * value(row, c);
        variance += group.weight[m] * group.weight[m] * se(row, c) * se(row, c);
        smallest = std::fmin(smallest, coverage(row, c));
      }
      const double share = group.members.empty() ? 0.0
                                                 : static_cast<double>(present) /
                                                       static_cast<double>(group.members.size());
      out.present_share(row, g) = share;
      if (present == 0 || share < min_share) continue;
      out.value(row, g) = sum / present;
      out.se(row, g) = std::sqrt(variance) / present;
      out.smallest_coverage(row, g) = smallest;
    }
  }
  return out;
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
      inputs.measures.cols() != n_measures || !fits(inputs.se) || !fits(inputs.coverage)) {
    throw Error(ErrorKind::internal, "scores: the model or the rows do not fit the " +
                                         std::to_string(n_measures) + " measures of the taxonomy");
  }
}

} // namespace

Model fit(const Eigen::MatrixXd& reference, const Params& params) {
  const Eigen::Index n_measures = reference.cols();
  Model model{Eigen::VectorXd::Constant(n_measures, kNaN),
              Eigen::VectorXd::Constant(n_measures, kNaN), Eigen::VectorXd::Zero(n_measures)};
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
  const Averaged features = average(out.z, z_se, or_unknown(inputs.coverage, out.z), feature_groups,
                                    params.min_measure_share);
  const Averaged scores = average(features.value, features.se, features.smallest_coverage,
                                  score_groups, params.min_feature_share);
  out.features = features.value;
  out.features_se = features.se;
  out.features_coverage = features.smallest_coverage;
  out.scores = scores.value;
  out.scores_se = scores.se;
  out.scores_coverage = scores.present_share;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.n_rows * (3 * shape.n_measures + 8 * shape.n_features + 8 * shape.n_scores) *
         sizeof(double);
}

} // namespace boldmill::scores
