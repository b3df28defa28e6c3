// The two real BIDS trees of the shared data. Skipped where they are absent.
#include <gtest/gtest.h>

#include <cstdlib>

#include "pipeline/bids/events.hpp"
#include "pipeline/bids/index.hpp"

namespace boldmill::bids {
namespace {

std::filesystem::path shared_data() {
  const char* path = std::getenv("BOLDMILL_TEST_DATA");
  return path != nullptr ? path : BOLDMILL_SOURCE_DIR "/../shared/data";
}

TEST(RealData, Studyforrest) {
  const std::filesystem::path root = shared_data() / "bids/studyforrest-sub02";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "no shared data at " << root;
  const BidsIndex index = index_dataset(root);
  EXPECT_TRUE(index.notes.empty());
  ASSERT_EQ(index.sessions.size(), 1U);
  const ParticipantSession& session = index.sessions[0];
  EXPECT_EQ(session.columns.at("age_range"), "30-35");
  ASSERT_EQ(session.runs.size(), 1U);
  EXPECT_EQ(session.runs[0].run_id, "sub-02_task-objectcategories_run-1");
  const Sidecar sidecar = index.metadata(session, session.runs[0].file);
  EXPECT_EQ(sidecar.repetition_time_s, 2.0);
  EXPECT_EQ(resolve_slice_timing(sidecar, 35, 2.0).size(), 35U);
  EXPECT_EQ(sidecar.manufacturer, "Philips");
  const std::vector<Event> events = read_events(index.absolute(*session.runs[0].events));
  ASSERT_EQ(events.size(), 192U); // 12 blocks of 16 images
  EXPECT_EQ(events[0].onset_s, 12.028);
  EXPECT_EQ(events[0].trial_type, "face");
  EXPECT_EQ(events[0].other.at("stimulus"), "face10");
  EXPECT_TRUE(check_events(events, 312.0).empty());
}

TEST(RealData, Pyneal) {
  const std::filesystem::path root = shared_data() / "bids/pyneal-demo";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "no shared data at " << root;
  const BidsIndex index = index_dataset(root);
  EXPECT_EQ(index.participant_ids(), (std::vector<std::string>{"sub-ge01", "sub-siemens01"}));
  ASSERT_EQ(index.n_runs(), 3U);
  const ParticipantSession& siemens = index.sessions[1];
  EXPECT_EQ(siemens.columns.at("scanner"), "Siemens");
  EXPECT_EQ(siemens.runs[0].direction, "AP");
  const Sidecar rest = index.metadata(siemens, siemens.runs[0].file);
  EXPECT_EQ(rest.repetition_time_s, 0.8);
  EXPECT_EQ(resolve_slice_timing(rest, 72, 0.8).size(), 72U);
  EXPECT_EQ(rest.phase_encoding_direction, "j-");
  EXPECT_EQ(rest.total_readout_time_s, 0.0597409);
  EXPECT_FALSE(siemens.runs[1].events);
}

} // namespace
} // namespace boldmill::bids
