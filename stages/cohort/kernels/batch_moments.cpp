#include "stages/cohort/kernels/batch_moments.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "stages/core/parallel.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kNoSpread = 1e-12; // of the largest value: what rounding leaves of a constant
constexpr double kRank = 1e-10;
constexpr std::size_t kColumnsPerBlock = 64;

// Residuals of one column, and room for them.
struct Work {
  Eigen::VectorXd residual;
  std::vector<Eigen::Index> present;
};

void store_spread(const BatchDesign& design, const double* y, const Work& work, Eigen::Index column,
                  BatchMoments& out) {
  double total = 0.0;
  double count = 0.0;
  double largest = 0.0;
  for (std::size_t b = 0; b < design.rows.size(); ++b) {
    double sum = 0.0;
    double biggest = 0.0;
    for (const Eigen::Index row : design.rows[b]) {
      const double r = work.residual[row];
      if (std::isnan(r)) continue;
      sum += r * r;
      biggest = std::max(biggest, std::abs(y[row]));
    }
    const auto batch = static_cast<Eigen::Index>(b);
    const double n = out.count(column, batch);
    const double floor = kNoSpread * biggest;
    out.sum_of_squares(column, batch) = sum > n * floor * floor ? sum : 0.0;
    total += sum;
    count += n;
    largest = std::max(largest, biggest);
  }
  const double floor = kNoSpread * largest;
  if (!(total > count * floor * floor)) out.usable[static_cast<std::size_t>(column)] = 0;
}

// Batch means of the rows present into out.intercept, y minus them into work.residual.
// Returns whether a value is missing.
bool centre(const BatchDesign& design, const double* y, Work& work, Eigen::Index column,
            BatchMoments& out) {
  bool missing = false;
  for (std::size_t b = 0; b < design.rows.size(); ++b) {
    double sum = 0.0;
    double n = 0.0;
    for (const Eigen::Index row : design.rows[b]) {
      if (std::isnan(y[row])) continue;
      sum += y[row];
      n += 1.0;
    }
    const double mean = n > 0.0 ? sum / n : kNaN;
    missing = missing || n < static_cast<double>(design.rows[b].size());
    const auto batch = static_cast<Eigen::Index>(b);
    out.count(column, batch) = n;
    out.intercept(column, batch) = mean;
    for (const Eigen::Index row : design.rows[b]) work.residual[row] = y[row] - mean;
  }
  return missing;
}

// Least squares on the rows present; false when the covariates are confounded there.
bool fit_present(const BatchDesign& design, Work& work, Eigen::Index column, BatchMoments& out) {
  const Eigen::Index q = design.covariates.cols();
  Eigen::MatrixXd mean = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(design.rows.size()), q);
  Eigen::MatrixXd centred(design.covariates.rows(), q);
  work.present.clear();
  for (std::size_t b = 0; b < design.rows.size(); ++b) {
    const auto batch = static_cast<Eigen::Index>(b);
    const auto first = static_cast<Eigen::Index>(work.present.size());
    for (const Eigen::Index row : design.rows[b]) {
      if (std::isnan(work.residual[row])) continue;
      centred.row(static_cast<Eigen::Index>(work.present.size())) = design.covariates.row(row);
      work.present.push_back(row);
    }
    const Eigen::Index n = static_cast<Eigen::Index>(work.present.size()) - first;
    if (n == 0) continue;
    mean.row(batch) = centred.middleRows(first, n).colwise().mean();
    centred.middleRows(first, n).rowwise() -= mean.row(batch);
  }
  const auto n_present = static_cast<Eigen::Index>(work.present.size());
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(centred.topRows(n_present));
  qr.setThreshold(kRank);
  if (n_present <= q || qr.rank() < q) return false;
  const Eigen::VectorXd y = work.residual(work.present);
  const Eigen::VectorXd c = qr.solve(y);
  out.coefficients.col(column) = c;
  out.intercept.row(column) -= (mean * c).transpose();
  work.residual(work.present) = y - centred.topRows(n_present) * c;
  return true;
}

void fit_column(const BatchDesign& design, const double* y, Work& work, Eigen::Index column,
                BatchMoments& out) {
  const bool missing = centre(design, y, work, column, out);
  const Eigen::Index q = design.covariates.cols();
  if (q > 0 && !missing) {
    const Eigen::VectorXd c = design.solver * work.residual;
    out.coefficients.col(column) = c;
    out.intercept.row(column) -= (design.covariate_mean * c).transpose();
    work.residual.noalias() -= design.centred * c;
  } else if (q > 0 && !fit_present(design, work, column, out)) {
    out.usable[static_cast<std::size_t>(column)] = 0;
    return;
  }
  store_spread(design, y, work, column, out);
}

} // namespace

