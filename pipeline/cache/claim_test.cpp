#include "pipeline/cache/claim.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "stages/core/error.hpp"

namespace boldmill::cache {
namespace {
namespace fs = std::filesystem;

class ClaimTest : public testing::Test {
protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("boldmill-claims-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text, double age_s = 0.0) const {
    fs::create_directories(folder_);
    std::ofstream(folder_ / (name + ".claim")) << text << "\n";
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= static_cast<time_t>(age_s);
    const timespec times[2] = {now, now};
    ASSERT_EQ(::utimensat(AT_FDCWD, (folder_ / (name + ".claim")).c_str(), times, 0), 0);
  }
  [[nodiscard]] std::size_t n_files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

// Another process that lives: the parent of the test.
std::string living() {
  std::string identity = process_identity();
  std::ifstream stat("/proc/" + std::to_string(::getppid()) + "/stat");
  std::string line;
  std::getline(stat, line);
  line = line.substr(line.rfind(')') + 2);
  for (int i = 3; i < 22; ++i) line = line.substr(line.find(' ') + 1);
  const std::size_t start = identity.rfind(' ');
  identity = identity.substr(0, identity.rfind(' ', start - 1));
  return identity + " " + std::to_string(::getppid()) + " " + line.substr(0, line.find(' '));
}

// A process that is no more.
std::string dead() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  std::string identity = process_identity();
  const std::size_t start = identity.rfind(' ');
  identity = identity.substr(0, identity.rfind(' ', start - 1));
  return identity + " " + std::to_string(child) + " 1";
}

TEST_F(ClaimTest, IsOursUntilGivenBack) {
  {
    Claims claims(folder_);
    EXPECT_TRUE(claims.take("sub-01"));
    EXPECT_TRUE(claims.take("sub-01"));
    EXPECT_EQ(list_claims(folder_).size(), 1U);
    EXPECT_EQ(list_claims(folder_)[0].name, "sub-01");
    claims.release("sub-01");
    EXPECT_TRUE(list_claims(folder_).empty());
    EXPECT_TRUE(claims.take("sub-02"));
  }
  EXPECT_EQ(n_files(), 0U); // the destructor gives back, no part is left
}

TEST_F(ClaimTest, OfALivingProcessIsRespectedHoweverOld) {
  Claims claims(folder_, 10.0);
  write("sub-01", living() + " 0", 1000.0);
  EXPECT_FALSE(claims.take("sub-01"));
  EXPECT_TRUE(claims.held_elsewhere("sub-01"));
  EXPECT_EQ(n_files(), 1U);
}

TEST_F(ClaimTest, OfADeadProcessEndsAtOnce) {
  write("sub-01", dead() + " 0");
  write("sub-02", dead() + " 0");
  Claims claims(folder_); // sweeps
  EXPECT_EQ(n_files(), 0U);
  write("sub-01", dead() + " 0");
  EXPECT_FALSE(claims.held_elsewhere("sub-01"));
  EXPECT_TRUE(claims.take("sub-01"));
}

TEST_F(ClaimTest, OfAReusedProcessNumberIsDead) {
  std::string identity = living();
  identity = identity.substr(0, identity.rfind(' ')) + " 1";
  EXPECT_EQ(life_of(identity), Life::dead);
}

TEST_F(ClaimTest, OfAnotherMachineEndsWithItsLease) {
  Claims claims(folder_, 60.0);
  write("sub-01", "node17 boot pid_7 4711 12 0", 10.0);
  write("sub-02", "node17 boot pid_7 4711 12 1", 100.0);
  EXPECT_FALSE(claims.take("sub-01"));
  EXPECT_TRUE(claims.take("sub-02"));
  EXPECT_EQ(host_of(list_claims(folder_)[0].identity), "node17");
}

TEST_F(ClaimTest, OfNobodyIsKeptForItsLeaseOnly) {
  Claims claims(folder_, 60.0);
  write("sub-01", "", 10.0); // torn by a crash of the machine
  write("sub-02", "", 100.0);
  EXPECT_FALSE(claims.take("sub-01"));
  EXPECT_TRUE(claims.take("sub-02"));
}

TEST_F(ClaimTest, IsRenewedWhileHeld) {
  Claims claims(folder_, 0.4);
  ASSERT_TRUE(claims.take("sub-01"));
  const fs::path journal = folder_ / "journal";
  std::ofstream(journal) << "x";
  claims.renew_also(journal);
  const auto before = fs::last_write_time(folder_ / "sub-01.claim");
  const auto journal_before = fs::last_write_time(journal);
  for (int i = 0; i < 200 && fs::last_write_time(journal) == journal_before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  EXPECT_GT(fs::last_write_time(folder_ / "sub-01.claim"), before);
  EXPECT_GT(fs::last_write_time(journal), journal_before);
}

TEST_F(ClaimTest, OneOfManyThreadsAndFoldersWins) {
  for (int round = 0; round < 20; ++round) {
    // Each of its own object: to the file system they are as many processes, but one identity.
    write("sub-01", "node17 boot pid_7 4711 12 0", 1000.0); // to be taken over
    std::vector<std::unique_ptr<Claims>> all;
    for (int i = 0; i < 8; ++i) all.push_back(std::make_unique<Claims>(folder_, 60.0));
    std::atomic<int> n_taken{0};
    std::vector<std::thread> threads;
    for (auto& claims : all) {
      threads.emplace_back([&] { n_taken += claims->take("sub-01") ? 1 : 0; });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(n_taken.load(), 1);
    all.clear();
    EXPECT_EQ(n_files(), 0U);
  }
}

TEST_F(ClaimTest, FolderThatCannotBeWrittenIsADiskError) {
  std::ofstream(folder_) << "a file";
  try {
    const Claims claims(folder_ / "claims");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::disk);
  }
}

} // namespace
} // namespace boldmill::cache
