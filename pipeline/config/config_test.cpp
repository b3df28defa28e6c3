#include "pipeline/config/config.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "pipeline/config/taxonomy_json.hpp"

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

TEST(Config, CohortStagesTakeTheirOwnParameters) {
  Layers layers;
  layers.assignments = {"cohort.imputation=chained", "chained_imputation.imputations=3",
                        "combat.method=non_parametric", "normative_model.min_people=50",
                        "biotype_test.k_max=6"};
  const Config config = load(layers);
  EXPECT_EQ(config.chained_imputation.imputations, 3);
  EXPECT_EQ(config.combat.method, "non_parametric");
  EXPECT_EQ(config.combat.unseen, "unchanged"); // a new scanner is flagged, not an error
  EXPECT_EQ(config.normative_model.min_people, 50);
  EXPECT_EQ(config.biotype_test.k_max, 6);
  layers.assignments = {"combat.unseen=adapt",    "biotype_test.k_min=9",
                        "biotype_test.k_max=3",   "cohort.scores_from=imputed",
                        "cohort.imputation=none", "cohort.harmonization=combt"};
  const std::string text = problems_of(layers);
  for (const char* expected :
       {"combat.unseen", "biotype_test.k_min", "cohort.scores_from", "cohort.harmonization"}) {
    EXPECT_NE(text.find(expected), std::string::npos) << expected << text;
  }
}

TEST(Config, TaskNamesOverlayTheDefinition) {
  Layers layers;
  layers.file = write(R"({"tasks": {"gng": {"labels": ["stroop*"], "column": "congruency",
    "conditions": {"go": ["congruent"], "nogo": ["in*", "odd"]}, "modulators": ["nogo:response_time"]}}})");
  layers.assignments = {"tasks.con.labels=faces,emo", "tasks.gng.conditions.go=same",
                        R"(tasks.gng.contrasts.nogo_vs_go={"nogo": 2, "go": -2})"};
  const Config config = load(layers);
  EXPECT_EQ(to_json(parse(to_json(config).dump(), "stored", {})).dump(), to_json(config).dump());
  const auto published = read_taxonomy(data_file("configs/taxonomies/published2024.json"));
  const auto named = with_task_names(published, config.tasks);
  const taxonomy::Task& gng = named.tasks.at("gng");
  EXPECT_EQ(named.tasks.at("con").labels, (std::vector<std::string>{"faces", "emo"}));
  EXPECT_EQ(named.tasks.at("con").conditions[0].trial_types,
            published.tasks.at("con").conditions[0].trial_types);
  EXPECT_TRUE(taxonomy::is_labelled(gng, "stroopB"));
  EXPECT_FALSE(taxonomy::is_labelled(gng, "gonogo"));
  EXPECT_EQ(gng.column, "congruency");
  ASSERT_EQ(gng.conditions.size(), 2U);
  EXPECT_EQ(gng.conditions[0].trial_types, std::vector<std::string>{"same"});
  EXPECT_EQ(gng.conditions[1].trial_types, (std::vector<std::string>{"in*", "odd"}));
  EXPECT_EQ(gng.modulators, std::vector<std::string>{"nogo:response_time"});
  EXPECT_EQ(taxonomy::find_contrast(gng, "nogo_vs_go")->weights.at("go"), -2.0);
  EXPECT_NE(canonical_text(named), canonical_text(published));
  EXPECT_EQ(canonical_text(with_task_names(published, {})), canonical_text(published));
}

TEST(Config, TaskNamesThatCannotBeAreRefused) {
  Layers layers;
  layers.file = write(R"({"tasks": {"gng": {"labls": ["a"], "labels": "stroop", "column": 3,
    "conditions": {"go": []}, "contrasts": {"nogo_vs_go": {"go": "one"}}}, "con": 1}})");
  const std::string text = problems_of(layers);
  for (const char* expected :
       {"6 problems", "did you mean tasks.gng.labels?", "tasks.gng.labels: found \"stroop\"",
        "tasks.gng.column: found 3", "tasks.gng.conditions.go: found []",
        "tasks.gng.contrasts.nogo_vs_go: found", "tasks.con: found 1"}) {
    EXPECT_NE(text.find(expected), std::string::npos) << expected << " in " << text;
  }
  const auto published = read_taxonomy(data_file("configs/taxonomies/published2024.json"));
  TaskNamesByKey names;
  names["stroop"].column = "x";
  names["gng"].contrasts["nogo_vs_go"] = {{"stop", 1.0}};
  const auto refusal = [&] {
    try {
      (void)with_task_names(published, names);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(refusal().find("tasks.stroop: the circuit definition published2024 has no such task"),
            std::string::npos);
  names.erase("stroop");
  EXPECT_NE(refusal().find("contrast nogo_vs_go: unknown condition stop"), std::string::npos);
}

TEST(Config, SpmDeconvolutionNeedsPercentAndFirDelays) {
  Layers layers;
  layers.assignments = {"ppi.deconvolution=spm", "glm.percent_signal=false", "task_model.hrf=fir"};
  const std::string text = problems_of(layers);
  EXPECT_NE(text.find("glm.percent_signal"), std::string::npos);
  EXPECT_NE(text.find("task_model.fir_delays"), std::string::npos);
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
