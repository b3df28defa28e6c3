#include "pipeline/bids/sidecar.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

Sidecar sidecar(const char* text) {
  return make_sidecar("sub-01/func/sub-01_task-rest_bold.nii.gz", {"task-rest_bold.json"},
                      nlohmann::json::parse(text));
}

std::string error_of(auto&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    return error.what();
  }
  return "no error";
}

TEST(Sidecar, TypedValues) {
  const Sidecar s = sidecar(R"({"RepetitionTime": 2, "SliceTiming": [0, 1.0, 0.5],
    "PhaseEncodingDirection": "j-", "TotalReadoutTime": 0.05, "EchoTime": 0.03, "TaskName": "rest",
    "Manufacturer": "X", "IntendedFor": ["ses-1/func/a.nii.gz", "bids::sub-01/func/b.nii.gz"],
    "B0FieldIdentifier": "pepolar", "B0FieldSource": ["pepolar", "gre"], "Other": null})");
  EXPECT_EQ(s.repetition_time_s, 2.0);
  EXPECT_EQ(s.slice_timing_s, (std::vector<double>{0, 1.0, 0.5}));
  EXPECT_EQ(s.phase_encoding_direction, "j-");
  EXPECT_EQ(s.total_readout_time_s, 0.05);
  EXPECT_EQ(s.echo_time_s, 0.03);
  EXPECT_EQ(s.manufacturer, "X");
  EXPECT_EQ(s.intended_for,
            (std::vector<std::string>{"sub-01/ses-1/func/a.nii.gz", "sub-01/func/b.nii.gz"}));
  EXPECT_EQ(s.b0_field_identifier, (std::vector<std::string>{"pepolar"}));
  EXPECT_EQ(s.b0_field_source.size(), 2U);
  EXPECT_FALSE(s.magnetic_field_strength_t);
  EXPECT_TRUE(s.warnings.empty());
}

TEST(Sidecar, UnusableValuesAreWarnings) {
  const Sidecar s = sidecar(R"({"PhaseEncodingDirection": "AP", "EchoTime": "30 ms",
    "TotalReadoutTime": -1, "TaskName": 3, "IntendedFor": [1]})");
  EXPECT_EQ(s.phase_encoding_direction, "");
  EXPECT_FALSE(s.echo_time_s);
  EXPECT_FALSE(s.total_readout_time_s);
  ASSERT_EQ(s.warnings.size(), 5U);
  EXPECT_EQ(s.warnings[0], "PhaseEncodingDirection: found \"AP\", expected i, i-, j, j-, k or k-");
}

TEST(Sidecar, UnusableTimingIsAnError) {
  EXPECT_NE(error_of([] {
              sidecar(R"({"RepetitionTime": "2.0"})");
            }).find("RepetitionTime: found \"2.0\", expected a positive number of seconds"),
            std::string::npos);
  EXPECT_NE(error_of([] { sidecar(R"({"RepetitionTime": 0})"); }).find("found 0"),
            std::string::npos);
  EXPECT_NE(error_of([] { sidecar(R"({"SliceTiming": [0, "x"]})"); }).find("SliceTiming"),
            std::string::npos);
  EXPECT_NE(error_of([] { sidecar(R"({"SliceTiming": [0, -1]})"); }).find("SliceTiming"),
            std::string::npos);
  EXPECT_NE(error_of([] { sidecar(R"({"SliceTiming": 1})"); }).find("expected a list"),
            std::string::npos);
}

TEST(RepetitionTime, SidecarFirstHeaderAsCheck) {
  const Sidecar two = sidecar(R"({"RepetitionTime": 2.0})");
  const Sidecar none = sidecar("{}");
  const double nan = std::nan("");
  EXPECT_EQ(resolve_repetition_time(two, 2.0).tr_s, 2.0);
  EXPECT_EQ(resolve_repetition_time(two, 2.0000005).warning, "");
  EXPECT_EQ(resolve_repetition_time(two, nan).warning, "");
  EXPECT_EQ(resolve_repetition_time(two, 2.5).tr_s, 2.0);
  EXPECT_NE(resolve_repetition_time(two, 2.5).warning, "");
  EXPECT_EQ(resolve_repetition_time(none, 1.5).tr_s, 1.5);
  EXPECT_NE(resolve_repetition_time(none, 1.5).warning, "");
  for (const double bad : {0.0, nan, 2000.0, -1.0}) {
    EXPECT_NE(error_of([&] {
                static_cast<void>(resolve_repetition_time(none, bad));
              }).find("RepetitionTime: none in a sidecar"),
              std::string::npos);
  }
}

TEST(RepetitionTime, MillisecondsAreNeverDividedSilently) {
  EXPECT_NE(error_of([] {
              static_cast<void>(
                  resolve_repetition_time(sidecar(R"({"RepetitionTime": 2000})"), 2.0));
            }).find("milliseconds"),
            std::string::npos);
}

TEST(RepetitionTime, UnequalVolumesAreRefused) {
  EXPECT_NE(error_of([] {
              static_cast<void>(
                  resolve_repetition_time(sidecar(R"({"VolumeTiming": [0, 1, 5]})"), 2.0));
            }).find("VolumeTiming"),
            std::string::npos);
}

TEST(SliceTiming, MustFitTheImage) {
  const Sidecar s = sidecar(R"({"RepetitionTime": 2, "SliceTiming": [0, 1.0, 0.5]})");
  EXPECT_EQ(resolve_slice_timing(s, 3, 2.0).size(), 3U);
  EXPECT_TRUE(resolve_slice_timing(sidecar("{}"), 3, 2.0).empty());
  EXPECT_NE(error_of([&] {
              static_cast<void>(resolve_slice_timing(s, 4, 2.0));
            }).find("found 3 times, expected 4"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              static_cast<void>(resolve_slice_timing(s, 3, 1.0));
            }).find("less than the repetition time"),
            std::string::npos);
  const Sidecar ms = sidecar(R"({"SliceTiming": [0, 1000, 500]})");
  EXPECT_NE(
      error_of([&] { static_cast<void>(resolve_slice_timing(ms, 3, 2.0)); }).find("milliseconds"),
      std::string::npos);
}

} // namespace
} // namespace boldmill::bids
