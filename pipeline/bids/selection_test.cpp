#include "pipeline/bids/selection.hpp"

#include <gtest/gtest.h>

#include "stages/core/error.hpp"
#include "tests/support/bids_tree.hpp"

namespace boldmill::bids {
namespace {

BidsFile bold(Entities entities) {
  return {"p", "func", std::move(entities), "bold", ".nii.gz", 1, {}};
}

TEST(BidsFilter, TheFmriprepLayout) {
  test::BidsTree tree;
  tree.file("f.json", R"({
    "bold": {"datatype": "func", "suffix": "bold", "session": ["02", "ses-03"], "run": 1,
             "acquisition": null, "direction": "*", "part": "Query.OPTIONAL", "extension": "nii.gz"},
    "t1w": {"reconstruction": "<Query.NONE: 1>"}
  })");
  const BidsFilter filter = read_bids_filter(tree.path("f.json"));
  const auto& wanted = filter.at("bold");
  EXPECT_TRUE(matches(wanted, bold({{"ses", "02"}, {"dir", "AP"}, {"run", "01"}})));
  EXPECT_TRUE(matches(wanted, bold({{"ses", "03"}, {"dir", "PA"}, {"run", "1"}, {"part", "mag"}})));
  EXPECT_FALSE(matches(wanted, bold({{"ses", "2"}, {"dir", "AP"}, {"run", "1"}})));
  EXPECT_FALSE(matches(wanted, bold({{"ses", "02"}, {"dir", "AP"}, {"run", "11"}})));
  EXPECT_FALSE(matches(wanted, bold({{"ses", "02"}, {"run", "1"}})));
  EXPECT_FALSE(matches(wanted, bold({{"ses", "02"}, {"dir", "AP"}, {"run", "1"}, {"acq", "x"}})));
  EXPECT_TRUE(matches(filter.at("t1w"), bold({})));
  EXPECT_FALSE(matches(filter.at("t1w"), bold({{"rec", "norm"}})));
}

TEST(BidsFilter, ErrorsAreUsageAndNameTheNearest) {
  test::BidsTree tree;
  const auto error_of = [&](const char* text) -> std::string {
    tree.file("f.json", text);
    try {
      static_cast<void>(read_bids_filter(tree.path("f.json")));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(error_of(R"({"bolt": {}})").find("nearest: bold"), std::string::npos);
  EXPECT_NE(error_of(R"({"bold": {"sesion": "1"}})").find("nearest: session"), std::string::npos);
  EXPECT_NE(error_of("{").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("[1]").find("expected an object"), std::string::npos);
  EXPECT_NE(error_of(R"({"bold": {"run": {"x": 1}}})").find("bold.run"), std::string::npos);
  EXPECT_THROW(static_cast<void>(read_bids_filter(tree.path("none.json"))), Error);
}

} // namespace
} // namespace boldmill::bids
