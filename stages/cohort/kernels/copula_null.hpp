// Tables of one continuum that look like a given table with holes: a Gaussian copula with the
// table's margins, correlations and missing cells. Equations in METHOD.md, biotype_test.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

namespace boldmill::cohort {

enum class CopulaScope {
  pooled,   // one copula; every group keeps its own location and spread
  by_group, // a copula of its own in every group
};

class CopulaNull {
public:
  // x: n x p, NaN missing. group: n ids (site, site and status), empty: one group.
  CopulaNull(const Eigen::MatrixXd& x, const std::vector<int>& group, CopulaScope scope);
  // n x p; cell for cell missing where the given table is.
  [[nodiscard]] Eigen::MatrixXd draw(std::uint64_t seed) const;

private:
  struct Part { // people whose values are exchanged with each other
    std::vector<Eigen::Index> rows;
    std::vector<int> group;                  // of these rows, 0..
    Eigen::MatrixXd factor;                  // rank x p: factor' factor = products of the scores
    std::vector<std::vector<double>> sorted; // p, standardised values present
  };
  [[nodiscard]] Part part_of(const std::vector<Eigen::Index>& rows,
                             const std::vector<int>& group) const;
  void draw_part(const Part& part, std::uint64_t seed, Eigen::MatrixXd& out) const;

  Eigen::MatrixXd x_;
  std::vector<Part> parts_;
};

} // namespace boldmill::cohort
