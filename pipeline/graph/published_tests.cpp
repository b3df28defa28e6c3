#include "pipeline/graph/published_tests.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "pipeline/graph/table_columns.hpp"
#include "stages/cohort/kernels/association.hpp"
#include "stages/cohort/kernels/rank_tests.hpp"
#include "stages/cohort/kernels/stability.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::graph {
namespace {

using Text = std::vector<std::string>;
using Rows = std::vector<Eigen::Index>;
constexpr std::uint64_t kSplitSeed = 123123;

store::TableRecord table_of(const PublishedClusters& clusters, const std::string& name,
                            const std::string& axis, const std::string& what) {
  return {"published_chain/" + name, axis, what, clusters.fitted_on, {}};
}

// Columns of one row a cluster of one split.
struct SplitRows {
  Text name;
  std::vector<double> cluster, n_training, n_test, r, p, ari;

  void add(const std::string& split, const cohort::Clustered& full, const Rows& training,
           const Rows& test, int k) {
    const auto fewest = static_cast<std::size_t>(k);
    if (training.size() <= fewest || test.size() <= fewest) return;
    const auto found = cohort::profile_agreement(full, training, test, k);
    const double again = cohort::split_agreement(full, training, test).ari[0];
    for (std::size_t c = 0; c < found.size(); ++c) {
      name.push_back(split);
      cluster.push_back(static_cast<double>(c));
      n_training.push_back(found[c].n_training);
      n_test.push_back(found[c].n_test);
      r.push_back(found[c].r);
      p.push_back(found[c].p_value);
      ari.push_back(again);
    }
  }
};

// A random half predicting the other, and the other studies predicting each.
store::TableRecord splits_of(const PublishedClusters& clusters,
                             const store::ParticipantsTable& people, const config::Config& config) {
  const Rows& used = clusters.out.used;
  const Eigen::MatrixXd x = clusters.in.x(used, Eigen::all);
  const Eigen::MatrixXd units = cohort::unit_rows(x);
  const cohort::Cuts none;
  const cohort::Clustered full{x, units, none, {clusters.k, clusters.k}};
  SplitRows rows;
  const auto halves = cohort::random_halves(x.rows(), stream_seed(kSplitSeed, "half"));
  rows.add("half", full, halves.first, halves.second, clusters.k);
  if (const Text* column = column_of(people, config.trial.study)) {
    const Levels study = levels_of(*column);
    for (std::size_t s = 0; s < study.names.size(); ++s) {
      Rows training, test;
      for (std::size_t i = 0; i < used.size(); ++i) {
        const auto learner = static_cast<std::size_t>(used[i]);
        const int own = study.number[static_cast<std::size_t>(clusters.learners[learner])];
        if (own < 0) continue;
        (own == static_cast<int>(s) ? test : training).push_back(static_cast<Eigen::Index>(i));
      }
      rows.add("without " + study.names[s], full, training, test, clusters.k);
    }
  }
  auto record = table_of(clusters, "splits", "split_cluster",
                         "clusters of one part of the people beside the people of the rest that "
                         "resemble them most: r and p are raised by that choice, ari is not");
  if (rows.name.empty()) return record;
  record.columns = {
      texts("split", "half: a random half; without: all other studies", std::move(rows.name)),
      numbers("cluster", "of the first part, by first member", std::move(rows.cluster)),
      numbers("n_training", "people of the cluster", std::move(rows.n_training)),
      numbers("n_test", "people of the rest given to it", std::move(rows.n_test)),
      numbers("r", "of both mean profiles; without any clusters about 0.9", std::move(rows.r)),
      numbers("p", "of r as if people had not been chosen by it", std::move(rows.p)),
      numbers("ari", "of the whole split, with clusters of the rest alone", std::move(rows.ari))};
  return record;
}

// Values of one column inside and outside a cluster.
struct Beside {
  std::vector<double> inside, outside;
};
Beside beside_of(const PublishedClusters& clusters, const std::vector<double>& values, int c) {
  Beside out;
  for (std::size_t i = 0; i < clusters.label.size(); ++i) {
    const double value = values[static_cast<std::size_t>(clusters.learners[i])];
    if (clusters.label[i] < 0 || std::isnan(value)) continue;
    (clusters.label[i] == c ? out.inside : out.outside).push_back(value);
  }
  return out;
}

std::set<double> distinct(const PublishedClusters& clusters, const std::vector<double>& values) {
  std::set<double> out;
  for (std::size_t i = 0; i < clusters.label.size(); ++i) {
    const double value = values[static_cast<std::size_t>(clusters.learners[i])];
    if (clusters.label[i] >= 0 && !std::isnan(value)) out.insert(value);
  }
  return out;
}

// One-sample signed rank of each cluster against the median of the others, as if that were known.
class RankRows {
public:
  void add(const std::string& name, int c, const Beside& values) {
    const double mu = median(values.outside);
    const cohort::SignedRank found = cohort::signed_rank(values.inside, mu);
    symptom_.push_back(name);
    const double row[] = {static_cast<double>(c),
                          static_cast<double>(found.n_present),
                          mu,
                          found.statistic,
                          found.p_value,
                          found.z,
                          found.r,
                          found.hodges_lehmann - mu,
                          found.lower - mu,
                          found.upper - mu};
    for (std::size_t i = 0; i < number_.size(); ++i) number_[i].push_back(row[i]);
  }
  store::TableRecord take(const PublishedClusters& clusters) {
    auto record = table_of(clusters, "symptoms", "symptom_test",
                           "clusters against the median of the others taken as known, which is "
                           "anticonservative; /cohort/group_statistics does without");
    if (symptom_.empty()) return record;
    record.columns = {texts("symptom", "column", std::move(symptom_))};
    const char* name[][2] = {{"cluster", "as in people"},
                             {"n", "people of the cluster"},
                             {"median_others", "of the other clusters"},
                             {"V", "signed rank statistic"},
                             {"p", "two-sided, as R's wilcox.test"},
                             {"z", "of V, without continuity correction"},
                             {"r", "z / sqrt(n)"},
                             {"shift", "Hodges-Lehmann estimate less that median"},
                             {"shift_lower", "its interval"},
                             {"shift_upper", "its interval"}};
    for (std::size_t i = 0; i < number_.size(); ++i) {
      record.columns.push_back(numbers(name[i][0], name[i][1], std::move(number_[i])));
    }
    return record;
  }

private:
  Text symptom_;
  std::array<std::vector<double>, 10> number_;
};

// 2 x 2 of a cluster and a column of two values.
class ShareRows {
public:
  void add(const std::string& name, int c, const Beside& values, double high) {
    const auto count = [high](const std::vector<double>& list) {
      return static_cast<double>(std::count(list.begin(), list.end(), high));
    };
    const double in = count(values.inside), out = count(values.outside);
    const auto n = static_cast<double>(values.inside.size());
    const auto others = static_cast<double>(values.outside.size());
    const auto found = cohort::two_by_two(in, n - in, out, others - out);
    symptom_.push_back(name);
    const double row[] = {
        static_cast<double>(c), n, in / n, out / others, found.statistic, found.p_value,
        found.odds_ratio};
    for (std::size_t i = 0; i < number_.size(); ++i) number_[i].push_back(row[i]);
  }
  store::TableRecord take(const PublishedClusters& clusters) {
    auto record = table_of(clusters, "two_valued", "two_valued_test",
                           "clusters against the others in columns of two values");
    if (symptom_.empty()) return record;
    record.columns = {texts("symptom", "column", std::move(symptom_))};
    const char* name[][2] = {{"cluster", "as in people"},
                             {"n", "people of the cluster"},
                             {"share", "with the larger value"},
                             {"share_others", "of the other clusters"},
                             {"chi_square", "with Yates' correction"},
                             {"p", "of that"},
                             {"odds_ratio", "of the table as it is"}};
    for (std::size_t i = 0; i < number_.size(); ++i) {
      record.columns.push_back(numbers(name[i][0], name[i][1], std::move(number_[i])));
    }
    return record;
  }

private:
  Text symptom_;
  std::array<std::vector<double>, 7> number_;
};

store::TableRecord categories_of(const PublishedClusters& clusters,
                                 const store::ParticipantsTable& people,
                                 const config::Config& config) {
  const auto& cohort = config.cohort;
  Text asked, name;
  std::vector<double> chi_square, df, p, v, smallest, n;
  for (const std::string& one : {cohort.sex_column, config.input.group_column, config.trial.study,
                                 cohort.site_column, cohort.harmonization_column}) {
    const Text* column = column_of(people, one);
    if (column == nullptr || std::find(asked.begin(), asked.end(), one) != asked.end()) continue;
    asked.push_back(one);
    const Levels levels = levels_of(*column);
    std::vector<int> own;
    for (const Eigen::Index row : clusters.learners) {
      own.push_back(levels.number[static_cast<std::size_t>(row)]);
    }
    const auto found = cohort::group_class(clusters.label, own);
    if (std::isnan(found.statistic)) continue; // one value only
    name.push_back(one);
    chi_square.push_back(found.statistic);
    df.push_back(found.df1);
    p.push_back(found.p_value);
    v.push_back(found.value);
    smallest.push_back(found.smallest_expected);
    n.push_back(found.n);
  }
  auto record = table_of(clusters, "categories", "category_test",
                         "clusters by sex, group, study, site and scanner: where the last three "
                         "go with clusters, these may be of the machine");
  if (name.empty()) return record;
  record.columns = {
      texts("column", "of participants.tsv", std::move(name)),
      numbers("chi_square", "Pearson", std::move(chi_square)),
      numbers("df", "degrees of freedom", std::move(df)),
      numbers("p", "of that", std::move(p)),
      numbers("cramers_v", "0 none, 1 complete", std::move(v)),
      numbers("smallest_expected", "count of a cell; below 5 p is rough", std::move(smallest)),
      numbers("n", "people", std::move(n))};
  return record;
}

} // namespace

std::vector<store::TableRecord> published_tests(const PublishedClusters& clusters,
                                                const store::ParticipantsTable& people,
                                                const config::Config& config) {
  RankRows ranks;
  ShareRows shares;
  for (const std::string& name : config.associations.symptoms) {
    const Text* column = column_of(people, name);
    if (column == nullptr) continue;
    const std::vector<double> values = store::as_numbers(*column);
    const std::set<double> found = distinct(clusters, values);
    for (int c = 0; c < clusters.k; ++c) {
      const Beside beside = beside_of(clusters, values, c);
      if (beside.inside.empty() || beside.outside.empty()) continue;
      if (found.size() == 2) {
        shares.add(name, c, beside, *found.rbegin());
      } else {
        ranks.add(name, c, beside);
      }
    }
  }
  std::vector<store::TableRecord> out{splits_of(clusters, people, config), ranks.take(clusters),
                                      shares.take(clusters),
                                      categories_of(clusters, people, config)};
  std::erase_if(out, [](const store::TableRecord& record) { return record.columns.empty(); });
  return out;
}

} // namespace boldmill::graph
