#include "pipeline/graph/open_study.hpp"

#include <algorithm>
#include <fstream>
#include <map>

#include "pipeline/bids/text.hpp"
#include "pipeline/config/taxonomy_json.hpp"
#include "pipeline/graph/derived_run.hpp"
#include "pipeline/graph/target_space.hpp"
#include "pipeline/report/report.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::graph {
namespace fs = std::filesystem;
namespace {

// Tells one cohort from another: what the dataset says of itself.
std::string cohort_identity(const bids::BidsIndex& index) {
  return cache::sha256_hex("cohort\n" + index.description.name + "\n" + index.description.json);
}

// Columns and targets become names in the store: what cannot is said before work begins.
void check_names(const std::vector<std::string>& columns, const std::vector<std::string>& targets) {
  const auto check = [](const char* what, std::map<std::string, std::string> taken,
                        const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto [at, fresh] = taken.emplace(store::safe_name(name), name);
      if (fresh) continue;
      throw Error(ErrorKind::usage,
                  std::string(what) + ": found \"" + bids::display(name) + "\" beside \"" +
                      bids::display(at->second) +
                      "\", expected names that differ in [A-Za-z0-9_.+-] from each other");
    }
  };
  check("columns of participants.tsv that are taken over",
        {{"participant_id", "participant_id"}, {"session_id", "session_id"}}, columns);
  check("cohort.targets", {}, targets);
}

void claim_output(const Study& study, const fs::path& work) {
  std::error_code code;
  if (fs::equivalent(study.out, study.index.root, code)) {
    throw Error(ErrorKind::usage, bids::display(study.out.filename().string()) +
                                      ": the output folder is the dataset itself, which boldmill "
                                      "did not write; give a folder of its own");
  }
  report::refuse_foreign_dataset(study.out);
  fs::create_directories(work, code);
  if (code) {
    throw Error(ErrorKind::usage, bids::display(study.out.filename().string()) +
                                      ": the output folder cannot be written: " + code.message());
  }
  const fs::path marker = study.out / ".boldmill" / "cohort";
  std::string found;
  if (std::getline(std::ifstream(marker), found)) {
    if (found != study.header.cohort_id) {
      throw Error(ErrorKind::usage,
                  bids::display(study.out.filename().string()) +
                      ": the output folder holds another cohort; give another folder or remove it");
    }
    return;
  }
  fs::create_directories(marker.parent_path(), code);
  try {
    cache::write_file_atomically(marker, study.header.cohort_id + "\n");
  } catch (const Error& error) {
    throw Error(ErrorKind::usage,
                std::string("the output folder cannot be written: ") + error.what());
  }
}

void index_all_derivatives(const std::vector<std::string>& arguments, Study& study,
                           const Context& context) {
  for (const std::string& argument : arguments) {
    const auto [name, root] = bids::parse_derivatives_argument(argument);
    std::error_code code;
    if (fs::equivalent(root, study.out, code)) {
      throw Error(ErrorKind::usage, "--derivatives " + bids::display(argument) +
                                        ": this is the output folder, give another one");
    }
    for (const auto& other : study.derivatives) {
      if (other.name == name) {
        throw Error(ErrorKind::usage,
                    "--derivatives: found the name " + bids::display(name) + " twice");
      }
    }
    study.derivatives.push_back(bids::index_derivatives(name, root, context));
  }
}

// A dataset of derivatives is a source of preprocessed series itself; a run whose T1w is missing
// may find one in --derivatives.
void add_own_derivatives(Study& study, const Context& context) {
  if (study.index.description.dataset_type == "derivative") {
    study.derivatives.insert(study.derivatives.begin(),
                             bids::index_derivatives("dataset", study.index.root, context));
  } else if (study.derivatives.empty() || study.config.input.bold == "raw") {
    return;
  }
  for (bids::ParticipantSession& session : study.index.sessions) {
    if (!session.runs.empty()) session.problem.clear();
  }
}

// Where the participants are: fMRIPrep before 21 put them into fmriprep/.
fs::path dataset_root(const fs::path& folder) {
  std::error_code code;
  const auto has_people = [&code](const fs::path& root) {
    for (const auto& entry : fs::directory_iterator(root, code)) {
      if (entry.path().filename().string().starts_with("sub-")) return true;
    }
    return false;
  };
  if (!has_people(folder) && has_people(folder / "fmriprep")) return folder / "fmriprep";
  return folder;
}

// From the output folder to the dataset when both lie near each other; else the dataset's folder
// alone, for paths of the machine do not enter outputs.
std::string raw_link(const Study& study) {
  std::error_code code;
  const fs::path link = fs::relative(study.index.root, study.out, code);
  if (code || link.empty() || link.string().starts_with("../../..")) {
    return fs::absolute(study.index.root).lexically_normal().filename().string();
  }
  return link.generic_string();
}

