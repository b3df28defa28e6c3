#include "pipeline/cli/report_command.hpp"

#include <cstdio>
#include <filesystem>

#include "pipeline/bids/text.hpp"
#include "pipeline/cache/cache.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/graph/cohort.hpp"
#include "pipeline/report/report.hpp"
#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::cli {
namespace fs = std::filesystem;
namespace {

report::ReportInfo info_of(const store::CohortReader& reader) {
  report::ReportInfo info;
  info.generator_version = BOLDMILL_VERSION;
  info.references = graph::method_references(reader);
  return info;
}

std::vector<fs::path> pages_of_cohort(const fs::path& file, const fs::path& out) {
  const store::CohortReader reader(file);
  return report::write_pages(out, reader, info_of(reader), process_context());
}

std::vector<fs::path> pages_of_shards(const std::vector<fs::path>& shards, const fs::path& out) {
  const store::CohortReader first(shards.front());
  return report::write_shard_pages(out, shards, info_of(first));
}

int report_command(const ReportOptions& options) {
  const fs::path source(options.source);
  const bool is_folder = fs::is_directory(source);
  fs::path out =
      options.out.empty() ? (is_folder ? source : source.parent_path()) : fs::path(options.out);
  if (out.empty()) out = ".";
  fs::create_directories(out);
  for (const fs::path& folder : {out, out / "figures"}) cache::sweep_leftovers(folder);
  const fs::path file = is_folder ? source / "cohort.h5" : source;
  std::vector<fs::path> written;
  if (!is_folder && file.filename().string().starts_with("sub-")) {
    written = pages_of_shards({file}, out);
  } else if (fs::exists(file)) {
    written = pages_of_cohort(file, out);
  } else {
    const auto shards = graph::find_shards(source);
    if (shards.empty()) {
      throw Error(ErrorKind::dataset,
                  bids::display(source.filename().string()) +
                      ": neither cohort.h5 nor shards (sub-*/[ses-*/]sub-*.h5)");
    }
    std::printf("no cohort.h5: the participants' pages alone\n");
    written = pages_of_shards(shards, out);
  }
  std::printf("%zu pages in %s\n", written.size(), out.c_str());
  return 0;
}

} // namespace

void add_report_options(CLI::App& app, ReportOptions& options, std::function<int()>& action) {
  app.description("rebuilds the HTML pages from what is stored");
  app.add_option("out", options.source, "output folder, cohort.h5 or a shard")
      ->required()
      ->check(CLI::ExistingPath);
  app.add_option("--out", options.out, "folder to write to (default: where the source is)");
  app.add_option("--nprocs", options.nprocs, "processes; 0 takes all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  app.callback([&options, &action] {
    action = [&options] {
      int code = 0;
      with_threads(options.nprocs, [&] { code = report_command(options); });
      return code;
    };
  });
}

} // namespace boldmill::cli
