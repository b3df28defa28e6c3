#include <nlohmann/json.hpp>

#include "pipeline/bids/events.hpp"
#include "pipeline/bids/sidecar.hpp"
#include "pipeline/bids/tsv.hpp"
#include "stages/core/error.hpp"
#include "tests/fuzz/harness.hpp"

namespace boldmill::fuzz {

std::vector<std::string> seeds() {
  return {"tparticipant_id\tage\tsite\nsub-007\t31.5\ta\nsub-1\tn/a\t=cmd()\n",
          "eonset\tduration\ttrial_type\tresponse_time\n0.0\t1.5\tgo\t0.31\n2.5\t1.5\tnogo\tn/a\n",
          "s{\"RepetitionTime\": 2.0, \"SliceTiming\": [0, 1, 0.5, 1.5], \"EchoTime\": 0.03, "
          "\"IntendedFor\": [\"bids::sub-01/func/x.nii.gz\"], \"B0FieldIdentifier\": \"a\"}",
          "s{\"RepetitionTime\": 2, \"PhaseEncodingDirection\": \"j-\"}"};
}

void execute(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  const std::string text = text_of(bytes.subspan(1));
  if (bytes[0] == 's') {
    nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded()) return; // the index says so of the file
    const bids::Sidecar sidecar = bids::make_sidecar("x.nii", {"x.json"}, std::move(json));
    static_cast<void>(bids::resolve_repetition_time(sidecar, 2.0));
    static_cast<void>(bids::resolve_slice_timing(sidecar, 4, 2.0));
  } else if (bytes[0] == 'e') {
    const auto events = bids::read_events(as_file(bytes.subspan(1), "x_events.tsv"));
    static_cast<void>(bids::check_events(events, 300.0));
  } else {
    const bids::Table table = bids::parse_tsv(text, "x.tsv");
    for (std::size_t c = 0; c < table.n_columns(); ++c) {
      if (table.is_numeric(c)) static_cast<void>(table.numbers(c));
    }
  }
}

} // namespace boldmill::fuzz
