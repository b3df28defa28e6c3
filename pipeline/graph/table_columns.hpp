// Columns of the tables that group stages write.
#pragma once

#include <Eigen/Dense>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/store/records.hpp"

namespace boldmill::graph {

[[nodiscard]] inline store::TableColumn numbers(std::string name, std::string what,
                                                std::vector<double> values) {
  return {std::move(name), std::move(what), false, {}, std::move(values)};
}
[[nodiscard]] inline store::TableColumn numbers(std::string name, std::string what,
                                                const Eigen::VectorXd& values) {
  return numbers(std::move(name), std::move(what),
                 std::vector<double>{values.begin(), values.end()});
}
[[nodiscard]] inline store::TableColumn texts(std::string name, std::string what,
                                              std::vector<std::string> values) {
  return {std::move(name), std::move(what), true, std::move(values), {}};
}

} // namespace boldmill::graph
