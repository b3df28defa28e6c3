#include "stages/cohort/kernels/wide_path.hpp"

#include <algorithm>
#include <cmath>

#include "stages/cohort/kernels/column_descent.hpp"

namespace boldmill::cohort {
namespace {

constexpr std::size_t kBatch = 8;             // penalties checked in one pass over X
constexpr std::size_t kMostCandidates = 4000; // columns watched between passes
constexpr Eigen::Index kBlock = 2048;         // columns multiplied at a time

class ScreenedPath {
public:
  ScreenedPath(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
               const std::vector<double>& lambdas, const ElasticNetSettings& settings, double small)
      : x_(x), lambdas_(lambdas), settings_(settings), small_(small), descent_(y, settings.family),
        inside_(static_cast<std::size_t>(x.cols()), 0) {
    anchor_ = x.transpose() * descent_.pull_by_row();
    anchor_lambda_ = std::max(anchor_.cwiseAbs().maxCoeff() / settings.alpha, lambdas.front());
  }

  std::vector<ElasticNetFit> run() {
    while (solved_.size() < lambdas_.size()) {
      const std::size_t begin = solved_.size();
      const std::size_t end = std::min(begin + kBatch, lambdas_.size());
      choose_candidates(lambdas_[end - 1]);
      Eigen::MatrixXd pulls(x_.rows(), static_cast<Eigen::Index>(end - begin));
      for (std::size_t l = begin; l < end; ++l) {
        solve(lambdas_[l]);
        pulls.col(static_cast<Eigen::Index>(l - begin)) = descent_.pull_by_row();
      }
      check(begin, pulls);
    }
    return spread();
  }

private:
  struct Solved {
    Eigen::VectorXd beta; // of the columns inside at the time
    double intercept;
    bool converged;
  };

  // Sequential strong rule from the last complete gradient, at most kMostCandidates of the largest.
  void choose_candidates(double last_lambda) {
    const double limit = settings_.alpha * std::max(0.0, 2.0 * last_lambda - anchor_lambda_);
    candidates_.clear();
    for (Eigen::Index j = 0; j < x_.cols(); ++j) {
      if (inside_[static_cast<std::size_t>(j)] == 0 && std::abs(anchor_[j]) >= limit) {
        candidates_.push_back(j);
      }
    }
    if (candidates_.size() <= kMostCandidates) return;
    const auto larger = [this](Eigen::Index a, Eigen::Index b) {
      const double first = std::abs(anchor_[a]);
      const double second = std::abs(anchor_[b]);
      return first != second ? first > second : a < b;
    };
    std::nth_element(candidates_.begin(),
                     candidates_.begin() + static_cast<std::ptrdiff_t>(kMostCandidates),
                     candidates_.end(), larger);
    candidates_.resize(kMostCandidates);
    std::sort(candidates_.begin(), candidates_.end());
  }

  [[nodiscard]] bool fails(double pull, double lambda) const {
    return std::abs(pull) > settings_.alpha * lambda * (1.0 + 1e-9);
  }

  void take(const std::vector<Eigen::Index>& columns) {
    for (const Eigen::Index j : columns) {
      inside_[static_cast<std::size_t>(j)] = 1;
      members_.push_back(j);
    }
    descent_.append(x_, columns);
  }

  // On the columns inside and the candidates.
  void solve(double lambda) {
    for (;;) {
      converged_ = descent_.size() == 0 || descent_.solve(lambda, small_, settings_);
      const Eigen::VectorXd pull = descent_.pull_by_row();
      std::vector<Eigen::Index> joining;
      for (const Eigen::Index j : candidates_) {
        if (inside_[static_cast<std::size_t>(j)] == 0 && fails(x_.col(j).dot(pull), lambda)) {
          joining.push_back(j);
        }
      }
      if (joining.empty()) break;
      take(joining);
    }
    solved_.push_back({descent_.beta(), descent_.intercept(), converged_});
  }

