#include "pipeline/cli/app.hpp"
#include "pipeline/cli/process.hpp"

int main(int argc, char** argv) {
  boldmill::cli::handle_signals();
  boldmill::cli::keep_freed_memory();
  return boldmill::cli::run_program(argc, argv);
}
