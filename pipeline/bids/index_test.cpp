#include "pipeline/bids/index.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "stages/core/error.hpp"
#include "tests/support/bids_tree.hpp"

namespace boldmill::bids {
namespace {

using test::BidsTree;

bool has_note(const BidsIndex& index, std::string_view code, std::string_view where = {}) {
  return std::any_of(index.notes.begin(), index.notes.end(), [&](const Note& note) {
    return note.code == code && (where.empty() || note.where == where);
  });
}

std::vector<std::string> ids(const BidsIndex& index) {
  std::vector<std::string> list;
  for (const ParticipantSession& session : index.sessions) list.push_back(session.id);
  return list;
}

std::string error_of(ErrorKind kind, auto&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "no error";
}

TEST(Index, RowsByParticipantThenSession) {
  BidsTree tree;
  tree.header("participant_id\tage\nsub-10\t30\nsub-007\t\nsub-9\tn/a\n");
  tree.person("sub-9").person("sub-10", "ses-b").person("sub-10", "ses-a").person("sub-007");
  const BidsIndex index = index_dataset(tree.root());
  EXPECT_EQ(ids(index),
            (std::vector<std::string>{"sub-007", "sub-10_ses-a", "sub-10_ses-b", "sub-9"}));
  EXPECT_EQ(index.participant_ids(), (std::vector<std::string>{"sub-007", "sub-10", "sub-9"}));
  EXPECT_EQ(index.n_runs(), 4U);
  EXPECT_EQ(index.sessions[1].columns.at("age"), "30");
  EXPECT_EQ(index.sessions[0].columns.at("age"), "");
  EXPECT_EQ(index.sessions[1].runs[0].run_id, "sub-10_ses-a_task-rest");
  EXPECT_EQ(index.sessions[1].runs[0].session_id, "ses-a");
  EXPECT_EQ(index.description.bids_version, "1.8.0");
  EXPECT_TRUE(index.notes.empty());
}

TEST(Index, RunsEchoesReferencesEventsFieldmaps) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\n").person("sub-01");
  const std::string f = "sub-01/func/sub-01_task-";
  tree.file(f + "n_run-2_bold.nii.gz").file(f + "n_run-1_bold.nii.gz");
  tree.file(f + "n_run-1_sbref.nii.gz").file(f + "n_run-1_events.tsv");
  tree.file("task-n_events.tsv");
  for (const char* echo : {"1", "2", "3"}) {
    tree.file(f + "me_echo-" + echo + "_bold.nii.gz").file(f + "me_echo-" + echo + "_sbref.nii.gz");
  }
  tree.file(f + "c_part-mag_bold.nii.gz").file(f + "c_part-phase_bold.nii.gz");
  tree.file("sub-01/fmap/sub-01_dir-PA_epi.nii.gz");
  tree.file("sub-01/fmap/sub-01_dir-PA_epi.json",
            R"({"IntendedFor": "func/sub-01_task-n_run-1_bold.nii.gz"})");
  tree.file("sub-01/sub-01_scans.tsv", "filename\n");
  const BidsIndex index = index_dataset(tree.root());
  ASSERT_EQ(index.sessions.size(), 1U);
  const ParticipantSession& session = index.sessions[0];
  std::vector<std::string> runs;
  for (const BoldRun& run : session.runs) runs.push_back(run.run_id);
  EXPECT_EQ(runs,
            (std::vector<std::string>{"sub-01_task-c", "sub-01_task-me", "sub-01_task-n_run-1",
                                      "sub-01_task-n_run-2", "sub-01_task-rest"}));
  EXPECT_EQ(session.runs[1].echoes.size(), 3U);
  EXPECT_EQ(entity(session.runs[1].file.entities, "echo"), "2");
  EXPECT_EQ(entity(session.runs[1].sbref->entities, "echo"), "2");
  EXPECT_EQ(session.runs[2].events, f + "n_run-1_events.tsv");
  EXPECT_EQ(session.runs[3].events, "task-n_events.tsv"); // inherited
  EXPECT_FALSE(session.runs[4].events);
  EXPECT_TRUE(session.runs[2].sbref);
  EXPECT_FALSE(session.runs[3].sbref);
  EXPECT_EQ(session.scans, "sub-01/sub-01_scans.tsv");
  EXPECT_TRUE(has_note(index, "left_out_part"));
  EXPECT_TRUE(has_note(index, "multi_echo", "sub-01_task-me"));
  std::vector<std::string> warnings;
  ASSERT_EQ(session.fieldmaps.size(), 1U);
  EXPECT_EQ(index.fieldmaps_of(session, session.runs[2], warnings).size(), 1U);
  EXPECT_EQ(index.fieldmaps_of(session, session.runs[3], warnings).size(), 0U);
  EXPECT_TRUE(warnings.empty());
}

TEST(Index, SidecarsAreInheritedTopDown) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\n").person("sub-01", "ses-a").person("sub-01", "ses-b");
  tree.file("task-rest_bold.json", R"({"RepetitionTime": 9, "EchoTime": 0.01, "TaskName": "top"})");
  tree.file("bold.json", R"({"EchoTime": 0.5, "MagneticFieldStrength": 3})");
  tree.file("sub-01/sub-01_bold.json", R"({"EchoTime": 0.02})");
  tree.file("sub-01/ses-a/ses-a_bold.json", R"({"Manufacturer": "A"})");
  tree.file("task-other_bold.json", R"({"Manufacturer": "never"})");
  const BidsIndex index = index_dataset(tree.root());
  const Sidecar a = index.metadata(index.sessions[0], index.sessions[0].runs[0].file);
  EXPECT_EQ(a.repetition_time_s, 2.0);
  EXPECT_EQ(a.echo_time_s, 0.02);
  EXPECT_EQ(a.task_name, "top");
  EXPECT_EQ(a.magnetic_field_strength_t, 3.0);
  EXPECT_EQ(a.manufacturer, "A");
  EXPECT_EQ(a.sources.size(), 5U);
  EXPECT_EQ(a.sources.front(), "bold.json");
  EXPECT_EQ(a.warnings.size(), 1U) << "bold.json and task-rest_bold.json apply in one folder";
  const Sidecar b = index.metadata(index.sessions[1], index.sessions[1].runs[0].file);
  EXPECT_EQ(b.manufacturer, "");
  EXPECT_TRUE(index.metadata(index.sessions[1], index.sessions[1].t1w[0]).sources.empty());
}

