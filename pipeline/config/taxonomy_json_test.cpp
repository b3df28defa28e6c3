#include "pipeline/config/taxonomy_json.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "stages/core/error.hpp"

namespace boldmill::config {
namespace {

const std::filesystem::path kPublished =
    std::filesystem::path(BOLDMILL_SOURCE_DIR) / "configs/taxonomies/published2024.json";

using Row = std::map<std::string, std::string>;

std::vector<Row> read_table(const std::filesystem::path& file) {
  std::ifstream stream(file);
  const auto cells = [](const std::string& line) {
    std::vector<std::string> out;
    std::stringstream text(line);
    for (std::string cell; std::getline(text, cell, '\t');) out.push_back(cell);
    return out;
  };
  std::string line;
  std::getline(stream, line);
  const auto header = cells(line);
  std::vector<Row> rows;
  while (std::getline(stream, line)) {
    const auto values = cells(line);
    Row row;
    for (std::size_t i = 0; i < header.size(); ++i)
      row[header[i]] = i < values.size() ? values[i] : "";
    rows.push_back(row);
  }
  return rows;
}

std::filesystem::path facts() {
  const char* data = std::getenv("BOLDMILL_TEST_DATA");
  const std::filesystem::path root = data != nullptr ? data : BOLDMILL_SOURCE_DIR "/../shared/data";
  return root / ".." / "circuits";
}

TEST(Taxonomy, PublishedOnePartitions51To41To12) {
  const taxonomy::Taxonomy t = read_taxonomy(kPublished);
  EXPECT_TRUE(taxonomy::problems(t).empty());
  EXPECT_EQ(t.measures.size(), 51U);
  EXPECT_EQ(t.features.size(), 41U);
  EXPECT_EQ(t.scores.size(), 12U);
  EXPECT_EQ(t.regions.size(), 32U);
  EXPECT_EQ(taxonomy::distinct_regions(t).size(), 28U);
  std::map<taxonomy::MeasureKind, int> kinds;
  std::map<std::string, int> tasks;
  for (const auto& m : t.measures) {
    ++kinds[m.kind];
    ++tasks[m.task];
  }
  EXPECT_EQ(kinds[taxonomy::MeasureKind::intrinsic], 14);
  EXPECT_EQ(kinds[taxonomy::MeasureKind::activation], 17);
  EXPECT_EQ(kinds[taxonomy::MeasureKind::ppi], 20);
  EXPECT_EQ(tasks, (std::map<std::string, int>{{"rest", 14}, {"con", 23}, {"nco", 7}, {"gng", 7}}));
}

TEST(Taxonomy, EveryNameAgreesWithTheMaskItsRawNameNames) {
  const taxonomy::Taxonomy t = read_taxonomy(kPublished);
  std::map<std::string, std::string> mask;
  for (const auto& r : t.regions) mask[r.code] = r.mask;
  for (const auto& m : t.measures) {
    const std::size_t a = m.raw_name.find(mask.at(m.region_a));
    ASSERT_NE(a, std::string::npos) << m.code;
    if (m.kind == taxonomy::MeasureKind::activation) {
      EXPECT_EQ(m.code, m.region_a); // the swapped labels are corrected
      EXPECT_EQ(m.feature, m.region_a);
    } else {
      EXPECT_GT(m.raw_name.find(mask.at(m.region_b)), a) << m.code;
    }
  }
}

TEST(Taxonomy, AgreesWithTheFactTables) {
  if (!std::filesystem::exists(facts() / "measures.tsv")) GTEST_SKIP() << "no circuit facts";
  const taxonomy::Taxonomy t = read_taxonomy(kPublished);
  std::map<std::string, const taxonomy::Measure*> by_raw;
  for (const auto& m : t.measures) by_raw[m.raw_name] = &m;
  int corrected = 0;
  for (const Row& row : read_table(facts() / "measures.tsv")) {
    const auto& m = *by_raw.at(row.at("raw_name"));
    EXPECT_EQ(m.region_a, row.at("region_a"));
    EXPECT_EQ(m.region_b, row.at("region_b"));
    EXPECT_EQ(taxonomy::to_string(m.kind), row.at("kind"));
    if (m.code != row.at("code")) {
      ++corrected;
      EXPECT_NE(row.at("note").find("swapped"), std::string::npos);
      EXPECT_NE(m.note.find("published as " + row.at("code")), std::string::npos);
    }
  }
  EXPECT_EQ(corrected, 4);
  const auto regions = read_table(facts() / "regions.tsv");
  ASSERT_EQ(regions.size(), t.regions.size());
  for (std::size_t i = 0; i < regions.size(); ++i) {
    EXPECT_EQ(t.regions[i].code, regions[i].at("code"));
    EXPECT_DOUBLE_EQ(t.regions[i].x_mm, std::stod(regions[i].at("x")));
    EXPECT_DOUBLE_EQ(t.regions[i].com_z_mm, std::stod(regions[i].at("com_z")));
    EXPECT_DOUBLE_EQ(t.regions[i].volume_mm3, std::stod(regions[i].at("volume_mm3")));
  }
  const auto scores = read_table(facts() / "circuit_scores.tsv");
  ASSERT_EQ(scores.size(), t.scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    std::set<std::string> expected;
    std::stringstream members(scores[i].at("members"));
    for (std::string member; std::getline(members, member, ',');) expected.insert(member);
    EXPECT_EQ(t.scores[i].name, scores[i].at("score"));
    EXPECT_EQ(std::set<std::string>(t.scores[i].members.begin(), t.scores[i].members.end()),
              expected);
  }
}

constexpr const char* kSmall = R"({
  // a lab's own circuit
  "name": "own", "version": "1", "space": "MNI152NLin6Asym", "tasks": {"rest": "rest"},
  "regions": [
    {"code": "A", "name": "a", "hemisphere": "L", "circuit": "c", "mask": "1", "definition": "sphere",
     "position_mm": [1, 2, 3], "center_of_mass_mm": [1, 2, 3], "volume_mm3": 100},
    {"code": "B", "name": "b", "hemisphere": "R", "circuit": "c", "mask": "2", "definition": "sphere",
     "position_mm": [4, 5, 6], "center_of_mass_mm": [4, 5, 6], "volume_mm3": 100}],
  "measures": [{"code": "AB", "kind": "intrinsic", "task": "rest", "region_a": "A", "region_b": "B",
                "feature": "AB"}],
  "features": [{"name": "AB", "members": ["AB"]}],
  "scores": [{"name": "C", "members": ["AB"], "orientation": [-1]}]
})";

