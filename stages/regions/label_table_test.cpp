#include "stages/regions/label_table.hpp"

#include <gtest/gtest.h>

#include "stages/core/error.hpp"

namespace boldmill {
namespace {

using Rows = std::vector<LabelRow>;

TEST(LabelTable, ReadsMricronText) {
  EXPECT_EQ(parse_label_table("1 Precentral_L 2001\r\n2\tPrecentral_R\t2002\r\n", "t"),
            (Rows{{1, "Precentral_L"}, {2, "Precentral_R"}}));
}

TEST(LabelTable, ReadsBidsTable) {
  EXPECT_EQ(parse_label_table("index\tname\tcolor\n0\tBackground\t#000000\n7\tA b\t#781283\n", "t"),
            (Rows{{7, "A b"}}));
  EXPECT_EQ(parse_label_table("name\tindex\nleft\t4\n", "t"), (Rows{{4, "left"}}));
}

TEST(LabelTable, ReadsCsvWithAndWithoutHeader) {
  EXPECT_EQ(parse_label_table("0,null,,\n1,L_Precentral_gyrus,,\n", "t"),
            (Rows{{1, "L_Precentral_gyrus"}}));
  EXPECT_EQ(parse_label_table("roi;label;name;size\n3;CERVM;CEREBELLUM;360\n", "t"),
            (Rows{{3, "CEREBELLUM"}}));
}

TEST(LabelTable, ReadsWorkbenchText) {
  EXPECT_EQ(parse_label_table("HIP-rh\n1 171 243 85 255\n7Networks LH\n17 1 2 3 255\n", "t"),
            (Rows{{1, "HIP-rh"}, {17, "7Networks LH"}}));
  EXPECT_EQ(parse_label_table("7Networks_LH\n17 1 2 3 255\n", "t"), (Rows{{17, "7Networks_LH"}}));
  EXPECT_THROW((void)parse_label_table("A\n1 1 2 3 255\nB\nC\n", "t"), Error);
}

TEST(LabelTable, ReadsAsManyNamesAsThereAreLabels) {
  EXPECT_EQ(parse_label_table("HIP-rh\nAMY-rh\n", "t", 2), (Rows{{1, "HIP-rh"}, {2, "AMY-rh"}}));
  EXPECT_EQ(parse_label_table("An Atlas\nSFG, Left, A8m\nSFG, Right\n", "t", 2),
            (Rows{{1, "SFG, Left, A8m"}, {2, "SFG, Right"}}));
  EXPECT_THROW((void)parse_label_table("a\nb\n", "t"), Error) << "how many is not known";
  EXPECT_THROW((void)parse_label_table("a\nb\nc\nd\n", "t", 2), Error);
  EXPECT_EQ(parse_label_table("name,index\nleft,4\n", "t", 2), (Rows{{4, "left"}}));
}

TEST(LabelTable, MakesRepeatedNamesUnique) {
  EXPECT_EQ(parse_label_table("1 a\n2 b\n3 a\n", "t"), (Rows{{1, "a_1"}, {2, "b"}, {3, "a_3"}}));
}

TEST(LabelTable, RefusesWhatIsNoTable) {
  for (const char* text : {"", "0 background\n", "1 a\n1 b\n", "1.5 a\n", "1\n", "1 a\nx b\n",
                           "colour\tname\nred\ta\n", "2000000000 a\n"}) {
    try {
      (void)parse_label_table(text, "labels.txt");
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      EXPECT_EQ(std::string(error.what()).rfind("labels.txt", 0), 0U) << error.what();
    }
  }
}

} // namespace
} // namespace boldmill
