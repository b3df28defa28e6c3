#include "pipeline/bids/fieldmap_estimator.hpp"

#include <gtest/gtest.h>

#include "tests/support/bids_tree.hpp"

namespace boldmill::bids {
namespace {

using test::BidsTree;

const std::vector<FieldmapKind> kAll(std::begin(kMeasuredKinds), std::end(kMeasuredKinds));

class Estimator : public ::testing::Test {
protected:
  Estimator() { tree_.header("participant_id\nsub-01\n").person("sub-01"); }

  Estimator& bold(std::string_view more) {
    tree_.file("sub-01/func/sub-01_task-rest_bold.json",
               R"({"RepetitionTime": 2.0)" + std::string(more) + "}");
    return *this;
  }
  Estimator& fmap(const std::string& name, std::string_view json) {
    tree_.file("sub-01/fmap/sub-01_" + name + ".nii.gz");
    tree_.file("sub-01/fmap/sub-01_" + name + ".json", json);
    return *this;
  }
  FieldmapEstimator find(const std::vector<FieldmapKind>& kinds = kAll) {
    const BidsIndex index = index_dataset(tree_.root());
    return fieldmap_estimator(index, index.sessions.at(0), index.sessions[0].runs.at(0), kinds,
                              [](const BidsFile&, int axis) { return axis == 1 ? 65 : 10; });
  }
  static std::vector<std::string> paths(const FieldmapEstimator& found) {
    std::vector<std::string> list;
    for (const EncodedFile& image : found.epi) list.push_back(image.file.path);
    return list;
  }

  BidsTree tree_;
};

constexpr const char* kEncoded =
    R"(, "PhaseEncodingDirection": "j", "TotalReadoutTime": 0.03, "B0FieldSource": "b0")";
constexpr const char* kPlain = R"(, "PhaseEncodingDirection": "j", "TotalReadoutTime": 0.03)";
constexpr const char* kBold = "sub-01/func/sub-01_task-rest_bold.nii.gz";

std::string epi(const char* direction, const std::string& more) {
  return std::string(R"({"PhaseEncodingDirection": ")") + direction +
         R"(", "TotalReadoutTime": 0.03, )" + more + "}";
}

TEST_F(Estimator, IdentifierComesBeforeIntendedFor) {
  bold(kEncoded);
  fmap("dir-AP_epi", epi("j-", R"("B0FieldIdentifier": "b0")"));
  fmap("dir-PA_epi", epi("j", R"("B0FieldIdentifier": ["x", "b0"])"));
  fmap("acq-other_epi", epi("j-", R"("IntendedFor": "func/sub-01_task-rest_bold.nii.gz")"));
  const FieldmapEstimator found = find();
  EXPECT_EQ(found.kind, FieldmapKind::pepolar);
  EXPECT_EQ(found.identifier, "b0");
  // The one encoded like the run is first.
  EXPECT_EQ(paths(found), (std::vector<std::string>{"sub-01/fmap/sub-01_dir-PA_epi.nii.gz",
                                                    "sub-01/fmap/sub-01_dir-AP_epi.nii.gz"}));
  EXPECT_FALSE(found.uses_run());
  EXPECT_EQ(found.files().size(), 2U);
  EXPECT_EQ(found.run.direction, "j");
  EXPECT_DOUBLE_EQ(found.run.readout_s, 0.03);
}

TEST_F(Estimator, IntendedForInAllItsForms) {
  bold(kPlain);
  for (const char* target : {R"("bids::sub-01/func/sub-01_task-rest_bold.nii.gz")",
                             R"(["func/sub-01_task-rest_bold.nii.gz", "func/none.nii.gz"])",
                             R"("func/sub-01_task-rest_bold.nii.gz")"}) {
    fmap("dir-AP_epi", epi("j-", std::string(R"("IntendedFor": )") + target));
    fmap("dir-PA_epi", epi("j", std::string(R"("IntendedFor": )") + target));
    const FieldmapEstimator found = find();
    EXPECT_EQ(found.kind, FieldmapKind::pepolar) << target << found.reason;
    EXPECT_EQ(found.identifier, "");
    EXPECT_EQ(found.epi.size(), 2U);
  }
}

TEST_F(Estimator, TheRunOrItsReferenceIsTheOtherSide) {
  bold(kPlain);
  fmap("dir-AP_epi", epi("j-", R"("IntendedFor": "func/sub-01_task-rest_bold.nii.gz")"));
  const FieldmapEstimator alone = find();
  EXPECT_EQ(paths(alone),
            (std::vector<std::string>{kBold, "sub-01/fmap/sub-01_dir-AP_epi.nii.gz"}));
  EXPECT_TRUE(alone.uses_run());
  EXPECT_EQ(alone.files().size(), 1U);
  tree_.file("sub-01/func/sub-01_task-rest_sbref.nii.gz");
  tree_.file("sub-01/func/sub-01_task-rest_sbref.json", epi("j", R"("x": 1)"));
  const FieldmapEstimator with = find();
  ASSERT_EQ(with.epi.size(), 2U);
  EXPECT_EQ(with.epi[0].file.suffix, "sbref");
  EXPECT_FALSE(with.uses_run());
}

