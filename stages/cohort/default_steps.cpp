// The one place where learning stages are joined: what happens inside a fold unless told otherwise.
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/penalised_regression.hpp"
#include "stages/cohort/standardisation.hpp"

namespace boldmill::penalised_regression {

std::vector<cohort::LearningStep> default_steps() {
  return {imputation::step({}), standardisation::step({})};
}

} // namespace boldmill::penalised_regression
