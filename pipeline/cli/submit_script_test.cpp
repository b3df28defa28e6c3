#include "pipeline/cli/submit_script.hpp"

#include <gtest/gtest.h>

namespace boldmill::cli {
namespace {

TEST(SubmitScript, WordsOfTheShellAreQuoted) {
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("it's $(x)"), "'it'\\''s $(x)'");
}

TEST(SubmitScript, TimesAreRoundedUp) {
  EXPECT_EQ(slurm_time(0.0), "0-00:10:00");
  EXPECT_EQ(slurm_time(601.0), "0-00:11:00");
  EXPECT_EQ(slurm_time(86400.0 + 3600.0 + 1.0), "1-01:01:00");
}

TEST(SubmitScript, ParticipantsAreSpreadEvenlyUnderTheLimit) {
  EXPECT_EQ(array_shape(0, 100).n_tasks, 1U);
  EXPECT_EQ(array_shape(7, 100).n_tasks, 7U);
  EXPECT_EQ(array_shape(7, 100).per_task, 1U);
  EXPECT_EQ(array_shape(1001, 1000).n_tasks, 1000U);
  EXPECT_EQ(array_shape(1001, 1000).per_task, 2U);
  EXPECT_EQ(array_shape(10000, 1000).per_task, 10U);
}

TEST(SubmitScript, ReadsTheSitesLimit) {
  EXPECT_EQ(max_array_size("MailProg = x\nMaxArraySize            = 1001\nMaxDBDMsgs = 1\n"), 1001);
  EXPECT_EQ(max_array_size("MaxArraySize =\nOther = 5\n"), 0);
  EXPECT_EQ(max_array_size(""), 0);
}

TEST(SubmitScript, HandsSignalsOnAndAsksToBeRunAgain) {
  const std::string text = job_script({"boldmill", {"--array=0-3", "--requeue"}, "boldmill run x"});
  EXPECT_TRUE(text.starts_with("#!/bin/bash\n#SBATCH --job-name=boldmill\n#SBATCH --array=0-3\n"));
  EXPECT_NE(text.find("boldmill run x &\n"), std::string::npos);
  EXPECT_NE(text.find("trap 'kill -TERM"), std::string::npos);
  EXPECT_NE(text.find("scontrol requeue"), std::string::npos);
}

} // namespace
} // namespace boldmill::cli
