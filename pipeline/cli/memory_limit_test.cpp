#include "pipeline/cli/memory_limit.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace boldmill::cli {
namespace {

namespace fs = std::filesystem;

class CgroupMemoryLimit : public ::testing::Test {
protected:
  CgroupMemoryLimit()
      : folder_(fs::temp_directory_path() / ("boldmill_cgroup_" + std::to_string(::getpid()))) {}
  ~CgroupMemoryLimit() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text << "\n";
  }
  [[nodiscard]] std::size_t limit() const {
    return cgroup_memory_limit(folder_ / "groups", folder_ / "sys");
  }

private:
  fs::path folder_;
};

TEST_F(CgroupMemoryLimit, ThereIsNone) {
  EXPECT_EQ(limit(), SIZE_MAX); // no cgroups at all
  write("groups", "0::/job");
  write("sys/memory.max", "max");
  write("sys/job/memory.max", "max");
  EXPECT_EQ(limit(), SIZE_MAX);
}

TEST_F(CgroupMemoryLimit, OfAnyGroupUpToTheRoot) {
  write("groups", "0::/slurm/job_7/step_0");
  write("sys/slurm/job_7/step_0/memory.max", "max");
  write("sys/slurm/job_7/memory.max", "2000");
  write("sys/slurm/memory.max", "9000");
  EXPECT_EQ(limit(), 2000U);
  write("sys/memory.max", "1000");
  EXPECT_EQ(limit(), 1000U);
}

TEST_F(CgroupMemoryLimit, OfVersionOne) {
  write("groups", "5:cpu,cpuacct:/elsewhere\n4:hugetlb,memory:/slurm/job_7");
  write("sys/memory/elsewhere/memory.limit_in_bytes", "1");
  write("sys/memory/slurm/job_7/memory.limit_in_bytes", "3000");
  EXPECT_EQ(limit(), 3000U);
}

TEST_F(CgroupMemoryLimit, AGroupOutsideTheMountIsTheRoot) {
  write("groups", "0::/../other");
  write("sys/memory.max", "4000");
  EXPECT_EQ(limit(), 4000U);
}

} // namespace
} // namespace boldmill::cli