TEST(Index, BrokenJsonFailsItsRunOnly) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\nsub-02\nsub-03\n");
  tree.person("sub-01").person("sub-02").person("sub-03");
  tree.file("sub-01/func/sub-01_task-rest_bold.json", "{\n \"RepetitionTime\": 2,\n}");
  tree.file("sub-03/func/sub-03_task-rest_bold.json", "[2]");
  const BidsIndex index = index_dataset(tree.root());
  ASSERT_EQ(index.sessions.size(), 3U);
  const auto read = [&](std::size_t i) {
    return index.metadata(index.sessions[i], index.sessions[i].runs[0].file);
  };
  const std::string what = error_of(ErrorKind::input, [&] { static_cast<void>(read(0)); });
  EXPECT_NE(what.find("sub-01_task-rest_bold.json: broken JSON: parse error at line 3"),
            std::string::npos)
      << what;
  EXPECT_EQ(read(1).repetition_time_s, 2.0);
  EXPECT_NE(
      error_of(ErrorKind::input, [&] { static_cast<void>(read(2)); }).find("found JSON array"),
      std::string::npos);
}

TEST(Index, DeeplyNestedJsonIsRefused) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\n").person("sub-01");
  const std::size_t n = 200'000; // deep enough to exhaust the stack
  tree.file("sub-01/func/sub-01_task-rest_bold.json",
            "{\"RepetitionTime\": " + std::string(n, '[') + std::string(n, ']') + "}");
  const BidsIndex index = index_dataset(tree.root());
  const std::string what = error_of(ErrorKind::input, [&] {
    static_cast<void>(index.metadata(index.sessions[0], index.sessions[0].runs[0].file));
  });
  EXPECT_NE(what.find("more than 100 levels"), std::string::npos) << what;
}

