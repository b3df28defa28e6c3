#include "pipeline/bids/metadata.hpp"

#include <algorithm>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/index.hpp"
#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxJsonBytes = std::uint64_t{64} << 20;
constexpr int kMaxJsonDepth = 100; // copying and printing recurse

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

struct Candidate {
  std::string path;
  std::size_t depth = 0;
  std::size_t n_entities = 0;
  auto operator<=>(const Candidate&) const = default;
};

void add_candidate(std::vector<Candidate>& list, const std::string& path, const BidsFile& file) {
  const std::string folder = folder_of(path);
  const bool above = folder.empty() || file.path.starts_with(folder + "/");
  if (!above) return;
  const std::optional<ParsedName> parsed = parse_name(name_of(path));
  if (!parsed || parsed->suffix != file.suffix || !parsed->bare.empty()) return;
  if (!subset(parsed->entities, file.entities)) return;
  const auto depth = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
  list.push_back({path, depth, parsed->entities.size()});
}

bool share_any(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const std::string& item) {
    return std::find(b.begin(), b.end(), item) != b.end();
  });
}

} // namespace

json read_json_object(const std::filesystem::path& root, const std::string& relative) {
  const std::filesystem::path path = root / relative;
  std::error_code code;
  if (std::filesystem::is_symlink(path, code) && !std::filesystem::exists(path, code)) {
    throw Error(ErrorKind::input,
                display(relative) + ": content not present (the link leads nowhere; datalad get?)");
  }
  std::string text = read_file(path, kMaxJsonBytes);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  try {
    const auto check_depth = [&](int depth, json::parse_event_t, const json&) {
      if (depth <= kMaxJsonDepth) return true;
      throw Error(ErrorKind::input, display(relative) + ": broken JSON: found more than " +
                                        std::to_string(kMaxJsonDepth) + " levels");
    };
    json value = json::parse(text, check_depth);
    if (value.is_object()) return value;
    throw Error(ErrorKind::input, display(relative) + ": found JSON " +
                                      std::string(value.type_name()) + ", expected an object");
  } catch (const json::exception& error) {
    std::string what = error.what();
    if (const std::size_t end = what.find("] "); end != std::string::npos) what.erase(0, end + 2);
    throw Error(ErrorKind::input, display(relative) + ": broken JSON: " + display(what));
  }
}

std::shared_ptr<const json> SidecarCache::read(const std::filesystem::path& root,
                                               const std::string& name) {
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<const json>& entry = parsed_[name];
  if (!entry) entry = std::make_shared<const json>(read_json_object(root, name));
  return entry;
}

Sidecar BidsIndex::metadata(const ParticipantSession& session, const BidsFile& file) const {
  std::vector<Candidate> candidates;
  for (const std::string& path : root_sidecars) add_candidate(candidates, path, file);
  for (const std::string& path : session.sidecars) add_candidate(candidates, path, file);
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.depth, a.n_entities, a.path) < std::tie(b.depth, b.n_entities, b.path);
  });
  json merged = json::object();
  std::vector<std::string> sources;
  std::vector<std::string> ambiguous;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (i > 0 && candidate.depth == candidates[i - 1].depth) {
      ambiguous.push_back("two sidecars of one folder apply: " + display(candidates[i - 1].path) +
                          " and " + display(candidate.path) + "; the second wins");
    }
    if (candidate.depth == 0 && sidecar_cache) {
      merged.update(*sidecar_cache->read(root, candidate.path));
    } else {
      merged.update(read_json_object(root, candidate.path));
    }
    sources.push_back(candidate.path);
  }
  Sidecar sidecar = make_sidecar(file.path, std::move(sources), std::move(merged));
  sidecar.warnings.insert(sidecar.warnings.end(), ambiguous.begin(), ambiguous.end());
  return sidecar;
}

std::vector<BidsFile> BidsIndex::fieldmaps_of(const ParticipantSession& session, const BoldRun& run,
                                              std::vector<std::string>& warnings) const {
  std::vector<BidsFile> found;
  if (session.fieldmaps.empty()) return found;
  const Sidecar bold = metadata(session, run.file);
  for (const BidsFile& file : session.fieldmaps) {
    try {
      const Sidecar fieldmap = metadata(session, file);
      // B0 fields, where a run names its sources, replace IntendedFor.
      const bool named = bold.b0_field_source.empty()
                             ? share_any({run.file.path}, fieldmap.intended_for)
                             : share_any(bold.b0_field_source, fieldmap.b0_field_identifier);
      if (named) found.push_back(file);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input) throw;
      warnings.emplace_back(error.what());
    }
  }
  return found;
}

} // namespace boldmill::bids
