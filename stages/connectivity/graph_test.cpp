// graph_measures, modularity.
#include <gtest/gtest.h>

#include "stages/connectivity/graph_measures.hpp"
#include "stages/connectivity/modularity.hpp"
#include "stages/connectivity/test_data.hpp"

namespace boldmill {
namespace {

using test_data::kind_of;
using test_data::reference;

Eigen::Map<const Eigen::MatrixXd> map(const Eigen::MatrixXd& x) {
  return {x.data(), x.rows(), x.cols()};
}

std::vector<int> last_column(const Eigen::MatrixXd& table) {
  std::vector<int> out;
  for (const double v : table.col(table.cols() - 1)) out.push_back(static_cast<int>(v));
  return out;
}

void expect_column(const std::vector<double>& values, const Eigen::MatrixXd& table,
                   Eigen::Index c) {
  ASSERT_EQ(static_cast<Eigen::Index>(values.size()), table.rows());
  for (Eigen::Index i = 0; i < table.rows(); ++i) {
    EXPECT_NEAR(values[static_cast<std::size_t>(i)], table(i, c), 1e-10) << "column " << c;
  }
}

// bctpy 0.6.1 on all edges of a correlation matrix and on its strongest 20 %.
TEST(GraphMeasures, AgreesWithTheBrainConnectivityToolbox) {
  const Eigen::MatrixXd graph = reference("graph.tsv");
  for (const std::string name : {"signed", "sparse"}) {
    const Eigen::MatrixXd nodes = reference("graph_" + name + "_nodes.tsv");
    const auto modules = last_column(nodes);
    const auto out =
        graph_measures::run({map(graph), modules}, {.density = name == "sparse" ? 0.2 : 1.0}, {});
    expect_column(out.strength_positive, nodes, 0);
    expect_column(out.strength_negative, nodes, 1);
    expect_column(out.clustering_positive, nodes, 2);
    expect_column(out.clustering_negative, nodes, 3);
    expect_column(out.clustering_zhang_positive, nodes, 4);
    expect_column(out.clustering_zhang_negative, nodes, 5);
    expect_column(out.local_efficiency, nodes, 6);
    expect_column(out.participation_positive, nodes, 7);
    expect_column(out.participation_negative, nodes, 8);
    EXPECT_NEAR(out.global_efficiency, reference("graph_" + name + ".tsv")(0, 0), 1e-11);
    EXPECT_EQ(out.n_edges, name == "sparse" ? 55U : 276U);
  }
}

// A ring of six: every node has two neighbours that are not joined.
TEST(GraphMeasures, OfARingAreKnown) {
  Eigen::MatrixXd ring = Eigen::MatrixXd::Zero(6, 6);
  for (Eigen::Index i = 0; i < 6; ++i) ring(i, (i + 1) % 6) = ring((i + 1) % 6, i) = 0.5;
  const auto out = graph_measures::run({map(ring), std::vector<int>{1, 1, 1, 2, 2, 2}}, {}, {});
  EXPECT_EQ(out.strength_positive, std::vector<double>(6, 1.0));
  EXPECT_EQ(out.clustering_positive, std::vector<double>(6, 0.0));
  EXPECT_EQ(out.local_efficiency, std::vector<double>(6, 0.0));
  EXPECT_NEAR(out.global_efficiency, 0.5 * (1 + 1 + 0.5 + 0.5 + 1.0 / 3) / 5, 1e-15);
  EXPECT_EQ(out.participation_positive, (std::vector<double>{0.5, 0, 0.5, 0.5, 0, 0.5}));
  EXPECT_EQ(out.participation_negative, std::vector<double>(6, 0.0));
}

TEST(GraphMeasures, MissingNodesAreLeftOutAndOrderDoesNotMatter) {
  const Eigen::MatrixXd graph = reference("graph.tsv");
  Eigen::MatrixXd larger = Eigen::MatrixXd::Constant(25, 25, NAN);
  std::vector<Eigen::Index> order;
  for (Eigen::Index i = 24; i >= 0; --i) {
    if (i != 11) order.push_back(i); // backwards, around node 11
  }
  for (Eigen::Index a = 0; a < 24; ++a) {
    for (Eigen::Index b = 0; b < 24; ++b) {
      larger(order[static_cast<std::size_t>(a)], order[static_cast<std::size_t>(b)]) = graph(a, b);
    }
  }
  const auto plain = graph_measures::run({map(graph), {}}, {}, {});
  const auto out = graph_measures::run({map(larger), {}}, {}, {});
  EXPECT_TRUE(std::isnan(out.local_efficiency[11]));
  EXPECT_EQ(out.n_nodes, 24U);
  for (std::size_t i = 0; i < 24; ++i) {
    const auto j = static_cast<std::size_t>(order[i]);
    EXPECT_NEAR(out.local_efficiency[j], plain.local_efficiency[i], 1e-12);
    EXPECT_NEAR(out.clustering_positive[j], plain.clustering_positive[i], 1e-12);
  }
}

TEST(GraphMeasures, RefusesWhatIsNoGraph) {
  const auto kind = [](const Eigen::MatrixXd& m, std::vector<int> modules = {}) {
    return kind_of([&] { (void)graph_measures::run({map(m), modules}, {}, {}); });
  };
  Eigen::MatrixXd m = reference("graph.tsv");
  EXPECT_EQ(kind(m, {1, 2}), ErrorKind::input);
  EXPECT_EQ(kind(m.leftCols(5)), ErrorKind::input);
  EXPECT_EQ(kind(m.topLeftCorner(2, 2)), ErrorKind::input);
  m(3, 4) += 0.1;
  EXPECT_EQ(kind(m), ErrorKind::input);
  m(3, 4) = m(4, 3) = NAN;
  EXPECT_EQ(kind(m), ErrorKind::input);
}

// bctpy 0.6.1: quality of its best partition of 100, which networkx 3.6.1 confirms.
TEST(Modularity, QualityAndBestPartitionAgreeWithTheToolbox) {
  const Eigen::MatrixXd graph = reference("graph.tsv");
  for (const std::string name : {"signed", "sparse"}) {
    const Eigen::MatrixXd expected = reference("graph_" + name + ".tsv");
    const auto theirs = last_column(reference("graph_" + name + "_nodes.tsv"));
    modularity::Params params{.density = name == "sparse" ? 0.2 : 1.0, .n_runs = 50, .n_null = 0};
    const auto out = modularity::run({map(graph)}, params, {});
    EXPECT_GE(out.q, expected(0, 1) - 1e-10); // never worse than the best of 100
    EXPECT_LT(out.q, expected(0, 1) + 0.01);
    if (name == "signed") {
      EXPECT_NEAR(modularity::quality(graph, theirs, 1.0), expected(0, 1), 1e-10);
      EXPECT_NEAR(modularity::quality(graph, out.module, 1.0), out.q, 1e-12);
    }
    EXPECT_NEAR(modularity::quality(graph.cwiseMax(0.0), theirs, 1.0),
                name == "signed" ? expected(0, 2)
                                 : modularity::quality(graph.cwiseMax(0.0), theirs, 1.0),
                1e-10);
  }
}

// Cliques of equal size and weight, all apart: Q = 1 - 1 / number.
TEST(Modularity, FindsCliques) {
  Eigen::MatrixXd cliques = Eigen::MatrixXd::Zero(20, 20);
  for (Eigen::Index c = 0; c < 4; ++c) cliques.block(5 * c, 5 * c, 5, 5).setOnes();
  for (const std::string null_model : {"weights", "degree"}) {
    modularity::Params params;
    params.null_model = null_model;
    params.n_null = 19;
    params.n_runs = 5;
    const auto out = modularity::run({map(cliques)}, params, {});
    EXPECT_NEAR(out.q, 0.75, 1e-12);
    EXPECT_EQ(out.n_modules, 4);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(out.module[static_cast<std::size_t>(i)], i / 5);
    ASSERT_EQ(out.null_q.size(), 19U);
    if (null_model == "degree") {
      EXPECT_DOUBLE_EQ(out.p_value, 0.05);
      EXPECT_GT(out.z_score, 5.0);
    } else {
      EXPECT_DOUBLE_EQ(out.p_value, 1.0); // equal weights: permuting them changes nothing
    }
  }
}

// The null keeps what it promises: random graphs are not called modular.
TEST(Modularity, RandomGraphsPassAsRandom) {
  test_data::Sequence random(9);
  int small = 0;
  for (int repetition = 0; repetition < 20; ++repetition) {
    Eigen::MatrixXd m(15, 15);
    for (Eigen::Index a = 0; a < 15; ++a) {
      for (Eigen::Index b = 0; b <= a; ++b) m(a, b) = m(b, a) = random.next() - 0.3;
    }
    modularity::Params params;
    params.n_runs = 3;
    params.n_null = 19;
    small += modularity::run({map(m)}, params, {}).p_value <= 0.05;
  }
  EXPECT_LE(small, 5); // binomial(20, 0.05): more has probability 3e-4
}

TEST(Modularity, SameBitsAtAnyThreadCountAndErrors) {
  const Eigen::MatrixXd graph = reference("graph.tsv");
  modularity::Params params;
  params.n_null = 5;
  params.n_runs = 4;
  const auto work = [&] { return modularity::run({map(graph)}, params, {}); };
  const auto one = test_data::with_threads(1, work), eight = test_data::with_threads(8, work);
  EXPECT_EQ(one.module, eight.module);
  EXPECT_EQ(one.null_q, eight.null_q);
  params.null_model = "degree"; // a complete graph cannot be rewired
  EXPECT_EQ(kind_of(work), ErrorKind::input);
  const Eigen::MatrixXd negative = -graph.cwiseAbs();
  EXPECT_EQ(kind_of([&] { (void)modularity::run({map(negative)}, params, {}); }), ErrorKind::input);
}

} // namespace
} // namespace boldmill
