#include "stages/regions/circuit_facts.hpp"

#include <set>

#include "stages/core/error.hpp"
#include "stages/regions/kernels/text_table.hpp"

namespace boldmill {
namespace {

RegionShape shape_of(const std::string& text, const std::string& where) {
  if (text == "cut_sphere") return RegionShape::cut_sphere;
  if (text == "sphere") return RegionShape::sphere;
  if (text == "atlas") return RegionShape::atlas;
  throw Error(ErrorKind::input,
              where + ": found the shape '" + text + "', expected cut_sphere, sphere or atlas");
}

} // namespace

std::vector<CircuitFact> parse_circuit_facts(std::string_view text, std::string_view source) {
  const text_table::Table table = text_table::read(text, source);
  std::set<std::string> codes;
  std::vector<CircuitFact> facts;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const std::string where = table.source + ": row " + std::to_string(r + 1);
    const auto cell = [&](std::string_view column) -> const std::string& {
      return table.rows[r][table.column(column)];
    };
    const auto value = [&](std::string_view column) {
      return text_table::number(cell(column), where + ": " + std::string(column));
    };
    CircuitFact fact;
    fact.codes = text_table::split(cell("codes"), ',');
    fact.name = cell("name");
    fact.hemisphere = cell("hemisphere");
    fact.circuit = cell("circuit");
    fact.shape = shape_of(cell("shape"), where);
    fact.atlas_label = cell("atlas_label") == "n/a" ? "" : cell("atlas_label");
    fact.peak_mm = {value("peak_x"), value("peak_y"), value("peak_z")};
    fact.com_mm = {value("com_x"), value("com_y"), value("com_z")};
    fact.volume_mm3 = value("volume_mm3");
    fact.expected_dice = value("expected_dice");
    fact.mask_file = cell("mask_file");
    for (const std::string& code : fact.codes) {
      if (code.empty() || !codes.insert(code).second) {
        throw Error(ErrorKind::input,
                    where + ": found the code '" + code + "' again, expected unique codes");
      }
    }
    if (!(fact.volume_mm3 > 0.0)) {
      throw Error(ErrorKind::input, where + ": found volume_mm3 " + cell("volume_mm3") +
                                        ", expected a positive volume");
    }
    facts.push_back(std::move(fact));
  }
  return facts;
}

} // namespace boldmill
