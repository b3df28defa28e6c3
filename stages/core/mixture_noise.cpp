#include "stages/core/mixture_noise.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "stages/core/least_squares.hpp"
#include "stages/core/mixture_noise_parts.hpp"

namespace boldmill {
namespace {

constexpr Eigen::Index kComponents = 4; // white, exponential, neural, exponential
constexpr Eigen::Index kNeural = 2;
constexpr std::array<double, kComponents> kTau_s{0.0, 2.0, 0.0, 20.0};
constexpr int kLattice = 10;         // steps of a weight between 0 and 1
constexpr double kLeastWhite = 0.02; // keeps every covariance well conditioned
constexpr double kBandRatio = 1.2;   // of the frequencies that bound a band

std::vector<Eigen::Index> band_ends(const std::vector<Eigen::Index>& frequency) {
  std::vector<Eigen::Index> ends;
  Eigen::Index limit = frequency.front();
  for (std::size_t i = 0; i < frequency.size(); ++i) {
    if (frequency[i] >= limit) {
      if (i > 0) ends.push_back(static_cast<Eigen::Index>(i));
      while (limit <= frequency[i]) {
        limit =
            std::max(limit + 1, static_cast<Eigen::Index>(static_cast<double>(limit) * kBandRatio));
      }
    }
  }
  ends.push_back(static_cast<Eigen::Index>(frequency.size()));
  return ends;
}

Eigen::MatrixXd lattice() {
  std::vector<std::array<int, 3>> points;
  for (int a = 0; a <= kLattice; ++a) {
    for (int b = 0; a + b <= kLattice; ++b) {
      for (int c = 0; a + b + c <= kLattice; ++c) points.push_back({a, b, c});
    }
  }
  Eigen::MatrixXd out(static_cast<Eigen::Index>(points.size()), kComponents);
  for (std::size_t p = 0; p < points.size(); ++p) {
    const auto row = static_cast<Eigen::Index>(p);
    const auto& w = points[p];
    out.row(row) << std::max<double>(kLattice - w[0] - w[1] - w[2], kLeastWhite * kLattice), w[0],
        w[1], w[2];
    out.row(row) /= out.row(row).sum();
  }
  return out;
}

} // namespace

MixtureNoise::MixtureNoise(const Eigen::MatrixXd& x, const Eigen::VectorXd& time_s)
    : time_s_(time_s), neural_(neural_covariance(time_s)) {
  Frequencies frequencies = residual_cosines(LeastSquares(x).basis());
  filters_ = std::move(frequencies.basis);
  band_end_ = band_ends(frequencies.index);
  const auto bands = static_cast<Eigen::Index>(band_end_.size());
  band_size_.resize(bands);
  components_.resize(bands, kComponents);
  for (Eigen::Index j = 0; j < kComponents; ++j) {
    Eigen::VectorXd power = Eigen::VectorXd::Ones(filters_.cols());
    if (j > 0) {
      const Eigen::MatrixXd v =
          j == kNeural ? neural_ : exponential(time_s, kTau_s[static_cast<std::size_t>(j)]);
      power = filters_.cwiseProduct(v * filters_).colwise().sum();
    }
    Eigen::Index begin = 0;
    for (Eigen::Index b = 0; b < bands; ++b) {
      const Eigen::Index n = band_end_[static_cast<std::size_t>(b)] - begin;
      band_size_[b] = static_cast<double>(n);
      components_(b, j) = power.segment(begin, n).mean();
      begin += n;
    }
  }
  weights_ = lattice();
  expected_ = components_ * weights_.transpose();
  scale_of_ = (band_size_.asDiagonal() * expected_.cwiseInverse()).transpose() / band_size_.sum();
  log_volume_ = expected_.array().log().matrix().transpose() * band_size_;
}

Eigen::MatrixXd MixtureNoise::powers(const Eigen::MatrixXd& z) const {
  Eigen::MatrixXd out(static_cast<Eigen::Index>(band_end_.size()), z.cols());
  for (Eigen::Index c = 0; c < z.cols(); ++c) {
    Eigen::Index begin = 0;
    for (Eigen::Index b = 0; b < out.rows(); ++b) {
      const Eigen::Index end = band_end_[static_cast<std::size_t>(b)];
      out(b, c) = z.col(c).segment(begin, end - begin).squaredNorm() / band_size_[b];
      begin = end;
    }
  }
  return out;
}

std::vector<MixtureNoise::Choice> MixtureNoise::choose(const Eigen::MatrixXd& powers) const {
  const Eigen::MatrixXd scale = scale_of_ * powers;
  const Eigen::MatrixXd cost =
      ((scale.array().log() * band_size_.sum()).colwise() + log_volume_.array()).matrix();
  std::vector<Choice> out(static_cast<std::size_t>(powers.cols()));
  for (Eigen::Index c = 0; c < powers.cols(); ++c) {
    Choice& choice = out[static_cast<std::size_t>(c)];
    cost.col(c).minCoeff(&choice.candidate);
    choice.scale = scale(choice.candidate, c);
  }
  return out;
}

Eigen::MatrixXd MixtureNoise::covariance(Eigen::Index candidate) const {
  Eigen::MatrixXd v = Eigen::MatrixXd::Zero(time_s_.size(), time_s_.size());
  for (Eigen::Index j = 1; j < kComponents; ++j) {
    const double w = weights_(candidate, j);
    if (!(w > 0.0)) continue;
    if (j == kNeural) {
      v += w * neural_;
    } else {
      v += w * exponential(time_s_, kTau_s[static_cast<std::size_t>(j)]);
    }
  }
  v.diagonal().array() += weights_(candidate, 0);
  return v;
}

double MixtureNoise::correlation_at(Eigen::Index candidate, double lag_s) const {
  double out = 0.0;
  for (Eigen::Index j = 1; j < kComponents; ++j) {
    const double correlation = j == kNeural
                                   ? neural_correlation(lag_s)
                                   : std::exp(-lag_s / kTau_s[static_cast<std::size_t>(j)]);
    out += weights_(candidate, j) * correlation;
  }
  return out;
}

std::vector<Eigen::Index> MixtureNoise::present(Eigen::Index candidate) const {
  std::vector<Eigen::Index> out;
  for (Eigen::Index j = 0; j < kComponents; ++j) {
    if (weights_(candidate, j) > 0.0) out.push_back(j);
  }
  return out;
}

Eigen::MatrixXd MixtureNoise::uncertainty(Eigen::Index candidate) const {
  const Eigen::MatrixXd m = components_(Eigen::all, present(candidate));
  const Eigen::VectorXd precision =
      0.5 * band_size_.cwiseQuotient(expected_.col(candidate).cwiseAbs2());
  const Eigen::MatrixXd information = m.transpose() * precision.asDiagonal() * m;
  return information.ldlt().solve(Eigen::MatrixXd::Identity(m.cols(), m.cols()));
}

std::vector<Eigen::MatrixXd> MixtureNoise::products(Eigen::Index candidate,
                                                    const Eigen::MatrixXd& a) const {
  std::vector<Eigen::MatrixXd> out;
  for (const Eigen::Index j : present(candidate)) {
    if (j == 0) {
      out.push_back(a);
    } else if (j == kNeural) {
      out.emplace_back(neural_ * a);
    } else {
      out.push_back(exponential_times(a, time_s_, kTau_s[static_cast<std::size_t>(j)]));
    }
  }
  return out;
}

double MixtureNoise::dof(Eigen::Index candidate, const Eigen::VectorXd& a) const {
  const std::vector<Eigen::MatrixXd> parts = products(candidate, a);
  const std::vector<Eigen::Index> which = present(candidate);
  Eigen::VectorXd gradient(static_cast<Eigen::Index>(parts.size()));
  double variance = 0.0;
  for (std::size_t j = 0; j < parts.size(); ++j) {
    const double part = a.dot(parts[j].col(0));
    gradient[static_cast<Eigen::Index>(j)] = part;
    variance += weights_(candidate, which[j]) * part;
  }
  const double spread = gradient.dot(uncertainty(candidate) * gradient);
  return std::min(band_size_.sum(), 2.0 * variance * variance / spread);
}

Eigen::MatrixXd MixtureNoise::added(Eigen::Index candidate,
                                    const std::vector<Eigen::MatrixXd>& residuals) const {
  const Eigen::MatrixXd w = uncertainty(candidate);
  const Eigen::Index rows = residuals.front().cols();
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(rows, rows);
  for (std::size_t j = 0; j < residuals.size(); ++j) {
    for (std::size_t k = 0; k < residuals.size(); ++k) {
      out += 2.0 * w(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(k)) *
             residuals[j].transpose() * residuals[k];
    }
  }
  return out;
}

} // namespace boldmill
