// copy_shards OUT N: from the one shard of OUT, shards of N people with other names and other
// numbers, with a journal and a list of who was asked for, as N participant-level runs leave them.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "pipeline/graph/cohort.hpp"
#include "pipeline/schedule/status.hpp"
#include "pipeline/store/shard.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: copy_shards OUT N\n", stderr);
    return 2;
  }
  using namespace boldmill;
  try {
    const std::filesystem::path out = argv[1];
    const int n = std::atoi(argv[2]);
    const auto [header, person] = store::read_shard(graph::find_shards(out).at(0));
    schedule::Journal journal(out / ".boldmill" / "journal",
                              {header.config_sha256, static_cast<std::size_t>(n)});
    std::vector<std::string> asked;
    for (int i = 0; i < n; ++i) {
      store::PersonRecord other = person;
      char id[32];
      std::snprintf(id, sizeof id, "sub-C%05d", i);
      other.participant_id = id;
      for (store::RunRecord& run : other.runs) {
        run.run_id = id + run.run_id.substr(person.participant_id.size());
      }
      for (store::MeasureRecord& measure : other.measures) measure.value += 1e-4 * (i % 97);
      store::write_shard(schedule::shard_file(out, id), header, other);
      journal.add({id, "done", "", 1.0, {}});
      asked.emplace_back(id);
    }
    journal.end();
    schedule::write_asked(out / ".boldmill" / "asked", asked);
    std::filesystem::remove_all(out / person.participant_id);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
