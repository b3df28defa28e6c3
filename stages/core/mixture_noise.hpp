// Noise of one series as a mixture of covariances, V = s (w0 I + w1 exp(-|t - u| / 2 s) + w2 B(t -
// u)
// + w3 exp(-|t - u| / 20 s)). B is what spontaneous neural activity makes of itself through the
// canonical response: the correlation of a series with spectrum |H(f)|^2 / f from 1/400 Hz on,
// H(f) = ((1 + 2 pi i f)^-6 - (1 + 2 pi i f)^-16 / 6) / (1 - 1/6); it falls off above 0.1 Hz far
// faster than exponentials can.
// What the design leaves of a series is expressed in cosines of rising frequency made orthogonal to
// the design, z = Z'y; the powers p_b = mean of z^2 over bands of frequency have expectation
// s m_b(w), m_b(w) = mean over the band of z' V z, exact for the design and the rows. The weights
// are those of a fixed lattice that minimise N log s(w) + sum_b n_b log m_b(w),
// s(w) = sum_b n_b p_b / m_b(w) / N: restricted maximum likelihood but for the correlation between
// the z. The variance components then have the information I_jk = sum_b n_b m_bj m_bk / (2 m_b^2),
// over the components that are present: one whose weight came out as 0 lies on its limit and counts
// as known, as is usual for variance components.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill {

class MixtureNoise {
public:
  // x: n x K, the rows kept; time_s: n, ascending; n > rank of x.
  MixtureNoise(const Eigen::MatrixXd& x, const Eigen::VectorXd& time_s);

  [[nodiscard]] const Eigen::MatrixXd& filters() const { return filters_; } // Z, n x (n - rank)
  // The powers of columns of z, bands x columns.
  [[nodiscard]] Eigen::MatrixXd powers(const Eigen::MatrixXd& z) const;
  struct Choice {
    Eigen::Index candidate = 0;
    double scale = 0.0; // s
  };
  [[nodiscard]] std::vector<Choice> choose(const Eigen::MatrixXd& powers) const;

  [[nodiscard]] Eigen::Index n_candidates() const { return weights_.rows(); }
  [[nodiscard]] Eigen::MatrixXd covariance(Eigen::Index candidate) const; // n x n, s = 1
  [[nodiscard]] double correlation_at(Eigen::Index candidate, double lag_s) const;
  // Satterthwaite's degrees of freedom of the variance of an estimator a'y, at most n - rank.
  [[nodiscard]] double dof(Eigen::Index candidate, const Eigen::VectorXd& a) const;
  // What estimated weights add to the covariance of estimators A'y of generalised least squares
  // (Kenward & Roger 1997, doi:10.2307/2533558), s = 1: 2 sum_jk (I^-1)_jk A'V_j P V_k A. The V_j A
  // of the components present are `products`; `added` takes them whitened and freed of the whitened
  // design, so that cross products make P.
  [[nodiscard]] std::vector<Eigen::MatrixXd> products(Eigen::Index candidate,
                                                      const Eigen::MatrixXd& a) const;
  [[nodiscard]] Eigen::MatrixXd added(Eigen::Index candidate,
                                      const std::vector<Eigen::MatrixXd>& residuals) const;

private:
  [[nodiscard]] std::vector<Eigen::Index> present(Eigen::Index candidate) const;
  [[nodiscard]] Eigen::MatrixXd uncertainty(Eigen::Index candidate) const; // I^-1, those present

  Eigen::MatrixXd filters_;
  Eigen::VectorXd time_s_;
  Eigen::MatrixXd neural_;             // n x n: B
  std::vector<Eigen::Index> band_end_; // last column + 1 of each band
  Eigen::VectorXd band_size_;
  Eigen::MatrixXd components_; // bands x components: m_bj
  Eigen::MatrixXd weights_;    // candidates x components
  Eigen::MatrixXd expected_;   // bands x candidates
  Eigen::MatrixXd scale_of_;   // candidates x bands: s = scale_of * powers
  Eigen::VectorXd log_volume_; // candidates: sum_b n_b log m_b
};

} // namespace boldmill
