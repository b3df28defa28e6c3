// What MixtureNoise is made of; for its own source.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill {

// Cosines of rising frequency, each less its projection on the design and on those before it.
struct Frequencies {
  Eigen::MatrixXd basis;
  std::vector<Eigen::Index> index; // of the cosine, 0 .. n - 1
};
[[nodiscard]] Frequencies residual_cosines(const Eigen::MatrixXd& design_basis);

// exp(-|t - u| / tau), and its product with columns by a recursion each way.
[[nodiscard]] Eigen::MatrixXd exponential(const Eigen::VectorXd& time_s, double tau_s);
[[nodiscard]] Eigen::MatrixXd exponential_times(const Eigen::MatrixXd& a,
                                                const Eigen::VectorXd& time_s, double tau_s);

// B of mixture_noise.hpp: spontaneous activity seen through the response.
[[nodiscard]] double neural_correlation(double lag_s);
[[nodiscard]] Eigen::MatrixXd neural_covariance(const Eigen::VectorXd& time_s);

} // namespace boldmill
