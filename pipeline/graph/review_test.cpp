#include "pipeline/graph/review.hpp"

#include <gtest/gtest.h>

#include "pipeline/bids/files.hpp"
#include "pipeline/store/test_folder.hpp"
#include "stages/core/error.hpp"

namespace boldmill::graph {
namespace {

class ReviewFile : public testing::Test {
protected:
  Review read(const std::string& rows) {
    const auto path = folder_.path() / "review.tsv";
    bids::write_file_atomically(
        path, "run_id\tparticipant_id\tsession_id\tdecision\trater\tdate\treason\n" + rows);
    return read_review(path);
  }
  store::TestFolder folder_;
};

TEST_F(ReviewFile, ExclusionWinsUnlessThereIsAConsensus) {
  const Review review = read("sub-1_task-rest\tn/a\tn/a\texclude\tana\t2024-02-01\tghosts\n"
                             "sub-1_task-rest\tn/a\tn/a\tinclude\tben\t2024-02-02\tn/a\n"
                             "n/a\t2\ta\tinclude\tana\t2024-02-01\tn/a\n"
                             "n/a\tsub-2\tn/a\texclude\tben\t2024-02-01\tasleep\n"
                             "n/a\tsub-2\tses-a\tinclude\tconsensus\t2024-03-01\tawake enough\n");
  const auto first = decision_of(review, "sub-1_task-rest", "sub-1");
  EXPECT_EQ(first.decision, "exclude");
  EXPECT_EQ(first.raters, "ana, ben (include)");
  EXPECT_EQ(first.reason, "ghosts");
  const auto second = decision_of(review, "sub-2_ses-a_task-rest", "sub-2_ses-a");
  EXPECT_EQ(second.decision, "include");
  EXPECT_EQ(second.raters, "ana, ben (exclude), consensus");
  EXPECT_EQ(second.reason, "awake enough");
  EXPECT_EQ(decision_of(review, "sub-2_ses-b_task-rest", "sub-2_ses-b").decision, "exclude");
  EXPECT_EQ(decision_of(review, "sub-3_task-rest", "sub-3").decision, "");
}

TEST_F(ReviewFile, TheLastWordOfARaterCountsAndTheRunsOwnRowGoesFirst) {
  const Review review = read("n/a\tsub-1\tn/a\texclude\tana\t2024-05-01\tmotion\n"
                             "sub-1_task-rest\tn/a\tn/a\tinclude\tana\t2024-02-01\tn/a\n"
                             "sub-1_task-gng\tn/a\tn/a\tinclude\tana\t2024-02-01\tn/a\n"
                             "sub-1_task-gng\tn/a\tn/a\texclude\tana\t2024-02-03\tno responses\n");
  EXPECT_EQ(decision_of(review, "sub-1_task-rest", "sub-1").decision, "include");
  EXPECT_EQ(decision_of(review, "sub-1_task-gng", "sub-1").decision, "exclude");
  EXPECT_EQ(decision_of(review, "sub-1_task-faces", "sub-1").decision, "exclude");
}

TEST_F(ReviewFile, EveryBadRowIsNamed) {
  try {
    (void)read("sub-1_task-rest\tn/a\tn/a\tdrop\tana\t2024-02-01\tx\n"
               "n/a\tn/a\tn/a\texclude\tana\t2024-02-01\tx\n"
               "sub-1_task-rest\tn/a\tn/a\texclude\tn/a\t2024-02-01\tx\n"
               "sub-1_task-rest\tn/a\tn/a\texclude\tana\t2024-13-01\tx\n"
               "sub-1_task-rest\tn/a\tn/a\texclude\tana\t2024-02-01\tn/a\n"
               "sub-2_task-rest\tn/a\tn/a\texclude\tana\t2024-02-01\tx\n"
               "sub-2_task-rest\tn/a\tn/a\tinclude\tana\t2024-02-01\tx\n");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    const std::string text = error.what();
    for (const char* part :
         {"line 2: decision: found \"drop\"", "line 3: names neither", "line 4: rater: found \"\"",
          "line 5: date: found \"2024-13-01\"", "line 6: reason: missing",
          "line 8: rater \"ana\" decides twice on 2024-02-01"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    }
  }
}

TEST(ReviewAgreement, IsOverTheRunsBothDecidedOn) {
  std::vector<store::RunRecord> runs(5);
  const std::pair<const char*, const char*> decided[] = {{"exclude", "ana, ben"},
                                                         {"include", "ana, ben"},
                                                         {"exclude", "ana, ben (include)"},
                                                         {"include", "ana"},
                                                         {"", ""}};
  for (std::size_t i = 0; i < 5; ++i) {
    runs[i].qc_decision = decided[i].first;
    runs[i].qc_rater = decided[i].second;
  }
  const auto table = agreement_table(runs);
  ASSERT_EQ(table.columns.size(), 8U);
  EXPECT_EQ(table.columns[0].text, std::vector<std::string>{"ana"});
  EXPECT_EQ(table.columns[1].text, std::vector<std::string>{"ben"});
  EXPECT_EQ(table.columns[2].number[0], 3.0);
  EXPECT_NEAR(table.columns[3].number[0], 2.0 / 3.0, 1e-15);
  // Expected by chance 2/3 1/3 + 1/3 2/3 = 4/9, so kappa = (2/3 - 4/9) / (5/9) = 0.4.
  EXPECT_NEAR(table.columns[4].number[0], 0.4, 1e-14);
  runs.resize(1);
  runs[0].qc_rater = "ana";
  EXPECT_TRUE(agreement_table(runs).columns.empty());
}

} // namespace
} // namespace boldmill::graph
