#include "pipeline/schedule/status.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <fstream>

#include "pipeline/cache/claim.hpp"
#include "stages/core/error.hpp"

namespace boldmill::schedule {
namespace {
namespace fs = std::filesystem;

class StatusTest : public testing::Test {
protected:
  void SetUp() override {
    out_ = fs::temp_directory_path() / ("boldmill-status-" + std::to_string(::getpid()));
    fs::remove_all(out_);
    own_ = out_ / ".boldmill";
    fs::create_directories(own_);
  }
  void TearDown() override { fs::remove_all(out_); }
  void make_shard(const std::string& session) const {
    const fs::path file = shard_file(out_, session);
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "shard";
  }
  fs::path out_, own_;
};

TEST_F(StatusTest, PathsOfShards) {
  EXPECT_EQ(shard_file("out", "sub-007"), fs::path("out/sub-007/sub-007.h5"));
  EXPECT_EQ(shard_file("out", "sub-1_ses-a"), fs::path("out/sub-1/ses-a/sub-1_ses-a.h5"));
}

TEST_F(StatusTest, TellsEachStateAndItsReason) {
  write_asked(own_ / "asked", {"sub-1", "sub-2", "sub-3", "sub-4_ses-a"});
  write_asked(own_ / "asked", {"sub-1", "sub-5"}); // a later command with other labels
  make_shard("sub-1");
  make_shard("sub-4_ses-a");
  cache::Claims claims(own_ / "claims");
  ASSERT_TRUE(claims.take("sub-2"));
  Journal journal(own_ / "journal", {"abc", 4});
  journal.add({"sub-1", "done", "", 12.0, {{"sub-1_task-rest", "excluded", "26 % above 0.3 mm"}}});
  journal.add({"sub-3", "failed", "No space left on device", 0.0, {}});
  journal.add({"sub-4_ses-a", "kept", "", 0.1, {}});
  const Status status = read_status(out_);
  EXPECT_EQ(status.n_asked, 5U);
  EXPECT_EQ(status.done, (std::vector<std::string>{"sub-1", "sub-4_ses-a"}));
  ASSERT_EQ(status.running.size(), 1U);
  EXPECT_EQ(status.running[0].session, "sub-2");
  ASSERT_EQ(status.failed.size(), 1U);
  EXPECT_EQ(status.failed[0].reason, "No space left on device");
  EXPECT_EQ(status.pending, (std::vector<std::string>{"sub-5"}));
  ASSERT_EQ(status.bad_runs.size(), 1U);
  EXPECT_EQ(status.bad_runs[0].status, "excluded");
  EXPECT_EQ(status.n_processes, 1U);
  EXPECT_TRUE(std::isfinite(status.remaining_s)); // one was made, two are left
  EXPECT_FALSE(status.has_cohort);
}

// Two of three took 0.3 s: 0.15 s are left for the third, and fewer a moment later.
TEST_F(StatusTest, TheEndComesNearerWhileNothingEnds) {
  write_asked(own_ / "asked", {"sub-1", "sub-2", "sub-3"});
  make_shard("sub-1");
  make_shard("sub-2");
  Journal journal(own_ / "journal", {"abc", 3});
  ::usleep(300000);
  journal.add({"sub-1", "done", "", 0.1, {}});
  journal.add({"sub-2", "done", "", 0.1, {}});
  const double first = read_status(out_).remaining_s;
  ::usleep(50000);
  const double second = read_status(out_).remaining_s;
  EXPECT_GT(first, 0.0);
  EXPECT_LT(second, first);
}

TEST_F(StatusTest, WithoutASpeedTheEndIsNotKnown) {
  write_asked(own_ / "asked", {"sub-1"});
  const Journal journal(own_ / "journal", {"abc", 1});
  EXPECT_TRUE(std::isnan(read_status(out_).remaining_s));
}

TEST_F(StatusTest, ShardsOfAnEarlierConfigurationArePending) {
  write_asked(own_ / "asked", {"sub-1", "sub-2"});
  make_shard("sub-1");
  make_shard("sub-2");
  {
    Journal first(own_ / "journal", {"abc", 2});
    first.add({"sub-1", "done", "", 1.0, {}});
    first.add({"sub-2", "done", "", 1.0, {}});
    first.end();
  }
  ::usleep(5000); // journals are named by the millisecond
  Journal second(own_ / "journal", {"def", 2});
  second.add({"sub-2", "done", "", 1.0, {}});
  const Status status = read_status(out_);
  EXPECT_EQ(status.pending, (std::vector<std::string>{"sub-1"}));
  EXPECT_EQ(status.done, (std::vector<std::string>{"sub-2"}));
  EXPECT_EQ(status.n_processes, 1U);
}

TEST_F(StatusTest, TellsWhetherTheCohortIsOlderThanItsShards) {
  write_asked(own_ / "asked", {"sub-1"});
  make_shard("sub-1");
  EXPECT_FALSE(read_status(out_).has_cohort);
  std::ofstream(out_ / "cohort.h5") << "cohort";
  const auto now = fs::last_write_time(shard_file(out_, "sub-1"));
  fs::last_write_time(out_ / "cohort.h5", now + std::chrono::seconds(5));
  EXPECT_TRUE(read_status(out_).has_cohort);
  EXPECT_FALSE(read_status(out_).cohort_is_older);
  fs::last_write_time(out_ / "cohort.h5", now - std::chrono::seconds(5));
  EXPECT_TRUE(read_status(out_).cohort_is_older);
}

TEST_F(StatusTest, DamagedJournalsAndListsAreLeftOut) {
  write_asked(own_ / "asked", {"sub-1"});
  std::ofstream(own_ / "asked" / "x.txt") << "../../etc/passwd\nsub-2\n\n";
  fs::create_directories(own_ / "journal");
  std::ofstream(own_ / "journal" / "1.jsonl")
      << "{\"journal\": 1, \"process\": \"a b c 1 2\"}\n{\"sess";
  std::ofstream(own_ / "journal" / "2.jsonl") << "no json\n[]\n{\"session\": 3}\n";
  const Status status = read_status(out_);
  EXPECT_EQ(status.pending, (std::vector<std::string>{"sub-1", "sub-2"}));
}

TEST_F(StatusTest, AnotherFolderIsADatasetError) {
  try {
    (void)read_status(out_ / "nothing");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::dataset);
  }
}

} // namespace
} // namespace boldmill::schedule
