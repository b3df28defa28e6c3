#include "pipeline/graph/cohort.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <set>

#include "pipeline/bids/fieldmap_estimator.hpp"
#include "pipeline/bids/text.hpp"
#include "pipeline/cache/cache.hpp"
#include "pipeline/graph/cohort_biotypes.hpp"
#include "pipeline/graph/cohort_chain.hpp"
#include "pipeline/graph/cohort_connectivity.hpp"
#include "pipeline/graph/cohort_norms.hpp"
#include "pipeline/graph/cohort_reliability.hpp"
#include "pipeline/graph/cohort_scores.hpp"
#include "pipeline/graph/cohort_statistics.hpp"
#include "pipeline/graph/frozen_model.hpp"
#include "pipeline/graph/prediction.hpp"
#include "pipeline/graph/published_chain.hpp"
#include "pipeline/graph/review.hpp"
#include "pipeline/graph/session_harmonisation.hpp"
#include "pipeline/report/report.hpp"
#include "pipeline/store/shard.hpp"
#include "stages/cohort/biotypes.hpp"
#include "stages/cohort/longitudinal_combat.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/part_name.hpp"
#include "stages/functional/distortion.hpp"
#include "stages/ppi/ppi.hpp"
#include "stages/task/task_design.hpp"

namespace boldmill::graph {
namespace fs = std::filesystem;
namespace {

bool is_shard(const fs::directory_entry& entry) {
  return entry.is_regular_file() && entry.path().extension() == ".h5" &&
         entry.path().filename().string().starts_with("sub-");
}

config::Json config_of(const store::CohortReader& cohort) {
  const auto c = config::Json::parse(cohort.header().config_json, nullptr, false);
  return c.is_object() ? c : config::Json::object();
}

template <class Add>
void add_optional_denoising(const store::CohortReader& cohort, Add&& add) {
  const config::Json c = config_of(cohort);
  if (c.value("/motion_filter/type"_json_pointer, "none") != "none") add(motion_filter::kStage);
  if (c.value("/voxels/despike"_json_pointer, false)) add(despike::kStage);
}

template <class Add>
void add_optional_measures(const store::CohortReader& cohort, Add&& add) {
  const config::Json c = config_of(cohort);
  const auto lists = [&c](const config::Json::json_pointer& list, const char* item) {
    const config::Json found = c.value(list, config::Json::array());
    return std::find(found.begin(), found.end(), config::Json(item)) != found.end();
  };
  const auto kinds = "/connectivity/kinds"_json_pointer;
  const auto measures = "/regional/measures"_json_pointer;
  if (lists(kinds, "tangent")) add(tangent::kStage);
  if (lists(kinds, "sliding_window")) add(sliding_window::kStage);
  if (lists(measures, "alff") || lists(measures, "falff")) add(alff::kStage);
  if (lists(measures, "reho")) add(reho::kStage);
  if (lists(measures, "graph")) add(graph_measures::kStage);
  if (lists(measures, "modularity")) add(modularity::kStage);
  if (!cohort.qc_fc().empty()) add(qc_fc::kStage);
}

store::CohortResults analysed(const store::CohortReader& reader, const config::Config& config,
                              const taxonomy::Taxonomy& taxonomy, const Context& context) {
  store::CohortResults results;
  const ComparableMeasures comparable = comparable_measures(reader, config, taxonomy);
  ChainTable chain = chain_table(reader, comparable.measures.table.value, config);
  ComparableMeasures scored = comparable;
  add_chain(reader, config, chain, scored, results, context);
  add_scores(reader, scored, config, taxonomy, results);
  add_reliability(reader, comparable, config, taxonomy, results, context);
  add_norms(reader, comparable, config, results, context);
  add_biotypes(chain, config, taxonomy, results, context);
  add_published_chain(reader, chain, config, taxonomy, results, context);
  add_predictions(reader, predictor_measures(reader, comparable, taxonomy), config,
                  circuit_of_measures(taxonomy), results, context);
  add_group_statistics(reader, comparable, config, results, context);
  add_treatment(reader, comparable, config, results, context);
  add_tangents(reader, config, results, context);
  add_qc_fc(reader, config, results, context);
  store::TableRecord agreement = agreement_table(reader.runs().run);
  if (!agreement.columns.empty()) results.tables.push_back(std::move(agreement));
  return results;
}

} // namespace

store::CohortResults scored_by(const store::ModelRecord& model, const store::CohortReader& reader,
                               const config::Config& config, const taxonomy::Taxonomy& taxonomy) {
  store::CohortResults results;
  results.fitted_on = "frozen_model";
  const auto comparable = comparable_measures(reader, config, taxonomy, &model.reference);
  ComparableMeasures scored = comparable;
  harmonise_by(model, reader, scored);
  add_scores(reader, scored, config, taxonomy, results, &model.reference);
  for (store::TableRecord& table :
       apply_model(model, reader,
                   model.reference.source.empty() ? reader.measures().table.value
                                                  : comparable.measures.table.value)) {
    results.tables.push_back(std::move(table));
  }
  if (const auto* norms = find_group(model.learned, "norms")) {
    results.tables.push_back(scored_norms(*norms, reader, comparable, {}));
  }
  if (const auto biotypes = biotypes_from(model.learned)) {
    results.tables.push_back(scored_biotypes(*biotypes, taxonomy, reader, comparable));
  }
  return results;
}

std::vector<std::string> method_references(const store::CohortReader& cohort) {
  const auto stages = cohort.stages();
  const auto recorded = [&stages](const StageInfo& stage) {
    return std::any_of(stages.begin(), stages.end(),
                       [&](const store::StageRecord& other) { return other.name == stage.name; });
  };
  const auto runs = cohort.runs();
  const auto any_run = [&runs](auto&& holds) {
    return std::any_of(runs.run.begin(), runs.run.end(), holds);
  };
  std::vector<std::string> list;
  const auto add = [&list](const StageInfo& stage) {
    for (const std::string_view reference : stage.references) {
      if (std::find(list.begin(), list.end(), reference) == list.end())
        list.emplace_back(reference);
    }
  };
  const auto add_recorded = [&](auto&&... stage) {
    (..., (recorded(stage) ? add(stage) : void()));
  };
  add_recorded(t1w_average::kStage, bias_field::kStage, affine::kStage, normalization::kStage,
               tissue::kStage, boldref::kStage, head_motion::kStage);
  if (any_run([](const auto& run) { return !run.distortion.empty() && run.distortion != "none"; }))
    add(distortion::kStage);
  const auto pepolar = bids::to_string(bids::FieldmapKind::pepolar);
  if (any_run([&](const auto& run) { return run.distortion == pepolar; }))
    add(fieldmap_pepolar::kStage);
  add_recorded(coregistration::kStage, multi_echo::kStage);
  if (any_run([](const auto& run) { return !std::isnan(run.slice_reference_s); }))
    add(slice_timing::kStage);
  if (recorded(confounds::kStage)) { // not of runs that bring their own
    add(framewise_displacement::kStage);
    add(dvars::kStage);
    add(confounds::kStage);
  }
  add_optional_denoising(cohort, add);
  add(nuisance_regression::kStage);
  add(circuit_regions::kStage);
  add(label_atlas::kStage);
  add(correlation::kStage);
  add_optional_measures(cohort, add);
  if (recorded(glm::kStage)) {
    add(task_design::kStage);
    add(glm::kStage);
    add(ppi::kStage);
  }
  if (recorded(measure_covariance::kStage)) add(reliability::kStage);
  const auto not_done = cohort.not_done();
  if (std::none_of(not_done.begin(), not_done.end(),
                   [](const auto& item) { return item.analysis == "circuit_scores"; })) {
    add(scores::kStage);
  }
  if (!cohort.predictions().empty()) add(penalised_regression::kStage);
  const auto tables = cohort.result_tables();
  const auto has_table = [&tables](const char* path) {
    return std::any_of(tables.begin(), tables.end(),
                       [&](const auto& table) { return table.path.starts_with(path); });
  };
  if (has_table("group_statistics")) add(group_statistics::kStage);
  if (has_table("treatment")) add(treatment::kStage);
  const config::Json c = config_of(cohort);
  if (cohort.has_completed() && c.value("/cohort/imputation"_json_pointer, "auto") != "median") {
    add(chained_imputation::kStage);
  }
  if (cohort.group("harmonization")) add(combat::kStage);
  if (cohort.group(kSessionHarmonisation)) add(longitudinal_combat::kStage);
  if (cohort.group("norms")) add(normative_model::kStage);
  if (cohort.group("biotypes")) add(biotype_test::kStage);
  if (has_table("published_chain")) add(biotypes::kStage);
  return list;
}

std::vector<fs::path> find_shards(const fs::path& out) {
  std::vector<fs::path> shards;
  std::error_code code;
  for (const auto& participant : fs::directory_iterator(out, code)) {
    if (!participant.is_directory() || !participant.path().filename().string().starts_with("sub-"))
      continue;
    for (const auto& entry : fs::directory_iterator(participant.path(), code)) {
      if (is_shard(entry)) shards.push_back(entry.path());
      if (!entry.is_directory() || !entry.path().filename().string().starts_with("ses-")) continue;
      for (const auto& inner : fs::directory_iterator(entry.path(), code)) {
        if (is_shard(inner)) shards.push_back(inner.path());
      }
    }
  }
  std::sort(shards.begin(), shards.end());
  return shards;
}

namespace {

// Tables that an earlier cohort in this folder had and this one has not would be taken for its own.
// Which ones were written stands in .boldmill/tables; other files in tables/ are left alone.
void drop_stale_tables(const fs::path& out, const std::vector<fs::path>& written) {
  const fs::path list = out / ".boldmill" / "tables";
  std::set<std::string> now;
  for (const fs::path& file : written) now.insert(file.filename().string());
  std::ifstream before(list);
  for (std::string name; std::getline(before, name);) {
    const bool plain = !name.empty() && name.find('/') == name.npos && name[0] != '.';
    if (!plain || now.contains(name)) continue;
    std::error_code code;
    fs::remove(out / "tables" / name, code);
  }
  std::string text;
  for (const std::string& name : now) text += name + "\n";
  std::error_code code;
  fs::create_directories(list.parent_path(), code);
  cache::write_file_atomically(list, text);
}

CohortSummary make_cohort(const CohortRequest& request, const config::Config& config,
                          const taxonomy::Taxonomy& taxonomy, const Context& context) {
  if (request.shards.empty()) {
    throw Error(ErrorKind::dataset, bids::display(request.out.filename().string()) +
                                        ": no shards, run the participant level first");
  }
  for (const fs::path& folder : {request.out, request.out / "tables", request.out / "figures"}) {
    cache::sweep_leftovers(folder);
  }
  const fs::path part = request.out / ("cohort.h5" + part_suffix());
  CohortSummary summary;
  try {
    const store::MergeResult merged =
        store::merge_shards(request.shards, part, {request.command, request.expected}, context);
    summary.n_rows = merged.n_rows;
    summary.n_runs = merged.n_runs;
    store::CohortResults results;
    std::optional<store::ModelRecord> learned;
    {
      const store::CohortReader reader(part);
      if (request.model) {
        results = scored_by(*request.model, reader, config, taxonomy);
      } else {
        results = analysed(reader, config, taxonomy, context);
        learned = model_of(reader, config, results);
      }
    }
    store::write_cohort_results(part, results);
    store::publish(part, request.out / "cohort.h5");
    if (learned) store::write_model(request.out / "model.h5", *learned);
    summary.not_done = results.not_done;
    for (const auto& table : results.tables) {
      summary.result_tables.push_back(table.path);
      for (char& c : summary.result_tables.back()) c = c == '/' ? '_' : c;
    }
    for (const auto& prediction : results.predictions) {
      summary.predicted_targets.push_back(prediction.target);
    }
  } catch (...) {
    std::error_code code;
    fs::remove(part, code);
    throw;
  }
  const store::CohortReader cohort(request.out / "cohort.h5");
  for (const store::RunRecord& run : cohort.runs().run) {
    if (run.status == "failed" || run.status == "excluded") {
      summary.left_out.push_back({run.run_id, run.status, run.reason});
    }
  }
  const report::ReportInfo info{BOLDMILL_VERSION, request.dataset_name, request.template_note,
                                method_references(cohort)};
  report::write_derivative_files(request.out, cohort, info);
  drop_stale_tables(request.out, report::write_tables(request.out, cohort));
  (void)report::write_pages(request.out, cohort, info, context);
  return summary;
}

} // namespace

CohortSummary run_cohort(const CohortRequest& request, const config::Config& config,
                         const taxonomy::Taxonomy& taxonomy, const Context& context) {
  return with_threads(request.nprocs,
                      [&] { return make_cohort(request, config, taxonomy, context); });
}

} // namespace boldmill::graph
