#include "pipeline/bids/ignore.hpp"

#include <gtest/gtest.h>

namespace boldmill::bids {
namespace {

// Expected values: `git check-ignore` 2.39.5 on the same patterns and paths.
TEST(GlobMatch, Patterns) {
  EXPECT_TRUE(glob_match("*_T2w.nii.gz", "sub-01_T2w.nii.gz"));
  EXPECT_FALSE(glob_match("a*c", "a/c"));
  EXPECT_TRUE(glob_match("a/**/c", "a/c"));
  EXPECT_TRUE(glob_match("a/**/c", "a/x/y/c"));
  EXPECT_FALSE(glob_match("a/**/c", "a/xc"));
  EXPECT_TRUE(glob_match("**/anat", "anat"));
  EXPECT_TRUE(glob_match("**/anat", "sub-01/ses-1/anat"));
  EXPECT_TRUE(glob_match("a/**", "a/b/c"));
  EXPECT_TRUE(glob_match("sub-0[1-3]", "sub-02"));
  EXPECT_FALSE(glob_match("sub-0[!1-3]", "sub-02"));
  EXPECT_TRUE(glob_match("sub-0?", "sub-0x"));
  EXPECT_FALSE(glob_match("a?c", "a/c"));
  EXPECT_TRUE(glob_match("a\\*c", "a*c"));
  EXPECT_FALSE(glob_match("a\\*c", "abc"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_FALSE(glob_match("[abc", "a"));
  EXPECT_TRUE(glob_match("a[]]b", "a]b"));
  EXPECT_FALSE(glob_match("a[^b]c", "abc"));
  EXPECT_FALSE(glob_match("*/x", "z/y/x"));
  EXPECT_TRUE(glob_match("a/**/b/**/c", "a/b/c"));
}

TEST(GlobMatch, HostilePatternsEnd) {
  const std::string text(2000, 'a');
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(glob_match(pattern + "b", text));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "**/";
  EXPECT_FALSE(glob_match(deep + "b", "sub-01/ses-1/func/x"));
}

TEST(IgnoreRules, FollowsGitignore) {
  const IgnoreRules rules("# comment\r\n\n*_bold.json\n/sub-01/\nses-x/\nsub-02/anat/*.nii\n"
                          "!sub-02/anat/keep.nii\nextra \n\\#odd\n**/fmap\n");
  EXPECT_TRUE(rules.ignored("task-rest_bold.json", false));
  EXPECT_TRUE(rules.ignored("sub-03/func/sub-03_bold.json", false));
  EXPECT_TRUE(rules.ignored("sub-01", true));
  EXPECT_FALSE(rules.ignored("sub-01", false));
  EXPECT_FALSE(rules.ignored("x/sub-01", true));
  EXPECT_TRUE(rules.ignored("sub-09/ses-x", true));
  EXPECT_TRUE(rules.ignored("sub-02/anat/a.nii", false));
  EXPECT_FALSE(rules.ignored("sub-02/anat/keep.nii", false));
  EXPECT_FALSE(rules.ignored("x/sub-02/anat/a.nii", false));
  EXPECT_TRUE(rules.ignored("deep/extra", false));
  EXPECT_TRUE(rules.ignored("#odd", false));
  EXPECT_TRUE(rules.ignored("sub-04/fmap", true));
  EXPECT_FALSE(rules.ignored("comment", false));
  EXPECT_TRUE(IgnoreRules("").empty());
}

} // namespace
} // namespace boldmill::bids
