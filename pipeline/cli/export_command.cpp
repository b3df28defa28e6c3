#include "pipeline/cli/export_command.hpp"

#include <cstdio>
#include <filesystem>

#include "pipeline/graph/cohort.hpp"
#include "pipeline/report/report.hpp"
#include "stages/core/error.hpp"

namespace boldmill::cli {

void add_export_options(CLI::App& app, ExportOptions& options, std::function<int()>& action) {
  app.description("tables and matrices of a cohort file or shard, as BIDS derivatives");
  app.add_option("file", options.file, "cohort.h5 or a shard")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--out", options.out, "folder to write to")->required();
  app.callback([&options, &action] {
    action = [&options] {
      report::ReportInfo info;
      info.generator_version = BOLDMILL_VERSION;
      info.references = graph::method_references(store::CohortReader(options.file));
      const auto written = report::export_file(options.file, options.out, info);
      std::printf("%zu files in %s\n", written.size(), options.out.c_str());
      return 0;
    };
  });
}

} // namespace boldmill::cli
