#include "stages/cohort/group_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/core/least_squares.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::group_statistics {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// Two |t| of the same data in another order differ by rounding: equal ones must count.
constexpr double kEqual = 1e-9;

// One column under one term, ready to be permuted.
struct Test {
  std::vector<Eigen::Index> rows;
  Eigen::MatrixXd basis;    // orthonormal, of Z
  Eigen::VectorXd residual; // of y on Z
  Eigen::VectorXd x;        // residual of x on Z
  double x_squares = 0.0;
  double degrees_of_freedom = 0.0;
  double t = 0.0;
  // Of every row of the cohort: its place among `rows` (-1 without), and its block. A block's
  // places stand in `slot` from `begin` on.
  std::vector<Eigen::Index> position, slot;
  std::vector<std::size_t> block, begin;

  // Of residuals `e`: what Z explains of them anew is taken out.
  [[nodiscard]] double t_of(const Eigen::VectorXd& e) const {
    const double beta = x.dot(e) / x_squares;
    const double rest =
        e.squaredNorm() - (basis.transpose() * e).squaredNorm() - beta * beta * x_squares;
    if (!(rest > 0.0)) return std::numeric_limits<double>::infinity();
    return beta * std::sqrt(x_squares * degrees_of_freedom / rest);
  }
};

void check_sizes(const Inputs& in) {
  const Eigen::Index n = in.y.rows();
  const auto fits = [n](std::size_t size) {
    return size == 0 || size == static_cast<std::size_t>(n);
  };
  bool fine = static_cast<std::size_t>(in.y.cols()) == in.names.size() && fits(in.site.size()) &&
              fits(in.person.size()) && (in.covariates.cols() == 0 || in.covariates.rows() == n);
  for (const Term& term : in.terms) {
    fine = fine && term.x.size() == n;
    for (const double x : term.x) {
      fine = fine && (!term.is_group || std::isnan(x) || x == 0.0 || x == 1.0);
    }
  }
  if (!fine) throw Error(ErrorKind::internal, "group_statistics: inputs that do not fit");
}

std::vector<Eigen::Index> complete_rows(const Inputs& in, const Term& term, Eigen::Index column) {
  std::vector<Eigen::Index> rows;
  std::set<int> seen;
  for (Eigen::Index row = 0; row < in.y.rows(); ++row) {
    if (std::isnan(in.y(row, column)) || std::isnan(term.x[row])) continue;
    if (in.covariates.cols() > 0 && in.covariates.row(row).array().isNaN().any()) continue;
    const auto r = static_cast<std::size_t>(row);
    if (!in.person.empty() && !seen.insert(in.person[r]).second) continue;
    rows.push_back(row);
  }
  return rows;
}

// Ones, covariates, and an indicator of every site but the first among the rows.
Eigen::MatrixXd reduced_design(const Inputs& in, const std::vector<Eigen::Index>& rows,
                               bool with_site) {
  const auto n = static_cast<Eigen::Index>(rows.size());
  std::set<int> sites;
  if (with_site && !in.site.empty()) {
    for (const auto row : rows) sites.insert(in.site[static_cast<std::size_t>(row)]);
    sites.erase(sites.begin());
  }
  const Eigen::Index q = in.covariates.cols();
  Eigen::MatrixXd z = Eigen::MatrixXd::Zero(n, 1 + q + static_cast<Eigen::Index>(sites.size()));
  z.col(0).setOnes();
  if (q > 0) z.middleCols(1, q) = in.covariates(rows, Eigen::all);
  Eigen::Index c = 1 + q;
  for (const int site : sites) {
    for (Eigen::Index i = 0; i < n; ++i) {
      z(i, c) = in.site[static_cast<std::size_t>(rows[static_cast<std::size_t>(i)])] == site;
    }
    ++c;
  }
  return z;
}

// Why a column is not tested, "" when it is.
std::string refusal(const Result& result, const Params& params) {
  if (result.n < params.min_people) {
    return std::to_string(result.n) + " complete people, expected at least " +
           std::to_string(params.min_people);
  }
  const int least = std::min(result.n_0, result.n_1);
  if (result.is_group && least < params.min_per_group) {
    return std::to_string(least) + " people in the smaller group, expected at least " +
           std::to_string(params.min_per_group);
  }
  return "";
}

Result missing(const Term& term, const std::string& column) {
  Result r;
  r.term = term.name;
  r.column = column;
  r.is_group = term.is_group;
  r.beta = r.se = r.t = r.degrees_of_freedom = kNaN;
  r.p = r.q = r.p_permutation = r.q_permutation = r.p_fwe = kNaN;
  r.standardised_beta = r.partial_r = r.cohens_d = r.hedges_g = kNaN;
  const cohort::Bounds none{kNaN, kNaN};
  r.beta_bounds = r.standardised_bounds = r.r_bounds = r.d_bounds = r.g_bounds = none;
  return r;
}

