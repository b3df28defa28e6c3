#include "pipeline/store/shard.hpp"

#include "pipeline/cache/archive.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "tests/fuzz/harness.hpp"
#include "tests/fuzz/hdf5_edits.hpp"

namespace boldmill::fuzz {

namespace {

std::filesystem::path example() {
  const auto path = as_file({}, "seed.h5");
  const store::CohortHeader header = store::example::header();
  store::write_shard(path, header, store::example::person(3, header));
  return path;
}

} // namespace

std::vector<std::string> seeds() {
  const std::string sealed = file_bytes(example());
  std::string text;
  cache::Archive archive;
  std::vector<std::string> names{"a", "bc"};
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Ones(3, 2);
  archive(names, matrix);
  return {"s" + sealed, "a" + archive.bytes(), std::string("e") + std::string(8, '\3'),
          "e\7\7\7\7"};
}

// A shard with its seal, as it would be found damaged on a disk; one without, whose content
// somebody edited; and an entry of the cache of estimates behind its checksum.
void execute(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  if (bytes[0] == 'a') {
    cache::Archive archive(text_of(bytes.subspan(1)));
    std::vector<std::string> names;
    Eigen::MatrixXd matrix;
    archive(names, matrix);
  } else if (bytes[0] == 'e') {
    static const EditableFile editable(example());
    static_cast<void>(store::read_shard(editable.edited(bytes.subspan(1))));
  } else {
    static_cast<void>(store::read_shard(as_file(bytes.subspan(1), "x.h5")));
  }
}

} // namespace boldmill::fuzz
