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
      "t" + file_bytes(configs / "taxonomies" / "published2024.json"),
      // As that one, but short: most of what is tried on 27 kB is no JSON.
      R"(t{"name": "n", "version": "1", "description": "d", "space": "MNI152NLin6Asym",
"tasks": {"rest": "task-free", "g": {"description": "g", "labels": ["g"], "conditions": {"a": ["a*"], "b": ["b"]},
"contrasts": {"a_vs_b": {"a": 1, "b": -1}}}},
"regions": [{"code": "D1", "name": "x", "hemisphere": "M", "circuit": "D", "mask": "1", "mask_file": "a.nii.gz",
"definition": "sphere10", "position_mm": [-2, 50, -6], "center_of_mass_mm": [-1.8, 49.9, -6], "volume_mm3": 3696},
{"code": "D2", "name": "y", "hemisphere": "L", "circuit": "D", "mask": "2", "mask_file": "b.nii.gz",
"definition": "sphere10", "position_mm": [-46, -70, 32], "center_of_mass_mm": [-46, -70, 32], "volume_mm3": 3696}],
"measures": [{"code": "D1D2", "kind": "intrinsic", "circuit": "D", "task": "rest", "contrast": "", "region_a": "D1",
"region_b": "D2", "raw_name": "r", "feature": "D1D2"}, {"code": "D1", "kind": "activation", "circuit": "D", "task": "g",
"contrast": "a_vs_b", "region_a": "D1", "region_b": "", "raw_name": "s", "feature": "D1"}],
"features": [{"name": "D1D2", "members": ["D1D2"]}, {"name": "D1", "members": ["D1"]}],
"scores": [{"name": "DMN-C", "circuit": "D", "kind": "connectivity", "symbol": "D_C", "members": ["D1D2"]},
{"name": "DMN-A", "circuit": "D", "kind": "activation", "symbol": "D_A", "members": ["D1"]}]})"};
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
