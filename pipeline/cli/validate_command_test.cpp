#include "pipeline/cli/validate_command.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "pipeline/image_io/nifti.hpp"
#include "tests/support/bids_tree.hpp"

namespace boldmill::cli {
namespace {

using test::BidsTree;

class ValidateTest : public ::testing::Test {
protected:
  ValidateTest() {
    tree.header("participant_id\nsub-01\nsub-02\n");
    add("sub-01");
    add("sub-02");
  }
  // A person with real, tiny images.
  void add(const std::string& sub) {
    tree.person(sub);
    Grid grid;
    grid.shape = {4, 4, 3};
    image_io::write_volume(tree.path(sub + "/anat/" + sub + "_T1w.nii.gz"), Volume(grid, 1.0F));
    Series series{grid, 5, 2.0, std::vector<float>(4 * 4 * 3 * 5, 1.0F)};
    image_io::write_series(tree.path(bold(sub)), series);
  }
  static std::string bold(const std::string& sub) {
    return sub + "/func/" + sub + "_task-rest_bold.nii.gz";
  }
  int text(std::string& out) {
    std::ostringstream stream;
    ValidateOptions options;
    options.bids_dir = tree.root();
    const int code = run_validate(options, stream, {});
    out = stream.str();
    return code;
  }
  int json(nlohmann::json& out, ValidateOptions options = {}) {
    std::ostringstream stream;
    options.bids_dir = tree.root();
    options.json = true;
    const int code = run_validate(options, stream, {});
    out = nlohmann::json::parse(stream.str());
    EXPECT_EQ(out.at("exit_code"), code);
    return code;
  }
  BidsTree tree;
};

TEST_F(ValidateTest, AllGood) {
  std::string out;
  EXPECT_EQ(text(out), 0);
  EXPECT_NE(out.find("sub-01_task-rest  4x4x3x5  TR 2 s"), std::string::npos) << out;
  EXPECT_NE(out.find("2 of 2 runs of 2 of 2 participant-sessions would be processed; 0 errors"),
            std::string::npos)
      << out;
}

TEST_F(ValidateTest, EachProblemIsNamedAndTheRestGoesOn) {
  tree.file("sub-01/func/sub-01_task-rest_bold.json", "{broken");
  tree.file("sub-02/func/sub-02_task-x_bold.nii.gz", "not a nifti");
  tree.file("sub-02/func/sub-02_task-rest_events.tsv", "onset\tduration\n99\t1\n");
  Grid grid;
  grid.shape = {4, 4, 3};
  image_io::write_volume(tree.path("sub-02/func/sub-02_task-flat_bold.nii.gz"), Volume(grid));
  nlohmann::json out;
  EXPECT_EQ(json(out), 1);
  EXPECT_EQ(out["summary"]["runs"], 4);
  EXPECT_EQ(out["summary"]["runs_processed"], 1);
  EXPECT_EQ(out["summary"]["sessions_processed"], 1);
  const auto& one = out["sessions"][0];
  EXPECT_FALSE(one["processed"]);
  EXPECT_NE(one["runs"][0]["reason"].get<std::string>().find("broken JSON"), std::string::npos);
  const auto& runs = out["sessions"][1]["runs"];
  EXPECT_NE(runs[0]["reason"].get<std::string>().find("expected a 4-D series"), std::string::npos);
  EXPECT_TRUE(runs[1]["processed"]);
  EXPECT_EQ(runs[1]["n_events"], 1);
  EXPECT_NE(runs[1]["warnings"].dump().find("after the end of the run (10 s)"), std::string::npos);
  EXPECT_FALSE(runs[2]["processed"]);
}

TEST_F(ValidateTest, TasksOfTheCircuitDefinition) {
  for (const std::string sub : {"sub-01", "sub-02"}) {
    const std::string stem = sub + "/func/" + sub + "_task-stop";
    image_io::write_series(tree.path(stem + "_bold.nii.gz"),
                           Series{Grid{{4, 4, 3}}, 5, 2.0, std::vector<float>(240, 1.0F)});
    tree.file(stem + "_events.tsv", sub == "sub-01"
                                        ? "onset\tduration\ttrial_type\n0\t1\tgo\n2\t1\t"
                                          "nogo\n4\t1\tfixation\n"
                                        : "onset\tduration\ttrial_type\n0\t1\tgo\n");
  }
  ValidateOptions options;
  taxonomy::Task inhibition;
  inhibition.labels = {"stop*"};
  inhibition.conditions = {{"go", {"go"}}, {"nogo", {"no*"}}, {"cue", {"cue"}}};
  inhibition.contrasts = {{"difference", {{"nogo", 1.0}, {"go", -1.0}}}, {"cue", {{"cue", 1.0}}}};
  options.taxonomy.emplace();
  options.taxonomy->tasks = {{"inhibition", inhibition}, {"faces", {.labels = {"faces"}}}};
  nlohmann::json out;
  EXPECT_EQ(json(out, options), 0);
  const auto& tasks = out["circuits"]["tasks"];
  EXPECT_EQ(tasks[0]["task"], "faces");
  EXPECT_EQ(tasks[0]["runs"], 0);
  EXPECT_EQ(tasks[1]["runs_with_events"], 2);
  EXPECT_EQ(tasks[1]["conditions"][0],
            nlohmann::json({{"name", "go"}, {"events", 2}, {"runs", 2}}));
  EXPECT_EQ(tasks[1]["contrasts"][0], nlohmann::json({{"name", "difference"}, {"runs", 1}}));
  EXPECT_EQ(tasks[1]["events_of_no_condition"], nlohmann::json({{"fixation", 1}}));
  EXPECT_EQ(out["circuits"]["runs_of_no_task"], nlohmann::json({{"rest", 2}}));
  EXPECT_NE(out["notes"].dump().find("no run has an event of condition cue"), std::string::npos);
}

TEST_F(ValidateTest, RepetitionTimeAndSliceTimes) {
  tree.file("sub-01/func/sub-01_task-rest_bold.json", R"({"RepetitionTime": 2000})");
  tree.file("sub-02/func/sub-02_task-rest_bold.json",
            R"({"RepetitionTime": 1.5, "SliceTiming": [0, 1]})");
  nlohmann::json out;
  EXPECT_EQ(json(out), 1);
  EXPECT_NE(out["sessions"][0]["reason"].get<std::string>().find("milliseconds"),
            std::string::npos);
  const std::string warnings = out["sessions"][1]["runs"][0]["warnings"].dump();
  EXPECT_NE(warnings.find("the sidecar is used"), std::string::npos);
  EXPECT_NE(warnings.find("found 2 times, expected 3"), std::string::npos);
}

TEST_F(ValidateTest, NothingCanRun) {
  tree.file(bold("sub-01"), "").file(bold("sub-02"), "");
  std::string out;
  EXPECT_EQ(text(out), 2);
  EXPECT_NE(out.find("nothing can run"), std::string::npos);
  tree.file("participants.tsv", "participant_id\nsub-01\nsub-01\n");
  EXPECT_EQ(text(out), 2);
  EXPECT_NE(out.find("again"), std::string::npos);
  ValidateOptions options;
  options.index.selection.participants = {"sub-03"};
  tree.file("participants.tsv", "participant_id\nsub-01\n");
  nlohmann::json answer;
  EXPECT_EQ(json(answer, options), 2);
  EXPECT_EQ(answer["kind"], "usage");
}

TEST_F(ValidateTest, HostileNamesReachNoTerminal) {
  tree.folder("sub-\x1B[31mred\xFF").file("sub-01/func/sub-01_task-<i>\x07_bold.nii.gz");
  std::string out;
  EXPECT_EQ(text(out), 1);
  EXPECT_EQ(out.find('\x1B'), std::string::npos);
  EXPECT_EQ(out.find('\x07'), std::string::npos);
  nlohmann::json answer;
  EXPECT_EQ(json(answer), 1);
}

} // namespace
} // namespace boldmill::cli
