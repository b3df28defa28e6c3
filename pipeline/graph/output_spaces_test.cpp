#include "pipeline/graph/output_spaces.hpp"

#include <gtest/gtest.h>

#include "stages/core/error.hpp"

namespace boldmill::graph {
namespace {

TEST(OutputSpaces, TokensBecomeSpacesAndNames) {
  const auto spaces = parse_output_spaces(
      {"T1w", "anat", "func", "MNI152NLin6Asym:res-1.5", "MNI152NLin6Asym", "T1w:res-2"});
  ASSERT_EQ(spaces.size(), 5U); // anat is T1w
  EXPECT_EQ(spaces[0].kind, OutputSpace::Kind::t1w);
  EXPECT_EQ(spaces[0].entities(), "_space-T1w");
  EXPECT_EQ(spaces[1].kind, OutputSpace::Kind::boldref);
  EXPECT_EQ(spaces[1].entities(), "");
  EXPECT_EQ(spaces[2].spacing_mm, 1.5);
  EXPECT_EQ(spaces[2].entities(), "_space-MNI152NLin6Asym_res-1p5");
  EXPECT_EQ(spaces[3].entities(), "_space-MNI152NLin6Asym");
  EXPECT_EQ(spaces[4].entities(), "_space-T1w_res-2");
}

TEST(OutputSpaces, EveryWrongTokenIsNamed) {
  for (const char* token : {"", "fsaverage", "MNI:cohort-1", "T1w:res-", "T1w:res-0", "T1w:res-2mm",
                            "T1w:res-nan", "T1w:res-9", "func:res-2", "../x", "A:res-2:res-3"}) {
    try {
      (void)parse_output_spaces({"T1w", token, "fsLR"});
      ADD_FAILURE() << token;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_NE(std::string(error.what()).find(std::string("found ") + token), std::string::npos);
      EXPECT_NE(std::string(error.what()).find("fsLR"), std::string::npos);
    }
  }
}

} // namespace
} // namespace boldmill::graph
