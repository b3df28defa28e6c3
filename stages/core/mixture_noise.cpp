#include "stages/core/mixture_noise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <map>
#include <numbers>

#include "stages/core/least_squares.hpp"

namespace boldmill {
namespace {

constexpr Eigen::Index kComponents = 4; // white, exponential, neural, exponential
constexpr Eigen::Index kNeural = 2;
constexpr std::array<double, kComponents> kTau_s{0.0, 2.0, 0.0, 20.0};
constexpr int kLattice = 10;         // steps of a weight between 0 and 1
constexpr double kLeastWhite = 0.02; // keeps every covariance well conditioned
constexpr double kBandRatio = 1.2;   // of the frequencies that bound a band

// Cosines of rising frequency, each less its projection on the design and on those before it.
struct Frequencies {
  Eigen::MatrixXd basis;
  std::vector<Eigen::Index> index; // of the cosine, 0 .. n - 1
};
Frequencies residual_cosines(const Eigen::MatrixXd& design_basis) {
  constexpr double kNothingLeft = 1e-3;
  const Eigen::Index n = design_basis.rows();
  Eigen::MatrixXd known(n, n);
  Eigen::Index n_known = design_basis.cols();
  known.leftCols(n_known) = design_basis;
  Frequencies out;
  const double step = std::numbers::pi / static_cast<double>(n);
  for (Eigen::Index k = 0; k < n && n_known < n; ++k) {
    Eigen::VectorXd v(n);
    for (Eigen::Index t = 0; t < n; ++t) {
      v[t] = std::cos(step * (static_cast<double>(t) + 0.5) * static_cast<double>(k));
    }
    v.normalize();
    for (int pass = 0; pass < 2; ++pass) {
      v -= known.leftCols(n_known) * (known.leftCols(n_known).transpose() * v).eval();
    }
    const double left = v.norm();
    if (left < kNothingLeft) continue;
    v /= left;
    v -= known.leftCols(n_known) * (known.leftCols(n_known).transpose() * v).eval();
    known.col(n_known++) = v.normalized();
    out.index.push_back(k);
  }
  out.basis = known.middleCols(design_basis.cols(), n_known - design_basis.cols());
  return out;
}

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

Eigen::MatrixXd exponential(const Eigen::VectorXd& time_s, double tau_s) {
  const Eigen::Index n = time_s.size();
  Eigen::MatrixXd out(n, n);
  for (Eigen::Index j = 0; j < n; ++j) {
    out(j, j) = 1.0;
    for (Eigen::Index i = j + 1; i < n; ++i) {
      out(i, j) = out(j, i) = out(i - 1, j) * std::exp(-(time_s[i] - time_s[i - 1]) / tau_s);
    }
  }
  return out;
}

// B at rising lags, by summing its spectrum.
class NeuralCorrelation {
public:
  NeuralCorrelation() : power_(kFrequencies) {
    for (Eigen::Index i = 0; i < kFrequencies; ++i) {
      const std::complex<double> pole(1.0, 2.0 * std::numbers::pi * hz(i));
      const std::complex<double> response = std::pow(pole, -6) - std::pow(pole, -16) / 6.0;
      power_[i] = std::norm(response) / hz(i);
    }
    power_ /= power_.sum();
  }
  [[nodiscard]] double at(double lag_s) const {
    double sum = 0.0;
    for (Eigen::Index i = 0; i < kFrequencies; ++i) {
      sum += power_[i] * std::cos(2.0 * std::numbers::pi * hz(i) * lag_s);
    }
    return sum;
  }

private:
  static constexpr double kStep_hz = 1.0 / 8000.0;   // no repeat within 8000 s
  static constexpr Eigen::Index kFirst = 20;         // 1/400 Hz
  static constexpr Eigen::Index kFrequencies = 3981; // to 0.5 Hz
  [[nodiscard]] static double hz(Eigen::Index i) {
    return kStep_hz * static_cast<double>(kFirst + i);
  }
  Eigen::VectorXd power_;
};

const NeuralCorrelation& neural_correlation() {
  static const NeuralCorrelation instance;
  return instance;
}

Eigen::MatrixXd neural_covariance(const Eigen::VectorXd& time_s) {
  const NeuralCorrelation& correlation = neural_correlation();
  std::map<long, double> known; // by lag in microseconds: times are multiples of one step
  const Eigen::Index n = time_s.size();
  Eigen::MatrixXd out(n, n);
  for (Eigen::Index j = 0; j < n; ++j) {
    for (Eigen::Index i = j; i < n; ++i) {
      const double lag_s = time_s[i] - time_s[j];
      const auto [found, is_new] = known.try_emplace(std::lround(1e6 * lag_s), 0.0);
      if (is_new) found->second = correlation.at(lag_s);
      out(i, j) = out(j, i) = found->second;
    }
  }
  return out;
}

// a' exp(-|t - u| / tau) a by one recursion.
double quadratic(const Eigen::VectorXd& a, const Eigen::VectorXd& time_s, double tau_s) {
  double total = 0.0;
  double past = 0.0;
  for (Eigen::Index i = 0; i < a.size(); ++i) {
    if (i > 0) past = (past + a[i - 1]) * std::exp(-(time_s[i] - time_s[i - 1]) / tau_s);
    total += a[i] * (a[i] + 2.0 * past);
  }
  return total;
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
                                   ? neural_correlation().at(lag_s)
                                   : std::exp(-lag_s / kTau_s[static_cast<std::size_t>(j)]);
    out += weights_(candidate, j) * correlation;
  }
  return out;
}

double MixtureNoise::dof(Eigen::Index candidate, const Eigen::VectorXd& a) const {
  Eigen::VectorXd gradient(kComponents);
  gradient[0] = a.squaredNorm();
  for (Eigen::Index j = 1; j < kComponents; ++j) {
    gradient[j] = j == kNeural ? a.dot(neural_ * a)
                               : quadratic(a, time_s_, kTau_s[static_cast<std::size_t>(j)]);
  }
  const double variance = weights_.row(candidate).dot(gradient);
  const Eigen::VectorXd precision =
      0.5 * band_size_.cwiseQuotient(expected_.col(candidate).cwiseAbs2());
  const Eigen::MatrixXd information =
      components_.transpose() * precision.asDiagonal() * components_;
  const double spread = gradient.dot(information.ldlt().solve(gradient));
  return std::min(band_size_.sum(), 2.0 * variance * variance / spread);
}

} // namespace boldmill
