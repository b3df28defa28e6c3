#include "pipeline/report/viewer.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "pipeline/report/png.hpp"
#include "pipeline/report/web_bundle.hpp"
#include "stages/core/error.hpp"

namespace boldmill::report {
namespace {

// Fields of NIfTI-1 by their offset (nifti1.h), little-endian.
class Header {
public:
  Header() : bytes_(352, '\0') {} // and four bytes that say: no extensions
  template <class T>
  void set(std::size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

private:
  std::string bytes_;
};

std::string header_of(const store::VolumeRecord& volume, bool is_grey) {
  Header h;
  h.set<std::int32_t>(0, 348);
  h.set<std::int16_t>(40, 3);
  for (std::size_t a = 0; a < 3; ++a) {
    h.set(42 + 2 * a, static_cast<std::int16_t>(volume.shape[a]));
    const auto column = static_cast<Eigen::Index>(a);
    h.set(80 + 4 * a, static_cast<float>(volume.affine.col(column).head<3>().norm())); // pixdim
  }
  for (std::size_t a = 3; a < 7; ++a) h.set<std::int16_t>(42 + 2 * a, 1);
  h.set<std::int16_t>(70, is_grey ? 2 : 4);  // datatype: uint8, int16
  h.set<std::int16_t>(72, is_grey ? 8 : 16); // bits
  h.set(76, 1.0F);
  h.set(108, 352.0F);          // where voxels begin
  h.set(112, 1.0F);            // slope
  h.set<char>(123, 2);         // mm
  h.set<std::int16_t>(254, 4); // sform: the space of a template
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 4; ++c) {
      h.set(280 + 16 * r + 4 * c, static_cast<float>(volume.affine(static_cast<Eigen::Index>(r),
                                                                   static_cast<Eigen::Index>(c))));
    }
  }
  std::string bytes = h.bytes();
  std::memcpy(bytes.data() + 344, "n+1", 4);
  return bytes;
}

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16; // largest window, gzip header without name and time
  if (deflateInit2(&stream, 6, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw Error(ErrorKind::internal, "zlib is not available");
  }
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (code != Z_STREAM_END) throw Error(ErrorKind::internal, "zlib did not finish");
  return out;
}

Json volume_json(const Stored& stored, const store::VolumeRecord& volume,
                 const std::string& label) {
  Json out{{"name", volume.name}, {"label", label}, {"data", base64(nifti_gz(volume))}};
  if (volume.region.empty()) return out;
  out["regions"] = Json::array();
  for (const auto& atlas : stored.cohort.header().atlases) {
    if (atlas.name == volume.name) out["regions"] = atlas.label;
  }
  return out;
}

void add_session(const Session& session, bool several, Json& out) {
  const Stored& stored = *session.stored;
  const std::string of = several ? ", " + stored.people.session_id[session.row] : "";
  const auto add = [&](const std::string& owner, const auto& label_of) {
    for (const auto& volume : session.pictures->volumes(owner)) {
      out.push_back(volume_json(stored, volume, label_of(volume)));
    }
  };
  add(store::kAnatomyFigures, [&](const auto&) { return "T1w, brain" + of; });
  for (std::size_t i = 0; i < stored.runs.run.size(); ++i) {
    if (static_cast<std::size_t>(stored.runs.row[i]) != session.row) continue;
    const std::string& run_id = stored.runs.run[i].run_id;
    add(run_id, [&](const auto&) { return "mean BOLD of " + run_id; });
  }
}

} // namespace

std::string nifti_gz(const store::VolumeRecord& volume) {
  const bool is_grey = volume.region.empty();
  std::string bytes = header_of(volume, is_grey);
  if (is_grey) {
    bytes.append(volume.grey.begin(), volume.grey.end());
  } else {
    for (const std::int32_t region : volume.region) {
      const auto stored = static_cast<std::int16_t>(std::clamp(region, 0, 32767));
      bytes.append(reinterpret_cast<const char*>(&stored), sizeof stored);
    }
  }
  return gzip(bytes);
}

std::string volumes_file(const std::string& page) {
  return "figures/" + page.substr(0, page.rfind(".html")) + "_volumes.js";
}

std::string volumes_script(const std::vector<Session>& sessions) {
  if (viewer_script().empty()) return "";
  Json volumes = Json::array();
  bool has_template = false;
  for (const Session& session : sessions) {
    if (session.pictures == nullptr) continue;
    try {
      add_session(session, sessions.size() > 1, volumes);
      has_template = has_template || session.pictures->has_volumes(store::kTemplateFigures);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input) throw;
    }
  }
  if (volumes.empty()) return "";
  return "globalThis.boldmillVolumes=" + inert_json(volumes) + ";\n" +
         (has_template
              ? "globalThis.boldmillTemplateFile=\"./" + std::string(kTemplateVolumesFile) + "\";\n"
              : "");
}

std::string template_script(const Session& session) {
  if (viewer_script().empty() || session.pictures == nullptr) return "";
  Json volumes = Json::array();
  try {
    for (const auto& one : session.pictures->volumes(store::kTemplateFigures)) {
      const std::string label =
          one.region.empty() ? "template " + one.space : "regions of " + one.name;
      volumes.push_back(volume_json(*session.stored, one, label));
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    return "";
  }
  return volumes.empty() ? "" : "globalThis.boldmillTemplate=" + inert_json(volumes) + ";\n";
}

void add_viewer(Page& page, const std::string& file) {
  page.begin_section("viewer", "Viewer",
                     "T1w, mean BOLD, template and regions in the space of the template, 2.5 mm, "
                     "inside the brain only. Needs WebGL; the volumes are loaded when asked for.");
  if (file.empty()) {
    page.absent("No volumes are stored (`report.figures`), or this boldmill was built without its "
                "viewer.");
  } else {
    page.markup("<div class=\"viewer\" data-viewer=\"./" + std::string(kViewerFile) +
                "\" data-volumes=\"./" + bids::html_escape(file) + "\"></div>\n");
  }
  page.end_section();
}

} // namespace boldmill::report