TEST(Index, AnnexLinksLoopsAndLinksOutside) {
  BidsTree outside;
  outside.file("archive/t1.nii.gz");
  BidsTree tree;
  tree.header("participant_id\nsub-01\nsub-02\nsub-03\nsub-04\n");
  tree.file(".git/annex/objects/aa/KEY", "content");
  tree.link("sub-01/anat/sub-01_T1w.nii.gz", outside.path("archive/t1.nii.gz"));
  tree.link("sub-01/func/sub-01_task-a_bold.nii.gz", "../../.git/annex/objects/aa/KEY");
  tree.link("sub-01/func/sub-01_task-b_bold.nii.gz", "../../.git/annex/objects/bb/GONE");
  tree.link("sub-01/func/sub-01_task-c_bold.nii.gz", "sub-01_task-c_bold.nii.gz");
  tree.file("sub-01/func/sub-01_task-d_bold.nii.gz", "");
  tree.folder("sub-01/func/sub-01_task-e_bold.nii.gz");
  tree.link("sub-02", "sub-01");                                // the names in it say sub-01
  tree.link("sub-03", "sub-03");                                // a loop
  tree.folder("sub-04/anat").link("sub-04/ses-x", "../sub-04"); // a folder inside itself
  const BidsIndex index = index_dataset(tree.root());
  const ParticipantSession& one = index.sessions[0];
  ASSERT_EQ(one.runs.size(), 5U);
  EXPECT_EQ(one.problem, "");
  EXPECT_EQ(one.t1w[0].problem, "");
  EXPECT_EQ(one.runs[0].file.problem, "");
  EXPECT_EQ(one.runs[0].file.bytes, 7U);
  EXPECT_NE(one.runs[1].file.problem.find("content not present"), std::string::npos);
  EXPECT_NE(one.runs[2].file.problem.find("leads to itself"), std::string::npos);
  EXPECT_NE(one.runs[3].file.problem.find("empty file"), std::string::npos);
  EXPECT_EQ(one.runs[4].file.problem, "not a file");
  EXPECT_TRUE(has_note(index, "misplaced", "sub-02/anat/sub-01_T1w.nii.gz"));
  EXPECT_TRUE(has_note(index, "unreadable_folder", "sub-03"));
  EXPECT_TRUE(has_note(index, "no_content", one.runs[1].file.path));
  EXPECT_EQ(ids(index), (std::vector<std::string>{"sub-01", "sub-02", "sub-04", "sub-04_ses-x"}));
  EXPECT_EQ(index.sessions[1].problem, "no BOLD run");
}

TEST(Index, HostileNamesAreLeftOutByName) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\nsub-../../etc\n").person("sub-01");
  tree.folder("sub-<script>x").folder("sub-a\x1B[31m").folder("sub-a_b").folder("sub-");
  tree.folder("sub-01/ses-..x");
  tree.file("sub-01/func/sub-01_task-<b>_bold.nii.gz");
  tree.file("sub-01/func/sub-01_bold.nii.gz");
  tree.file("sub-01/func/._sub-01_task-rest_bold.nii.gz"); // macOS resource fork
  const BidsIndex index = index_dataset(tree.root());
  EXPECT_EQ(ids(index), (std::vector<std::string>{"sub-01"}));
  EXPECT_EQ(index.n_runs(), 1U);
  EXPECT_TRUE(has_note(index, "participant_name", "sub-<script>x"));
  EXPECT_TRUE(has_note(index, "participant_name", "sub-a_b"));
  EXPECT_TRUE(has_note(index, "participant_name", "participants.tsv"));
  EXPECT_TRUE(has_note(index, "session_name"));
  EXPECT_TRUE(has_note(index, "file_name", "sub-01/func/sub-01_task-<b>_bold.nii.gz"));
  EXPECT_TRUE(has_note(index, "no_task"));
  for (const Note& note : index.notes) {
    EXPECT_EQ(note.message.find('\x1B'), std::string::npos) << display(note.message);
  }
}

