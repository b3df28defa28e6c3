#include "stages/cohort/biotype_test.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "stages/cohort/kernels/copula_null.hpp"
#include "stages/cohort/kernels/correlation_clustering.hpp"
#include "stages/cohort/kernels/factor_comparison.hpp"
#include "stages/cohort/kernels/multiple_imputation.hpp"
#include "stages/cohort/kernels/null_tables.hpp"
#include "stages/cohort/kernels/stability.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/core/random.hpp"

namespace boldmill::biotype_test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using Chain = std::vector<cohort::LearningStep>;

// What a table becomes: the chain is learned on it and applied to it, controls and people with a
// missing feature leave.
struct Processed {
  std::vector<Eigen::Index> used;
  Eigen::MatrixXd x;
  std::vector<std::string> names;
};

Processed process(const cohort::Rows& rows, const Chain& chain) {
  cohort::Rows done = cohort::apply_steps(cohort::fit_steps(chain, rows), rows);
  const Eigen::MatrixXd units = cohort::unit_rows(done.x);
  Processed out;
  for (Eigen::Index i = 0; i < done.x.rows(); ++i) {
    const bool control =
        !rows.is_reference.empty() && rows.is_reference[static_cast<std::size_t>(i)] != 0;
    if (!control && units.row(i).allFinite()) out.used.push_back(i);
  }
  out.x = done.x(out.used, Eigen::all);
  out.names = std::move(done.names);
  return out;
}

Eigen::VectorXd silhouettes(const Eigen::MatrixXd& x, const Params& params) {
  if (x.rows() <= params.k_max) {
    return Eigen::VectorXd::Constant(params.k_max - params.k_min + 1, kNaN);
  }
  const Eigen::MatrixXd units = cohort::unit_rows(x);
  return cohort::cut_quality(units, cohort::cut(cohort::correlation_linkage(units), params.k_max),
                             params.k_min)
      .silhouette;
}

// Observed and null values are standardised together, so that they stay exchangeable.
Test largest_standardised(const Eigen::VectorXd& observed, const Eigen::MatrixXd& null) {
  Eigen::MatrixXd all(null.rows() + 1, null.cols());
  all << observed.transpose(), null;
  for (Eigen::Index k = 0; k < all.cols(); ++k) {
    const double mean = all.col(k).mean();
    const double sd = std::sqrt((all.col(k).array() - mean).square().mean());
    all.col(k).array() = (all.col(k).array() - mean) / (sd > 0.0 ? sd : 1.0);
  }
  const Eigen::VectorXd largest = all.rowwise().maxCoeff();
  Test out{all.row(0), largest.tail(null.rows()), largest[0], 0.0};
  const auto above = (out.null_largest.array() >= out.largest).count();
  out.p_value = static_cast<double>(1 + above) / static_cast<double>(null.rows() + 1);
  return out;
}

// Site and status: what the copula tables keep apart.
std::vector<int> groups_of(const cohort::Rows& rows) {
  std::vector<int> out(static_cast<std::size_t>(rows.x.rows()), 0);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!rows.batch.empty()) out[i] = 2 * rows.batch[i];
    if (!rows.is_reference.empty()) out[i] += rows.is_reference[i] != 0 ? 1 : 0;
  }
  return out;
}

class Tester {
public:
  Tester(const Inputs& inputs, const Params& params, const Context& context)
      : inputs_(inputs), params_(params), context_(context),
        seed_(static_cast<std::uint64_t>(params.random_seed)) {}

  [[nodiscard]] Test test(const Eigen::VectorXd& observed, cohort::CopulaScope scope) const {
    const std::string name = scope == cohort::CopulaScope::pooled ? "pooled" : "within sites";
    const cohort::CopulaNull null(inputs_.rows.x, groups_of(inputs_.rows), scope);
    Eigen::MatrixXd values(params_.repetitions, observed.size());
    each(params_.repetitions, [&](int i) {
      values.row(i) = silhouettes(processed(null.draw(own_seed(name, i))).x, params_);
    });
    return largest_standardised(observed, values);
  }

  // Of the table after the chain: permuting it before would also test the chain.
  [[nodiscard]] double permutation_p(const Eigen::MatrixXd& x,
                                     const Eigen::VectorXd& observed) const {
    if (params_.permutations == 0) return kNaN;
    Eigen::MatrixXd values(params_.permutations, observed.size());
    each(params_.permutations, [&](int i) {
      values.row(i) = silhouettes(cohort::permuted_columns(x, own_seed("permutation", i)), params_);
    });
    return largest_standardised(observed, values).p_value;
  }

