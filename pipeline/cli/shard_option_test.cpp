#include "pipeline/cli/shard_option.hpp"

#include <gtest/gtest.h>

#include <map>

#include "stages/core/error.hpp"

namespace boldmill::cli {
namespace {

Environment of(std::map<std::string, std::string> values) {
  return [values](const char* name) {
    const auto at = values.find(name);
    return at == values.end() ? std::nullopt : std::optional<std::string>(at->second);
  };
}

void expect(const Shard& shard, std::size_t index, std::size_t count) {
  EXPECT_EQ(shard.index, index);
  EXPECT_EQ(shard.count, count);
}

TEST(ShardOption, IsOfN) {
  expect(parse_shard("", of({})), 0, 1);
  expect(parse_shard("0/1", of({})), 0, 1);
  expect(parse_shard("3/10", of({})), 3, 10);
  for (const char* text :
       {"1", "3/3", "-1/3", "a/3", "1/", "/3", "1/0", "1/3x", "auto/0", "autos"}) {
    EXPECT_THROW((void)parse_shard(text, of({})), Error) << text;
  }
}

TEST(ShardOption, AutoReadsEverySchedulersArray) {
  expect(parse_shard("auto", of({{"SLURM_ARRAY_TASK_ID", "7"},
                                 {"SLURM_ARRAY_TASK_MIN", "1"},
                                 {"SLURM_ARRAY_TASK_MAX", "9"},
                                 {"SLURM_ARRAY_TASK_STEP", "2"},
                                 {"SLURM_ARRAY_TASK_COUNT", "5"}})),
         3, 5);
  expect(parse_shard("auto", of({{"SGE_TASK_ID", "1"},
                                 {"SGE_TASK_FIRST", "1"},
                                 {"SGE_TASK_LAST", "20"},
                                 {"SGE_TASK_STEPSIZE", "1"}})),
         0, 20);
  expect(parse_shard("auto", of({{"LSB_JOBINDEX", "20"}, {"LSB_JOBINDEX_END", "20"}})), 19, 20);
  expect(parse_shard("auto/4", of({{"PBS_ARRAY_INDEX", "3"}})), 3, 4);
  // Of an array of which only two tasks were submitted again.
  expect(parse_shard("auto/100", of({{"SLURM_ARRAY_TASK_ID", "7"},
                                     {"SLURM_ARRAY_TASK_MIN", "7"},
                                     {"SLURM_ARRAY_TASK_MAX", "30"}})),
         7, 100);
  expect(parse_shard("auto/100", of({{"SGE_TASK_ID", "7"}, {"SGE_TASK_FIRST", "7"}})), 6, 100);
}

TEST(ShardOption, AutoSaysWhatIsMissing) {
  const auto message = [](const std::string& text, const Environment& environment) -> std::string {
    try {
      (void)parse_shard(text, environment);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(message("auto", of({})).find("no job array"), std::string::npos);
  EXPECT_NE(message("auto", of({{"SGE_TASK_ID", "undefined"}})).find("no job array"),
            std::string::npos);
  EXPECT_NE(message("auto", of({{"LSB_JOBINDEX", "0"}})).find("no job array"), std::string::npos);
  EXPECT_NE(message("auto", of({{"PBS_ARRAY_INDEX", "3"}})).find("auto/N"), std::string::npos);
  EXPECT_NE(message("auto/4", of({{"PBS_ARRAY_INDEX", "4"}})).find("0 to 3"), std::string::npos);
}

} // namespace
} // namespace boldmill::cli
