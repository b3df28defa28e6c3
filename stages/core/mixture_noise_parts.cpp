#include "stages/core/mixture_noise_parts.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <map>
#include <numbers>

namespace boldmill {
namespace {

// Columns first .. last - 1 of the cosine transform.
Eigen::MatrixXd cosines(Eigen::Index n, Eigen::Index first, Eigen::Index last) {
  const double step = std::numbers::pi / static_cast<double>(n);
  Eigen::MatrixXd out(n, last - first);
  for (Eigen::Index k = first; k < last; ++k) {
    for (Eigen::Index t = 0; t < n; ++t) {
      out(t, k - first) = std::cos(step * (static_cast<double>(t) + 0.5) * static_cast<double>(k));
    }
    out.col(k - first).normalize();
  }
  return out;
}

// Removes from each column what lies in orthonormal columns, twice against rounding.
template <class Columns, class Known>
void remove_known(Columns&& columns, const Known& known) {
  for (int pass = 0; pass < 2; ++pass) columns -= known * (known.transpose() * columns).eval();
}

// B at rising lags, by summing its spectrum.
class NeuralCorrelation {
public:
  NeuralCorrelation() : power_(Eigen::VectorXd::Zero(kPadded)) {
    for (Eigen::Index i = 0; i < kFrequencies; ++i) {
      const std::complex<double> pole(1.0, 2.0 * std::numbers::pi * hz(i));
      const std::complex<double> response = std::pow(pole, -6) - std::pow(pole, -16) / 6.0;
      power_[i] = std::norm(response) / hz(i);
    }
    power_ /= power_.sum();
  }
  // Cosines of evenly spaced angles, by turning several points of the unit circle at once.
  [[nodiscard]] double at(double lag_s) const {
    constexpr Eigen::Index kLanes = 8;
    using Lanes = Eigen::Array<double, kLanes, 1>;
    const double angle = 2.0 * std::numbers::pi * kStep_hz * lag_s;
    Lanes x, y;
    for (Eigen::Index k = 0; k < kLanes; ++k) {
      x[k] = std::cos(angle * static_cast<double>(kFirst + k));
      y[k] = std::sin(angle * static_cast<double>(kFirst + k));
    }
    const double turn_x = std::cos(angle * kLanes);
    const double turn_y = std::sin(angle * kLanes);
    Lanes sum = Lanes::Zero();
    for (Eigen::Index i = 0; i + kLanes <= kPadded; i += kLanes) {
      sum += power_.segment<kLanes>(i).array() * x;
      const Lanes turned = turn_x * x - turn_y * y;
      y = turn_y * x + turn_x * y;
      x = turned;
    }
    return sum.sum();
  }

private:
  static constexpr double kStep_hz = 1.0 / 8000.0;   // no repeat within 8000 s
  static constexpr Eigen::Index kFirst = 20;         // 1/400 Hz
  static constexpr Eigen::Index kFrequencies = 3981; // to 0.5 Hz
  static constexpr Eigen::Index kPadded = 3984;      // with zeros
  [[nodiscard]] static double hz(Eigen::Index i) {
    return kStep_hz * static_cast<double>(kFirst + i);
  }
  Eigen::VectorXd power_;
};

const NeuralCorrelation& the_correlation() {
  static const NeuralCorrelation instance;
  return instance;
}

} // namespace

// Blocks of cosines meet what stands before them at once, which is most of the work.
Frequencies residual_cosines(const Eigen::MatrixXd& design_basis) {
  constexpr double kNothingLeft = 1e-3;
  constexpr double kRoundingGrows = 0.1; // a shorter rest is freed of its rounding once more
  constexpr Eigen::Index kBlock = 32;
  const Eigen::Index n = design_basis.rows();
  Eigen::MatrixXd known(n, n);
  Eigen::Index n_known = design_basis.cols();
  known.leftCols(n_known) = design_basis;
  Frequencies out;
  for (Eigen::Index first = 0; first < n; first += kBlock) {
    const Eigen::Index last = std::min(n, first + kBlock);
    Eigen::MatrixXd block = cosines(n, first, last);
    const Eigen::Index before = n_known;
    remove_known(block, known.leftCols(before));
    for (Eigen::Index k = first; k < last && n_known < n; ++k) {
      Eigen::VectorXd v = block.col(k - first);
      remove_known(v, known.middleCols(before, n_known - before));
      const double left = v.norm();
      if (left < kNothingLeft) continue;
      v /= left;
      if (left < kRoundingGrows) remove_known(v, known.leftCols(n_known));
      known.col(n_known++) = v.normalized();
      out.index.push_back(k);
    }
  }
  out.basis = known.middleCols(design_basis.cols(), n_known - design_basis.cols());
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

Eigen::MatrixXd exponential_times(const Eigen::MatrixXd& a, const Eigen::VectorXd& time_s,
                                  double tau_s) {
  Eigen::MatrixXd out = a;
  for (Eigen::Index c = 0; c < a.cols(); ++c) {
    double past = 0.0, future = 0.0;
    for (Eigen::Index i = 1; i < a.rows(); ++i) {
      past = (past + a(i - 1, c)) * std::exp(-(time_s[i] - time_s[i - 1]) / tau_s);
      out(i, c) += past;
      const Eigen::Index k = a.rows() - 1 - i;
      future = (future + a(k + 1, c)) * std::exp(-(time_s[k + 1] - time_s[k]) / tau_s);
      out(k, c) += future;
    }
  }
  return out;
}

double neural_correlation(double lag_s) { return the_correlation().at(lag_s); }

Eigen::MatrixXd neural_covariance(const Eigen::VectorXd& time_s) {
  const NeuralCorrelation& correlation = the_correlation();
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

} // namespace boldmill