TEST(Index, ParticipantsTableProblems) {
  const auto index_of = [](std::string_view participants) {
    BidsTree tree;
    tree.header(participants).person("sub-01").person("sub-02");
    return index_dataset(tree.root());
  };
  const auto refused = [&](std::string_view participants) {
    return error_of(ErrorKind::dataset, [&] { static_cast<void>(index_of(participants)); });
  };
  EXPECT_NE(refused("participant_id\tage\nsub-01\t1\nsub-02\t2\nsub-01\t3\n")
                .find("line 4: found participant sub-01 again"),
            std::string::npos);
  EXPECT_NE(refused("participant_id\nsub-01\n01\n").find("again"), std::string::npos);
  EXPECT_NE(refused("id\nsub-01\n").find("no column \"participant_id\""), std::string::npos);
  EXPECT_NE(refused("participant_id\tage\nsub-01\n").find("line 2: found 1 columns, expected 2"),
            std::string::npos);
  EXPECT_NE(refused("participant_id\nn/a\n").find("found n/a"), std::string::npos);
  const BidsIndex index = index_of("participant_id\tage\nsub-01\t20\nsub-77\t30\n");
  EXPECT_TRUE(has_note(index, "participant_without_row", "sub-02"));
  EXPECT_TRUE(has_note(index, "row_without_folder", "sub-77"));
  EXPECT_EQ(index.sessions.size(), 2U);
  EXPECT_EQ(index.sessions[1].columns.at("age"), "");
  const BidsIndex bare = index_of("participant_id\tage\n01\t20\n02\t21\n");
  EXPECT_EQ(bare.sessions[1].columns.at("age"), "21");
  EXPECT_TRUE(has_note(bare, "participant_prefix"));
}

TEST(Index, SessionsTable) {
  BidsTree tree;
  tree.header("participant_id\tage\tsex\nsub-01\t20\tF\nsub-02\t30\tM\n");
  tree.person("sub-01", "ses-a").person("sub-01", "ses-b").person("sub-02", "ses-a");
  tree.file("sub-01/sub-01_sessions.tsv", "session_id\tage\tmood\nses-a\t21\t3\nb\t22\tn/a\n");
  tree.file("sub-02/sub-02_sessions.tsv", "session_id\tage\nses-a\n");
  const BidsIndex index = index_dataset(tree.root());
  EXPECT_EQ(index.sessions[0].columns.at("age"), "21");
  EXPECT_EQ(index.sessions[0].columns.at("sex"), "F");
  EXPECT_EQ(index.sessions[1].columns.at("age"), "22");
  EXPECT_EQ(index.sessions[1].columns.at("mood"), "");
  EXPECT_EQ(index.sessions[2].columns.at("age"), "30");
  EXPECT_TRUE(has_note(index, "sessions_table", "sub-02/sub-02_sessions.tsv"));
}

TEST(Index, ScansTable) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\nsub-02\n").person("sub-01", "ses-a").person("sub-02");
  tree.file("sub-01/ses-a/sub-01_ses-a_scans.tsv",
            "filename\tquality\nfunc/sub-01_ses-a_task-rest_bold.nii.gz\tgood\n"
            "func/gone.nii.gz\tn/a\nfunc/gone.nii.gz\tx\n");
  tree.file("sub-02/sub-02_scans.tsv", "file\nx\n");
  const BidsIndex index = index_dataset(tree.root());
  std::vector<std::string> warnings;
  const auto scans = index.scans(index.sessions[0], warnings);
  EXPECT_EQ(scans.at(index.sessions[0].runs[0].file.path).at("quality"), "good");
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_NE(warnings[0].find("line 3: sub-01/ses-a/func/gone.nii.gz does not exist"),
            std::string::npos);
  EXPECT_NE(warnings[1].find("line 4: found"), std::string::npos);
  warnings.clear();
  EXPECT_TRUE(index.scans(index.sessions[1], warnings).empty());
  EXPECT_NE(warnings.at(0).find("no column \"filename\""), std::string::npos);
}

TEST(Index, FieldmapsByB0Field) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\n").person("sub-01");
  tree.file("sub-01/func/sub-01_task-rest_bold.json",
            R"({"RepetitionTime": 2, "B0FieldSource": "two"})");
  for (const char* label : {"one", "two"}) {
    const std::string stem = std::string("sub-01/fmap/sub-01_acq-") + label + "_epi";
    tree.file(stem + ".nii.gz");
    tree.file(stem + ".json", std::string(R"({"B0FieldIdentifier": ")") + label +
                                  R"(", "IntendedFor": "func/sub-01_task-rest_bold.nii.gz"})");
  }
  tree.file("sub-01/fmap/sub-01_acq-broken_epi.nii.gz");
  tree.file("sub-01/fmap/sub-01_acq-broken_epi.json", "{");
  const BidsIndex index = index_dataset(tree.root());
  std::vector<std::string> warnings;
  const auto found = index.fieldmaps_of(index.sessions[0], index.sessions[0].runs[0], warnings);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, "sub-01/fmap/sub-01_acq-two_epi.nii.gz");
  EXPECT_EQ(warnings.size(), 1U);
}

