#include "pipeline/bids/index.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/bids/build.hpp"
#include "pipeline/bids/files.hpp"
#include "pipeline/bids/metadata.hpp"
#include "pipeline/bids/participants.hpp"
#include "pipeline/bids/scan.hpp"
#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::bids {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// Labels asked for, with their prefix; each must be one of `known`.
std::vector<std::string> resolve(const std::vector<std::string>& wanted, std::string_view prefix,
                                 const std::string& flag, const std::vector<std::string>& known) {
  std::vector<std::string> resolved;
  std::string problems;
  for (const std::string& label : wanted) {
    const std::string name = with_prefix(prefix, label);
    if (!contains(resolved, name)) resolved.push_back(name);
    if (contains(known, name)) continue;
    problems += (problems.empty() ? "" : "; ") + flag + ": \"" + display(label) +
                "\" is not in the dataset";
    const std::vector<std::string> close = nearest(name, known);
    for (std::size_t i = 0; i < close.size(); ++i) {
      problems += (i == 0 ? ", nearest: " : ", ") + close[i];
    }
    if (close.empty() && !known.empty()) {
      problems +=
          ", found " +
          (known.size() == 1 ? std::string("only ")
                             : std::to_string(known.size()) + " from " + known.front() + " to ") +
          known.back();
    }
  }
  if (!problems.empty()) throw Error(ErrorKind::usage, problems);
  std::sort(resolved.begin(), resolved.end());
  return resolved;
}

bool valid_version(const std::string& version) {
  int dots = 0;
  bool digit = false;
  for (const char c : version) {
    if (c == '-' && dots == 2 && digit) return true; // "1.8.0-dev"
    if (c == '.') {
      if (!digit) return false;
      ++dots;
      digit = false;
    } else if (c >= '0' && c <= '9') {
      digit = true;
    } else {
      return false;
    }
  }
  return dots == 2 && digit;
}

DatasetDescription read_description(const std::filesystem::path& root, const RootScan& scan,
                                    std::vector<Note>& notes) {
  const std::string file = "dataset_description.json";
  DatasetDescription description{{}, {}, "raw", {}};
  if (!contains(scan.files, file)) {
    notes.push_back({Level::warning, "no_dataset_description", file,
                     "missing, expected a file with Name and BIDSVersion"});
    return description;
  }
  try {
    const nlohmann::json values = read_json_object(root, file);
    const auto text = [&](const char* key) {
      const auto found = values.find(key);
      return found != values.end() && found->is_string() ? found->get<std::string>()
                                                         : std::string();
    };
    description.json = read_file(root / file);
    description.name = text("Name");
    description.bids_version = text("BIDSVersion");
    if (const std::string type = text("DatasetType"); !type.empty()) {
      description.dataset_type = type;
    } else if (values.contains("PipelineDescription") || values.contains("GeneratedBy")) {
      description.dataset_type = "derivative"; // fMRIPrep before 20.2
    }
  } catch (const Error& error) {
    notes.push_back({Level::warning, "dataset_description", file, error.what()});
    return description;
  }
  if (description.bids_version.empty()) {
    notes.push_back(
        {Level::warning, "bids_version", file, "BIDSVersion: missing, expected e.g. \"1.8.0\""});
  } else if (!valid_version(description.bids_version)) {
    notes.push_back({Level::warning, "bids_version", file,
                     "BIDSVersion: found \"" + display(description.bids_version) +
                         "\", expected e.g. \"1.8.0\""});
  }
  if (description.dataset_type == "derivative") {
    notes.push_back({Level::info, "derivative_dataset", file,
                     "DatasetType is \"derivative\": its preprocessed series are used"});
  }
  return description;
}

IgnoreRules read_ignore(const std::filesystem::path& root, std::vector<Note>& notes) {
  const std::filesystem::path path = root / ".bidsignore";
  std::error_code code;
  if (!std::filesystem::exists(path, code)) return {};
  try {
    return IgnoreRules(read_file(path, std::uint64_t{1} << 20));
  } catch (const Error& error) {
    notes.push_back({Level::warning, "bidsignore", ".bidsignore", error.what()});
    return {};
  }
}

