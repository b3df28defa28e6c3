// The cohort's truth: parameters, population effects, people, and tables over all runs.
#pragma once

#include <filesystem>
#include <vector>

#include "pipeline/simulate/session.hpp"

namespace boldmill::simulate {

// `truths` in the order of people, sessions inside.
void write_cohort_truth(const std::filesystem::path& root, const Study& study,
                        const std::vector<Person>& people, const std::vector<SessionTruth>& truths);

// Mean realised Fisher z of each circuit's edges, and patients minus controls in units of the
// controls' SD (n - 1). `z` : people x circuits.
[[nodiscard]] std::vector<double> realised_effects(const Eigen::MatrixXd& z,
                                                   const std::vector<Person>& people);

} // namespace boldmill::simulate
