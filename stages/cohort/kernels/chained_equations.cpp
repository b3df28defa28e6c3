#include "stages/cohort/kernels/chained_equations.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kRidge = 1e-5;               // of a column's sum of squares, as in mice
constexpr Eigen::Index kRowsPerPredictor = 3; // fewer people: fewer predictors

// The donor nearest to a prediction, one of `count` at random.
double matched(const ColumnDonors& column, double prediction, int count, Random& random) {
  const std::vector<double>& near = column.predicted;
  const std::size_t n = near.size();
  const std::size_t wanted = std::min(n, static_cast<std::size_t>(count));
  auto high = static_cast<std::size_t>(std::lower_bound(near.begin(), near.end(), prediction) -
                                       near.begin());
  std::size_t low = high; // [low, high) holds the nearest so far
  while (high - low < wanted) {
    const bool take_low =
        high == n || (low > 0 && prediction - near[low - 1] <= near[high] - prediction);
    if (take_low) {
      --low;
    } else {
      ++high;
    }
  }
  return column.values[low + random.below(wanted)];
}

struct Regression {
  double intercept = 0.0;
  Eigen::VectorXd best, drawn;
  double drawn_intercept = 0.0;
};

// Ridge regression of y on the columns of x, and a draw from its posterior (flat prior, the
// residual variance from a scaled inverse chi-square).
Regression regress(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, Random& random) {
  const Eigen::RowVectorXd mean_x = x.colwise().mean();
  const double mean_y = y.mean();
  const Eigen::MatrixXd centred = x.rowwise() - mean_x;
  Eigen::MatrixXd gram = centred.transpose() * centred;
  const Eigen::VectorXd diagonal = gram.diagonal();
  gram.diagonal() += kRidge * diagonal;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(gram);
  Regression out;
  out.best = cholesky.solve(centred.transpose() * (y.array() - mean_y).matrix());
  const double squares = (y.array() - mean_y - (centred * out.best).array()).square().sum();
  const auto n = static_cast<double>(x.rows());
  const int freedom = std::max(1, static_cast<int>(x.rows() - x.cols()) - 1);
  double chi_square = 0.0;
  for (int i = 0; i < freedom; ++i) chi_square += std::pow(random.normal(), 2);
  const double sigma = std::sqrt(squares / chi_square);
  Eigen::VectorXd noise(x.cols());
  for (double& value : noise) value = random.normal();
  out.drawn = out.best + sigma * cholesky.matrixU().solve(noise);
  out.intercept = mean_y - mean_x.dot(out.best);
  out.drawn_intercept = mean_y + sigma / std::sqrt(n) * random.normal() - mean_x.dot(out.drawn);
  return out;
}

// The columns that correlate most with y among the rows that have it.
std::vector<Eigen::Index> predictors(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                     Eigen::Index own, const std::vector<Eigen::Index>& usable) {
  const Eigen::VectorXd centred_y = y.array() - y.mean();
  std::vector<std::pair<double, Eigen::Index>> order;
  for (const Eigen::Index c : usable) {
    if (c == own) continue;
    const Eigen::VectorXd centred = x.col(c).array() - x.col(c).mean();
    const double norm = centred.norm();
    if (norm <= 1e-10 * x.col(c).norm()) continue;
    order.emplace_back(-std::abs(centred.dot(centred_y)) / norm, c);
  }
  std::sort(order.begin(), order.end());
  const auto most = static_cast<std::size_t>(x.rows() / kRowsPerPredictor);
  if (order.size() > most) order.resize(most);
  std::vector<Eigen::Index> out;
  out.reserve(order.size());
  for (const auto& entry : order) out.push_back(entry.second);
  std::sort(out.begin(), out.end());
  return out;
}

double predict(const ColumnDonors& column, const Eigen::RowVectorXd& row) {
  double out = column.intercept;
  for (std::size_t i = 0; i < column.predictors.size(); ++i) {
    out += column.coefficients[static_cast<Eigen::Index>(i)] * row[column.predictors[i]];
  }
  return out;
}

