#include "pipeline/graph/given_confounds.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/config/sections.hpp"
#include "stages/core/error.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/denoise/confounds.hpp"
#include "stages/denoise/framewise_displacement.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<const char*, 6> kMotion{"trans_x", "trans_y", "trans_z",
                                             "rot_x",   "rot_y",   "rot_z"};

bool digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class Collector {
public:
  Collector(GivenConfounds& out, std::string source, int n_volumes)
      : out_(out), source_(std::move(source)), n_volumes_(n_volumes) {
    out_.values.resize(n_volumes, 0);
  }

  void read(const std::filesystem::path& path) {
    const bids::Table table = bids::read_tsv(path);
    if (table.n_rows() != static_cast<std::size_t>(n_volumes_)) {
      throw Error(ErrorKind::input, source_ + ": found " + std::to_string(table.n_rows()) +
                                        " rows of confounds, expected " +
                                        std::to_string(n_volumes_) + ", one per volume");
    }
    std::string left_out;
    for (std::size_t c = 0; c < table.n_columns(); ++c) {
      const std::string name = modern_confound(table.names()[c]);
      if (!table.is_numeric(c)) {
        left_out += (left_out.empty() ? "" : ", ") + bids::display(name);
        continue;
      }
      const std::vector<double> values = table.numbers(c);
      add(name, Eigen::Map<const Eigen::VectorXd>(values.data(), n_volumes_));
    }
    if (!left_out.empty()) out_.notes.push_back("confounds without a number: " + left_out);
  }

  void complete(double head_radius_mm) {
    if (column("framewise_displacement") < 0) add_displacement(head_radius_mm);
    std::vector<std::string> bases(kMotion.begin(), kMotion.end());
    bases.insert(bases.end(), {"global_signal", "csf", "white_matter"});
    for (const std::string& base : bases) {
      if (column(base) >= 0) expand(base);
    }
  }

private:
  [[nodiscard]] int column(const std::string& name) const {
    return confounds::column_index(out_.names, name);
  }

  void add(const std::string& name, const Eigen::VectorXd& values) {
    if (column(name) >= 0) {
      throw Error(ErrorKind::input,
                  source_ + ": found the confound " + bids::display(name) + " twice");
    }
    out_.names.push_back(name);
    out_.values.conservativeResize(Eigen::NoChange, out_.values.cols() + 1);
    out_.values.rightCols(1) = values;
  }

  void add_displacement(double head_radius_mm) {
    Eigen::MatrixXd motion(n_volumes_, 6);
    for (std::size_t k = 0; k < kMotion.size(); ++k) {
      const int at = column(kMotion[k]);
      if (at < 0) return;
      motion.col(static_cast<Eigen::Index>(k)) = out_.values.col(at);
    }
    framewise_displacement::Params params;
    params.head_radius_mm = head_radius_mm;
    const Eigen::Map<const Eigen::MatrixXd> view(motion.data(), motion.rows(), motion.cols());
    add("framewise_displacement", framewise_displacement::run({view}, params, {}).fd_mm);
    out_.notes.emplace_back("framewise displacement is computed from the motion parameters");
  }

  void expand(const std::string& base) {
    const Eigen::VectorXd x = out_.values.col(column(base));
    Eigen::VectorXd change = Eigen::VectorXd::Constant(n_volumes_, kNaN);
    change.tail(n_volumes_ - 1) = x.tail(n_volumes_ - 1) - x.head(n_volumes_ - 1);
    const auto fill = [&](const char* suffix, const Eigen::VectorXd& values) {
      if (column(base + suffix) < 0) add(base + suffix, values);
    };
    fill("_derivative1", change);
    fill("_power2", x.array().square());
    fill("_derivative1_power2", change.array().square());
  }

  GivenConfounds& out_;
  std::string source_;
  int n_volumes_;
};

} // namespace

std::string modern_confound(const std::string& name) {
  static const std::array<std::pair<const char*, const char*>, 13> kOld{
      {{"X", "trans_x"},
       {"Y", "trans_y"},
       {"Z", "trans_z"},
       {"RotX", "rot_x"},
       {"RotY", "rot_y"},
       {"RotZ", "rot_z"},
       {"CSF", "csf"},
       {"WhiteMatter", "white_matter"},
       {"GlobalSignal", "global_signal"},
       {"FramewiseDisplacement", "framewise_displacement"},
       {"stdDVARS", "std_dvars"},
       {"non-stdDVARS", "dvars"},
       {"vx-wisestdDVARS", "vx_wisestd_dvars"}}};
  for (const auto& [old_name, new_name] : kOld) {
    if (name == old_name) return new_name;
  }
  static const std::array<std::pair<const char*, const char*>, 5> kNumbered{
      {{"aCompCor", "a_comp_cor_"},
       {"tCompCor", "t_comp_cor_"},
       {"Cosine", "cosine"},
       {"NonSteadyStateOutlier", "non_steady_state_outlier"},
       {"AROMAAggrComp", "aroma_motion_"}}};
  for (const auto& [prefix, stem] : kNumbered) {
    const std::string_view start(prefix);
    if (name.starts_with(start) && digits(std::string_view(name).substr(start.size()))) {
      return stem + name.substr(start.size());
    }
  }
  return name;
}

GivenConfounds read_given_confounds(const std::filesystem::path& table,
                                    const std::filesystem::path& more, const std::string& source,
                                    int n_volumes, double head_radius_mm) {
  GivenConfounds out;
  Collector collector(out, source, n_volumes);
  collector.read(table);
  if (!more.empty()) collector.read(more);
  collector.complete(head_radius_mm);
  return out;
}

std::string given_metadata(const std::filesystem::path& sidecar, const std::string& source,
                           const std::vector<std::string>& columns,
                           std::vector<std::string>& notes) {
  std::ifstream file(sidecar);
  const config::Json given = config::Json::parse(file, nullptr, false);
  if (!given.is_object()) {
    notes.push_back(source + ": found no JSON object, expected what the confounds are");
    return "";
  }
  config::Json kept = config::Json::object();
  for (const auto& item : given.items()) {
    const std::string name = modern_confound(item.key());
    if (item.value().is_object() &&
        std::find(columns.begin(), columns.end(), name) != columns.end())
      kept[name] = item.value();
  }
  return kept.empty() ? "" : kept.dump(-1, ' ', false, config::Json::error_handler_t::replace);
}

int n_nonsteady(const GivenConfounds& confounds) {
  int last = 0;
  for (std::size_t c = 0; c < confounds.names.size(); ++c) {
    if (!confounds.names[c].starts_with("non_steady_state_outlier")) continue;
    const auto column = confounds.values.col(static_cast<Eigen::Index>(c));
    for (Eigen::Index t = 0; t < column.size(); ++t) {
      if (column[t] > 0.5) last = std::max(last, static_cast<int>(t) + 1);
    }
  }
  return last;
}

} // namespace boldmill::graph