  [[nodiscard]] Stability stability(const Eigen::MatrixXd& x) const {
    Stability out;
    if (params_.stability_nulls == 0) return out;
    const auto width = static_cast<Eigen::Index>(params_.k_max - params_.k_min + 1);
    std::vector<Eigen::MatrixXd*> nulls = {&out.null_leave_one_out, &out.null_resampling,
                                           &out.null_split_ari};
    for (auto* matrix : nulls) matrix->resize(params_.stability_nulls, width);
    const cohort::CopulaNull null(inputs_.rows.x, groups_of(inputs_.rows),
                                  cohort::CopulaScope::pooled);
    each(params_.stability_nulls, [&](int i) {
      const auto values =
          agreements(processed(null.draw(own_seed("stability", i))).x, own_seed("agreement", i));
      for (std::size_t m = 0; m < nulls.size(); ++m) nulls[m]->row(i) = values[m];
    });
    const auto observed = agreements(x, own_seed("agreement", -1));
    out.leave_one_out = observed[0];
    out.resampling = observed[1];
    out.split_ari = observed[2];
    return out;
  }

private:
  template <class Body>
  void each(int count, const Body& body) const {
    parallel_blocks(context_, static_cast<std::size_t>(count), 1,
                    [&](std::size_t begin, std::size_t end) {
                      for (std::size_t i = begin; i < end; ++i) {
                        body(static_cast<int>(i));
                        context_.advance();
                      }
                    });
  }
  [[nodiscard]] std::uint64_t own_seed(const std::string& purpose, int item) const {
    return stream_seed(seed_, purpose, std::to_string(item));
  }
  [[nodiscard]] Processed processed(Eigen::MatrixXd table) const {
    cohort::Rows rows = inputs_.rows;
    rows.x = std::move(table);
    return process(rows, inputs_.chains.front());
  }
  // Leave-one-out, subsamples, split half.
  [[nodiscard]] std::array<Eigen::VectorXd, 3> agreements(const Eigen::MatrixXd& x,
                                                          std::uint64_t seed) const {
    const cohort::CutRange range{params_.k_min, params_.k_max};
    const Eigen::MatrixXd units = cohort::unit_rows(x);
    const auto cuts = cohort::cut(cohort::correlation_linkage(units), params_.k_max);
    const cohort::Clustered full{x, units, cuts, range};
    std::vector<int> people;
    for (const std::size_t i : Random(seed).permutation(static_cast<std::size_t>(x.rows()))) {
      if (static_cast<int>(people.size()) == params_.stability_people) break;
      people.push_back(static_cast<int>(i));
    }
    const auto halves = cohort::random_halves(x.rows(), seed);
    return {cohort::leave_one_out_agreement(full, people, context_).colwise().mean(),
            cohort::resampling_agreement(full, {params_.resamplings, params_.resample_share, seed},
                                         context_)
                .colwise()
                .mean(),
            cohort::split_agreement(full, halves.first, halves.second).ari};
  }

  const Inputs& inputs_;
  const Params& params_;
  const Context& context_;
  std::uint64_t seed_;
};

Verdict decide(const Outputs& out, const Inputs& inputs, const Params& params) {
  if (out.test.p_value > params.alpha) return Verdict::continuum;
  if (inputs.rows.batch.empty()) return Verdict::unconfirmed;
  return out.within_sites.p_value > params.alpha ? Verdict::differences_of_sites
                                                 : Verdict::biotypes;
}

void add_dimensions(const Inputs& inputs, const Params& params, const Processed& observed,
                    Outputs& out) {
  const cohort::ComparisonOptions options{
      params.max_factors, params.folds, out.chosen,
      stream_seed(static_cast<std::uint64_t>(params.random_seed), "folds")};
  const auto compared = cohort::compare_factors(inputs.rows, inputs.chains.front(), options);
  out.dimensional.log_density = compared.log_density;
  out.dimensional.factors = compared.factors;
  out.dimensional.clusters_gain = compared.clusters_gain;
  out.dimensional.clusters_gain_se = compared.clusters_gain_se;
  out.dimensional.model = cohort::fit_factors(observed.x, compared.factors);
  out.dimensional.scores = Eigen::MatrixXd::Constant(inputs.rows.x.rows(), compared.factors, kNaN);
  out.dimensional.scores(out.used, Eigen::all) = out.dimensional.model.scores(observed.x);
}

