#include "pipeline/bids/derivatives.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/bids/build.hpp"
#include "pipeline/bids/metadata.hpp"
#include "pipeline/bids/scan.hpp"
#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

constexpr std::array<std::string_view, 7> kRunKeys{"ses", "task", "acq", "ce", "rec", "dir", "run"};

bool same_label(std::string_view key, std::string_view a, std::string_view b) {
  if (a == b) return true;
  if (key != "run") return false;
  int x = 0, y = 0;
  const auto ra = std::from_chars(a.data(), a.data() + a.size(), x);
  const auto rb = std::from_chars(b.data(), b.data() + b.size(), y);
  return ra.ec == std::errc{} && rb.ec == std::errc{} && x == y;
}

bool belongs_to(const BidsFile& file, const BoldRun& run) {
  if (has_entity(file.entities, "echo") || has_entity(file.entities, "part")) return false;
  return std::all_of(kRunKeys.begin(), kRunKeys.end(), [&](std::string_view key) {
    return same_label(key, entity(file.entities, key), entity(run.file.entities, key));
  });
}

void rename_key(Entities& entities, std::string_view from, std::string_view to) {
  for (auto& pair : entities) {
    if (pair.first == from) pair.first = to;
  }
}

// Names of before 1.2 ("..._bold_space-S_preproc") in the words of today. `of` is the bare part.
void modernise(BidsFile& file, std::string_view of) {
  std::string& suffix = file.suffix;
  if (suffix == "regressors") suffix = "timeseries";
  if (of != "bold" && of != "T1w") return;
  if (suffix == "preproc") {
    suffix = of;
    file.entities.emplace_back("desc", "preproc");
  } else if (suffix == "brainmask") {
    suffix = "mask";
    file.entities.emplace_back("desc", "brain");
  } else if (suffix == "confounds") {
    suffix = "timeseries";
    file.entities.emplace_back("desc", "confounds");
  } else if (suffix == "dtissue") {
    suffix = "dseg";
  } else if (suffix == "probtissue") {
    suffix = "probseg";
    rename_key(file.entities, "class", "label");
  } else if (suffix == "warp" || suffix == "affine") {
    // "T1w_target-S_warp" and "T1w_space-S_target-T1w_warp"
    suffix = "xfm";
    rename_key(file.entities, "space", "from");
    rename_key(file.entities, "target", "to");
    if (!has_entity(file.entities, "from")) file.entities.emplace_back("from", of);
  }
}

std::vector<BidsFile> files_of(const ParticipantScan& scan) {
  const std::string& participant = scan.participant_id;
  std::vector<BidsFile> files;
  for (const SessionScan& session : scan.sessions) {
    for (const FolderScan& folder : session.folders) {
      for (const ScannedFile& scanned : folder.files) {
        std::optional<ParsedName> parsed = parse_name(scanned.name);
        if (!parsed || parsed->bare.size() > 1) continue;
        BidsFile file{session.path + "/" + folder.datatype + "/" + scanned.name,
                      folder.datatype,
                      std::move(parsed->entities),
                      std::move(parsed->suffix),
                      std::move(parsed->extension),
                      scanned.bytes,
                      scanned.problem};
        if ("sub-" + std::string(entity(file.entities, "sub")) != participant) continue;
        modernise(file, parsed->bare.empty() ? std::string_view{} : parsed->bare[0]);
        files.push_back(std::move(file));
      }
    }
  }
  return files;
}

std::vector<BidsFile> files_of(const std::filesystem::path& root, const std::string& participant) {
  return files_of(scan_participant(root, participant, IgnoreRules()));
}

// "S" or "S:cohort-N", as spaces() gives them.
std::string space_of(const BidsFile& file) {
  std::string space(entity(file.entities, "space"));
  const std::string_view cohort = entity(file.entities, "cohort");
  return cohort.empty() ? space : space + ":cohort-" + std::string(cohort);
}

bool own_space(std::string_view space) {
  return space.empty() || space == "orig" || space == "run" || space == "func" ||
         space == "boldref";
}

struct Query {
  std::string_view suffix;
  std::string_view desc; // "" none
  std::string space;
  bool own = false; // any of the run's own spaces
};

