#include "pipeline/bids/events.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/core/error.hpp"
#include "tests/support/bids_tree.hpp"

namespace boldmill::bids {
namespace {

TEST(ReadEvents, SortedWithAllColumns) {
  test::BidsTree tree;
  tree.file("e.tsv", "duration\tonset\ttrial_type\tresponse_time\tstim\n"
                     "1\t10.5\tface\t0.4\ta.png\n0\t-2\tn/a\tnone\tb.png\nn/a\t10.5\thouse\t\t\n");
  const std::vector<Event> events = read_events(tree.path("e.tsv"));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].onset_s, -2.0);
  EXPECT_EQ(events[0].trial_type, "");
  EXPECT_TRUE(std::isnan(events[0].response_time_s));
  EXPECT_EQ(events[1].trial_type, "face"); // file order among equal onsets
  EXPECT_EQ(events[1].response_time_s, 0.4);
  EXPECT_EQ(events[1].modulation, 1.0);
  EXPECT_EQ(events[1].other.at("stim"), "a.png");
  EXPECT_TRUE(std::isnan(events[2].duration_s));
  const auto warnings = check_events(events, 5.0);
  ASSERT_EQ(warnings.size(), 4U);
  EXPECT_EQ(warnings[0], "2 of 3 events begin after the end of the run (5 s)");
}

TEST(ReadEvents, Errors) {
  test::BidsTree tree;
  const auto error_of = [&](const char* text) -> std::string {
    tree.file("e.tsv", text);
    try {
      static_cast<void>(read_events(tree.path("e.tsv")));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(error_of("onset\ttrial_type\n1\ta\n").find("no column \"duration\""),
            std::string::npos);
  EXPECT_NE(error_of("Onset\tduration\n1\t1\n").find("nearest: Onset"), std::string::npos);
  EXPECT_NE(error_of("onset\tduration\n1\t1\nn/a\t1\n").find("line 3: onset"), std::string::npos);
  EXPECT_NE(error_of("onset\tduration\n1\t-1\n").find("duration: found -1"), std::string::npos);
  EXPECT_NE(error_of("onset\tduration\n1s\t1\n").find("found \"1s\""), std::string::npos);
}

TEST(CheckEvents, NoEvents) {
  test::BidsTree tree;
  tree.file("e.tsv", "onset\tduration\n");
  EXPECT_EQ(check_events(read_events(tree.path("e.tsv")), 10.0),
            (std::vector<std::string>{"no events"}));
}

} // namespace
} // namespace boldmill::bids