void add_effects(const Test& test, const Eigen::VectorXd& x, const Eigen::VectorXd& y,
                 const Params& params, Result& r) {
  const double level = params.confidence;
  const double half = cohort::t_critical(level, r.degrees_of_freedom) * r.se;
  r.beta_bounds = {r.beta - half, r.beta + half};
  const auto sd = [](const Eigen::VectorXd& v) {
    return standard_deviation({v.data(), static_cast<std::size_t>(v.size())});
  };
  const double scale = sd(x) / sd(y);
  r.standardised_beta = r.beta * scale;
  r.standardised_bounds = {r.beta_bounds.lower * scale, r.beta_bounds.upper * scale};
  r.partial_r = r.t / std::sqrt(r.t * r.t + r.degrees_of_freedom);
  r.r_bounds = cohort::correlation_bounds(r.partial_r, r.n,
                                          static_cast<double>(test.basis.cols() - 1), level);
  if (!r.is_group) return;
  const double root = std::sqrt(1.0 / test.x_squares); // of 1 / n_0 + 1 / n_1 without covariates
  r.cohens_d = r.t * root;
  const cohort::Bounds ncp = cohort::noncentrality_bounds(r.t, r.degrees_of_freedom, level);
  r.d_bounds = {ncp.lower * root, ncp.upper * root};
  const double factor = cohort::hedges_factor(r.degrees_of_freedom);
  r.hedges_g = factor * r.cohens_d;
  r.g_bounds = {factor * r.d_bounds.lower, factor * r.d_bounds.upper};
}

// Which rows may be exchanged: those of one site.
void add_blocks(const Inputs& in, Test& test) {
  const auto n = static_cast<std::size_t>(in.y.rows());
  std::map<int, std::vector<Eigen::Index>> places;
  test.position.assign(n, -1);
  test.block.assign(n, 0);
  for (std::size_t i = 0; i < test.rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(test.rows[i]);
    test.position[row] = static_cast<Eigen::Index>(i);
    places[in.site.empty() ? 0 : in.site[row]].push_back(static_cast<Eigen::Index>(i));
  }
  for (const auto& [site, own] : places) {
    for (const Eigen::Index i : own) {
      test.block[static_cast<std::size_t>(test.rows[static_cast<std::size_t>(i)])] =
          test.begin.size();
    }
    test.begin.push_back(test.slot.size());
    test.slot.insert(test.slot.end(), own.begin(), own.end());
  }
}

// Least squares of one column; an empty `rows` when it is not tested.
Test fit_column(const Inputs& in, const Term& term, Eigen::Index column, const Params& params,
                Result& r) {
  const auto rows = complete_rows(in, term, column);
  const Eigen::VectorXd y = in.y(rows, column);
  const Eigen::VectorXd x = term.x(rows);
  r.n = static_cast<int>(rows.size());
  if (term.is_group) {
    r.n_1 = static_cast<int>((x.array() == 1.0).count());
    r.n_0 = r.n - r.n_1;
  }
  r.reason = refusal(r, params);
  if (!r.reason.empty()) return {};
  const LeastSquares solver(reduced_design(in, rows, params.site_covariate));
  Test test;
  test.rows = rows;
  test.basis = solver.basis();
  test.residual = y - test.basis * (test.basis.transpose() * y);
  test.x = x - test.basis * (test.basis.transpose() * x);
  test.x_squares = test.x.squaredNorm();
  test.degrees_of_freedom = static_cast<double>(r.n - solver.rank() - 1);
  const double centred = (x.array() - x.mean()).matrix().squaredNorm();
  if (!(centred > 0.0)) {
    r.reason = term.name + " has one value";
  } else if (test.x_squares <= kDependent * centred) {
    r.reason = term.name + " is explained by the covariates" +
               (in.site.empty() || !params.site_covariate ? "" : " and the sites");
  } else if (test.degrees_of_freedom < 1.0) {
    r.reason = "no degrees of freedom are left";
  } else if (!(test.residual.squaredNorm() > 1e-20 * y.squaredNorm())) {
    r.reason = "the column does not vary beyond the covariates";
  }
  if (!r.reason.empty()) return {};
  r.degrees_of_freedom = test.degrees_of_freedom;
  r.beta = test.x.dot(test.residual) / test.x_squares;
  r.t = test.t = test.t_of(test.residual);
  r.se = r.beta == 0.0 ? kNaN : std::abs(r.beta / r.t);
  if (r.beta == 0.0) {
    r.se = std::sqrt(test.residual.squaredNorm() / r.degrees_of_freedom / test.x_squares);
  }
  r.p = cohort::t_two_sided(r.t, r.degrees_of_freedom);
  add_effects(test, x, y, params, r);
  add_blocks(in, test);
  return test;
}