// Clusters at the chosen k: a label that all chains agree on most, names, the rule for new people.
void describe(const Inputs& inputs, const Params& params, const Processed& observed,
              const Context& context, Outputs& out) {
  const Eigen::Index n = inputs.rows.x.rows();
  Eigen::MatrixXi labels =
      Eigen::MatrixXi::Constant(n, static_cast<Eigen::Index>(inputs.chains.size()), -1);
  for (std::size_t c = 0; c < inputs.chains.size(); ++c) {
    const Processed other = c == 0 ? observed : process(inputs.rows, inputs.chains[c]);
    const auto tree = cohort::correlation_linkage(cohort::unit_rows(other.x));
    const auto label = cohort::cut(tree, out.chosen).labels(out.chosen);
    for (std::size_t i = 0; i < label.size(); ++i) {
      labels(other.used[i], static_cast<Eigen::Index>(c)) = label[i];
    }
  }
  out.label.assign(labels.col(0).begin(), labels.col(0).end());
  out.co_assignment = Eigen::VectorXd::Constant(n, kNaN);
  if (labels.cols() > 1) {
    auto consensus = cohort::co_assignment(labels, out.chosen);
    out.label = std::move(consensus.label);
    out.co_assignment = std::move(consensus.support);
  }
  std::vector<int> label;
  for (const Eigen::Index i : out.used) label.push_back(out.label[static_cast<std::size_t>(i)]);
  out.model.min_margin = params.min_margin;
  out.model.min_stability = params.min_stability;
  out.model.centroid = cohort::cluster_means(observed.x, label, out.chosen);
  out.model.resampled =
      cohort::bootstrap_centroids(observed.x, out.model.centroid, params.bootstraps,
                                  static_cast<std::uint64_t>(params.random_seed), context);
  Eigen::MatrixXd everybody = Eigen::MatrixXd::Constant(n, observed.x.cols(), kNaN);
  everybody(out.used, Eigen::all) = observed.x;
  out.assignment = cohort::assign(out.model, everybody);
  std::vector<std::string> group;
  for (const std::string& feature : out.features) {
    const auto found = inputs.group.find(feature);
    group.push_back(found == inputs.group.end() ? feature : found->second);
  }
  for (int c = 0; c < out.chosen; ++c) {
    out.profile_name.push_back(
        cohort::profile_name(out.model.centroid.row(c), group, params.prominent_sd));
  }
}

void check(const Inputs& inputs, const Params& params) {
  if (params.k_min > params.k_max) {
    throw Error(ErrorKind::usage, "biotype_test: found k_min " + std::to_string(params.k_min) +
                                      " above k_max " + std::to_string(params.k_max));
  }
  const auto n = static_cast<std::size_t>(inputs.rows.x.rows());
  const auto fits = [&](std::size_t size) { return size == 0 || size == n; };
  if (inputs.chains.empty() || !fits(inputs.rows.batch.size()) ||
      !fits(inputs.rows.is_reference.size()) ||
      inputs.rows.names.size() != static_cast<std::size_t>(inputs.rows.x.cols())) {
    throw Error(ErrorKind::internal,
                "biotype_test: chains, names, sites or controls do not fit the table");
  }
}

} // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
  case Verdict::not_done: return "not_done";
  case Verdict::continuum: return "continuum";
  case Verdict::differences_of_sites: return "differences_of_sites";
  case Verdict::unconfirmed: return "unconfirmed";
  case Verdict::biotypes: return "biotypes";
  }
  return "";
}

std::string in_words(Verdict verdict) {
  switch (verdict) {
  case Verdict::not_done: return "the test was not done";
  case Verdict::continuum:
    return "a continuum fits as well: clusters are no clearer than those that one cloud of people "
           "with the same margins, correlations and missing values gives";
  case Verdict::differences_of_sites:
    return "clearer than one continuum over all sites, but a continuum inside each site fits as "
           "well: differences between sites, not biotypes";
  case Verdict::unconfirmed:
    return "clearer than one continuum; sites are not known, so differences between sites are not "
           "ruled out";
  case Verdict::biotypes:
    return "biotypes: clearer than one continuum, over all sites and inside them";
  }
  return "";
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs, params);
  Outputs out;
  const Processed observed = process(inputs.rows, inputs.chains.front());
  if (static_cast<int>(observed.used.size()) < 2 * params.k_max || observed.x.cols() < 3) {
    out.not_done = "found " + std::to_string(observed.used.size()) + " people with all of " +
                   std::to_string(observed.x.cols()) + " features, expected at least " +
                   std::to_string(2 * params.k_max) + " (twice k_max) and 3 features";
    return out;
  }
  out.features = observed.names;
  out.used = observed.used;
  for (int k = params.k_min; k <= params.k_max; ++k) out.k.push_back(k);
  const Tester tester(inputs, params, context);
  out.silhouette = silhouettes(observed.x, params);
  out.test = tester.test(out.silhouette, cohort::CopulaScope::pooled);
  Eigen::Index best = 0;
  out.test.observed.maxCoeff(&best);
  out.chosen = params.k_min + static_cast<int>(best);
  if (out.test.p_value <= params.alpha && !inputs.rows.batch.empty()) {
    out.within_sites = tester.test(out.silhouette, cohort::CopulaScope::by_group);
  } else {
    out.within_sites.p_value = out.within_sites.largest = kNaN;
  }
  out.verdict = decide(out, inputs, params);
  out.p_features_are_correlated = tester.permutation_p(observed.x, out.silhouette);
  out.stability = tester.stability(observed.x);
  add_dimensions(inputs, params, observed, out);
  describe(inputs, params, observed, context, out);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t table = shape.n_rows * shape.n_columns;
  const auto k = static_cast<std::size_t>(params.k_max);
  const auto nulls = static_cast<std::size_t>(2 * params.repetitions + params.permutations +
                                              3 * params.stability_nulls);
  const auto centroids = static_cast<std::size_t>(params.bootstraps) * k * shape.n_columns;
  const std::size_t distances = (2 + kPlannedThreads) * shape.n_rows * shape.n_rows;
  return (64 * table + nulls * k + centroids + distances) * sizeof(double);
}

} // namespace boldmill::biotype_test
