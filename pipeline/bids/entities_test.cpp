#include "pipeline/bids/entities.hpp"

#include <gtest/gtest.h>

#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

TEST(ParseName, EntitiesInOrder) {
  const auto name = parse_name("sub-007_ses-a_task-rest_dir-AP_run-01_echo-2_bold.nii.gz");
  ASSERT_TRUE(name);
  const Entities expected{{"sub", "007"}, {"ses", "a"},  {"task", "rest"},
                          {"dir", "AP"},  {"run", "01"}, {"echo", "2"}};
  EXPECT_EQ(name->entities, expected);
  EXPECT_EQ(name->suffix, "bold");
  EXPECT_EQ(name->extension, ".nii.gz");
  EXPECT_EQ(entity(name->entities, "run"), "01");
  EXPECT_EQ(entity(name->entities, "acq"), "");
}

TEST(ParseName, NamesWithoutEntities) {
  const auto name = parse_name("participants.tsv");
  ASSERT_TRUE(name);
  EXPECT_TRUE(name->entities.empty());
  EXPECT_EQ(name->suffix, "participants");
  const auto inherited = parse_name("task-rest_bold.json");
  ASSERT_TRUE(inherited);
  EXPECT_EQ(inherited->entities.size(), 1U);
}

TEST(ParseName, OldFmriprepNamesHaveBareParts) {
  const auto name = parse_name("sub-01_task-x_bold_space-T1w_preproc.nii.gz");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->bare, (std::vector<std::string>{"bold"}));
  EXPECT_EQ(name->suffix, "preproc");
}

TEST(ParseName, RefusesAndSaysWhy) {
  std::string why;
  const auto refused = [&](std::string_view name) {
    why.clear();
    const bool none = !parse_name(name, &why).has_value();
    return none && !why.empty();
  };
  EXPECT_TRUE(refused("sub-01_task-a.b_bold.nii.gz"));
  EXPECT_TRUE(refused("sub-01_task-<script>_bold.nii.gz"));
  EXPECT_NE(why.find("<script>"), std::string::npos);
  EXPECT_TRUE(refused("sub-01_task-a\x1B[31m_bold.nii.gz"));
  EXPECT_EQ(why.find('\x1B'), std::string::npos) << "escape sequences must not reach a terminal";
  EXPECT_TRUE(refused("sub-01_sub-02_bold.nii.gz"));
  EXPECT_TRUE(refused("sub-_bold.nii.gz"));
  EXPECT_TRUE(refused("-01_bold.nii.gz"));
  EXPECT_TRUE(refused("sub-01__bold.nii.gz"));
  EXPECT_TRUE(refused("sub-01_task-rest.nii.gz"));
  EXPECT_TRUE(refused("sub-01_bold"));
  EXPECT_TRUE(refused(".nii.gz"));
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("_bold.nii.gz"));
}

TEST(ComposeName, BidsOrderWhateverTheInput) {
  EXPECT_EQ(compose_name({{"run", "1"}, {"task", "rest"}, {"zz", "9"}, {"sub", "007"}}, "bold",
                         ".nii.gz"),
            "sub-007_task-rest_run-1_zz-9_bold.nii.gz");
  EXPECT_EQ(compose_name({{"desc", "preproc"}, {"space", "MNI"}, {"sub", "1"}, {"res", "2"}},
                         "bold", ".json"),
            "sub-1_space-MNI_res-2_desc-preproc_bold.json");
  EXPECT_EQ(compose_name({}, "participants", ".tsv"), "participants.tsv");
}

TEST(ComposeName, RoundTrip) {
  for (const char* text : {"sub-01_ses-a_task-rest_acq-x_rec-y_dir-AP_run-2_echo-1_bold.nii.gz",
                           "sub-01_from-T1w_to-MNI152NLin6Asym_mode-image_xfm.h5",
                           "sub-01_task-r_space-S_res-2_desc-brain_mask.nii.gz"}) {
    const auto name = parse_name(text);
    ASSERT_TRUE(name);
    EXPECT_EQ(compose_name(name->entities, name->suffix, name->extension), text);
  }
}

TEST(ComposeName, HostileLabelsNeverBecomePaths) {
  for (const char* bad : {"../../x", "a/b", "", "a b", "<i>", "x\n"}) {
    EXPECT_THROW(static_cast<void>(compose_name({{"sub", bad}}, "bold", ".nii")), Error) << bad;
    EXPECT_THROW(static_cast<void>(compose_name({{"sub", "1"}}, bad, ".nii")), Error) << bad;
  }
  EXPECT_THROW(static_cast<void>(compose_name({{"sub", "1"}}, "bold", "./../x")), Error);
  EXPECT_THROW(static_cast<void>(compose_name({{"sub", "1"}}, "bold", "nii")), Error);
}

TEST(Entities, SubsetAndWithout) {
  const Entities whole{{"sub", "01"}, {"task", "rest"}, {"echo", "1"}};
  EXPECT_TRUE(subset({{"task", "rest"}}, whole));
  EXPECT_TRUE(subset({}, whole));
  EXPECT_FALSE(subset({{"task", "res"}}, whole));
  EXPECT_FALSE(subset({{"run", "1"}}, whole));
  EXPECT_EQ(without(whole, {"echo"}).size(), 2U);
  EXPECT_EQ(with_prefix("sub-", "01"), "sub-01");
  EXPECT_EQ(with_prefix("sub-", "sub-01"), "sub-01");
}

} // namespace
} // namespace boldmill::bids
