// Tangent-space connectivity: each person's covariance M_k as its displacement from the group's
// geometric mean G,  D_k = log(G^-1/2 M_k G^-1/2),  G fitted on training people only.
// G is the minimiser of sum_k |log(G^-1/2 M_k G^-1/2)|^2, by gradient descent along geodesics from
// the arithmetic mean; a step is halved when the gradient grows (nilearn's algorithm and stop).
// Memory: people are read one at a time, once a pass (iterations + 3 passes); beyond their own
// reader the fit holds 16 accumulators of R x R, about ten R x R a thread, and two numbers a
// person.
// Sources: Fletcher & Joshi 2007, doi:10.1016/j.sigpro.2005.12.018; Varoquaux 2010,
// doi:10.1007/978-3-642-15705-9_25; Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::tangent {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Fletcher & Joshi 2007, Signal Processing, doi:10.1016/j.sigpro.2005.12.018",
    "Varoquaux 2010, MICCAI, doi:10.1007/978-3-642-15705-9_25",
    "Ledoit & Wolf 2004, Journal of Multivariate Analysis, doi:10.1016/S0047-259X(03)00096-4"};
inline constexpr StageInfo kStage{
    .name = "tangent",
    .version = 1,
    .summary = "Connectivity as displacement from the geometric mean of training people",
    .references = kReferences};

struct Params {
  std::string estimator = "ledoit_wolf";
  bool standardize = false;
  double tolerance = 1e-7;
  int max_iterations = 30;
  int min_volumes = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [estimator, standardize, tolerance, max_iterations, min_volumes] = params;
  visit("estimator", estimator, "",
        "covariance of one person; sample needs more volumes than regions",
        Limits::one_of({"ledoit_wolf", "sample"}));
  visit("standardize", standardize, "", "z-score the series of each person first",
        Limits::between(0, 1));
  visit("tolerance", tolerance, "",
        "stop when the gradient's Frobenius norm over R^2 is below this", Limits::between(0, 1));
  visit("max_iterations", max_iterations, "", "most steps of the geometric mean",
        Limits::between(1, 1000));
  visit("min_volumes", min_volumes, "volumes", "people with fewer volumes kept are refused",
        Limits::between(4, 1e6));
}

// One person: series, or a covariance that is already there (then the series is ignored).
struct Person {
  Eigen::MatrixXf series;         // T x R; volumes NaN in every region are censored
  std::vector<std::uint8_t> keep; // T, or empty: all
  Eigen::MatrixXd covariance;     // R x R positive definite, or empty
};
// `load` fills person k; called from several threads at once, each person several times, always
// with the same result. What it throws ends the call.
struct People {
  std::size_t n = 0;
  std::function<void(std::size_t k, Person& person)> load;
};

struct Model {
  Eigen::Index n_regions = 0;        // R of the people
  std::vector<Eigen::Index> regions; // used: present and varying in every training person
  Eigen::MatrixXd mean;              // G over the used regions
  Eigen::MatrixXd whitening;         // G^-1/2
  std::size_t n_training = 0;
  int iterations = 0;
  double gradient = 0.0; // Frobenius norm over R^2 at the last step
  bool converged = false;
};

// Throws input: no people, people of different R, fewer than two common regions, a covariance that
// is not positive definite (the message gives k); gate: a person with too few volumes.
[[nodiscard]] Model fit(const People& training, const Params& params, const Context& context);

// D of one person over model.regions. NaN throughout when a region of the model is missing or
// constant in this person. Throws input and gate as fit.
[[nodiscard]] Eigen::MatrixXd apply(const Model& model, const Person& person, const Params& params);

// sink(k, D) for every person, concurrently, in no particular order.
using Sink = std::function<void(std::size_t k, const Eigen::MatrixXd& displacement)>;
void apply(const Model& model, const People& people, const Params& params, const Sink& sink,
           const Context& context);

// Covariance back from a displacement: G^1/2 exp(D) G^1/2.
[[nodiscard]] Eigen::MatrixXd covariance_of(const Model& model,
                                            const Eigen::MatrixXd& displacement);

// Lower triangle row by row, (0,0), (1,0), (1,1), (2,0), ..., the diagonal over sqrt(2): Euclidean
// distances of vectors are those of the matrices over sqrt(2) (nilearn's sym_matrix_to_vec).
[[nodiscard]] Eigen::VectorXd vectorize(const Eigen::MatrixXd& symmetric);
[[nodiscard]] Eigen::MatrixXd unvectorize(const Eigen::VectorXd& vector); // throws input: length

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_regions = 0;
  std::size_t n_people = 0;
  std::size_t n_threads = 1;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::tangent
