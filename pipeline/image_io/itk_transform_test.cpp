#include "pipeline/image_io/itk_transform.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "pipeline/image_io/nifti.hpp"
#include "pipeline/image_io/test_files.hpp"

namespace boldmill::image_io {
namespace {

namespace fs = std::filesystem;

fs::path reference(const std::string& name) {
  return fs::path(BOLDMILL_SOURCE_DIR) / "tests" / "reference" / "itk_transform" / name;
}

std::string refusal(const std::function<void()>& body, ErrorKind kind = ErrorKind::input) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

Affine some_affine() {
  Affine map = rigid_matrix({{3.0, -4.0, 5.0}, {0.1, -0.2, 0.3}}, {10.0, 20.0, -5.0});
  map.topLeftCorner<3, 3>() *= 1.07;
  return map;
}

// Oblique, left-handed, three voxel sizes.
std::shared_ptr<const DisplacementField> some_field() {
  auto field = std::make_shared<DisplacementField>();
  field->grid.shape = {11, 9, 13};
  field->grid.affine = rigid_matrix({{-14.0, -12.0, 9.0}, {0.2, 0.3, -0.4}}, {0.0, 0.0, 0.0}) *
                       Eigen::Vector4d(-2.0, 3.0, 2.5, 1.0).asDiagonal();
  std::mt19937 random(5);
  std::uniform_real_distribution<float> mm(-4.0F, 4.0F);
  field->mm.resize(3 * field->grid.n_voxels());
  for (float& value : field->mm) value = mm(random);
  return field;
}

TEST(ItkTransform, MapsPointsAsItkDoes) {
  std::ifstream table(reference("points.tsv"));
  std::string line;
  std::getline(table, line);
  std::map<std::string, int> seen;
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string name;
    Eigen::Vector3d point, mapped;
    fields >> name >> point[0] >> point[1] >> point[2] >> mapped[0] >> mapped[1] >> mapped[2];
    const Eigen::Vector3d ours = read_xfm(reference(name))(point);
    // 1e-4 mm: the files hold single precision.
    EXPECT_LT((ours - mapped).norm(), 1e-4) << line << " ours " << ours.transpose();
    ++seen[name];
  }
  EXPECT_EQ(seen.size(), 4U);
  for (const auto& [name, n] : seen) EXPECT_EQ(n, 12) << name;
}

TEST(ItkTransform, TextKeepsEveryDigitAndTheOrder) {
  const TemporaryFolder folder;
  std::vector<Affine> maps{some_affine(), Affine::Identity(), some_affine().inverse()};
  write_affine_xfms(folder / "hmc.txt", maps);
  const std::vector<Affine> back = read_affine_xfms(folder / "hmc.txt");
  ASSERT_EQ(back.size(), 3U);
  for (std::size_t n = 0; n < 3; ++n) EXPECT_EQ(back[n].topRows<3>(), maps[n].topRows<3>());
  EXPECT_NE(refusal([&] { (void)read_xfm(folder / "hmc.txt"); }).find("found 3"),
            std::string::npos);
  write_affine_xfm(folder / "one.txt", maps[0]);
  const Eigen::Vector3d x(7.0, -8.0, 9.0);
  EXPECT_LT((read_xfm(folder / "one.txt")(x) - PointMap{{maps[0]}}(x)).norm(), 1e-12);
}

TEST(ItkTransform, ATextShiftIsInLps) {
  const TemporaryFolder folder;
  Affine shift = Affine::Identity();
  shift.topRightCorner<3, 1>() = Eigen::Vector3d(1.0, 2.0, 3.0);
  write_affine_xfm(folder / "shift.txt", shift);
  EXPECT_EQ(slurp(folder / "shift.txt"), "#Insight Transform File V1.0\n#Transform 0\n"
                                         "Transform: AffineTransform_double_3_3\n"
                                         "Parameters: 1 0 0 0 1 0 0 0 1 -1 -2 3\n"
                                         "FixedParameters: 0 0 0\n\n");
}

TEST(ItkTransform, CompositesComeBackAndAreTheSameBytes) {
  const TemporaryFolder folder;
  const PointMap map = PointMap{}.then(some_field()).then(some_affine()).then(some_field());
  write_composite_xfm(folder / "a.h5", map);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100)); // HDF5 would write the second
  write_composite_xfm(folder / "b.h5", map);
  EXPECT_EQ(slurp(folder / "a.h5"), slurp(folder / "b.h5"));
  const PointMap back = read_xfm(folder / "a.h5");
  ASSERT_EQ(back.steps.size(), 3U);
  std::mt19937 random(1);
  std::uniform_real_distribution<double> mm(-15.0, 15.0);
  for (int n = 0; n < 200; ++n) {
    const Eigen::Vector3d x(mm(random), mm(random), mm(random));
    EXPECT_LT((back(x) - map(x)).norm(), 2e-5); // single precision of an affine, at 30 mm
  }
  const Grid& grid = std::get<1>(back.steps[0])->grid;
  EXPECT_TRUE(grid.same_as(some_field()->grid, 1e-9));
}