// Images are written before the group level describes the dataset.
void describe_output(const Study& study) {
  report::ReportInfo info{BOLDMILL_VERSION, study.index.description.name, {}, {}, {}};
  info.raw_link = raw_link(study);
  report::write_dataset_description(study.out, info);
}

} // namespace

std::string program_version() { return std::string("boldmill ") + BOLDMILL_VERSION; }

std::string build_identity() {
  static const std::string identity = image_io::digest_file("/proc/self/exe").sha256.substr(0, 16);
  return identity;
}

std::vector<std::string> admitted_columns(const config::Config& config,
                                          const bids::BidsIndex& index) {
  std::vector<std::string> wanted = config.input.participant_columns;
  wanted.push_back(config.input.group_column);
  wanted.push_back(config.cohort.site_column);
  wanted.insert(wanted.end(), config.cohort.targets.begin(), config.cohort.targets.end());
  for (const auto* list :
       {&config.associations.symptoms, &config.associations.covariates, &config.trial.covariates}) {
    wanted.insert(wanted.end(), list->begin(), list->end());
  }
  const config::TrialParams& trial = config.trial;
  wanted.insert(wanted.end(),
                {trial.outcome, trial.baseline, trial.arm, trial.study, trial.day, trial.biotype});
  std::vector<std::string> columns;
  for (const std::string& name : index.participants.names()) {
    if (name == "participant_id") continue;
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) columns.push_back(name);
  }
  return columns;
}

std::unique_ptr<Study> open_study(const StudyRequest& request, bool dry, const Context& context) {
  bids::IndexOptions options = request.index;
  if (options.selection.tasks.empty()) options.selection.tasks = request.config.input.task_id;
  bids::BidsIndex index = bids::index_dataset(dataset_root(request.bids_dir), options, context);
  std::vector<std::string> asked;
  for (const auto& session : index.sessions) asked.push_back(session.id);
  bids::keep_shard(index, request.shard, request.n_shards);
  const fs::path work = request.work_dir.empty() ? request.out / ".boldmill" : request.work_dir;

  auto study = std::make_unique<Study>();
  study->config = request.config;
  study->index = std::move(index);
  study->asked = std::move(asked);
  study->out = request.out;
  study->force = request.force;
  study->write_volumes = request.write_volumes;
  study->output_spaces = parse_output_spaces(request.output_spaces);
  if (!request.output_spaces.empty() && request.write_volumes == "none") {
    throw Error(ErrorKind::usage,
                "--output-spaces: no images are written, expected --write-volumes "
                "minimal or all with it");
  }
  index_all_derivatives(request.derivatives, *study, context);
  add_own_derivatives(*study, context);
  if (!dry && request.use_cache) study->digests.keep_in(work / "digests");
  study->taxonomy = load_taxonomy(study->config);
  static_cast<void>(
      reliability::given_icc(study->config.reliability, taxonomy::measure_names(study->taxonomy)));
  store::CohortHeader& header = study->header;
  header.created_by = program_version();
  header.build = build_identity();
  header.cpu_level = BOLDMILL_CPU_LEVEL;
  header.cohort_id = cohort_identity(study->index);
  header.command = request.command;
  header.measure = taxonomy::measure_names(study->taxonomy);
  header.feature = taxonomy::feature_names(study->taxonomy);
  header.score = taxonomy::score_names(study->taxonomy);
  header.participant_columns = admitted_columns(study->config, study->index);
  check_names(header.participant_columns, study->config.cohort.targets);
  header.taxonomy_sha256 = cache::sha256_hex(config::canonical_text(study->taxonomy));
  if (!dry) {
    claim_output(*study, work);
    if (study->write_volumes != "none") describe_output(*study);
    for (const fs::path& swept :
         {study->out, study->out / "tables", study->out / "figures", work, work / "digests"}) {
      cache::sweep_leftovers(swept);
    }
    if (request.use_cache) study->cache = cache::Cache(work / "cache");
  }
  return study;
}

void finish_study(Study& study, const Context& context) {
  study.target = prepare_target(study.config, study.taxonomy, study.cache, context);
  find_derived_runs(study, context);
  if (const auto file = study.config.files.find("review"); file != study.config.files.end()) {
    identify_file("review", file->second);
    study.review = read_review(file->second.path);
    for (const std::string& note : unmatched(study.review, study.index)) {
      study.review_doubts.push_back(note);
    }
  }
  study.header.config_json = config::to_json(study.config).dump();
  study.header.config_sha256 = cache::sha256_hex(study.header.config_json);
  study.header.atlases = atlas_records(study.target);
  if (study.write_volumes != "none") prepare_output_spaces(study, context);
}

} // namespace boldmill::graph