// The rows of each site exchanged among themselves, by one random `order` of all rows of the
// cohort. Rows that the test lacks are passed over, so every order of its own rows is equally
// likely, and columns with the same rows meet the same order.
Eigen::VectorXd exchanged(const Test& test, const std::vector<std::size_t>& order) {
  Eigen::VectorXd out(test.residual.size());
  std::vector<std::size_t> next = test.begin;
  for (const std::size_t row : order) {
    const Eigen::Index from = test.position[row];
    if (from >= 0) out[test.slot[next[test.block[row]]++]] = test.residual[from];
  }
  return out;
}

struct Counts {
  Eigen::VectorXd own, family; // p: permutations that reach |t|, alone and by the largest of all
  Counts& operator+=(const Counts& other) {
    own += other.own;
    family += other.family;
    return *this;
  }
};

// p of the columns of one term: `results` begins at its first column.
void permute_term(const Inputs& in, const std::vector<Test>& tests, const Params& params,
                  const Context& context, Result* results) {
  const auto p = static_cast<Eigen::Index>(tests.size());
  const Counts zero{Eigen::VectorXd::Zero(p), Eigen::VectorXd::Zero(p)};
  const auto n = static_cast<std::size_t>(params.n_permutations);
  const Counts counts = parallel_sum(context, n, 8, zero, [&](std::size_t begin, std::size_t end) {
    Counts found = zero;
    for (std::size_t b = begin; b < end; ++b) {
      Random random(stream_seed(static_cast<std::uint64_t>(params.random_seed), "group_statistics",
                                std::to_string(b)));
      const auto order = random.permutation(static_cast<std::size_t>(in.y.rows()));
      double largest = 0.0;
      for (Eigen::Index c = 0; c < p; ++c) {
        const Test& test = tests[static_cast<std::size_t>(c)];
        if (test.rows.empty()) continue;
        const double t = std::abs(test.t_of(exchanged(test, order)));
        largest = std::max(largest, t);
        found.own[c] += t >= std::abs(test.t) * (1.0 - kEqual);
      }
      for (Eigen::Index c = 0; c < p; ++c) {
        found.family[c] +=
            largest >= std::abs(tests[static_cast<std::size_t>(c)].t) * (1.0 - kEqual);
      }
    }
    return found;
  });
  for (Eigen::Index c = 0; c < p; ++c) {
    if (tests[static_cast<std::size_t>(c)].rows.empty()) continue;
    results[c].p_permutation = (1.0 + counts.own[c]) / (1.0 + static_cast<double>(n));
    results[c].p_fwe = (1.0 + counts.family[c]) / (1.0 + static_cast<double>(n));
  }
}

void add_q(std::vector<Result>& results, std::size_t begin, std::size_t end) {
  const auto n = static_cast<Eigen::Index>(end - begin);
  Eigen::VectorXd p(n), permuted(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    p[i] = results[begin + static_cast<std::size_t>(i)].p;
    permuted[i] = results[begin + static_cast<std::size_t>(i)].p_permutation;
  }
  p = cohort::benjamini_hochberg(p);
  permuted = cohort::benjamini_hochberg(permuted);
  for (Eigen::Index i = 0; i < n; ++i) {
    results[begin + static_cast<std::size_t>(i)].q = p[i];
    results[begin + static_cast<std::size_t>(i)].q_permutation = permuted[i];
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check_sizes(inputs);
  Outputs out;
  const std::size_t p = inputs.names.size();
  for (const Term& term : inputs.terms) {
    std::vector<Test> tests;
    for (std::size_t c = 0; c < p; ++c) {
      context.check_stop();
      Result result = missing(term, inputs.names[c]);
      tests.push_back(fit_column(inputs, term, static_cast<Eigen::Index>(c), params, result));
      out.results.push_back(std::move(result));
    }
    if (params.n_permutations > 0 && p > 0) {
      permute_term(inputs, tests, params, context, &out.results[out.results.size() - p]);
    }
  }
  const std::size_t family = params.fdr_family == "all" ? out.results.size() : p;
  for (std::size_t begin = 0; family > 0 && begin < out.results.size(); begin += family) {
    add_q(out.results, begin, begin + family);
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t column = shape.n_rows * (shape.n_covariates + 16) * sizeof(double);
  return shape.n_columns * column + 64 * shape.n_rows * sizeof(double) +
         shape.n_terms * shape.n_columns * sizeof(Result);
}

} // namespace boldmill::group_statistics
