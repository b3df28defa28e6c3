#include "stages/connectivity/tangent.hpp"

#include <tbb/enumerable_thread_specific.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "stages/connectivity/kernels/selected_series.hpp"
#include "stages/connectivity/kernels/shrinkage.hpp"
#include "stages/connectivity/kernels/symmetric_log.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::tangent {
namespace {

using connectivity::Shrinkage;
using Eigen::Index;
using Eigen::MatrixXd;

constexpr std::size_t kAccumulators = 16; // sums are taken in this many parts, in order
constexpr Index kRows = 100;
constexpr double kMaxCondition = 1e14;
// Steps of the mean far from the end are taken in single precision: later steps contract their
// error. Matrices it cannot resolve well, and small ones, are always taken in double.
constexpr double kSingleUntil = 2e-4; // of |L| / R
constexpr double kMaxConditionSingle = 2e3;
constexpr std::size_t kMinRegionsSingle = 64;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string at(std::size_t k) { return "tangent: person " + std::to_string(k); }

// A person's covariance as scale x'x + ridge I, or as a dense matrix where x is empty.
struct Factored {
  MatrixXd x; // centred, volumes x used regions
  MatrixXd dense;
  Shrinkage shrinkage;
};

// What one thread needs, kept between people.
template <class Scalar>
struct Buffers {
  Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> x, y, w;
  connectivity::SymmetricLog<Scalar> log;
};
struct Workspace {
  Person person;
  Factored factored;
  Buffers<double> precise;
  Buffers<float> single;
};
using Workspaces = tbb::enumerable_thread_specific<Workspace>;

std::vector<Index> regions_of(const Person& person, const Params& params) {
  std::vector<Index> out;
  if (person.covariance.size() == 0) {
    return connectivity::select_series(
               {person.series.data(), person.series.rows(), person.series.cols()}, person.keep,
               kStage.name, params.min_volumes)
        .regions;
  }
  for (Index r = 0; r < person.covariance.cols(); ++r) {
    if (person.covariance(r, r) > 0.0) out.push_back(r);
  }
  return out;
}

Index n_regions_of(const Person& person) {
  return person.covariance.size() == 0 ? person.series.cols() : person.covariance.cols();
}

// False when a region of `regions` is missing or constant in this person.
bool factorize(const Person& person, const std::vector<Index>& regions, const Params& params,
               Factored& out) {
  if (person.covariance.size() != 0) {
    out.x.resize(0, 0);
    out.dense = person.covariance(regions, regions);
    return out.dense.allFinite();
  }
  connectivity::SelectedSeries selected = connectivity::select_series(
      {person.series.data(), person.series.rows(), person.series.cols()}, person.keep, kStage.name,
      params.min_volumes);
  if (!std::includes(selected.regions.begin(), selected.regions.end(), regions.begin(),
                     regions.end())) {
    return false;
  }
  if (selected.regions.size() == regions.size()) {
    out.x = std::move(selected.x);
  } else {
    out.x.resize(selected.x.rows(), static_cast<Index>(regions.size()));
    for (std::size_t r = 0; r < regions.size(); ++r) {
      const auto from =
          std::lower_bound(selected.regions.begin(), selected.regions.end(), regions[r]);
      out.x.col(static_cast<Index>(r)) = selected.x.col(from - selected.regions.begin());
    }
  }
  if (params.standardize)
    connectivity::standardize_columns(out.x);
  else
    connectivity::center_columns(out.x);
  return true;
}

Shrinkage shrinkage_of(const Factored& factored, const Params& params, const Context& context) {
  if (factored.x.size() == 0) return {};
  if (params.estimator == "ledoit_wolf") return connectivity::ledoit_wolf(factored.x, context);
  return {0.0, 1.0 / static_cast<double>(factored.x.rows()), 0.0};
}

// P of the whitening P M P', with P P'.
template <class Scalar>
struct Whitening {
  Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> p, outer;
  bool lower = false; // P is lower triangular
};

// The lower triangle of log(P M P') into buffers.w. False when it has none, or the condition of the
// matrix is beyond max_condition.
template <class Scalar>
bool whitened_log(const Factored& f, const Whitening<Scalar>& whitening, double max_condition,
                  Buffers<Scalar>& buffers) {
  const auto& p = whitening.p;
  const Index n = p.rows();
  buffers.x = (f.x.size() == 0 ? f.dense : f.x).template cast<Scalar>();
  buffers.y.resize(n, buffers.x.rows());
  for (Index i = 0; i < n; i += kRows) { // half of a triangular P is zero
    const Index rows = std::min(kRows, n - i);
    const Index used = whitening.lower ? i + rows : n;
    buffers.y.middleRows(i, rows).noalias() =
        p.block(i, 0, rows, used) * buffers.x.leftCols(used).transpose();
  }
  buffers.w.resize(n, n);
  if (f.x.size() == 0) {
    buffers.w.template triangularView<Eigen::Lower>() = buffers.y * p.transpose();
  } else {
    const auto ridge = static_cast<Scalar>(f.shrinkage.ridge);
    const auto scale = static_cast<Scalar>(f.shrinkage.scale);
    buffers.w.template triangularView<Eigen::Lower>() = ridge * whitening.outer;
    buffers.w.template triangularView<Eigen::Lower>() += scale * buffers.y * buffers.y.transpose();
  }
  return buffers.log.in_place(buffers.w, max_condition);
}

// The sum over people of body(k, workspace, accumulator), in a fixed number of parts that are added
// in order: the same bits at any number of threads, memory independent of the number of people.
template <class Body>
MatrixXd sum_over(const People& people, Index n, Workspaces& workspaces, const Context& context,
                  Body&& body) {
  const std::size_t grain = (people.n + kAccumulators - 1) / kAccumulators;
  std::vector<MatrixXd> parts((people.n + grain - 1) / grain);
  parallel_blocks(context, people.n, grain, [&](std::size_t begin, std::size_t end) {
    MatrixXd& part = parts[begin / grain];
    part.setZero(n, n);
    Workspace& workspace = workspaces.local();
    for (std::size_t k = begin; k < end; ++k) {
      context.check_stop();
      people.load(k, workspace.person);
      body(k, workspace, part);
    }
  });
  for (std::size_t i = 1; i < parts.size(); ++i) parts[0] += parts[i];
  return std::move(parts[0]);
}

std::vector<Index> common_regions(const People& people, const Params& params, Index& n_regions,
                                  Workspaces& workspaces, const Context& context) {
  std::vector<std::vector<Index>> present(people.n);
  std::vector<Index> size(people.n);
  parallel_blocks(context, people.n, 1, [&](std::size_t k, std::size_t) {
    Person& person = workspaces.local().person;
    people.load(k, person);
    size[k] = n_regions_of(person);
    std::vector<Index> mine = regions_of(person, params);
    if (static_cast<Index>(mine.size()) != size[k]) present[k] = std::move(mine);
  });
  n_regions = size[0];
  std::vector<Index> common(static_cast<std::size_t>(n_regions));
  std::iota(common.begin(), common.end(), Index{0});
  for (std::size_t k = 0; k < people.n; ++k) {
    if (size[k] != n_regions) {
      throw Error(ErrorKind::input, at(k) + " has " + std::to_string(size[k]) +
                                        " regions, expected " + std::to_string(n_regions) +
                                        " as the first");
    }
    if (present[k].empty()) continue;
    std::vector<Index> both;
    std::set_intersection(common.begin(), common.end(), present[k].begin(), present[k].end(),
                          std::back_inserter(both));
    common = std::move(both);
  }
  if (common.size() < 2) {
    throw Error(ErrorKind::input, "tangent: " + std::to_string(common.size()) +
                                      " regions are present and vary in all people, expected at "
                                      "least 2");
  }
  return common;
}

// The training people, their shrinkage, and the passes over them.
class Training {
public:
  Training(const People& people, const Params& params, const Context& context)
      : people_(people), params_(params), context_(context) {
    regions = common_regions(people, params, n_regions, workspaces_, context);
    shrinkage_.resize(people.n);
  }