bool answers(const BidsFile& file, const Query& query) {
  if (file.suffix != query.suffix || entity(file.entities, "desc") != query.desc) return false;
  const std::string space = space_of(file);
  return query.own ? own_space(space) : space == query.space;
}

bool is_volume(const BidsFile& file) {
  return file.extension == ".nii.gz" || file.extension == ".nii";
}

// Grayordinates on the fsLR surfaces and in the volume.
bool is_dense(const BidsFile& file) {
  return file.suffix == "bold" && file.extension == ".dtseries.nii" && space_of(file) == "fsLR";
}

// Without a wish: no res- label first, then the lowest. Files come sorted by path.
std::optional<BidsFile> pick(const std::vector<BidsFile>& files, const Query& query,
                             const std::optional<std::string>& resolution) {
  const BidsFile* best = nullptr;
  for (const BidsFile& file : files) {
    if (!is_volume(file) || !answers(file, query)) continue;
    const std::string_view res = entity(file.entities, "res");
    if (resolution && res != *resolution) continue;
    if (best == nullptr || res < entity(best->entities, "res")) best = &file;
  }
  return best == nullptr ? std::nullopt : std::optional<BidsFile>(*best);
}

std::vector<DerivedTransform> transforms_of(const std::vector<BidsFile>& files) {
  std::vector<DerivedTransform> transforms;
  for (const BidsFile& file : files) {
    if (file.suffix != "xfm" || file.extension == ".json") continue;
    transforms.push_back({std::string(entity(file.entities, "from")),
                          std::string(entity(file.entities, "to")), file});
  }
  return transforms;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ", ") + (name.empty() ? "own" : name);
  return text.empty() ? "none" : text;
}

std::vector<BidsFile> run_files(const DerivativesIndex& index, const BoldRun& run) {
  if (!index.has_participant(run.participant_id)) return {};
  std::vector<BidsFile> files = files_of(index.root, run.participant_id);
  std::erase_if(files, [&](const BidsFile& file) {
    return file.datatype != "func" || !belongs_to(file, run);
  });
  return files;
}

std::vector<std::string> spaces_of(const std::vector<BidsFile>& files) {
  std::set<std::string> spaces;
  for (const BidsFile& file : files) {
    if (file.suffix == "bold" && entity(file.entities, "desc") == "preproc" && is_volume(file)) {
      spaces.insert(own_space(space_of(file)) ? std::string() : space_of(file));
    }
  }
  return {spaces.begin(), spaces.end()};
}

void name_missing(DerivedRun& derived, const BoldRun& run, const std::vector<BidsFile>& files) {
  const std::string in = derived.space.empty() ? "its own space" : "space " + derived.space;
  const auto add = [&](const std::optional<BidsFile>& file, const std::string& what) {
    if (!file) {
      derived.missing.push_back(run.run_id + ": no " + what);
    } else if (!file->problem.empty()) {
      derived.missing.push_back(file->path + ": " + file->problem);
    }
  };
  add(derived.bold, "preprocessed BOLD (desc-preproc_bold) in " + in +
                        "; spaces found: " + list_of(spaces_of(files)));
  add(derived.mask, "brain mask (desc-brain_mask) in " + in);
  add(derived.boldref, "reference (boldref) in " + in);
  add(derived.confounds, "confounds (desc-confounds_timeseries.tsv or _regressors.tsv)");
}

std::string generator(const std::filesystem::path& root, std::vector<Note>& notes) {
  const std::string file = "dataset_description.json";
  try {
    const nlohmann::json values = read_json_object(root, file);
    nlohmann::json by = values.value("GeneratedBy", nlohmann::json());
    if (by.is_array() && !by.empty()) by = by[0];
    if (!by.is_object()) by = values.value("PipelineDescription", nlohmann::json());
    if (!by.is_object()) return {};
    return by.value("Name", std::string("unknown")) + " " + by.value("Version", std::string("?"));
  } catch (const Error& error) {
    notes.push_back({Level::warning, "dataset_description", file, error.what()});
  } catch (const nlohmann::json::exception& error) {
    notes.push_back({Level::warning, "dataset_description", file, display(error.what())});
  }
  return {};
}

} // namespace