TEST(ItkTransform, RefusesTextByName) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& text) {
    return refusal([&] { (void)read_xfm(spill(folder / "x.txt", text)); });
  };
  const std::string banner = "#Insight Transform File V1.0\n";
  EXPECT_NE(refused("Transform: AffineTransform_double_3_3").find("first line"), std::string::npos);
  EXPECT_NE(refused(banner).find("no transform"), std::string::npos);
  EXPECT_NE(refused(banner + "Transform: AffineTransform_double_3_3\nParameters: 1 0 x\n")
                .find("expected numbers"),
            std::string::npos);
  EXPECT_NE(refused(banner + "Transform: AffineTransform_double_3_3\nParameters: 1 0 0\n")
                .find("expected 12"),
            std::string::npos);
  EXPECT_NE(refused(banner + "Transform: AffineTransform_double_3_3\n"
                             "Parameters: 1 0 0 0 1 0 0 0 nan 0 0 0\n")
                .find("not finite"),
            std::string::npos);
  EXPECT_NE(refused(banner + "Transform: AffineTransform_double_3_3\n"
                             "Parameters: 1 0 0 0 1 0 0 0 0 0 0 0\nFixedParameters: 0 0 0\n")
                .find("singular"),
            std::string::npos);
  EXPECT_NE(refused(banner + "Transform: BSplineTransform_double_3_3\nParameters: 1\n")
                .find("BSplineTransform"),
            std::string::npos);
  EXPECT_NE(refused(banner + "Transform: AffineTransform_double_2_2\n").find("three dimensions"),
            std::string::npos);
  EXPECT_NE(refusal([&] { (void)read_xfm(folder / "absent.txt"); }).find("opened"),
            std::string::npos);
  EXPECT_NE(refusal([&] { (void)read_xfm(folder / "x.mat"); }).find("expected .h5"),
            std::string::npos);
}

TEST(ItkTransform, RefusesFieldsThatLieAboutTheirSize) {
  const TemporaryFolder folder;
  write_composite_xfm(folder / "a.h5", PointMap{}.then(some_field()));
  std::string bytes = slurp(folder / "a.h5");
  // The field's size is the first of 18 doubles: 11, 9, 13.
  const double wanted[3] = {11.0, 9.0, 13.0};
  const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(wanted), 24));
  ASSERT_NE(at, std::string::npos);
  for (const double size : {1e300, 4000.0, 11.5, 0.0, -1.0, std::nan("")}) {
    std::memcpy(bytes.data() + at, &size, 8);
    EXPECT_NE(refusal([&] { (void)read_xfm(spill(folder / "b.h5", bytes)); }).find("b.h5: "),
              std::string::npos);
  }
}

TEST(ItkTransform, RefusesNonFiniteFieldsAndMatrices) {
  const TemporaryFolder folder;
  auto field = std::make_shared<DisplacementField>(*some_field());
  field->mm[17] = std::nanf("");
  refusal([&] { write_composite_xfm(folder / "a.h5", PointMap{{field}}); }, ErrorKind::internal);
  refusal([&] { write_affine_xfm(folder / "a.txt", Affine::Zero()); }, ErrorKind::internal);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ItkTransform, DamagedHdf5NeverCrashes) {
  const TemporaryFolder folder;
  write_composite_xfm(folder / "a.h5", PointMap{}.then(some_field()).then(some_affine()));
  std::mt19937 random(9);
  for (const fs::path& file : {folder / "a.h5", reference("composite.h5")}) {
    const std::string good = slurp(file);
    int refused = 0;
    for (int n = 0; n < 300; ++n) {
      std::string bad = good;
      if (n < 40) {
        bad.resize(random() % good.size());
      } else {
        // The first kilobytes hold the structure.
        bad[random() % std::min<std::size_t>(good.size(), 8192)] ^=
            static_cast<char>(1U << random() % 8);
      }
      try {
        (void)read_xfm(spill(folder / "b.h5", bad));
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::input) << error.what();
        ++refused;
      }
    }
    EXPECT_GT(refused, 60) << file;
  }
}

TEST(ItkTransform, RefusesImagesThatAreNoFields) {
  const TemporaryFolder folder;
  write_volume(folder / "v.nii.gz", Volume(some_field()->grid));
  EXPECT_NE(refusal([&] { (void)read_xfm(folder / "v.nii.gz"); }).find("displacement field"),
            std::string::npos);
  const std::string warp = gunzip(reference("warp.nii.gz"));
  (void)read_xfm(spill(folder / "warp.nii", warp));
  for (const std::size_t bytes : {std::size_t{100}, std::size_t{400}, warp.size() - 1}) {
    refusal([&] { (void)read_xfm(spill(folder / "cut.nii.gz", gzip(warp.substr(0, bytes)))); });
  }
  std::string absurd = warp;
  const std::int16_t size = 32000;
  for (const std::size_t dim : {42U, 44U, 46U}) std::memcpy(absurd.data() + dim, &size, 2);
  EXPECT_NE(
      refusal([&] { (void)read_xfm(spill(folder / "absurd.nii.gz", gzip(absurd))); }).find("hold"),
      std::string::npos);
}

} // namespace
} // namespace boldmill::image_io