TEST(Taxonomy, CanonicalTextReadsBackToItself) {
  for (const taxonomy::Taxonomy& t :
       {read_taxonomy(kPublished), parse_taxonomy(kSmall, "small.json")}) {
    const std::string text = canonical_text(t);
    EXPECT_EQ(canonical_text(parse_taxonomy(text, "text")), text);
  }
}

TEST(Taxonomy, PublishedTasksHoldTheirContrasts) {
  const taxonomy::Taxonomy t = read_taxonomy(kPublished);
  const taxonomy::Task& faces = t.tasks.at("con");
  const auto* threat = taxonomy::find_contrast(faces, "thr_vs_neu");
  ASSERT_NE(threat, nullptr);
  EXPECT_EQ(threat->weights,
            (std::map<std::string, double>{{"anger", 0.5}, {"fear", 0.5}, {"neutral", -1.0}}));
  EXPECT_TRUE(taxonomy::is_labelled(faces, "conscious"));
  EXPECT_EQ(faces.column, "trial_type");
  EXPECT_EQ(t.tasks.at("rest").description.find("task-free"), 0U);
  EXPECT_TRUE(t.tasks.at("rest").labels.empty());
}

std::string message_of(const std::string& json) {
  try {
    (void)parse_taxonomy(json, "bad.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return {};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(Taxonomy, NamesEveryProblem) {
  EXPECT_NE(message_of("{").find("bad.json"), std::string::npos);
  EXPECT_NE(message_of("[]").find("expected an object"), std::string::npos);
  const std::string two =
      replaced(replaced(kSmall, "\"space\"", "\"spase\""), "[1, 2, 3]", "[1, 2]");
  const std::string message = message_of(two);
  EXPECT_NE(message.find("unknown key spase"), std::string::npos);
  EXPECT_NE(message.find("no key space"), std::string::npos);
  EXPECT_NE(message.find("three numbers"), std::string::npos);
  EXPECT_NE(message_of(replaced(kSmall, "\"intrinsic\"", "\"tonic\"")).find("tonic"),
            std::string::npos);
  EXPECT_NE(message_of(replaced(kSmall, "\"region_b\": \"B\"", "\"region_b\": \"Z\""))
                .find("unknown region Z"),
            std::string::npos);
  EXPECT_NE(message_of(replaced(kSmall, "[-1]", "[-1, 1]")).find("orientation"), std::string::npos);
  EXPECT_NE(message_of(replaced(kSmall, "\"members\": [\"AB\"], \"orientation\"",
                                "\"members\": [\"AB\", \"AB\"], \"orientation\""))
                .find("more than one"),
            std::string::npos);
  EXPECT_NE(message_of(replaced(kSmall, "\"task\": \"rest\"", "\"task\": \"faces\""))
                .find("unknown task faces"),
            std::string::npos);
}

} // namespace
} // namespace boldmill::config
