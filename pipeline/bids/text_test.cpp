#include "pipeline/bids/text.hpp"

#include <gtest/gtest.h>

namespace boldmill::bids {
namespace {

TEST(Display, EscapesWhatCouldActOnATerminal) {
  EXPECT_EQ(display("sub-01"), "sub-01");
  EXPECT_EQ(display("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(display("a\x1B[31mred\nb\t"), "a\\x1B[31mred\\x0Ab\\x09");
  EXPECT_EQ(display("\xC2\x9B"), "\\u{009B}");           // C1 control sequence introducer
  EXPECT_EQ(display("x\xE2\x80\xAEy"), "x\\u{202E}y");   // right-to-left override
  EXPECT_EQ(display("\xC0\xAF\xFF"), "\\xC0\\xAF\\xFF"); // overlong and invalid bytes
  EXPECT_EQ(display("\xE2\x82"), "\\xE2\\x82");          // cut in the middle
  EXPECT_EQ(display("\xED\xA0\x80"), "\\xED\\xA0\\x80"); // surrogate
  EXPECT_EQ(display(std::string(300, 'a'), 10), "aaaaaaaaaa...");
}

TEST(HtmlEscape, LeavesNoMarkup) {
  EXPECT_EQ(html_escape("<script>alert('x' & \"y\")</script>"),
            "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;");
}

TEST(SafeComponent, NeverLeavesItsFolder) {
  EXPECT_EQ(safe_component("sub-007"), "sub-007");
  EXPECT_EQ(safe_component("a.b_c+d-1"), "a.b_c+d-1");
  for (const std::string& hostile :
       {std::string("../../etc/passwd"), std::string(".."), std::string("."), std::string(""),
        std::string("-rf"), std::string("/abs"), std::string("a/b"), std::string("a\\b"),
        std::string("<b>"), std::string("a\0b", 3), std::string(".hidden"),
        std::string(5000, '\xC3')}) {
    const std::string safe = safe_component(hostile);
    EXPECT_NE(safe, hostile);
    EXPECT_FALSE(safe.empty());
    EXPECT_LE(safe.size(), 200U);
    EXPECT_NE(safe.front(), '.');
    EXPECT_NE(safe.front(), '-');
    EXPECT_EQ(safe.find_first_not_of(
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-"),
              std::string::npos)
        << safe;
    EXPECT_EQ(safe_component(safe), safe);
  }
  EXPECT_NE(safe_component("a/b"), safe_component("a?b"));
}

TEST(ValidLabel, LettersDigitsAndPlus) {
  for (const char* good : {"01", "007", "abcXYZ", "a+b"}) EXPECT_TRUE(valid_label(good)) << good;
  for (const char* bad : {"", "a-b", "a_b", "../x", "a b", "<i>", "\xC3\xA9", "a\n"}) {
    EXPECT_FALSE(valid_label(bad)) << bad;
  }
  EXPECT_FALSE(valid_label(std::string_view("a\0", 2)));
  EXPECT_FALSE(valid_label(std::string(65, 'a')));
}

TEST(Nearest, OrdersByDistanceThenName) {
  const std::vector<std::string> known{"sub-01", "sub-02", "sub-10", "sub-control"};
  EXPECT_EQ(nearest("sub-0l", known, 2), (std::vector<std::string>{"sub-01", "sub-02"}));
  EXPECT_EQ(nearest("sub-20", {"sub-02"}), (std::vector<std::string>{"sub-02"}));
  EXPECT_TRUE(nearest("ab", {"zzzzzzzz"}).empty());
}

} // namespace
} // namespace boldmill::bids
