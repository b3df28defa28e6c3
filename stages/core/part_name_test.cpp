#include "stages/core/part_name.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

namespace boldmill {
namespace {

namespace fs = std::filesystem;

class PartName : public testing::Test {
protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path file(const std::string& name) {
    std::ofstream(folder_ / name) << "x";
    return folder_ / name;
  }
  fs::path folder_ =
      fs::path(testing::TempDir()) / ("boldmill_parts_" + std::to_string(::getpid()));
};

constexpr const char* kDead = "999999999";

TEST_F(PartName, IsUniqueAndOfALivingProcess) {
  const std::string suffix = part_suffix();
  EXPECT_NE(suffix, part_suffix());
  EXPECT_FALSE(is_abandoned_part(file("a.h5" + suffix)));
}

TEST_F(PartName, OfADeadProcessOfThisMachineIsAbandoned) {
  std::string suffix = part_suffix();
  suffix.replace(suffix.find("-") + 1, std::to_string(::getpid()).size(), kDead);
  EXPECT_TRUE(is_abandoned_part(file("a.h5" + suffix)));
  EXPECT_TRUE(is_abandoned_part(file("a.h5.part-" + std::string(kDead) + "-0")));
}

// The same process number on another machine: nothing is known, so only age tells.
TEST_F(PartName, OfAnotherMachineIsAbandonedAfterADay) {
  const fs::path other = file("a.h5.part-" + std::string(kDead) + "-00000000-0");
  EXPECT_FALSE(is_abandoned_part(other));
  fs::last_write_time(other, fs::file_time_type::clock::now() - std::chrono::hours(25));
  EXPECT_TRUE(is_abandoned_part(other));
}

TEST_F(PartName, OtherFilesAreLeftAlone) {
  for (const char* name :
       {"a.h5", "a.part-", "a.part-x-0", "a.part-12", "sub-01_part-mag_bold.nii"}) {
    EXPECT_FALSE(is_abandoned_part(file(name))) << name;
  }
}

} // namespace
} // namespace boldmill
