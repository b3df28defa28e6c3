#include "pipeline/bids/derivatives.hpp"

#include <gtest/gtest.h>

#include "stages/core/error.hpp"
#include "tests/support/bids_tree.hpp"

namespace boldmill::bids {
namespace {

using test::BidsTree;

BoldRun run_of(Entities entities) {
  BoldRun run;
  run.run_id = compose_entities(entities);
  run.participant_id = "sub-" + std::string(entity(entities, "sub"));
  run.file.entities = std::move(entities);
  return run;
}

std::string name(const std::optional<BidsFile>& file) {
  return file ? file->path.substr(file->path.rfind('/') + 1) : "none";
}

const std::string kMni = "MNI152NLin2009cAsym";

// File names as releases and published derivatives have them; those of 26.0 are of its development.
TEST(Derivatives, Before12) {
  BidsTree tree;
  const std::string f = "fmriprep/sub-01/func/sub-01_task-rest_run-01_bold_";
  const std::string a = "fmriprep/sub-01/anat/sub-01_T1w_";
  tree.file(f + "space-" + kMni + "_preproc.nii.gz")
      .file(f + "space-" + kMni + "_brainmask.nii.gz");
  tree.file(f + "space-T1w_preproc.nii.gz").file(f + "confounds.tsv");
  tree.file(a + "preproc.nii.gz").file(a + "brainmask.nii.gz").file(a + "dtissue.nii.gz");
  tree.file(a + "class-CSF_probtissue.nii.gz").file(a + "space-" + kMni + "_preproc.nii.gz");
  tree.file(a + "target-" + kMni + "_warp.h5").file(a + "space-" + kMni + "_target-T1w_warp.h5");
  tree.folder("freesurfer/sub-01");
  const DerivativesIndex index = index_derivatives("fmriprep", tree.root());
  EXPECT_EQ(index.root, tree.path("fmriprep"));
  const BoldRun run = run_of({{"sub", "01"}, {"task", "rest"}, {"run", "1"}});
  EXPECT_EQ(index.spaces(run), (std::vector<std::string>{kMni, "T1w"}));
  const DerivedRun derived = index.find(run, kMni);
  EXPECT_EQ(name(derived.bold), "sub-01_task-rest_run-01_bold_space-" + kMni + "_preproc.nii.gz");
  EXPECT_EQ(name(derived.mask), "sub-01_task-rest_run-01_bold_space-" + kMni + "_brainmask.nii.gz");
  EXPECT_EQ(name(derived.confounds), "sub-01_task-rest_run-01_bold_confounds.tsv");
  ASSERT_EQ(derived.missing.size(), 1U);
  EXPECT_NE(derived.missing[0].find("no reference"), std::string::npos);
  ParticipantSession session;
  session.participant_id = session.id = "sub-01";
  const DerivedAnat anat = index.anatomy(session);
  EXPECT_EQ(name(anat.t1w), "sub-01_T1w_preproc.nii.gz");
  EXPECT_EQ(name(anat.mask), "sub-01_T1w_brainmask.nii.gz");
  EXPECT_EQ(name(anat.dseg), "sub-01_T1w_dtissue.nii.gz");
  EXPECT_TRUE(anat.tissue.contains("CSF"));
  ASSERT_EQ(anat.transforms.size(), 2U);
  EXPECT_EQ(anat.transforms[0].from + ">" + anat.transforms[0].to, kMni + ">T1w");
  EXPECT_EQ(anat.transforms[1].from + ">" + anat.transforms[1].to, "T1w>" + kMni);
}

TEST(Derivatives, From12To201) {
  BidsTree tree;
  const std::string f = "sub-01/ses-a/func/sub-01_ses-a_task-rest_";
  tree.file("dataset_description.json",
            R"({"PipelineDescription": {"Name": "fMRIPrep", "Version": "1.5.0"}})");
  tree.file(f + "desc-confounds_regressors.tsv").file(f + "desc-confounds_regressors.json");
  tree.file(f + "space-" + kMni + "_desc-preproc_bold.nii.gz");
  tree.file(f + "space-" + kMni + "_desc-brain_mask.nii.gz");
  tree.file(f + "space-" + kMni + "_boldref.nii.gz");
  tree.file(f + "space-" + kMni + "_desc-smoothAROMAnonaggr_bold.nii.gz");
  const DerivativesIndex index = index_derivatives("fmriprep", tree.root());
  EXPECT_EQ(index.generated_by, "fMRIPrep 1.5.0");
  const DerivedRun derived =
      index.find(run_of({{"sub", "01"}, {"ses", "a"}, {"task", "rest"}}), kMni);
  EXPECT_TRUE(derived.missing.empty());
  EXPECT_EQ(name(derived.confounds), "sub-01_ses-a_task-rest_desc-confounds_regressors.tsv");
  EXPECT_TRUE(derived.confounds_json);
  EXPECT_NE(name(derived.bold).find("desc-preproc"), std::string::npos);
}

TEST(Derivatives, Since202AndSince23AndComing26) {
  BidsTree tree;
  const std::string f = "sub-01/func/sub-01_task-rest_";
  tree.file("dataset_description.json",
            R"({"GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.1.0"}]})");
  tree.file(f + "desc-confounds_timeseries.tsv");
  for (const char* res : {"_res-2", "", "_res-1"}) {
    tree.file(f + "space-" + kMni + res + "_desc-preproc_bold.nii.gz");
    tree.file(f + "space-" + kMni + res + "_desc-brain_mask.nii.gz");
    tree.file(f + "space-" + kMni + res + "_boldref.nii.gz");
  }
  tree.file(f + "space-MNIPediatricAsym_cohort-2_desc-preproc_bold.nii.gz");
  tree.file(f + "echo-1_desc-preproc_bold.nii.gz"); // single echoes are not the run
  tree.file(f + "desc-preproc_bold.nii.gz").file(f + "desc-brain_mask.nii.gz");
  tree.file(f + "desc-coreg_boldref.nii.gz").file(f + "space-orig_desc-hmc_boldref.nii.gz");
  tree.file(f + "from-orig_to-boldref_mode-image_desc-hmc_xfm.txt");
  tree.file(f + "from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt");
  tree.file("sub-01/func/sub-01_task-rest2_desc-confounds_timeseries.tsv");
  const DerivativesIndex index = index_derivatives("fmriprep", tree.root());
  const BoldRun run = run_of({{"sub", "01"}, {"task", "rest"}});
  EXPECT_EQ(index.spaces(run), (std::vector<std::string>{"", kMni, "MNIPediatricAsym:cohort-2"}));
  EXPECT_EQ(index.find(run, kMni).resolution, "");
  const DerivedRun two = index.find(run, kMni, "2");
  EXPECT_NE(name(two.bold).find("_res-2_"), std::string::npos);
  EXPECT_NE(name(two.mask).find("_res-2_"), std::string::npos);
  EXPECT_TRUE(index.find(run, "MNIPediatricAsym:cohort-2").bold);
  const DerivedRun own = index.find(run, "");
  EXPECT_EQ(name(own.bold), "sub-01_task-rest_desc-preproc_bold.nii.gz");
  EXPECT_EQ(name(own.boldref), "sub-01_task-rest_desc-coreg_boldref.nii.gz");
  EXPECT_EQ(name(own.hmc_boldref), "sub-01_task-rest_space-orig_desc-hmc_boldref.nii.gz");
  EXPECT_EQ(own.transforms.size(), 2U);
  EXPECT_TRUE(own.missing.empty());
  EXPECT_EQ(name(own.confounds), "sub-01_task-rest_desc-confounds_timeseries.tsv");
}

TEST(Derivatives, MissingPiecesAreNamed) {
  BidsTree tree;
  tree.file("sub-01/func/sub-01_task-rest_space-T1w_desc-preproc_bold.nii.gz");
  tree.link("sub-01/func/sub-01_task-rest_space-T1w_desc-brain_mask.nii.gz", "gone");
  const DerivativesIndex index = index_derivatives("x", tree.root());
  const BoldRun run = run_of({{"sub", "01"}, {"task", "rest"}});
  const DerivedRun derived = index.find(run, kMni);
  ASSERT_EQ(derived.missing.size(), 4U);
  EXPECT_NE(derived.missing[0].find("spaces found: T1w"), std::string::npos);
  EXPECT_NE(index.find(run, "T1w").missing[0].find("content not present"), std::string::npos);
  const BoldRun other = run_of({{"sub", "02"}, {"task", "rest"}});
  EXPECT_FALSE(index.has_participant("sub-02"));
  EXPECT_EQ(index.find(other, kMni).missing.size(), 4U);
}

TEST(Derivatives, AnatomyOfTheSessionOrTheParticipant) {
  BidsTree tree;
  tree.file("sub-01/anat/sub-01_desc-preproc_T1w.nii.gz");
  tree.file("sub-01/anat/sub-01_desc-brain_mask.nii.gz");
  tree.file("sub-02/ses-b/anat/sub-02_ses-b_desc-preproc_T1w.nii.gz");
  const DerivativesIndex index = index_derivatives("x", tree.root());
  ParticipantSession session;
  session.participant_id = "sub-01";
  session.session_id = "ses-a";
  session.id = "sub-01_ses-a";
  EXPECT_EQ(name(index.anatomy(session).t1w), "sub-01_desc-preproc_T1w.nii.gz");
  session.participant_id = "sub-02";
  EXPECT_EQ(name(index.anatomy(session).t1w), "sub-02_ses-b_desc-preproc_T1w.nii.gz");
  EXPECT_EQ(index.anatomy(session).missing.size(), 1U);
  EXPECT_EQ(index.anatomy(session, kMni).missing.size(), 2U);
}

TEST(Derivatives, Errors) {
  BidsTree tree;
  const auto kind_of = [&](const std::filesystem::path& path) {
    try {
      static_cast<void>(index_derivatives("x", path));
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  EXPECT_EQ(kind_of(tree.path("none")), ErrorKind::usage);
  EXPECT_EQ(kind_of(tree.root()), ErrorKind::dataset);
}

TEST(Derivatives, Argument) {
  EXPECT_EQ(parse_derivatives_argument("fmriprep=/a/b").first, "fmriprep");
  EXPECT_EQ(parse_derivatives_argument("fmriprep=/a/b=c").second, "/a/b=c");
  EXPECT_EQ(parse_derivatives_argument("/a/prep/").first, "prep");
  for (const char* bad : {"", "=x", "x=", "../=x", "a b=c"}) {
    EXPECT_THROW(static_cast<void>(parse_derivatives_argument(bad)), Error) << bad;
  }
}

} // namespace
} // namespace boldmill::bids
