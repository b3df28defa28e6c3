#include "stages/core/processes.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <stop_token>
#include <vector>

#include "stages/core/error.hpp"

namespace boldmill {
namespace {

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

TEST(Processes, ItemsComeInOrderWhateverTheirNumber) {
  for (const int n_processes : {1, 2, 3, 8}) {
    for (const std::size_t n : {0U, 1U, 2U, 7U, 100U}) {
      std::vector<std::string> seen;
      in_processes({n, [](std::size_t i) { return std::string(i * 1000, 'a') + std::to_string(i); },
                    [&](std::size_t i, const std::string& made) {
                      EXPECT_EQ(i, seen.size());
                      seen.push_back(made);
                    }},
                   n_processes, {});
      ASSERT_EQ(seen.size(), n);
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_EQ(seen[i], std::string(i * 1000, 'a') + std::to_string(i));
      }
    }
  }
  EXPECT_FALSE(has_children());
}

TEST(Processes, AreOthersAndSeeTheMemoryAsItIs) {
  int here = 7;
  std::set<std::string> ids;
  in_processes({20, [&](std::size_t) { return std::to_string(::getpid() * 10 + here++ % 1); },
                [&](std::size_t, const std::string& made) { ids.insert(made); }},
               2, {});
  EXPECT_EQ(ids.size(), 2U);
  EXPECT_EQ(here, 7) << "a child has memory of its own";
}

TEST(Processes, TheFirstErrorIsThrownAsItWas) {
  const auto make = [](std::size_t i) -> std::string {
    if (i == 5) throw Error(ErrorKind::dataset, "item 5");
    if (i == 4) throw Error(ErrorKind::input, "item 4");
    return "x";
  };
  for (const int n_processes : {1, 2, 3}) {
    std::size_t used = 0;
    try {
      in_processes({9, make, [&](std::size_t, const std::string&) { ++used; }}, n_processes, {});
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      EXPECT_STREQ(error.what(), "item 4");
    }
    EXPECT_EQ(used, 4U);
  }
  EXPECT_THROW(in_processes({9, [](std::size_t) -> std::string { throw std::bad_alloc(); },
                             [](std::size_t, const std::string&) {}},
                            2, {}),
               std::exception);
  EXPECT_FALSE(has_children());
}

TEST(Processes, AChildThatIsKilledIsAnErrorAndAThrowingUseEndsAll) {
  const auto dies = [](std::size_t i) -> std::string {
    if (i == 3) ::raise(SIGKILL);
    return "x";
  };
  try {
    in_processes({9, dies, [](std::size_t, const std::string&) {}}, 2, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::internal);
    EXPECT_NE(std::string(error.what()).find("item 3 was killed by signal 9"), std::string::npos)
        << error.what();
  }
  const auto refuses = [](std::size_t, const std::string&) {
    throw Error(ErrorKind::disk, "full");
  };
  const auto sleeps = [](std::size_t i) {
    if (i > 0) ::sleep(60);
    return std::string("x");
  };
  EXPECT_THROW(in_processes({9, sleeps, refuses}, 2, {}), Error);
  EXPECT_FALSE(has_children());
}

TEST(Processes, WhereNoneCanBeStartedTheWorkIsDoneHere) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0); // the first that is free
  ::close(next);
  const rlimit few{static_cast<rlim_t>(next) + 3, before.rlim_max}; // one pipe and a half
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  std::string seen;
  in_processes({5, [](std::size_t i) { return std::to_string(::getpid()) + std::to_string(i); },
                [&](std::size_t, const std::string& made) { seen += made; }},
               8, {});
  ::setrlimit(RLIMIT_NOFILE, &before);
  std::string expected;
  for (int i = 0; i < 5; ++i) expected += std::to_string(::getpid()) + std::to_string(i);
  EXPECT_EQ(seen, expected);
  EXPECT_FALSE(has_children());
}

TEST(Processes, WhatIsNoExceptionOfOursEndsTheChildAlone) {
  const auto throws = [](std::size_t i) -> std::string {
    if (i == 1) throw 7;
    return "x";
  };
  try {
    in_processes({3, throws, [](std::size_t, const std::string&) {}}, 2, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("item 1 ended with code 1"), std::string::npos);
  }
  EXPECT_FALSE(has_children());
}

TEST(Processes, StopIsSeenWhileChildrenWork) {
  std::stop_source stop;
  const auto sleeps = [](std::size_t i) {
    if (i > 0) ::sleep(60);
    return std::string("x");
  };
  const auto asks = [&](std::size_t, const std::string&) { stop.request_stop(); };
  try {
    in_processes({9, sleeps, asks}, 2, {stop.get_token(), nullptr});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
  EXPECT_FALSE(has_children());
}

TEST(Processes, FewItemsStayHere) {
  EXPECT_EQ(processes_for(99, 100), 1);
  EXPECT_GE(processes_for(100, 100), 1);
}

} // namespace
} // namespace boldmill
