#include "pipeline/spaces/templates.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "pipeline/image_io/nifti.hpp"
#include "pipeline/spaces/files.hpp"

namespace boldmill::spaces {
namespace {

namespace fs = std::filesystem;

class Folder {
public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "boldmill-spaces-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] fs::path operator/(const fs::path& name) const { return path_ / name; }
  [[nodiscard]] const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

// A ball of 70 mm: brain-sized.
void write_brain(const fs::path& path, float value = 100.0F) {
  fs::create_directories(path.parent_path());
  Grid grid;
  grid.shape = {40, 40, 40};
  grid.affine.topLeftCorner<3, 3>() *= 4.0;
  grid.affine.topRightCorner<3, 1>().setConstant(-78.0);
  Volume brain(grid);
  for (std::size_t v = 0; v < brain.data.size(); ++v) {
    const auto at = grid.coordinates(v);
    const double r = grid.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0}).norm();
    if (r < 70.0) brain.data[v] = value;
  }
  image_io::write_volume(path, brain);
}

TEST(FileNames, DeclareTheirSpace) {
  EXPECT_EQ(declared_space("a/tpl-MNI152NLin6Asym_res-01_T1w.nii.gz"), "MNI152NLin6Asym");
  EXPECT_EQ(declared_space("atlas-AAL_space-MNIColin27_dseg.nii.gz"), "MNIColin27");
  EXPECT_EQ(declared_space("tpl-A_space-B.nii.gz"), "B");
  EXPECT_EQ(declared_space("myspace-B.nii.gz"), "");
  EXPECT_EQ(stem_of("x/aal.nii.gz"), "aal");
}

TEST(Templates, PreferTheCircuitsOwnSpaceThenThePackageThenColin) {
  const Folder folder;
  write_brain(folder / "data/templates/mni152.nii.gz");
  write_brain(folder / "mricron/ch2bet.nii.gz");
  for (const std::string space : {"MNI152NLin2009cAsym", "MNI152NLin6Asym", "OASIS30ANTs"}) {
    write_brain(folder / ("flow/tpl-" + space + "/tpl-" + space + "_res-01_desc-brain_T1w.nii.gz"));
  }
  std::ofstream(folder / "flow/tpl-MNI152NLin6Asym/tpl-MNI152NLin6Asym_res-01_T1w.nii.gz");
  const SearchPath search{
      {folder / "nowhere", folder / "data"}, folder / "mricron", folder / "flow"};
  const std::vector<TemplateInfo> found = find_templates(search);
  ASSERT_EQ(found.size(), 5U);
  EXPECT_EQ(found[0].space, "MNI152NLin6Asym");
  EXPECT_TRUE(found[0].head_path.empty()) << "an empty file is not a template";
  EXPECT_EQ(found[1].name, "MNI152NLin2009 niivue");
  EXPECT_FALSE(found[1].note.empty()) << "not the file whose space was examined";
  EXPECT_EQ(found[2].space, "MNI152NLin2009cAsym");
  EXPECT_EQ(found[4].name, "Colin27");
  EXPECT_TRUE(found[4].single_subject);
  EXPECT_EQ(found[4].note, "single-subject template");

  EXPECT_EQ(select_template(found, "").name, "MNI152NLin6Asym");
  EXPECT_EQ(select_template(found, "MNIColin27").name, "Colin27");
  EXPECT_EQ(select_template(found, "MNI152NLin2009 niivue").space, "MNI152NLin2009cAsym");
  try {
    (void)select_template(found, "MNI305");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("'Colin27' (MNIColin27)"), std::string::npos);
  }
  EXPECT_THROW((void)select_template({}, ""), Error);
  EXPECT_TRUE(find_templates({{folder / "nowhere"}, {}, {}}).empty());
}

TEST(Templates, ColinAloneIsTheFallBack) {
  const Folder folder;
  write_brain(folder / "ch2bet.nii.gz");
  const auto found = find_templates({{}, folder.path(), {}});
  EXPECT_EQ(select_template(found, "default").note, "single-subject template");
}

TEST(Templates, UsersFilesDeclareTheirSpace) {
  const Folder folder;
  const fs::path named = folder / "tpl-MNIPediatricAsym_desc-brain_T1w.nii.gz";
  const fs::path anonymous = folder / "brain.nii.gz";
  write_brain(named);
  write_brain(anonymous);
  EXPECT_EQ(template_from_files({.brain = named}).space, "MNIPediatricAsym");
  EXPECT_EQ(template_from_files({.brain = anonymous, .space = "MNI305"}).space, "MNI305");
  EXPECT_THROW((void)template_from_files({.brain = anonymous}), Error);
  EXPECT_THROW((void)template_from_files({.brain = folder / "tpl-X_T1w.nii.gz"}), Error);

  const TemplateImages images = load_template(template_from_files({.brain = named}), Context{});
  EXPECT_NEAR(static_cast<double>(count(images.mask)) * 64.0, 4.0 / 3.0 * 3.14159 * 343000.0,
              0.05 * 1436755.0);
  Grid other = images.mask.grid;
  other.shape[0] -= 1;
  image_io::write_mask(folder / "mask.nii.gz", Mask(other, 1));
  const auto wrong = template_from_files({.brain = named, .mask = folder / "mask.nii.gz"});
  EXPECT_THROW((void)load_template(wrong, Context{}), Error);
}

TEST(Atlases, UsersFilesDeclareTheirSpaceAndBringATable) {
  const Folder folder;
  const fs::path image = folder / "space-MNI152NLin6_atlas.nii.gz";
  write_brain(image, 1.0F);
  EXPECT_TRUE(atlas_from_files({.image = image}).table_path.empty());
  std::ofstream(folder / "space-MNI152NLin6_atlas.tsv") << "index\tname\n1\tball\n";
  const AtlasInfo atlas = atlas_from_files({.image = image, .name = "Ball"});
  EXPECT_EQ(atlas.space, "MNI152NLin6Asym");
  EXPECT_EQ(atlas.name, "Ball");
  EXPECT_EQ(atlas.table_path.filename(), "space-MNI152NLin6_atlas.tsv");
  EXPECT_EQ(atlas.sha256.size(), 64U);
  const fs::path anonymous = folder / "labels.nii.gz";
  write_brain(anonymous, 1.0F);
  EXPECT_THROW((void)atlas_from_files({.image = anonymous}), Error);
  EXPECT_THROW((void)atlas_from_files({.image = folder / "none.nii.gz"}), Error);
  EXPECT_THROW((void)select_atlas({atlas}, "AAL"), Error);
  EXPECT_EQ(select_atlas({atlas}, "Ball").space, "MNI152NLin6Asym");
}

TEST(Configs, AreFoundInTheSourceTree) {
  EXPECT_TRUE(fs::exists(find_config("regions/circuit_regions.tsv")));
  EXPECT_THROW((void)find_config("regions/nothing.tsv"), Error);
}

} // namespace
} // namespace boldmill::spaces
