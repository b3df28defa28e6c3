#include "pipeline/store/healthy.hpp"

#include <algorithm>

namespace boldmill::store {

std::vector<std::uint8_t> healthy_rows(const ParticipantsTable& people,
                                       const std::string& group_column,
                                       const std::vector<std::string>& values) {
  std::vector<std::uint8_t> out(people.participant_id.size(), 0);
  const auto group = people.columns.find(group_column);
  if (group == people.columns.end()) return out;
  for (std::size_t row = 0; row < out.size(); ++row) {
    const std::string& own = group->second[row];
    out[row] = !own.empty() && std::find(values.begin(), values.end(), own) != values.end() ? 1 : 0;
  }
  return out;
}

} // namespace boldmill::store