TEST(Index, SharedAnatomyKeepsItsSidecar) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\n").person("sub-01", "ses-a").person("sub-01", "ses-b");
  std::filesystem::remove_all(tree.path("sub-01/ses-b/anat"));
  tree.file("sub-01/ses-a/anat/sub-01_ses-a_T1w.json", R"({"EchoTime": 0.003})");
  const BidsIndex index = index_dataset(tree.root());
  ASSERT_TRUE(index.sessions[1].t1w_from_other_session);
  EXPECT_EQ(index.metadata(index.sessions[1], index.sessions[1].t1w[0]).echo_time_s, 0.003);
  EXPECT_EQ(index.metadata(index.sessions[1], index.sessions[1].runs[0].file).sources.size(), 1U);
}

TEST(Index, LesionMasksBelongToTheT1w) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\n").person("sub-01", "ses-a").person("sub-01", "ses-b");
  std::filesystem::remove_all(tree.path("sub-01/ses-b/anat"));
  tree.file("sub-01/ses-a/anat/sub-01_ses-a_T1w_label-lesion_roi.nii.gz")
      .file("sub-01/ses-a/anat/sub-01_ses-a_label-lesion_mask.nii.gz")
      .file("sub-01/ses-a/anat/sub-01_ses-a_label-brain_mask.nii.gz");
  const BidsIndex index = index_dataset(tree.root());
  EXPECT_EQ(index.sessions[0].lesions.size(), 2U);
  EXPECT_EQ(index.sessions[1].lesions.size(), 2U); // with the T1w of the other session
  EXPECT_EQ(index.sessions[0].t1w.size(), 1U);
}

TEST(Index, WhatIsMissingIsSaid) {
  BidsTree tree;
  tree.file("sub-01/anat/sub-01_T1w.nii.gz").file("sub-02/func/sub-02_task-x_bold.nii.gz");
  tree.folder("sub-03").person("sub-04", "ses-a");
  tree.file("sub-04/ses-b/func/sub-04_ses-b_task-rest_bold.nii.gz");
  tree.file("sub-05/anat/sub-05_T1w.nii.gz", "").file("sub-05/func/sub-05_task-x_bold.nii.gz");
  const BidsIndex index = index_dataset(tree.root());
  EXPECT_TRUE(has_note(index, "no_dataset_description"));
  EXPECT_TRUE(has_note(index, "no_participants_table"));
  ASSERT_EQ(index.sessions.size(), 6U);
  EXPECT_EQ(index.sessions[0].problem, "no BOLD run");
  EXPECT_EQ(index.sessions[1].problem, "no T1w image");
  EXPECT_EQ(index.sessions[2].problem, "no BOLD run");
  EXPECT_EQ(index.sessions[3].problem, "");
  EXPECT_EQ(index.sessions[4].problem, "");
  EXPECT_TRUE(index.sessions[4].t1w_from_other_session);
  EXPECT_EQ(index.sessions[4].t1w[0].path, "sub-04/ses-a/anat/sub-04_ses-a_T1w.nii.gz");
  EXPECT_NE(index.sessions[5].problem.find("no T1w image that can be read: empty"),
            std::string::npos);
}

TEST(Index, DescriptionIsChecked) {
  const auto note_of = [](std::string_view json) {
    BidsTree tree;
    tree.header("participant_id\nsub-01\n").person("sub-01").file("dataset_description.json", json);
    const BidsIndex index = index_dataset(tree.root());
    return index.notes.empty() ? std::string() : index.notes[0].message;
  };
  EXPECT_EQ(note_of(R"({"BIDSVersion": "1.10.1"})"), "");
  EXPECT_EQ(note_of(R"({"BIDSVersion": "1.8.0-dev"})"), "");
  EXPECT_NE(note_of("{}").find("BIDSVersion: missing"), std::string::npos);
  for (const char* bad : {R"({"BIDSVersion": "latest"})", R"({"BIDSVersion": "1.8"})",
                          R"({"BIDSVersion": "1..0"})"}) {
    EXPECT_NE(note_of(bad).find("BIDSVersion: found"), std::string::npos) << bad;
  }
  EXPECT_NE(note_of("{oops").find("broken JSON"), std::string::npos);
  EXPECT_NE(
      note_of(R"({"BIDSVersion": "1.8.0", "DatasetType": "derivative"})").find("preprocessed"),
      std::string::npos);
}

