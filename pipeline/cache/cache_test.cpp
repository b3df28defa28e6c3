#include "pipeline/cache/cache.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

namespace boldmill::cache {
namespace {

namespace fs = std::filesystem;

struct Estimate {
  int n = 0;
  Eigen::MatrixXd matrix;
  Volume volume;
  PointMap map;
  std::map<std::string, std::vector<double>> table;
};
void archive(Archive& a, Estimate& e) { a(e.n, e.matrix, e.volume, e.map, e.table); }

class CacheTest : public testing::Test {
protected:
  void SetUp() override {
    directory_ = fs::path(testing::TempDir()) / ("boldmill_cache_" + std::to_string(::getpid()));
    fs::remove_all(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }
  fs::path directory_;
};

Estimate example() {
  Estimate e;
  e.n = 42;
  e.matrix = Eigen::MatrixXd::Random(3, 5);
  Grid grid;
  grid.shape = {2, 3, 4};
  grid.affine(0, 3) = -7.5;
  e.volume = Volume(grid, 1.5F);
  auto field = std::make_shared<DisplacementField>();
  field->grid = grid;
  field->mm.assign(3 * grid.n_voxels(), 0.25F);
  e.map.then(Affine(2.0 * Affine::Identity()))
      .then(std::shared_ptr<const DisplacementField>(field));
  e.table["a"] = {1.0, std::nan("")};
  return e;
}

TEST_F(CacheTest, GivesBackWhatWasStoredAndDoesNotComputeAgain) {
  const Cache cache(directory_);
  const Estimate first = cache.value<Estimate>("k", example);
  const Estimate again = cache.value<Estimate>(
      "k", []() -> Estimate { throw Error(ErrorKind::internal, "computed"); });
  EXPECT_EQ(again.n, 42);
  EXPECT_EQ(again.matrix, first.matrix);
  EXPECT_EQ(again.volume.data, first.volume.data);
  EXPECT_EQ(again.volume.grid.affine, first.volume.grid.affine);
  EXPECT_EQ(again.map({1, 2, 3}), first.map({1, 2, 3}));
  EXPECT_TRUE(std::isnan(again.table.at("a")[1]));
}

TEST_F(CacheTest, ADamagedShortOrOlderEntryIsComputedAgain) {
  const Cache cache(directory_);
  (void)cache.value<Estimate>("k", example);
  const fs::path file = directory_ / "k.est";
  const auto size = fs::file_size(file);
  int computed = 0;
  const auto recompute = [&] {
    ++computed;
    return example();
  };
  EXPECT_TRUE(cache.has("k"));
  EXPECT_FALSE(cache.has("other"));
  {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(static_cast<std::streamoff>(size / 2));
    f.put('\x5a');
    f.put('\xa5');
  }
  EXPECT_FALSE(cache.has("k"));
  EXPECT_EQ(cache.value<Estimate>("k", recompute).n, 42);
  EXPECT_TRUE(cache.has("k"));
  fs::resize_file(file, size / 3);
  EXPECT_FALSE(cache.has("k"));
  EXPECT_EQ(cache.value<Estimate>("k", recompute).n, 42);
  std::ofstream(file, std::ios::binary) << "boldmill-cache-0\n" << std::string(200, 'x');
  EXPECT_FALSE(cache.has("k"));
  EXPECT_EQ(cache.value<Estimate>("k", recompute).n, 42);
  EXPECT_EQ(computed, 3);
}

TEST_F(CacheTest, SweepsLeftoversOfDeadProcessesOnly) {
  fs::create_directories(directory_);
  const fs::path dead = directory_ / "a.est.part-999999999-0";
  const fs::path alive = directory_ / ("b.est.part-" + std::to_string(::getpid()) + "-0");
  std::ofstream(dead) << "x";
  std::ofstream(alive) << "x";
  const Cache cache(directory_);
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(alive));
}

TEST_F(CacheTest, AFailedWriteIsADiskError) {
  try {
    write_file_atomically(directory_ / "missing" / "x", "y");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::disk);
  }
}

TEST(NodeKey, ChangesWithEveryPart) {
  const std::string key = node_key("a", 1, "{}", {"x", "y"});
  EXPECT_EQ(key, node_key("a", 1, "{}", {"x", "y"}));
  EXPECT_NE(key, node_key("b", 1, "{}", {"x", "y"}));
  EXPECT_NE(key, node_key("a", 2, "{}", {"x", "y"}));
  EXPECT_NE(key, node_key("a", 1, "{ }", {"x", "y"}));
  EXPECT_NE(key, node_key("a", 1, "{}", {"y", "x"}));
  EXPECT_NE(key, node_key("a", 1, "{}", {"xy"}));
}

TEST(Sha256, OfTheStandardExample) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

} // namespace
} // namespace boldmill::cache