std::vector<std::string> unique_sorted(std::vector<std::string> list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

// Session and task labels can only be checked once the walk is done.
void check_labels(const std::vector<ParticipantResult>& results, const Selection& selection) {
  std::vector<std::string> sessions, tasks;
  for (const ParticipantResult& result : results) {
    sessions.insert(sessions.end(), result.session_ids.begin(), result.session_ids.end());
    for (const std::string& task : result.tasks) tasks.push_back("task-" + task);
  }
  sessions = unique_sorted(std::move(sessions));
  std::erase(sessions, std::string());
  static_cast<void>(resolve(selection.sessions, "ses-", "--session-id", sessions));
  static_cast<void>(
      resolve(selection.tasks, "task-", "--task-id", unique_sorted(std::move(tasks))));
}

Wanted wanted_of(const Selection& selection) {
  Wanted wanted;
  for (const std::string& label : selection.sessions) {
    wanted.sessions.push_back(with_prefix("ses-", label));
  }
  for (const std::string& label : selection.tasks) {
    wanted.tasks.push_back(with_prefix("task-", label).substr(5));
  }
  wanted.filter = selection.filter;
  return wanted;
}

void no_participants(const std::filesystem::path& root, const RootScan& scan) {
  std::string message =
      display(root.string(), 1000) + ": no participant folder sub-<label>, found ";
  message += std::to_string(scan.files.size()) + " files";
  if (!scan.notes.empty()) {
    message += " and " + std::to_string(scan.notes.size()) + " folders left out: ";
    for (std::size_t i = 0; i < std::min<std::size_t>(3, scan.notes.size()); ++i) {
      message += (i == 0 ? "" : "; ") + display(scan.notes[i].where) + ": " + scan.notes[i].message;
    }
  }
  throw Error(ErrorKind::dataset, message);
}

} // namespace

std::vector<std::string> BidsIndex::participant_ids() const {
  std::vector<std::string> ids;
  for (const ParticipantSession& session : sessions) {
    if (ids.empty() || ids.back() != session.participant_id) ids.push_back(session.participant_id);
  }
  return ids;
}

std::size_t BidsIndex::n_runs() const {
  std::size_t count = 0;
  for (const ParticipantSession& session : sessions) count += session.runs.size();
  return count;
}

BidsIndex index_dataset(const std::filesystem::path& root, const IndexOptions& options,
                        const Context& context) {
  BidsIndex index;
  index.root = root;
  index.sidecar_cache = std::make_shared<SidecarCache>();
  const IgnoreRules rules = options.use_bidsignore ? read_ignore(root, index.notes) : IgnoreRules();
  RootScan scan = scan_root(root, rules);
  index.description = read_description(root, scan, index.notes);
  index.notes.insert(index.notes.end(), scan.notes.begin(), scan.notes.end());
  if (scan.participants.empty()) no_participants(root, scan);
  std::copy_if(scan.files.begin(), scan.files.end(), std::back_inserter(index.root_sidecars),
               [](const std::string& name) { return name.ends_with(".json"); });
  index.participants = read_participants(root, scan, index.notes);
  const Selection& selection = options.selection;
  if (!selection.participants.empty()) {
    scan.participants =
        resolve(selection.participants, "sub-", "--participant-label", scan.participants);
  }

  const Wanted wanted = wanted_of(selection);
  const bool derived = index.description.dataset_type == "derivative";
  std::vector<ParticipantResult> results(scan.participants.size());
  constexpr std::size_t kGrain = 8; // participants per task
  parallel_blocks(context, results.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const ParticipantScan found = scan_participant(root, scan.participants[i], rules);
      results[i] = derived ? build_derived_participant(found, wanted)
                           : build_participant(found, wanted, scan.files);
      add_session_columns(root, results[i]);
    }
  });
  check_labels(results, selection);
  const ParticipantRows rows(index.participants);
  rows.check_folders(scan.participants, selection.participants.empty(), index.notes);
  for (ParticipantResult& result : results) {
    for (ParticipantSession& session : result.sessions) {
      rows.fill(session);
      index.sessions.push_back(std::move(session));
    }
    std::move(result.notes.begin(), result.notes.end(), std::back_inserter(index.notes));
  }
  return index;
}

void keep_shard(BidsIndex& index, std::size_t shard, std::size_t count) {
  if (shard >= count) {
    throw Error(ErrorKind::usage, "shard: found " + std::to_string(shard) + " of " +
                                      std::to_string(count) + ", expected less than the count");
  }
  const std::vector<std::string> ids = index.participant_ids();
  std::set<std::string> kept;
  for (std::size_t i = shard; i < ids.size(); i += count) kept.insert(ids[i]);
  std::erase_if(index.sessions, [&](const ParticipantSession& session) {
    return !kept.contains(session.participant_id);
  });
}

} // namespace boldmill::bids