TEST(Index, DerivativesHaveARunPerPreprocessedSeries) {
  for (const char* json :
       {R"({"BIDSVersion": "1.4.0", "DatasetType": "derivative"})",
        R"({"BIDSVersion": "1.1.1", "PipelineDescription": {"Name": "fMRIPrep"}})"}) {
    BidsTree tree;
    tree.header("participant_id\nsub-01\n").file("dataset_description.json", json);
    for (const char* name :
         {"task-rest_space-T1w_desc-preproc_bold.nii.gz", "task-rest_desc-preproc_bold.nii.gz",
          "task-rest_space-MNI152NLin6Asym_res-2_desc-preproc_bold.nii.gz",
          "task-rest_space-MNI152NLin6Asym_res-2_boldref.nii.gz",
          "task-faces_bold_space-MNI152NLin2009cAsym_preproc.nii.gz",
          "task-rest_space-fsLR_den-91k_bold.dtseries.nii", "task-none_desc-smooth_bold.nii.gz"}) {
      tree.file(std::string("sub-01/ses-a/func/sub-01_ses-a_") + name);
    }
    const BidsIndex index = index_dataset(tree.root());
    ASSERT_EQ(index.sessions.size(), 1U) << json;
    const ParticipantSession& session = index.sessions[0];
    EXPECT_EQ(session.id, "sub-01_ses-a");
    EXPECT_EQ(session.problem, "");
    ASSERT_EQ(session.runs.size(), 2U);
    EXPECT_EQ(session.runs[0].run_id, "sub-01_ses-a_task-faces");
    EXPECT_EQ(session.runs[1].run_id, "sub-01_ses-a_task-rest");
    EXPECT_EQ(session.runs[1].session_id, "ses-a");
    IndexOptions faces;
    faces.selection.tasks = {"faces"};
    EXPECT_EQ(index_dataset(tree.root(), faces).n_runs(), 1U);
  }
}

TEST(Index, Bidsignore) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\n")
      .person("sub-01")
      .person("sub-02")
      .person("sub-01", "ses-x");
  tree.file("sub-01/func/sub-01_task-bad_bold.nii.gz");
  tree.file(".bidsignore", "sub-02/\n*_task-bad_*\nses-x/\n");
  EXPECT_EQ(index_dataset(tree.root()).n_runs(), 1U);
  IndexOptions all;
  all.use_bidsignore = false;
  EXPECT_EQ(index_dataset(tree.root(), all).n_runs(), 4U);
}

TEST(Index, TwoCompressionsOfOneImage) {
  BidsTree tree;
  tree.header("participant_id\nsub-01\n").person("sub-01");
  tree.file("sub-01/func/sub-01_task-rest_bold.nii");
  const BidsIndex index = index_dataset(tree.root());
  ASSERT_EQ(index.n_runs(), 1U);
  EXPECT_EQ(index.sessions[0].runs[0].file.extension, ".nii.gz");
  EXPECT_TRUE(index.sessions[0].runs[0].echoes.empty());
  EXPECT_TRUE(has_note(index, "duplicate_image"));
}

class SelectionTest : public ::testing::Test {
protected:
  SelectionTest() {
    tree.header("participant_id\nsub-01\nsub-02\nsub-03\n");
    for (const char* sub : {"sub-01", "sub-02", "sub-03"}) {
      tree.person(sub, "ses-a").person(sub, "ses-b", "nback");
    }
    std::filesystem::remove_all(tree.path("sub-03/ses-b"));
  }
  BidsIndex select(Selection selection) {
    IndexOptions options;
    options.selection = std::move(selection);
    return index_dataset(tree.root(), options);
  }
  BidsTree tree;
};

TEST_F(SelectionTest, LabelsWithOrWithoutPrefix) {
  EXPECT_EQ(ids(select({{"sub-02", "01", "02"}, {"b"}, {}, {}})),
            (std::vector<std::string>{"sub-01_ses-b", "sub-02_ses-b"}));
  EXPECT_EQ(ids(select({{}, {"ses-b"}, {}, {}})),
            (std::vector<std::string>{"sub-01_ses-b", "sub-02_ses-b"}));
  const BidsIndex tasks = select({{}, {}, {"task-nback"}, {}});
  EXPECT_EQ(tasks.n_runs(), 2U);
  EXPECT_EQ(tasks.sessions.size(), 5U) << "who has no such run stays in the table, with the reason";
  EXPECT_EQ(tasks.sessions[0].problem, "no BOLD run of the tasks and filters asked for");
}

