// The card of a prediction model: the items of TRIPOD+AI (Collins 2024,
// doi:10.1136/bmj-2023-078378) that the program knows, and those a person has to add.
#pragma once

#include <string>

#include "pipeline/config/config.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::graph {

struct CardInputs {
  const std::string& target;
  const penalised_regression::Inputs& inputs;
  const penalised_regression::Outputs& out;
  const store::ParticipantsTable& people;
  const store::CohortHeader& header;
  const store::RunTable& runs;
  const config::Config& config;
};
// JSON. Numbers of groups of fewer than ten people are not given.
[[nodiscard]] std::string model_card(const CardInputs& card);

} // namespace boldmill::graph
