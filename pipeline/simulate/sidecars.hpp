// The JSON and TSV files of the simulated dataset that BIDS asks for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/simulate/names.hpp"
#include "pipeline/simulate/population.hpp"
#include "pipeline/simulate/scanner.hpp"
#include "pipeline/simulate/tasks.hpp"

namespace boldmill::simulate {

using Json = nlohmann::ordered_json;

void write_json(const std::filesystem::path& path, const Json& json);

[[nodiscard]] Json scanner_json(const Site& site);
[[nodiscard]] Json bold_json(const Site& site, const std::string& task,
                             const std::string& b0_field);
[[nodiscard]] Json epi_json(const Site& site, bool phase_positive, const std::string& b0_field,
                            const std::vector<std::string>& intended_for);
[[nodiscard]] Json t1w_json(const Site& site);

void write_events(const std::filesystem::path& path, const Design& design);

// dataset_description.json, README, participants.tsv and .json, events descriptions.
void write_dataset_files(const std::filesystem::path& root, const SimulationParams& params,
                         const std::vector<Site>& sites, const std::vector<Person>& people);

// The label of a phase-encoding direction: "AP" when the image is filled from the front to the
// back.
[[nodiscard]] std::string direction_label(const Grid& grid, bool phase_positive);

} // namespace boldmill::simulate