ColumnDonors learn_column(const Eigen::MatrixXd& filled, const std::vector<Eigen::Index>& present,
                          Eigen::Index own, const std::vector<Eigen::Index>& usable,
                          Random& random) {
  const Eigen::MatrixXd rows = filled(present, Eigen::all);
  const Eigen::VectorXd y = rows.col(own);
  ColumnDonors out;
  out.predictors = predictors(rows, y, own, usable);
  Eigen::VectorXd best = Eigen::VectorXd::Constant(y.size(), y.mean());
  out.intercept = y.mean();
  if (!out.predictors.empty()) {
    const Eigen::MatrixXd x = rows(Eigen::all, out.predictors);
    const Regression fitted = regress(x, y, random);
    best = (x * fitted.best).array() + fitted.intercept;
    out.intercept = fitted.drawn_intercept;
    out.coefficients = fitted.drawn;
  }
  std::vector<Eigen::Index> order(present.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](Eigen::Index a, Eigen::Index b) { return best[a] < best[b]; });
  for (const Eigen::Index i : order) {
    out.predicted.push_back(best[i]);
    out.values.push_back(y[i]);
  }
  return out;
}

// The bits of the values present and their places.
std::uint64_t row_seed(std::uint64_t seed, const Eigen::RowVectorXd& row) {
  for (const double value : row) {
    const auto bits =
        std::isnan(value) ? std::uint64_t{0x7ff8} : std::bit_cast<std::uint64_t>(value);
    seed = (std::rotl(seed, 23) ^ bits) * 0x9e3779b97f4a7c15ULL;
  }
  return stream_seed(seed, "row");
}

} // namespace

ChainedModel fit_chain(const Eigen::MatrixXd& x, const ChainOptions& options) {
  const Eigen::Index p = x.cols();
  ChainedModel model{options, Eigen::VectorXd::Constant(p, kNaN),
                     std::vector<ColumnDonors>(static_cast<std::size_t>(p))};
  Random random(stream_seed(options.seed, "fit"));
  Eigen::MatrixXd filled = x;
  std::vector<std::vector<Eigen::Index>> present(static_cast<std::size_t>(p));
  std::vector<Eigen::Index> usable;
  for (Eigen::Index c = 0; c < p; ++c) {
    auto& rows = present[static_cast<std::size_t>(c)];
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      if (!std::isnan(x(i, c))) rows.push_back(i);
    }
    if (rows.empty()) continue;
    usable.push_back(c);
    model.start[c] = x(rows, c).mean();
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      if (std::isnan(x(i, c))) filled(i, c) = x(rows[random.below(rows.size())], c);
    }
  }
  const auto full = [&](Eigen::Index c) {
    return static_cast<Eigen::Index>(present[static_cast<std::size_t>(c)].size()) == x.rows();
  };
  for (int sweep = 0; sweep < options.iterations; ++sweep) {
    const bool last = sweep + 1 == options.iterations;
    for (const Eigen::Index c : usable) {
      if (full(c) && !last) continue; // learned for new rows only
      const auto at = static_cast<std::size_t>(c);
      model.columns[at] = learn_column(filled, present[at], c, usable, random);
      if (full(c)) continue;
      for (Eigen::Index i = 0; i < x.rows(); ++i) {
        if (!std::isnan(x(i, c))) continue;
        filled(i, c) = matched(model.columns[at], predict(model.columns[at], filled.row(i)),
                               options.donors, random);
      }
    }
  }
  return model;
}

Eigen::RowVectorXd fill_row(const ChainedModel& model, const Eigen::RowVectorXd& row,
                            const std::vector<std::uint8_t>& skip) {
  std::vector<Eigen::Index> holes;
  Eigen::RowVectorXd out = row;
  for (Eigen::Index c = 0; c < row.size(); ++c) {
    if (!std::isnan(row[c])) continue;
    out[c] = model.start[c];
    const bool skipped = !skip.empty() && skip[static_cast<std::size_t>(c)] != 0;
    if (!skipped && !model.columns[static_cast<std::size_t>(c)].values.empty()) holes.push_back(c);
  }
  if (!holes.empty()) {
    Random random(row_seed(model.options.seed, row));
    for (int sweep = 0; sweep < model.options.iterations; ++sweep) {
      for (const Eigen::Index c : holes) {
        const ColumnDonors& column = model.columns[static_cast<std::size_t>(c)];
        out[c] = matched(column, predict(column, out), model.options.donors, random);
      }
    }
  }
  for (Eigen::Index c = 0; c < row.size(); ++c) {
    const bool skipped = !skip.empty() && skip[static_cast<std::size_t>(c)] != 0;
    if (skipped && std::isnan(row[c])) out[c] = kNaN;
  }
  return out;
}

} // namespace boldmill::cohort
