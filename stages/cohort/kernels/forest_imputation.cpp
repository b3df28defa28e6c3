#include "stages/cohort/kernels/forest_imputation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

using Places = std::vector<Eigen::Index>;

struct Column {
  Eigen::Index at = 0;
  Places present, missing; // rows
};

// Columns that somebody has, and of these the ones with holes.
struct Table {
  Eigen::MatrixXd x; // of the known columns
  Places known;      // their places
  std::vector<Column> holes;
};

Table table_of(const Eigen::MatrixXd& x) {
  Table out;
  for (Eigen::Index c = 0; c < x.cols(); ++c) {
    if (!x.col(c).array().isNaN().all()) out.known.push_back(c);
  }
  out.x = x(Eigen::all, out.known);
  for (Eigen::Index c = 0; c < out.x.cols(); ++c) {
    Column column{c, {}, {}};
    for (Eigen::Index row = 0; row < x.rows(); ++row) {
      (std::isnan(out.x(row, c)) ? column.missing : column.present).push_back(row);
    }
    if (!column.missing.empty()) out.holes.push_back(std::move(column));
  }
  return out;
}

// Of the donors with the nearest predictions one at random.
double match(const Eigen::VectorXd& predicted, const Places& present, Eigen::Index row, int donors,
             const Eigen::VectorXd& y, Random& random) {
  std::vector<std::pair<double, Eigen::Index>> distance;
  for (const Eigen::Index other : present) {
    distance.emplace_back(std::abs(predicted[other] - predicted[row]), other);
  }
  const auto k = std::min<std::size_t>(static_cast<std::size_t>(donors), distance.size());
  std::partial_sort(distance.begin(), distance.begin() + static_cast<std::ptrdiff_t>(k),
                    distance.end());
  return y[distance[random.below(k)].second];
}

void impute_batch(Table& table, const ForestImputation& options, std::uint64_t seed,
                  const Context& context) {
  Random random(seed);
  for (const Column& hole : table.holes) {
    for (const Eigen::Index row : hole.missing) {
      table.x(row, hole.at) = table.x(hole.present[random.below(hole.present.size())], hole.at);
    }
  }
  if (table.x.cols() < 2) return; // nothing to predict from: the draws stay
  for (int sweep = 0; sweep < options.iterations; ++sweep) {
    for (const Column& hole : table.holes) {
      Places others;
      for (Eigen::Index c = 0; c < table.x.cols(); ++c) {
        if (c != hole.at) others.push_back(c);
      }
      const Eigen::MatrixXd x = table.x(Eigen::all, others);
      const Eigen::VectorXd y = table.x.col(hole.at);
      const std::string name = std::to_string(sweep) + " " + std::to_string(hole.at);
      const Eigen::VectorXd predicted = forest_predictions(
          x(hole.present, Eigen::all), y(hole.present), x,
          {.trees = options.trees, .seed = stream_seed(seed, "forest", name)}, context);
      for (const Eigen::Index row : hole.missing) {
        table.x(row, hole.at) = match(predicted, hole.present, row, options.donors, y, random);
      }
    }
  }
}

} // namespace

Eigen::MatrixXd impute_by_forests(const Eigen::MatrixXd& x, const std::vector<int>& batch,
                                  const ForestImputation& options, const Context& context) {
  std::map<int, Places> batches;
  for (Eigen::Index row = 0; row < x.rows(); ++row) {
    batches[batch.empty() ? 0 : batch[static_cast<std::size_t>(row)]].push_back(row);
  }
  Eigen::MatrixXd out = x;
  for (const auto& [id, rows] : batches) {
    Table table = table_of(x(rows, Eigen::all));
    impute_batch(table, options, stream_seed(options.seed, "batch", std::to_string(id)), context);
    for (std::size_t c = 0; c < table.known.size(); ++c) {
      out(rows, table.known[c]) = table.x.col(static_cast<Eigen::Index>(c));
    }
  }
  return out;
}

} // namespace boldmill::cohort
