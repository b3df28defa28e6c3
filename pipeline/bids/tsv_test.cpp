#include "pipeline/bids/tsv.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "pipeline/bids/files.hpp"
#include "stages/core/error.hpp"
#include "stages/core/random.hpp"
#include "tests/support/bids_tree.hpp"

namespace boldmill::bids {
namespace {

std::string error_of(const std::string& text) {
  try {
    static_cast<void>(parse_tsv(text, "t.tsv"));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    return error.what();
  }
  return "no error";
}

TEST(ParseTsv, ReadsByName) {
  const Table table = parse_tsv("participant_id\tage\tsex\nsub-01\t31.5\tF\nsub-02\tn/a\t\n", "t");
  ASSERT_EQ(table.n_rows(), 2U);
  EXPECT_EQ(table.names(), (std::vector<std::string>{"participant_id", "age", "sex"}));
  EXPECT_EQ(table.cell(1, table.require("age")), "");
  EXPECT_EQ(table.text("sex"), (std::vector<std::string>{"F", ""}));
  const std::vector<double> age = table.numbers("age");
  EXPECT_EQ(age[0], 31.5);
  EXPECT_TRUE(std::isnan(age[1]));
  EXPECT_TRUE(table.is_numeric(1));
  EXPECT_FALSE(table.is_numeric(0));
}

TEST(ParseTsv, TakesCrlfByteOrderMarkAndMissingLastNewline) {
  const Table table = parse_tsv("\xEF\xBB\xBF"
                                "a\tb\r\n1\t2\r\n3\t4",
                                "t");
  EXPECT_EQ(table.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(table.numbers("b"), (std::vector<double>{2, 4}));
}

TEST(ParseTsv, QuotesAreOrdinaryCharacters) {
  const Table table = parse_tsv("a\tb\n\"x\t\"y\" z\n", "t");
  EXPECT_EQ(table.cell(0, 0), "\"x");
  EXPECT_EQ(table.cell(0, 1), "\"y\" z");
}

TEST(ParseTsv, HeaderWithoutRowsAndOneColumn) {
  EXPECT_EQ(parse_tsv("a\tb\n", "t").n_rows(), 0U);
  EXPECT_EQ(parse_tsv("a\n1\n\n3\n\n\n", "t").n_rows(), 3U);
}

TEST(ParseTsv, NamesFileLineFoundExpected) {
  EXPECT_EQ(error_of("a\tb\n1\t2\n1\n"), "t.tsv, line 3: found 1 columns, expected 2");
  EXPECT_EQ(error_of("a\tb\n1\t2\t3\n"), "t.tsv, line 2: found 3 columns, expected 2");
  EXPECT_EQ(error_of("a\tb\n1\t2\n\n3\t4\n"), "t.tsv, line 3: found 1 columns, expected 2");
  EXPECT_EQ(error_of("a\tb\ta\n"),
            "t.tsv, line 1: found column \"a\" twice, expected each name once");
  EXPECT_EQ(error_of("a\t\tb\n"),
            "t.tsv, line 1: column 2 has no name, expected one name per column");
  EXPECT_NE(error_of("").find("empty"), std::string::npos);
  EXPECT_NE(error_of("\r\n\n").find("empty"), std::string::npos);
  EXPECT_NE(error_of(std::string("a\nx\0y\n", 6)).find("zero byte at offset 3"), std::string::npos);
}

TEST(ParseTsv, RepeatedNamesOnRequest) {
  const Table table = parse_tsv("a\ta\n1\t2\n", "t", RepeatedNames::allow);
  EXPECT_EQ(table.numbers(std::size_t{1}), (std::vector<double>{2}));
  EXPECT_EQ(table.matrix()(0, 1), 2.0);
}

TEST(Table, ErrorsNameTheColumn) {
  const Table table = parse_tsv("onset\tduration\n1\tx\n", "e.tsv");
  try {
    static_cast<void>(table.numbers("duration"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "e.tsv, line 2: column \"duration\": found \"x\", expected a number or n/a");
  }
  try {
    static_cast<void>(table.require("onsets"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "e.tsv: no column \"onsets\"; nearest: onset");
  }
}

TEST(Table, OutlivesItsSource) {
  Table copy;
  {
    const Table table = parse_tsv("a\nlong enough to live on the heap, certainly\n", "t");
    copy = table;
  }
  EXPECT_EQ(copy.cell(0, 0), "long enough to live on the heap, certainly");
}

TEST(Table, MatrixInTheOrderAskedFor) {
  const Table table = parse_tsv("a\tb\tc\n1\t2\t3\n4\tn/a\t6\n", "t");
  const Eigen::MatrixXd matrix = table.matrix({"c", "b"});
  EXPECT_EQ(matrix(1, 0), 6.0);
  EXPECT_TRUE(std::isnan(matrix(1, 1)));
}

TEST(ParseNumber, WholeCellOnly) {
  EXPECT_EQ(parse_number("1e-3"), 1e-3);
  EXPECT_EQ(parse_number("+2.5"), 2.5);
  EXPECT_EQ(parse_number("-inf"), -std::numeric_limits<double>::infinity());
  for (const char* bad : {"", " 1", "1 ", "1,5", "0x10", "+-1", "1.5s", "--1"}) {
    EXPECT_FALSE(parse_number(bad)) << bad;
  }
}

TEST(FormatNumber, ReadsBackToTheSameBits) {
  EXPECT_EQ(format_number(std::numeric_limits<double>::quiet_NaN()), "n/a");
  EXPECT_EQ(format_number(0.1), "0.1");
  EXPECT_EQ(format_number(2.0), "2");
  EXPECT_EQ(format_number(0.1F), "0.1");
  Random random(7);
  for (int i = 0; i < 10000; ++i) {
    const double value = std::bit_cast<double>(random.bits());
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(parse_number(format_number(value)), value);
  }
}

TEST(TableWriter, WritesWhatReads) {
  test::BidsTree tree;
  const std::vector<double> numbers{0.1, std::numeric_limits<double>::quiet_NaN()};
  const std::vector<std::int64_t> counts{-1, 9007199254740993};
  TableWriter writer;
  writer.text("id", {"sub-01", ""}).numbers("x", numbers).integers("n", counts);
  EXPECT_EQ(writer.str(), "id\tx\tn\nsub-01\t0.1\t-1\nn/a\tn/a\t9007199254740993\n");
  writer.write(tree.path("deep/er/t.tsv"));
  const Table table = read_tsv(tree.path("deep/er/t.tsv"));
  EXPECT_EQ(table.numbers("x")[0], 0.1);
  EXPECT_EQ(table.cell(1, 0), "");
}

TEST(TableWriter, CellsStayInTheirPlace) {
  TableWriter writer;
  writer.text("a\tb", {"x\ty\nz\r"});
  EXPECT_EQ(writer.str(), "a b\nx y z \n");
  writer.text("c", {});
  EXPECT_THROW(static_cast<void>(writer.str()), Error);
}

TEST(WriteTsv, Matrix) {
  test::BidsTree tree;
  Eigen::MatrixXd values(2, 2);
  values << 1, 0.5, std::numeric_limits<double>::quiet_NaN(), -3e-20;
  write_tsv(tree.path("m.tsv"), {"a", "b"}, values);
  EXPECT_EQ(read_file(tree.path("m.tsv")), "a\tb\n1\t0.5\nn/a\t-3e-20\n");
}

TEST(WriteFile, LeavesNothingHalfWritten) {
  test::BidsTree tree;
  write_file_atomically(tree.path("a.txt"), "one");
  write_file_atomically(tree.path("a.txt"), "two");
  EXPECT_EQ(read_file(tree.path("a.txt")), "two");
  tree.folder("folder/x");
  try {
    write_file_atomically(tree.path("folder"), "text"); // a folder is in the way
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::disk);
  }
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(tree.root())) ++n;
  EXPECT_EQ(n, 2U); // a.txt and folder, no .part
  EXPECT_THROW(write_file_atomically("/dev/full/x", "text"), Error);
}

TEST(ReadFile, Errors) {
  test::BidsTree tree;
  tree.folder("folder").file("big", std::string(100, 'x'));
  EXPECT_THROW(static_cast<void>(read_file(tree.path("none"))), Error);
  EXPECT_THROW(static_cast<void>(read_file(tree.path("folder"))), Error);
  EXPECT_THROW(static_cast<void>(read_file(tree.path("big"), 99)), Error);
}

} // namespace
} // namespace boldmill::bids
