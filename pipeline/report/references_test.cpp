#include "pipeline/report/references.hpp"

#include <gtest/gtest.h>

namespace boldmill::report {
namespace {

TEST(References, AnEntryHasNamesYearPlaceAndDoi) {
  const std::string text = bibtex_text({"Zhang, Brady & Smith 2001, IEEE Trans Med Imaging 20:45, "
                                        "doi:10.1109/42.906424"},
                                       "1.2");
  EXPECT_NE(text.find("@misc{zhang2001,\n  author = {Zhang and Brady and Smith},\n"
                      "  year = {2001},\n  howpublished = {IEEE Trans Med Imaging 20:45},\n"
                      "  doi = {10.1109/42.906424},"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("version = {1.2}"), std::string::npos);
}

TEST(References, ADoiComesOnceAndKeysDiffer) {
  const std::string text = bibtex_text({"Esteban 2019, Nature Methods 16:111, doi:10.1/a",
                                        "Esteban 2019, Nature Methods, doi:10.1/a",
                                        "Esteban 2019, PLOS ONE, doi:10.1/b"},
                                       "1");
  EXPECT_NE(text.find("@misc{esteban2019,"), std::string::npos);
  EXPECT_NE(text.find("@misc{esteban2019b,"), std::string::npos);
  EXPECT_EQ(text.find("esteban2019c"), std::string::npos) << text;
}

TEST(References, EtAlAndLinesWithoutYearOrDoi) {
  const std::string text = bibtex_text(
      {"Tustison et al. 2010, A & B 1950:3, doi:10.1/c", "A manual without a year"}, "1");
  EXPECT_NE(text.find("author = {Tustison and others}"), std::string::npos);
  EXPECT_NE(text.find("year = {2010}"), std::string::npos);
  EXPECT_NE(text.find("howpublished = {A \\& B 1950:3}"), std::string::npos) << text;
  EXPECT_NE(text.find("@misc{reference,\n  howpublished = {A manual without a year}"),
            std::string::npos)
      << text;
}

} // namespace
} // namespace boldmill::report