  MatrixXd arithmetic_mean() {
    const auto n = static_cast<Index>(regions.size());
    MatrixXd sum = sum_over(people_, n, workspaces_, context_,
                            [&](std::size_t k, Workspace& space, MatrixXd& part) {
                              Factored& f = space.factored;
                              prepare(space);
                              shrinkage_[k] = shrinkage_of(f, params_, context_);
                              if (f.x.size() == 0) {
                                part += f.dense;
                                return;
                              }
                              part.template triangularView<Eigen::Lower>() +=
                                  shrinkage_[k].scale * f.x.transpose() * f.x;
                              part.diagonal().array() += shrinkage_[k].ridge;
                            });
    sum /= static_cast<double>(people_.n);
    return sum.selfadjointView<Eigen::Lower>();
  }

  // The mean over people of log(P M P') for a lower triangular P.
  MatrixXd mean_log(const MatrixXd& p, bool single) {
    const Whitening<double> precise{p, p * p.transpose(), true};
    Whitening<float> rough;
    if (single) rough = {precise.p.cast<float>(), precise.outer.cast<float>(), true};
    MatrixXd sum =
        sum_over(people_, p.rows(), workspaces_, context_,
                 [&](std::size_t k, Workspace& space, MatrixXd& part) {
                   prepare(space);
                   Factored& f = space.factored;
                   f.shrinkage = shrinkage_[k];
                   if (single && whitened_log(f, rough, kMaxConditionSingle, space.single)) {
                     part.template triangularView<Eigen::Lower>() +=
                         space.single.w.template cast<double>();
                     return;
                   }
                   if (!whitened_log(f, precise, kMaxCondition, space.precise)) {
                     throw Error(ErrorKind::input, at(k) + ": covariance is not positive definite");
                   }
                   part.template triangularView<Eigen::Lower>() += space.precise.w;
                 });
    sum /= static_cast<double>(people_.n);
    return sum.selfadjointView<Eigen::Lower>();
  }