ParticipantResult build_derived_participant(const ParticipantScan& scan, const Wanted& wanted) {
  ParticipantResult result;
  result.notes = scan.notes;
  const auto wants = [](const std::vector<std::string>& list, const std::string& item) {
    return list.empty() || std::find(list.begin(), list.end(), item) != list.end();
  };
  std::map<std::string, std::map<std::string, BoldRun>> sessions; // by session, then run
  for (BidsFile& file : files_of(scan)) {
    const bool volume =
        file.suffix == "bold" && is_volume(file) && entity(file.entities, "desc") == "preproc";
    if (file.datatype != "func" || !(volume || is_dense(file)) ||
        has_entity(file.entities, "echo")) {
      continue;
    }
    BoldRun run;
    run.task = entity(file.entities, "task");
    if (run.task.empty()) continue;
    result.tasks.push_back(run.task);
    const std::string_view ses = entity(file.entities, "ses");
    run.session_id = ses.empty() ? std::string() : "ses-" + std::string(ses);
    const auto filter = wanted.filter.find("bold");
    if (!wants(wanted.tasks, run.task) ||
        (filter != wanted.filter.end() && !matches(filter->second, file))) {
      continue;
    }
    file.entities = without(file.entities, {"space", "res", "cohort", "desc", "den", "part"});
    run.run_id = compose_entities(file.entities);
    run.participant_id = scan.participant_id;
    run.acquisition = entity(file.entities, "acq");
    run.reconstruction = entity(file.entities, "rec");
    run.direction = entity(file.entities, "dir");
    run.run = entity(file.entities, "run");
    run.file = std::move(file);
    sessions[run.session_id].emplace(run.run_id, run);
  }
  if (sessions.empty()) sessions[""] = {};
  for (auto& [session_id, runs] : sessions) {
    result.session_ids.push_back(session_id);
    if (!wants(wanted.sessions, session_id)) continue;
    ParticipantSession row;
    row.participant_id = scan.participant_id;
    row.session_id = session_id;
    row.id = row.participant_id + (session_id.empty() ? "" : "_" + session_id);
    row.folder = row.participant_id + (session_id.empty() ? "" : "/" + session_id);
    for (auto& [run_id, run] : runs) row.runs.push_back(std::move(run));
    if (row.runs.empty()) {
      row.problem = "no preprocessed series (desc-preproc_bold) of the tasks asked for";
      result.notes.push_back({Level::warning, "session_left_out", row.id, row.problem});
    }
    result.sessions.push_back(std::move(row));
  }
  return result;
}

bool DerivativesIndex::has_participant(const std::string& participant_id) const {
  return std::binary_search(participants.begin(), participants.end(), participant_id);
}

DerivedRun DerivativesIndex::find(const BoldRun& run, const std::string& space,
                                  const std::string& resolution) const {
  const std::vector<BidsFile> files = run_files(*this, run);
  DerivedRun derived;
  derived.space = space;
  const bool own = space.empty();
  std::optional<std::string> res;
  if (!resolution.empty()) res = resolution;
  derived.bold = pick(files, {"bold", "preproc", space, own}, res);
  if (derived.bold) res = std::string(entity(derived.bold->entities, "res"));
  derived.resolution = res.value_or("");
  derived.mask = pick(files, {"mask", "brain", space, own}, res);
  derived.boldref = pick(files, {"boldref", "", space, own}, res);
  derived.hmc_boldref = pick(files, {"boldref", "hmc", "", true}, std::nullopt);
  derived.coreg_boldref = pick(files, {"boldref", "coreg", "", true}, std::nullopt);
  if (own && !derived.boldref) derived.boldref = derived.coreg_boldref;
  if (own && !derived.boldref) derived.boldref = derived.hmc_boldref;
  for (const BidsFile& file : files) {
    if (file.suffix != "timeseries" || entity(file.entities, "desc") != "confounds") continue;
    if (file.extension == ".tsv") derived.confounds = file;
    if (file.extension == ".json") derived.confounds_json = file;
  }
  for (const BidsFile& file : files) {
    if (is_dense(file) && !derived.dense) derived.dense = file;
    if (file.suffix == "timeseries" && entity(file.entities, "desc") == "aroma" &&
        file.extension == ".tsv") {
      derived.aroma = file;
    }
  }
  derived.transforms = transforms_of(files);
  name_missing(derived, run, files);
  return derived;
}

