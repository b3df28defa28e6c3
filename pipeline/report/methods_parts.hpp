// Parts of the methods paragraph that follow from the configuration alone. Internal.
#pragma once

#include <string>

#include "pipeline/report/files.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::report {

// A value of the configuration for running text; lists without brackets and quotes.
[[nodiscard]] std::string value(const Json& config, const char* section, const char* key);

// Each only what is switched on.
[[nodiscard]] std::string denoising_text(const Json& config);
[[nodiscard]] std::string connectivity_text(const Json& config);
[[nodiscard]] std::string regional_text(const Json& config);

// What the group level did to the measures and to the people, and only that.
[[nodiscard]] std::string chain_text(const Json& config, const store::CohortReader& cohort);
[[nodiscard]] std::string norms_text(const Json& config, const store::CohortReader& cohort);
[[nodiscard]] std::string biotypes_text(const Json& config, const store::CohortReader& cohort);

} // namespace boldmill::report