  std::vector<Index> regions;
  Index n_regions = 0;

private:
  void prepare(Workspace& space) const {
    if (!factorize(space.person, regions, params_, space.factored)) {
      throw Error(ErrorKind::internal, "tangent: a person changed between passes");
    }
  }

  const People& people_;
  const Params& params_;
  const Context& context_;
  std::vector<Shrinkage> shrinkage_;
  Workspaces workspaces_;
};

template <class Function>
MatrixXd map_eigenvalues(const MatrixXd& symmetric, Function&& function) {
  const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(symmetric);
  const Eigen::VectorXd values = solver.eigenvalues().unaryExpr(function);
  return solver.eigenvectors() * values.asDiagonal() * solver.eigenvectors().transpose();
}

} // namespace

Model fit(const People& training, const Params& params, const Context& context) {
  if (training.n == 0) throw Error(ErrorKind::input, "tangent: no training people");
  Training data(training, params, context);
  Model model;
  model.n_regions = data.n_regions;
  model.regions = data.regions;
  model.n_training = training.n;
  model.mean = data.arithmetic_mean();
  const auto n = static_cast<double>(model.regions.size());
  double smallest_norm = std::numeric_limits<double>::infinity();
  double step = 1.0;
  bool single = model.regions.size() >= kMinRegionsSingle;
  for (; model.iterations < params.max_iterations && !model.converged; ++model.iterations) {
    // Any root A of G = A A' gives the same step: A exp(step mean log(A^-1 M A^-T)) A'.
    const Eigen::LLT<MatrixXd> factor(model.mean);
    if (factor.info() != Eigen::Success) {
      throw Error(ErrorKind::input, "tangent: the mean covariance is not positive definite");
    }
    const MatrixXd root = factor.matrixL();
    MatrixXd inverse_root = MatrixXd::Identity(root.rows(), root.cols());
    factor.matrixL().solveInPlace(inverse_root);
    const MatrixXd gradient = data.mean_log(inverse_root, single);
    const double norm = gradient.norm();
    // Double to the end once close to it, or where progress is slow enough to be rounding.
    single = single && norm / n > kSingleUntil && norm < 0.7 * smallest_norm;
    model.mean = root * map_eigenvalues(gradient, [&](double x) { return std::exp(step * x); }) *
                 root.transpose();
    model.mean = (0.5 * (model.mean + model.mean.transpose())).eval();
    if (norm > smallest_norm)
      step *= 0.5;
    else
      smallest_norm = norm;
    model.gradient = smallest_norm / (n * n);
    model.converged = model.gradient < params.tolerance;
  }
  model.whitening = map_eigenvalues(model.mean, [](double x) { return 1.0 / std::sqrt(x); });
  return model;
}