std::vector<std::string> DerivativesIndex::spaces(const BoldRun& run) const {
  return spaces_of(run_files(*this, run));
}

DerivedAnat DerivativesIndex::anatomy(const ParticipantSession& session,
                                      const std::string& space) const {
  DerivedAnat anat;
  std::vector<BidsFile> files;
  if (has_participant(session.participant_id)) files = files_of(root, session.participant_id);
  std::erase_if(files, [](const BidsFile& file) { return file.datatype != "anat"; });
  // The session's own folder first, then the participant's, then other sessions.
  const auto rank = [&](const BidsFile& file) {
    const std::string_view ses = entity(file.entities, "ses");
    if (!session.session_id.empty() && "ses-" + std::string(ses) == session.session_id) return 0;
    return ses.empty() ? 1 : 2;
  };
  std::stable_sort(files.begin(), files.end(),
                   [&](const BidsFile& a, const BidsFile& b) { return rank(a) < rank(b); });
  if (!files.empty()) {
    const int best = rank(files.front());
    const std::string ses(entity(files.front().entities, "ses"));
    std::erase_if(files, [&](const BidsFile& file) {
      return rank(file) != best || entity(file.entities, "ses") != ses;
    });
  }
  anat.t1w = pick(files, {"T1w", "preproc", space, false}, std::nullopt);
  anat.mask = pick(files, {"mask", "brain", space, false}, std::nullopt);
  anat.dseg = pick(files, {"dseg", "", space, false}, std::nullopt);
  for (const BidsFile& file : files) {
    if (!is_volume(file) || file.suffix != "probseg" || space_of(file) != space) continue;
    anat.tissue.emplace(entity(file.entities, "label"), file);
  }
  anat.transforms = transforms_of(files);
  const std::string in = space.empty() ? std::string("its own space") : "space " + space;
  if (!anat.t1w) anat.missing.push_back(session.id + ": no desc-preproc_T1w in " + in);
  if (!anat.mask) anat.missing.push_back(session.id + ": no anatomical desc-brain_mask in " + in);
  return anat;
}

DerivativesIndex index_derivatives(const std::string& name, const std::filesystem::path& root,
                                   const Context& context) {
  context.check_stop();
  DerivativesIndex index;
  index.name = name;
  const std::string at = "--derivatives " + display(name) + "=" + display(root.string(), 1000);
  std::error_code code;
  if (!std::filesystem::is_directory(root, code)) {
    throw Error(ErrorKind::usage, at + ": no such folder, expected the output folder of fMRIPrep");
  }
  for (const std::filesystem::path& candidate : {root, root / "fmriprep"}) {
    if (!std::filesystem::is_directory(candidate, code)) continue;
    RootScan scan = scan_root(candidate, IgnoreRules());
    index.notes = std::move(scan.notes);
    index.root = candidate;
    index.participants = std::move(scan.participants);
    if (index.participants.empty()) continue;
    index.generated_by = generator(candidate, index.notes);
    return index;
  }
  throw Error(ErrorKind::dataset, at + ": no participant folder sub-<label> in it or in fmriprep/");
}

std::pair<std::string, std::filesystem::path>
parse_derivatives_argument(const std::string& argument) {
  const std::size_t equal = argument.find('=');
  std::string name = argument.substr(0, equal == std::string::npos ? 0 : equal);
  const std::filesystem::path path =
      equal == std::string::npos ? argument : argument.substr(equal + 1);
  if (equal == std::string::npos) {
    const std::filesystem::path folder = path.has_filename() ? path : path.parent_path();
    name = folder.filename().string();
  }
  if (path.empty() || name.empty() || safe_component(name) != name) {
    throw Error(ErrorKind::usage, "--derivatives: found \"" + display(argument) +
                                      "\", expected NAME=DIR with a NAME of letters and digits");
  }
  return {name, path};
}

} // namespace boldmill::bids
