#include "pipeline/graph/given_confounds.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "stages/core/error.hpp"
#include "stages/denoise/confounds.hpp"

namespace boldmill::graph {
namespace {

namespace fs = std::filesystem;

class GivenConfoundsTest : public testing::Test {
protected:
  void SetUp() override {
    path_ =
        fs::temp_directory_path() / ("boldmill_confounds_" + std::to_string(::getpid()) + ".tsv");
  }
  void TearDown() override { fs::remove(path_); }
  GivenConfounds read(const std::string& text, int n_volumes) {
    std::ofstream(path_) << text;
    return read_given_confounds(path_, {}, "the table", n_volumes, 50.0);
  }
  static Eigen::VectorXd column(const GivenConfounds& given, const char* name) {
    const int at = confounds::column_index(given.names, name);
    EXPECT_GE(at, 0) << name;
    return given.values.col(at);
  }
  fs::path path_;
};

TEST_F(GivenConfoundsTest, NamesOfOldBecomeThoseOfToday) {
  const std::pair<const char*, const char*> names[] = {
      {"X", "trans_x"},
      {"RotZ", "rot_z"},
      {"stdDVARS", "std_dvars"},
      {"aCompCor05", "a_comp_cor_05"},
      {"Cosine11", "cosine11"},
      {"NonSteadyStateOutlier00", "non_steady_state_outlier00"},
      {"trans_x", "trans_x"},
      {"CosineLike", "CosineLike"},
      {"tCompCor00", "t_comp_cor_00"}};
  for (const auto& [old_name, new_name] : names) EXPECT_EQ(modern_confound(old_name), new_name);
}

TEST_F(GivenConfoundsTest, WhatATableLacksIsComputed) {
  const GivenConfounds given = read("X\tY\tZ\tRotX\tRotY\tRotZ\tCSF\tNonSteadyStateOutlier00\n"
                                    "0\t0\t0\t0\t0\t0\t5\t1\n"
                                    "1\t0\t0\t0\t0\t0.01\t7\t0\n"
                                    "1\t2\t0\t0\t0\t0.01\t4\t0\n",
                                    3);
  const Eigen::VectorXd fd = column(given, "framewise_displacement");
  EXPECT_TRUE(std::isnan(fd[0]));
  EXPECT_NEAR(fd[1], 1.5, 1e-12); // 1 mm and 0.01 rad on a sphere of 50 mm
  EXPECT_NEAR(fd[2], 2.0, 1e-12);
  const Eigen::VectorXd change = column(given, "csf_derivative1");
  EXPECT_TRUE(std::isnan(change[0]));
  EXPECT_EQ(change[1], 2.0);
  EXPECT_EQ(column(given, "csf_derivative1_power2")[2], 9.0);
  EXPECT_EQ(column(given, "csf_power2")[1], 49.0);
  EXPECT_EQ(n_nonsteady(given), 1);
}

TEST_F(GivenConfoundsTest, WhatIsThereStays) {
  const GivenConfounds given =
      read("csf\tcsf_power2\tnote\tempty\n1\t8\ta\tn/a\n2\t9\tb\tn/a\n", 2);
  EXPECT_EQ(column(given, "csf_power2")[0], 8.0);
  ASSERT_EQ(given.notes.size(), 1U);
  EXPECT_NE(given.notes[0].find("note, empty"), std::string::npos) << given.notes[0];
}

TEST_F(GivenConfoundsTest, TheSidecarOfTheColumnsIsKept) {
  std::vector<std::string> notes;
  const std::vector<std::string> columns{"a_comp_cor_00", "csf"};
  std::ofstream(path_) << R"({"aCompCor00": {"Method": "aCompCor", "VarianceExplained": 0.25},
                              "dropped_0": {"Method": "aCompCor"}, "csf": "text"})";
  const std::string kept = given_metadata(path_, "the sidecar", columns, notes);
  EXPECT_EQ(kept, R"({"a_comp_cor_00":{"Method":"aCompCor","VarianceExplained":0.25}})");
  EXPECT_TRUE(notes.empty());
  std::ofstream(path_) << "{";
  EXPECT_EQ(given_metadata(path_, "the sidecar", columns, notes), "");
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("the sidecar: found no JSON object"), std::string::npos);
}

TEST_F(GivenConfoundsTest, OtherLengthsAndRepeatedNamesAreRefused) {
  EXPECT_THROW((void)read("csf\n1\n2\n", 3), Error);
  EXPECT_THROW((void)read("csf\tCSF\n1\t2\n2\t3\n", 2), Error);
}

} // namespace
} // namespace boldmill::graph
