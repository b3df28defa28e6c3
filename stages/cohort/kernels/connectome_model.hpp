// Connectome-based predictive modelling: columns whose correlation with the target is significant
// in the training rows, summed by the sign of the correlation; the target regressed on the two sums
// (logistic for a binary target). Source: Shen 2017, doi:10.1038/nprot.2016.178. Departures: the
// columns are those the learning steps leave (standardised), both sums enter one regression, and
// a threshold may be chosen among several by the inner folds.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/cohort/kernels/elastic_net.hpp"

namespace boldmill::cohort {

// The smallest |r| of n rows whose two-sided p (Student's t, n - 2 degrees of freedom) is below p.
[[nodiscard]] double critical_correlation(double p, Eigen::Index n);

// One linear fit per threshold on p. No column selected: the intercept alone.
[[nodiscard]] std::vector<ElasticNetFit> connectome_path(const Eigen::MatrixXd& x,
                                                         const Eigen::VectorXd& y,
                                                         const std::vector<double>& thresholds,
                                                         Family family);

} // namespace boldmill::cohort
