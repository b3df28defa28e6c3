#include "pipeline/config/config.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace boldmill::config {
namespace {

std::string problems_of(const Layers& layers) {
  try {
    (void)load(layers);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

std::filesystem::path write(const std::string& text) {
  const auto path = std::filesystem::path(testing::TempDir()) / "boldmill_config_test.json";
  std::ofstream(path) << text;
  return path;
}

TEST(Config, TheEffectiveConfigurationIsAValidInputAndAFixedPoint) {
  Layers layers;
  layers.assignments = {"gates.max_fd_share=0.5", "input.rest_tasks=rest,restAP"};
  const Config config = load(layers);
  const std::string text = to_json(config).dump();
  EXPECT_EQ(to_json(parse(text, "stored", {})).dump(), text);
  layers.file = write(text);
  layers.assignments.clear();
  EXPECT_EQ(to_json(load(layers)).dump(), text);
}

TEST(Config, LayersOverlayInOrder) {
  Layers layers;
  layers.file = write("{\"gates\": {\"max_fd_share\": 0.4, \"min_time_s\": 90}} // comment");
  layers.assignments = {"gates.max_fd_share=0.1"};
  const Config config = load(layers);
  EXPECT_EQ(config.gates.max_fd_share, 0.1);
  EXPECT_EQ(config.gates.min_time_s, 90.0);
  EXPECT_EQ(config.gates.fd_exclusion_mm, GateParams{}.fd_exclusion_mm);
}

TEST(Config, ReportsEveryProblemAtOnceWithTheNearestKey) {
  Layers layers;
  layers.file = write(R"({"gate": {}, "gates": {"max_fd_sare": 0.2, "min_time_s": "long"},
                          "target": {"spacing_mm": -1}, "nuisance_regression": {"strategy": "37P"}})");
  const std::string text = problems_of(layers);
  for (const char* part :
       {"5 problems", "gate: unknown section, did you mean gates?",
        "gates.max_fd_sare: unknown key, did you mean gates.max_fd_share?",
        "gates.min_time_s: found \"long\", expected a number",
        "target.spacing_mm: found -1, expected 1 to 8",
        "nuisance_regression.strategy: found \"37P\", expected one of circuit"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Config, FieldsThatDoNotFitTogetherAreFoundBeforeWorkBegins) {
  Layers layers;
  layers.assignments = {"nuisance_regression.low_pass_hz=0.005"};
  EXPECT_NE(problems_of(layers).find("low_pass_hz: found 0.005, expected more than high_pass_hz"),
            std::string::npos);
  layers.assignments.emplace_back("nuisance_regression.high_pass_hz=0");
  EXPECT_EQ(problems_of(layers), "");
}

TEST(Config, BrokenJsonNamesTheFile) {
  Layers layers;
  layers.file = write("{\"gates\": ");
  EXPECT_NE(problems_of(layers).find("boldmill_config_test.json: not valid JSON"),
            std::string::npos);
  layers.file = write("{\"gates\": " + std::string(200'000, '[') + std::string(200'000, ']') + "}");
  EXPECT_NE(problems_of(layers).find("more than 100 levels"), std::string::npos);
}

TEST(Config, PathsOfExternalFilesAreNotStored) {
  Layers layers;
  layers.paths = {{"circuit_masks", "/secret/place/masks"}};
  const Config config = load(layers);
  EXPECT_EQ(config.files.at("circuit_masks").path, "/secret/place/masks");
  EXPECT_EQ(to_json(config).dump().find("secret"), std::string::npos);
  layers.paths = {{"circuit_mask", "x"}};
  EXPECT_NE(problems_of(layers).find("did you mean files.circuit_masks?"), std::string::npos);
}

// A forgotten field would leave the cache key unchanged: flip every field and watch the text.
TEST(Config, EveryFieldOfEverySectionReachesTheCanonicalText) {
  const std::string reference = to_json(Config{}).dump();
  Config counted;
  int n_fields = 0;
  for_each_section(counted, [&](std::string_view, auto& params, std::string_view) {
    for_each_field(params, [&](std::string_view name, auto& field, std::string_view,
                               std::string_view, const Limits&) {
      using Field = std::remove_cvref_t<decltype(field)>;
      const Field before = field;
      if constexpr (std::is_same_v<Field, bool>)
        field = !field;
      else if constexpr (std::is_arithmetic_v<Field>)
        field = static_cast<Field>(field + 1);
      else if constexpr (std::is_same_v<Field, std::string>)
        field += "x";
      else
        field.emplace_back();
      EXPECT_NE(to_json(counted).dump(), reference) << name;
      field = before;
      ++n_fields;
    });
  });
  EXPECT_EQ(to_json(counted).dump(), reference);
  EXPECT_GT(n_fields, 60);
}

TEST(Config, EveryFieldHasAHelpTextAndADefaultWithinItsRange) {
  const Config defaults;
  std::vector<std::string> errors;
  Config copy;
  const Json json = to_json(defaults);
  for_each_section(copy, [&](std::string_view name, auto& params, std::string_view summary) {
    EXPECT_FALSE(summary.empty()) << name;
    section_from_json(json[std::string(name)], name, params, errors);
    for_each_field(params, [&](std::string_view field, auto&, std::string_view,
                               std::string_view help, const Limits&) {
      EXPECT_FALSE(help.empty()) << name << "." << field;
      EXPECT_NE(explain(std::string(name) + "." + std::string(field)).find("default:"),
                std::string::npos);
    });
  });
  for (const auto& error : errors) ADD_FAILURE() << error;
}

TEST(Config, ExplainNamesTheNearestKey) {
  try {
    (void)explain("gates.max_fd_shar");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean gates.max_fd_share?"),
              std::string::npos);
  }
}

} // namespace
} // namespace boldmill::config