namespace {

Whitening<double> whitening_of(const Model& model) {
  return {model.whitening, model.whitening * model.whitening.transpose(), false};
}

MatrixXd displacement(const Model& model, const Whitening<double>& whitening, Workspace& space,
                      const Params& params, std::size_t k) {
  const auto n = static_cast<Index>(model.regions.size());
  if (n_regions_of(space.person) != model.n_regions) {
    throw Error(ErrorKind::input, at(k) + " has " + std::to_string(n_regions_of(space.person)) +
                                      " regions, the model " + std::to_string(model.n_regions));
  }
  Factored& f = space.factored;
  if (!factorize(space.person, model.regions, params, f)) return MatrixXd::Constant(n, n, kNaN);
  f.shrinkage = shrinkage_of(f, params, {});
  if (!whitened_log(f, whitening, kMaxCondition, space.precise)) {
    throw Error(ErrorKind::input, at(k) + ": covariance is not positive definite");
  }
  return space.precise.w.selfadjointView<Eigen::Lower>();
}

} // namespace

MatrixXd apply(const Model& model, const Person& person, const Params& params) {
  Workspace space;
  space.person = person;
  return displacement(model, whitening_of(model), space, params, 0);
}

void apply(const Model& model, const People& people, const Params& params, const Sink& sink,
           const Context& context) {
  Workspaces workspaces;
  const Whitening<double> whitening = whitening_of(model);
  parallel_blocks(context, people.n, 1, [&](std::size_t k, std::size_t) {
    Workspace& space = workspaces.local();
    people.load(k, space.person);
    sink(k, displacement(model, whitening, space, params, k));
    context.advance();
  });
}

MatrixXd covariance_of(const Model& model, const MatrixXd& displacement) {
  const MatrixXd root = map_eigenvalues(model.mean, [](double x) { return std::sqrt(x); });
  return root * map_eigenvalues(displacement, [](double x) { return std::exp(x); }) * root;
}

Eigen::VectorXd vectorize(const MatrixXd& symmetric) {
  Eigen::VectorXd out(symmetric.rows() * (symmetric.rows() + 1) / 2);
  Index next = 0;
  for (Index i = 0; i < symmetric.rows(); ++i) {
    for (Index j = 0; j < i; ++j) out(next++) = symmetric(i, j);
    out(next++) = symmetric(i, i) / std::numbers::sqrt2;
  }
  return out;
}

MatrixXd unvectorize(const Eigen::VectorXd& vector) {
  const auto n = static_cast<Index>(
      std::floor((std::sqrt(8.0 * static_cast<double>(vector.size()) + 1.0) - 1.0) / 2.0 + 1e-9));
  if (n * (n + 1) / 2 != vector.size()) {
    throw Error(ErrorKind::input, "tangent: a vector of " + std::to_string(vector.size()) +
                                      " values, expected R (R + 1) / 2");
  }
  MatrixXd out(n, n);
  Index next = 0;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < i; ++j) out(i, j) = out(j, i) = vector(next++);
    out(i, i) = vector(next++) * std::numbers::sqrt2;
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t square = shape.n_regions * shape.n_regions;
  const std::size_t series = shape.n_volumes * shape.n_regions;
  const std::size_t parts = std::min(kAccumulators, shape.n_people);
  return ((parts + 8 + 10 * shape.n_threads) * square + 6 * shape.n_threads * series) *
             sizeof(double) +
         4 * shape.n_people * sizeof(double);
}

} // namespace boldmill::tangent
