// Writes a small cohort file and a shard for the tests with readers in other languages:
//   store_example DIR   ->   DIR/cohort.h5, DIR/shard.h5, DIR/empty.h5
#include <iostream>

#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/shard.hpp"

int main(int argc, char** argv) {
  namespace store = boldmill::store;
  namespace fs = std::filesystem;
  if (argc != 2) {
    std::cerr << "usage: store_example DIR\n";
    return 2;
  }
  const fs::path folder = argv[1];
  const store::example::Sizes sizes{.regions = 30, .volumes = 200, .runs = 2};
  const store::CohortHeader header = store::example::header(sizes);
  std::vector<fs::path> shards;
  for (int i = 0; i < 5; ++i) {
    shards.push_back(folder / "shards" / (std::to_string(i) + ".h5"));
    store::write_shard(shards.back(), header, store::example::person(i, header, sizes));
  }
  store::write_shard(folder / "shard.h5", header, store::example::person(1, header, sizes));
  // A cohort in which nobody has a run: dimensions of length zero.
  store::write_shard(folder / "empty_shard.h5", header, store::example::person(3, header, sizes));
  (void)store::merge_shards({folder / "empty_shard.h5"}, folder / "empty.h5", {"merge", {}}, {});

  const fs::path part = folder / "cohort.h5.part";
  (void)store::merge_shards(shards, part, {"boldmill merge", {}}, {});
  store::write_cohort_results(part, store::example::results(shards.size(), header));
  store::publish(part, folder / "cohort.h5");
  return 0;
}