TEST_F(SelectionTest, AnatomyMayComeFromASessionNotAskedFor) {
  std::filesystem::remove_all(tree.path("sub-01/ses-b/anat"));
  const BidsIndex index = select({{"01"}, {"b"}, {}, {}});
  ASSERT_EQ(index.sessions.size(), 1U);
  EXPECT_EQ(index.sessions[0].t1w.at(0).path, "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz");
}

TEST_F(SelectionTest, UnknownLabelsAreUsageErrorsThatNameTheNearest) {
  const auto refused = [&](Selection selection) {
    return error_of(ErrorKind::usage, [&] { static_cast<void>(select(std::move(selection))); });
  };
  const std::string participants = refused({{"1", "sub-\x1B[2J"}, {}, {}, {}});
  EXPECT_NE(participants.find("--participant-label: \"1\" is not in the dataset, nearest: sub-01"),
            std::string::npos)
      << participants;
  EXPECT_EQ(participants.find('\x1B'), std::string::npos);
  EXPECT_NE(refused({{}, {"c"}, {}, {}}).find("nearest: ses-a, ses-b"), std::string::npos);
  EXPECT_NE(refused({{}, {}, {"nbakc"}, {}}).find("nearest: task-nback"), std::string::npos);
}

TEST_F(SelectionTest, FilterFile) {
  tree.file("f.json", R"({"bold": {"task": "nback"}, "t1w": {"session": "a"}})");
  Selection selection;
  selection.filter = read_bids_filter(tree.path("f.json"));
  const BidsIndex index = select(selection);
  EXPECT_EQ(index.n_runs(), 2U);
  EXPECT_TRUE(index.sessions[1].t1w_from_other_session);
}

TEST_F(SelectionTest, ShardsPartitionTheParticipants) {
  std::vector<std::string> all;
  for (std::size_t shard = 0; shard < 2; ++shard) {
    BidsIndex index = index_dataset(tree.root());
    keep_shard(index, shard, 2);
    const auto part = index.participant_ids();
    all.insert(all.end(), part.begin(), part.end());
  }
  EXPECT_EQ(all, (std::vector<std::string>{"sub-01", "sub-03", "sub-02"}));
  BidsIndex index = index_dataset(tree.root());
  EXPECT_THROW(keep_shard(index, 2, 2), Error);
}

TEST(Index, RefusesWhatIsNoDataset) {
  BidsTree tree;
  const auto refused = [](const std::filesystem::path& path) {
    return error_of(ErrorKind::dataset, [&] { static_cast<void>(index_dataset(path)); });
  };
  EXPECT_NE(refused(tree.path("none")).find("No such file"), std::string::npos);
  tree.file("sub-01.txt");
  EXPECT_NE(refused(tree.root()).find("no participant folder"), std::string::npos);
  EXPECT_NE(refused(tree.path("sub-01.txt")).find("Not a directory"), std::string::npos);
  tree.folder("sub-a_b");
  EXPECT_NE(refused(tree.root()).find("sub-a_b"), std::string::npos);
}

TEST(Index, SameAtAnyNumberOfThreads) {
  BidsTree tree;
  std::string rows = "participant_id\n";
  for (int i = 0; i < 100; ++i) {
    const std::string sub = "sub-" + std::to_string(i);
    if (i % 3 != 0) rows += sub + "\n";
    if (i % 7 != 0)
      tree.person(sub);
    else
      tree.folder(sub);
  }
  tree.header(rows);
  const auto index_with = [&](std::size_t threads) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(static_cast<int>(threads));
    return arena.execute([&] { return index_dataset(tree.root()); });
  };
  const BidsIndex one = index_with(1);
  const BidsIndex eight = index_with(8);
  EXPECT_EQ(ids(one), ids(eight));
  EXPECT_EQ(one.notes, eight.notes);
  EXPECT_EQ(one.sessions.size(), 100U);
}

TEST(Index, StopsWhenAsked) {
  BidsTree tree;
  tree.person("sub-01");
  std::stop_source source;
  source.request_stop();
  Context context;
  context.stop = source.get_token();
  EXPECT_THROW(static_cast<void>(index_dataset(tree.root(), {}, context)), Error);
}

} // namespace
} // namespace boldmill::bids
