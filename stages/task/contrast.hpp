// Contrasts of a design by name: "fear - neutral", "(fear + anger) / 2 - neutral", and what they
// can show: estimable or not, efficiency 1 / (c (X'X)^-1 c').
#pragma once

#include <Eigen/Dense>
#include <span>
#include <string>
#include <vector>

namespace boldmill {

struct Contrast {
  std::string name;
  Eigen::MatrixXd weights; // rows x K: one row is a t test, more an F test
};

// Weights of K columns. Numbers, + - * / and parentheses; a name with other characters than
// letters, digits, _ and . stands in double quotes, unless it is the whole expression. Throws
// input: an unknown name (with the names there are), a syntax error, a constant term, a product of
// names.
[[nodiscard]] Eigen::RowVectorXd contrast_weights(const std::string& expression,
                                                  const std::vector<std::string>& columns);

struct ContrastQuality {
  bool estimable = false;  // every row lies in the row space of the design
  double efficiency = 0.0; // rows / trace(C (X'X)^-1 C'), 0 when not estimable
};
// `design`: the rows that are fitted.
[[nodiscard]] ContrastQuality contrast_quality(const Eigen::MatrixXd& weights,
                                               const Eigen::MatrixXd& design);

} // namespace boldmill