TEST_F(Estimator, ImagesEncodedLikeTheRunAreNotEnough) {
  bold(kPlain);
  fmap("dir-PA_epi", epi("j", R"("IntendedFor": "func/sub-01_task-rest_bold.nii.gz")"));
  const FieldmapEstimator found = find();
  EXPECT_EQ(found.kind, FieldmapKind::none);
  EXPECT_NE(found.reason.find("expected opposite ones"), std::string::npos);
}

TEST_F(Estimator, AFunctionalFileCanBePartOfTheField) {
  bold(std::string(kEncoded) + R"(, "B0FieldIdentifier": "b0")");
  fmap("dir-AP_epi", epi("j-", R"("B0FieldIdentifier": "b0")"));
  EXPECT_EQ(paths(find()),
            (std::vector<std::string>{kBold, "sub-01/fmap/sub-01_dir-AP_epi.nii.gz"}));
}

TEST_F(Estimator, PhaseImages) {
  bold(kEncoded);
  fmap("phasediff", R"({"B0FieldIdentifier": "b0", "EchoTime1": 0.00492, "EchoTime2": 0.00738})");
  EXPECT_EQ(find().kind, FieldmapKind::none);
  EXPECT_NE(find().reason.find("no magnitude"), std::string::npos);
  fmap("magnitude1", "{}");
  const FieldmapEstimator found = find();
  EXPECT_EQ(found.kind, FieldmapKind::phase_difference);
  EXPECT_DOUBLE_EQ(found.echo_time2_s - found.echo_time1_s, 0.00246);
  EXPECT_EQ(found.magnitude->suffix, "magnitude1");
  EXPECT_EQ(found.files().size(), 2U);
  EXPECT_EQ(find({FieldmapKind::pepolar}).kind, FieldmapKind::none);
}

TEST_F(Estimator, TwoPhases) {
  bold(kEncoded);
  fmap("phase1", R"({"B0FieldIdentifier": "b0", "EchoTime": 0.005})");
  fmap("magnitude1", "{}");
  EXPECT_NE(find().reason.find("phase2"), std::string::npos);
  fmap("phase2", R"({"B0FieldIdentifier": "b0", "EchoTime": 0.0075})");
  const FieldmapEstimator found = find();
  EXPECT_EQ(found.kind, FieldmapKind::two_phases);
  EXPECT_EQ(found.phase.size(), 2U);
  EXPECT_DOUBLE_EQ(found.echo_time1_s, 0.005);
}

TEST_F(Estimator, DirectMapNeedsUnits) {
  bold(kEncoded);
  fmap("fieldmap", R"({"B0FieldIdentifier": "b0", "Units": "furlong"})");
  EXPECT_NE(find().reason.find("expected Hz, rad/s or T"), std::string::npos);
  fmap("fieldmap", R"({"B0FieldIdentifier": "b0", "Units": "rad/s"})");
  const FieldmapEstimator found = find();
  EXPECT_EQ(found.kind, FieldmapKind::direct);
  EXPECT_EQ(found.units, "rad/s");
  EXPECT_FALSE(found.magnitude.has_value());
}

TEST_F(Estimator, SaysWhyThereIsNone) {
  bold(kPlain);
  EXPECT_EQ(find().reason, "the session has no field map");
  fmap("dir-AP_epi", epi("j-", R"("x": 1)"));
  EXPECT_NE(find().reason.find("names the run"), std::string::npos);
  bold("");
  EXPECT_NE(find().reason.find("no PhaseEncodingDirection"), std::string::npos);
  bold(R"(, "PhaseEncodingDirection": "j")");
  EXPECT_NE(find().reason.find("neither TotalReadoutTime nor EffectiveEchoSpacing"),
            std::string::npos);
  bold(R"(, "PhaseEncodingDirection": "j", "TotalReadoutTime": 30)");
  EXPECT_NE(find().reason.find("milliseconds"), std::string::npos);
}

TEST_F(Estimator, ReadoutFromEchoSpacing) {
  bold(R"(, "PhaseEncodingDirection": "j", "EffectiveEchoSpacing": 0.0005, "ReconMatrixPE": 61)");
  EXPECT_DOUBLE_EQ(find().run.readout_s, 0.03);
  bold(R"(, "PhaseEncodingDirection": "j-", "EffectiveEchoSpacing": 0.0005)"); // 65 voxels
  EXPECT_DOUBLE_EQ(find().run.readout_s, 0.032);
}

} // namespace
} // namespace boldmill::bids
