// The names of an atlas's labels, from the text formats in which atlases come:
// - mricron: "1 Precentral_L 2001" (space or tab; the third column is ignored)
// - BIDS _dseg.tsv: header with columns index and name
// - neuroparc CSV: "1,L_Precentral_gyrus,..." without header
// - CSV with a header (comma or semicolon): index|roi|id|label-number column, then name|label
// - Connectome Workbench (wb_command -volume-label-import): a line with the name, then one with
//   "<index> R G B A"
// - names alone, one a line in the order of the labels, with or without a title above (Melbourne
//   subcortex, Brainnetome); how many there must be is known from the image only
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boldmill {

struct LabelRow {
  int index = 0;
  std::string name;
  bool operator==(const LabelRow&) const = default;
};

// Rows in the order of the text, the background (0) left out. `source` names the text in messages.
// ErrorKind::input: an index that is not a positive whole number, an index twice, no rows at all.
// A name twice is made unique by appending "_<index>" to each.
// n_labels: the largest label of the image. Names alone are refused without it (0), or when there
// are neither as many nor one more.
[[nodiscard]] std::vector<LabelRow> parse_label_table(std::string_view text,
                                                      std::string_view source, int n_labels = 0);

} // namespace boldmill