  // All columns at the penalties from `begin` on; forgets the penalties that must be solved again.
  void check(std::size_t begin, const Eigen::MatrixXd& pulls) {
    Eigen::Index first_failed = pulls.cols();
    std::vector<Eigen::Index> joining;
    Eigen::MatrixXd all(x_.cols(), pulls.cols());
    for (Eigen::Index j = 0; j < x_.cols(); j += kBlock) {
      const Eigen::Index n = std::min(kBlock, x_.cols() - j);
      all.middleRows(j, n).noalias() = x_.middleCols(j, n).transpose() * pulls;
    }
    for (Eigen::Index j = 0; j < x_.cols(); ++j) {
      if (inside_[static_cast<std::size_t>(j)] != 0) continue;
      for (Eigen::Index l = 0; l < pulls.cols(); ++l) {
        if (!fails(all(j, l), lambdas_[begin + static_cast<std::size_t>(l)])) continue;
        joining.push_back(j);
        first_failed = std::min(first_failed, l);
        break;
      }
    }
    const Eigen::Index kept = std::min(first_failed, pulls.cols() - 1);
    anchor_ = all.col(kept);
    anchor_lambda_ = lambdas_[begin + static_cast<std::size_t>(kept)];
    if (joining.empty()) return;
    const Solved from = solved_[begin + static_cast<std::size_t>(first_failed)];
    solved_.resize(begin + static_cast<std::size_t>(first_failed));
    take(joining);
    descent_.restart(from.beta, from.intercept);
  }

  [[nodiscard]] std::vector<ElasticNetFit> spread() const {
    std::vector<ElasticNetFit> out;
    for (const Solved& solved : solved_) {
      ElasticNetFit fit{solved.intercept, Eigen::VectorXd::Zero(x_.cols()), solved.converged};
      for (Eigen::Index i = 0; i < solved.beta.size(); ++i) {
        fit.beta[members_[static_cast<std::size_t>(i)]] = solved.beta[i];
      }
      out.push_back(std::move(fit));
    }
    return out;
  }

  const Eigen::MatrixXd& x_;
  const std::vector<double>& lambdas_;
  ElasticNetSettings settings_;
  double small_;
  ColumnDescent descent_;
  std::vector<std::uint8_t> inside_;  // p
  std::vector<Eigen::Index> members_; // in the order of descent_
  std::vector<Eigen::Index> candidates_;
  Eigen::VectorXd anchor_; // p, pulls of all columns at anchor_lambda_
  double anchor_lambda_ = 0.0;
  bool converged_ = false;
  std::vector<Solved> solved_;
};

} // namespace

std::vector<ElasticNetFit> screened_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                         const std::vector<double>& lambdas,
                                         const ElasticNetSettings& settings, double small) {
  if (lambdas.empty()) return {};
  return ScreenedPath(x, y, lambdas, settings, small).run();
}

Rotation::Rotation(const Eigen::MatrixXd& x) : x_(x), mean_(x.colwise().mean()) {
  const Eigen::Index n = x.rows();
  Eigen::MatrixXd kernel = Eigen::MatrixXd::Zero(n, n);
  for (Eigen::Index j = 0; j < x.cols(); j += kBlock) {
    const Eigen::Index width = std::min(kBlock, x.cols() - j);
    const Eigen::MatrixXd block = x.middleCols(j, width).rowwise() - mean_.segment(j, width);
    kernel.selfadjointView<Eigen::Lower>().rankUpdate(block);
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(kernel);
  const Eigen::VectorXd& values = eigen.eigenvalues(); // ascending
  const double limit = 1e-13 * std::max(values[n - 1], 1e-300);
  const Eigen::Index rank = (values.array() > limit).count();
  const Eigen::VectorXd root = values.tail(rank).cwiseSqrt();
  z_ = eigen.eigenvectors().rightCols(rank) * root.asDiagonal();
  to_rows_ = eigen.eigenvectors().rightCols(rank) * root.cwiseInverse().asDiagonal();
}

std::vector<ElasticNetFit> Rotation::back(const std::vector<ElasticNetFit>& fits) const {
  Eigen::MatrixXd t(z_.cols(), static_cast<Eigen::Index>(fits.size()));
  for (std::size_t l = 0; l < fits.size(); ++l) t.col(static_cast<Eigen::Index>(l)) = fits[l].beta;
  const Eigen::MatrixXd rows = to_rows_ * t; // n x lambdas
  const Eigen::RowVectorXd sums = rows.colwise().sum();
  std::vector<ElasticNetFit> out;
  for (const ElasticNetFit& fit : fits) {
    out.push_back({fit.intercept, Eigen::VectorXd(x_.cols()), fit.converged});
  }
  for (Eigen::Index j = 0; j < x_.cols(); j += kBlock) {
    const Eigen::Index width = std::min(kBlock, x_.cols() - j);
    Eigen::MatrixXd block = x_.middleCols(j, width).transpose() * rows;
    block.noalias() -= mean_.segment(j, width).transpose() * sums;
    for (std::size_t l = 0; l < fits.size(); ++l) {
      out[l].beta.segment(j, width) = block.col(static_cast<Eigen::Index>(l));
    }
  }
  for (ElasticNetFit& fit : out) fit.intercept -= mean_.dot(fit.beta);
  return out;
}

} // namespace boldmill::cohort
