#include "pipeline/config/config.hpp"

#include "pipeline/config/taxonomy_json.hpp"
#include "tests/fuzz/harness.hpp"

namespace boldmill::fuzz {

std::vector<std::string> seeds() {
  const std::filesystem::path configs = BOLDMILL_SOURCE_DIR "/configs";
  std::vector<std::string> all{
      "c{\"input\": {\"rest_tasks\": [\"rest\"]}, // comment\n \"glm\": {\"noise\": \"ar1\"}}",
      "c{\"tasks\": {\"gng\": {\"labels\": [\"stroop\"], \"column\": \"c\", \"conditions\": "
      "{\"go\": [\"con*\"]}}}}",
      "c{\"prediction\": {\"alphas\": [0, 0.5, 1e0], \"n_folds\": 5}, \"cohort\": {\"targets\": "
      "[\"age\"]}}",
      "t" + file_bytes(configs / "taxonomies" / "published2024.json")};
  all.push_back("c" + file_bytes(configs / "xcpd_36p.json"));
  return all;
}

void execute(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  const std::string text = text_of(bytes.subspan(1));
  if (bytes[0] == 't') {
    static_cast<void>(config::parse_taxonomy(text, "fuzz.json"));
  } else {
    static_cast<void>(config::parse(text, "fuzz.json", {}));
  }
}

} // namespace boldmill::fuzz
