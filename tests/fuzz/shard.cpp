#include "pipeline/store/shard.hpp"

#include "pipeline/cache/archive.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "tests/fuzz/harness.hpp"

namespace boldmill::fuzz {

std::vector<std::string> seeds() {
  const auto path = as_file({}, "seed.h5");
  const store::CohortHeader header = store::example::header();
  store::write_shard(path, header, store::example::person(3, header));
  std::string sealed = file_bytes(path);
  std::string text;
  cache::Archive archive;
  std::vector<std::string> names{"a", "bc"};
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Ones(3, 2);
  archive(names, matrix);
  return {"s" + sealed, "a" + archive.bytes()};
}

// A shard with its seal, as it would be found damaged on a disk; and an entry of the cache of
// estimates behind its checksum.
void execute(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  if (bytes[0] == 'a') {
    cache::Archive archive(text_of(bytes.subspan(1)));
    std::vector<std::string> names;
    Eigen::MatrixXd matrix;
    archive(names, matrix);
  } else {
    static_cast<void>(store::read_shard(as_file(bytes.subspan(1), "x.h5")));
  }
}

} // namespace boldmill::fuzz
