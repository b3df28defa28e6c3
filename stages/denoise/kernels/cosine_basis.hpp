// Discrete cosine regressors, the shared kernel of confounds and filters.
#pragma once

#include <Eigen/Dense>

namespace boldmill {

// n x (last - first + 1): column k is sqrt(2/n) cos(pi/n (t + 1/2) k), k = first..last.
// Orthonormal, orthogonal to the constant. Frequency of k: k / (2 n TR). n x 0 when last < first.
[[nodiscard]] Eigen::MatrixXd cosine_basis(Eigen::Index n, Eigen::Index first, Eigen::Index last);

// Largest k whose frequency is at most `frequency_hz`: floor(2 n TR f), at most n - 1.
[[nodiscard]] Eigen::Index cosine_order(Eigen::Index n, double tr_s, double frequency_hz);

} // namespace boldmill