BatchDesign batch_design(const std::vector<int>& batch, const Eigen::MatrixXd& covariates,
                         const std::vector<std::string>& names) {
  BatchDesign out;
  std::map<int, std::vector<Eigen::Index>> rows;
  for (std::size_t row = 0; row < batch.size(); ++row) {
    rows[batch[row]].push_back(static_cast<Eigen::Index>(row));
  }
  for (auto& [id, members] : rows) {
    out.batches.push_back(id);
    out.rows.push_back(std::move(members));
  }
  const auto n = static_cast<Eigen::Index>(batch.size());
  const Eigen::Index q = covariates.cols();
  const auto name = [&](Eigen::Index c) {
    const auto i = static_cast<std::size_t>(c);
    return i < names.size() ? names[i] : "number " + std::to_string(c + 1);
  };
  for (Eigen::Index c = 0; c < q; ++c) {
    const Eigen::Index missing = (!covariates.col(c).array().isFinite()).count();
    if (missing > 0) {
      throw Error(ErrorKind::input, "covariate " + name(c) + " is missing in " +
                                        std::to_string(missing) + " of " + std::to_string(n) +
                                        " rows, expected a value in every row");
    }
  }
  out.covariates = q > 0 ? covariates : Eigen::MatrixXd(n, 0);
  out.centred = out.covariates;
  out.covariate_mean.resize(static_cast<Eigen::Index>(out.rows.size()), q);
  for (std::size_t b = 0; b < out.rows.size() && q > 0; ++b) {
    const Eigen::RowVectorXd mean = out.covariates(out.rows[b], Eigen::all).colwise().mean();
    out.covariate_mean.row(static_cast<Eigen::Index>(b)) = mean;
    for (const Eigen::Index row : out.rows[b]) out.centred.row(row) -= mean;
  }
  if (q == 0) return out;
  // Columns to a common scale, so that the rank does not depend on units.
  const Eigen::RowVectorXd scale = out.covariates.cwiseAbs().colwise().maxCoeff().cwiseMax(1e-300);
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(out.centred * scale.cwiseInverse().asDiagonal());
  qr.setThreshold(kRank);
  const bool tiny = (out.centred.colwise().norm().array() <=
                     kNoSpread * scale.array() * std::sqrt(static_cast<double>(n)))
                        .any();
  if (qr.rank() < q || tiny) {
    Eigen::Index which = qr.colsPermutation().indices()[std::min(qr.rank(), q - 1)];
    for (Eigen::Index c = 0; c < q; ++c) {
      if (out.centred.col(c).norm() <= kNoSpread * scale[c] * std::sqrt(static_cast<double>(n))) {
        which = c;
        break;
      }
    }
    throw Error(ErrorKind::input,
                "covariate " + name(which) +
                    " is confounded with batch or with the other covariates: inside batches it "
                    "holds nothing of its own; expected a covariate that varies inside batches");
  }
  const Eigen::MatrixXd basis = qr.householderQ() * Eigen::MatrixXd::Identity(n, q);
  out.solver = scale.cwiseInverse().asDiagonal() *
               (qr.colsPermutation() *
                qr.matrixR().topRows(q).triangularView<Eigen::Upper>().solve(basis.transpose()));
  return out;
}

BatchMoments batch_moments(const Eigen::Map<const Eigen::MatrixXd>& x, const BatchDesign& design,
                           const Context& context) {
  const Eigen::Index p = x.cols();
  const auto n_batches = static_cast<Eigen::Index>(design.batches.size());
  BatchMoments out;
  out.intercept.setConstant(p, n_batches, kNaN);
  out.sum_of_squares.setZero(p, n_batches);
  out.count.setZero(p, n_batches);
  out.coefficients.setZero(design.covariates.cols(), p);
  out.usable.assign(static_cast<std::size_t>(p), 1);
  const auto n_columns = static_cast<std::size_t>(p);
  parallel_blocks(context, n_columns, kColumnsPerBlock, [&](std::size_t begin, std::size_t end) {
    Work work{Eigen::VectorXd(x.rows()), {}};
    for (std::size_t c = begin; c < end; ++c) {
      const auto column = static_cast<Eigen::Index>(c);
      fit_column(design, x.col(column).data(), work, column, out);
    }
  });
  return out;
}

} // namespace boldmill::cohort
