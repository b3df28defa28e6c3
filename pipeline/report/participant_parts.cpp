// A run, the circuit profile and the matrices of a participant page.
#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/report/figures.hpp"
#include "pipeline/report/pages.hpp"
#include "pipeline/report/png.hpp"
#include "stages/core/error.hpp"

namespace boldmill::report {
namespace {

constexpr Eigen::Index kMostPoints = 2000;

Json trace_of(const store::RunRecord& run, const char* name) {
  const auto found = std::find(run.confound_names.begin(), run.confound_names.end(), name);
  if (found == run.confound_names.end() || run.confounds.rows() == 0) return {};
  const auto column = static_cast<Eigen::Index>(found - run.confound_names.begin());
  Json out = Json::array();
  for (Eigen::Index t = 0; t < std::min(run.confounds.rows(), kMostPoints); ++t)
    out.push_back(short_number(run.confounds(t, column)));
  return out;
}

// Range of each trace, for pages without scripts.
void add_range(Table& table, const std::string& label, const Json& values) {
  std::vector<double> there;
  double largest = NAN;
  std::size_t at = 0;
  for (std::size_t t = 0; t < values.size(); ++t) {
    const double v = values[t].get<double>();
    if (std::isnan(v)) continue;
    there.push_back(v);
    if (!(v <= largest)) largest = v, at = t;
  }
  const Spread s = spread_of(there);
  table.row({label, number(s.median, "%.4g"), number(s.q1, "%.4g"), number(s.q3, "%.4g"),
             number(largest, "%.4g"), there.empty() ? "" : std::to_string(at)});
}

void add_traces(Page& page, const store::RunRecord& run) {
  Json data{{"tr", short_number(run.tr_s)}, {"kept", run.kept}, {"traces", Json::array()}};
  Table ranges("Traces over the run", {{"trace", ""},
                                       {"median", ""},
                                       {"quartile 1", ""},
                                       {"quartile 3", ""},
                                       {"largest", ""},
                                       {"at volume", "the first is 0"}});
  const std::pair<const char*, const char*> wanted[] = {{"framewise_displacement", "FD [mm]"},
                                                        {"std_dvars", "std DVARS"},
                                                        {"global_signal", "global signal"},
                                                        {"csf", "csf"},
                                                        {"white_matter", "white matter"}};
  for (const auto& [name, label] : wanted) {
    Json values = trace_of(run, name);
    if (values.is_null()) continue;
    add_range(ranges, label, values);
    data["traces"].push_back({{"label", label}, {"values", std::move(values)}});
  }
  if (data["traces"].empty()) {
    page.absent("No confounds of this run are stored.");
    return;
  }
  std::string caption = "Over the run, in seconds. Shaded: volumes left out (dummies, censoring).";
  if (run.confounds.rows() > kMostPoints)
    caption += " The first " + std::to_string(kMostPoints) + " of " +
               std::to_string(run.confounds.rows()) + " volumes.";
  page.chart("traces", caption, data, &ranges);
}

// Hundredths of a correlation from -1 to 1 as 0 to 200; NaN is kMissing.
constexpr std::uint8_t kMissing = 201;

std::uint8_t level_of(double r) {
  if (std::isnan(r)) return kMissing;
  return static_cast<std::uint8_t>(100 + std::lround(100.0 * std::clamp(r, -1.0, 1.0)));
}

// Blue below 0, white, orange above, as the script draws it; grey is missing.
std::vector<Rgba> level_colours() {
  std::vector<Rgba> palette;
  for (int level = 0; level < kMissing; ++level) {
    const double t = (level - 100) / 100.0;
    const std::array<double, 3> end =
        t < 0.0 ? std::array{0.0, 90.0, 170.0} : std::array{200.0, 80.0, 0.0};
    Rgba colour{0, 0, 0, 255};
    for (std::size_t c = 0; c < end.size(); ++c) {
      colour.at(c) =
          static_cast<std::uint8_t>(std::lround(255.0 + std::abs(t) * (end.at(c) - 255.0)));
    }
    palette.push_back(colour);
  }
  palette.push_back({200, 200, 200, 255});
  return palette;
}

// A symmetric matrix of correlations; the picture without scripts has a pixel a cell.
void add_square(Page& page, const std::string& caption, const std::vector<std::string>& names,
                const Eigen::MatrixXd& full, const Table* table) {
  const auto side = static_cast<int>(full.rows());
  std::string upper; // with the diagonal, row by row
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(full.size()));
  for (Eigen::Index a = 0; a < full.rows(); ++a) {
    for (Eigen::Index b = a; b < full.cols(); ++b) {
      const std::uint8_t level = level_of(full(a, b));
      upper += static_cast<char>(level);
      pixels[static_cast<std::size_t>(a * side + b)] = level;
      pixels[static_cast<std::size_t>(b * side + a)] = level;
    }
  }
  static const std::vector<Rgba> palette = level_colours();
  page.chart("matrix", caption, {{"names", names}, {"levels", base64(upper)}}, table,
             png_data_uri(png_palette(pixels, side, side, palette)));
}

// Pearson's r of the confounds people look at, over volumes where both are there.
void add_confound_correlation(Page& page, const store::RunRecord& run) {
  std::vector<Eigen::Index> columns;
  std::vector<std::string> names;
  for (const char* name :
       {"framewise_displacement", "std_dvars", "global_signal", "csf", "white_matter", "trans_x",
        "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"}) {
    const auto found = std::find(run.confound_names.begin(), run.confound_names.end(), name);
    if (found == run.confound_names.end()) continue;
    columns.push_back(found - run.confound_names.begin());
    names.emplace_back(std::string_view(name) == "framewise_displacement" ? "FD" : name);
  }
  if (names.size() < 3 || run.confounds.rows() < 10) return;
  const auto side = static_cast<Eigen::Index>(names.size());
  Eigen::MatrixXd full(side, side);
  std::vector<Column> heads{{"", ""}};
  for (const auto& name : names) heads.push_back({name, ""});
  Table table("Correlation of confounds", heads);
  for (std::size_t a = 0; a < names.size(); ++a) {
    std::vector<Cell> cells_of_row{names[a]};
    for (std::size_t b = 0; b < names.size(); ++b) {
      const Eigen::ArrayXd x = run.confounds.col(columns[a]).array(),
                           y = run.confounds.col(columns[b]).array();
      double n = 0, sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
      for (Eigen::Index t = 0; t < x.size(); ++t) {
        if (std::isnan(x[t]) || std::isnan(y[t])) continue;
        n += 1;
        sx += x[t], sy += y[t], sxx += x[t] * x[t], syy += y[t] * y[t], sxy += x[t] * y[t];
      }
      const double r = (n * sxy - sx * sy) / std::sqrt((n * sxx - sx * sx) * (n * syy - sy * sy));
      full(static_cast<Eigen::Index>(a), static_cast<Eigen::Index>(b)) = r;
      cells_of_row.push_back(number(r));
    }
    table.row(cells_of_row);
  }
  add_square(page,
             "Correlation of confounds over the run. Movement that goes with the global signal is "
             "movement that regression "
             "has to remove.",
             names, full, &table);
}

void add_coverage(Page& page, const Stored& stored, const store::RunRecord& run) {
  Table table("Regions that the run does not fully cover",
              {{"atlas", ""}, {"region", ""}, {"covered", "share of its voxels"}});
  std::string said;
  for (const auto& atlas : stored.cohort.header().atlases) {
    const auto series = run.series.find(atlas.name);
    if (series == run.series.end()) continue;
    std::size_t full = 0;
    for (std::size_t r = 0; r < series->second.coverage.size() && r < atlas.label.size(); ++r) {
      const double share = series->second.coverage[r];
      if (share >= 0.9) {
        ++full;
      } else {
        table.row({atlas.name, atlas.label[r], number(share)});
      }
    }
    said += (said.empty() ? "" : "; ") + std::to_string(full) + " of " +
            std::to_string(atlas.label.size()) + " regions of " + atlas.name;
  }
  if (said.empty()) return;
  page.paragraph("Covered to 90 % or more: " + said + ".");
  if (table.n_rows() > 0)
    page.folded(std::to_string(table.n_rows()) + " regions less covered", table);
}

// The regressors of a task run's model, over time.
void add_design(Page& page, const Session& session, const store::RunRecord& run) {
  const Json rest =
      session.stored->config.value("/input/rest_tasks"_json_pointer, Json::array({"rest"}));
  if (std::find(rest.begin(), rest.end(), Json(run.task)) != rest.end()) return;
  const store::TaskDesign design =
      session.pictures == nullptr ? store::TaskDesign{} : session.pictures->design(run.run_id);
  if (design.name.empty()) {
    page.absent("No model of the task is stored: without events, or refused; the reason stands "
                "with the run.");
    return;
  }
  Json data{{"tr", short_number(run.tr_s)}, {"kept", run.kept}, {"traces", Json::array()}};
  Table table("Regressors of the task", {{"regressor", ""}, {"smallest", ""}, {"largest", ""}});
  for (std::size_t k = 0; k < design.name.size(); ++k) {
    const auto column = design.values.col(static_cast<Eigen::Index>(k));
    Json values = Json::array();
    for (Eigen::Index t = 0; t < std::min(column.size(), kMostPoints); ++t) {
      values.push_back(std::round(static_cast<double>(column[t]) * 1000.0) / 1000.0);
    }
    data["traces"].push_back({{"label", design.name[k]}, {"values", std::move(values)}});
    table.row({design.name[k], number(static_cast<double>(column.minCoeff()), "%.3g"),
               number(static_cast<double>(column.maxCoeff()), "%.3g")});
  }
  page.chart("traces",
             "The task in the model of this run: events convolved with the response function, in "
             "seconds. Shaded: volumes left out.",
             data, &table);
}

void add_rating(Page& page, const store::RunRecord& run) {
  const std::string id = bids::html_escape(run.run_id), key = bids::safe_component(run.run_id);
  std::string html = "<fieldset class=\"review\" data-run=\"" + id +
                     "\" hidden><legend>Your rating of " + id + "</legend><div class=\"row\">";
  for (const char* rating : {"pass", "warn", "fail"}) {
    html += "<label><input type=\"radio\" name=\"rating-" + key + "\" value=\"" + rating + "\"> " +
            rating + "</label>";
  }
  page.markup(html + "</div><label>Note<textarea rows=\"2\"></textarea></label></fieldset>\n");
}

} // namespace

void add_pictures(Page& page, const Session& session, const std::string& owner) {
  if (session.shard.empty()) return;
  const char* unreadable = "The pictures in the shard cannot be read.";
  if (session.pictures == nullptr) return page.absent(unreadable);
  try {
    page.markup(figures_html(*session.pictures, owner));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    page.absent(unreadable);
  }
}

void add_run(Page& page, const Session& session, const store::RunRecord& stored_run) {
  store::RunRecord run = stored_run;
  std::string unreadable;
  try {
    session.stored->cohort.read_traces(run);
  } catch (const Error& error) { // one run's; the pages of all others go on
    if (error.kind() != ErrorKind::input) throw;
    run = stored_run;
    unreadable = "Confounds and coverage of this run cannot be read from cohort.h5: merge again.";
  }
  page.markup("<div id=\"run-" + bids::safe_component(run.run_id) + "\">");
  page.heading(run.run_id);
  if (!unreadable.empty()) page.absent(unreadable);
  if (run.status == "ok") {
    page.paragraph("ok" + (run.reason.empty() ? "" : ". Note: " + run.reason + "."));
  } else {
    page.paragraph(run.status + (run.reason.empty() ? "" : ": " + run.reason),
                   run.status == "failed" ? "error" : "");
  }
  page.paragraph(std::to_string(run.n_volumes) + " volumes of " + number(run.tr_s, "%.3g") +
                 " s, " + std::to_string(run.n_kept) + " kept" +
                 (run.distortion.empty() ? "" : "; distortion correction: " + run.distortion) +
                 ".");
  if (run.status != "failed" || run.confounds.rows() > 0) {
    add_traces(page, run);
  }
  add_pictures(page, session, run.run_id); // of a failed run too
  if (run.status != "failed" || run.confounds.rows() > 0) {
    add_confound_correlation(page, run);
    add_coverage(page, *session.stored, run);
    add_design(page, session, run);
  }
  add_rating(page, run);
  page.markup("</div>\n");
}

namespace {

// Symmetric, 1 on the diagonal, from the upper triangle row by row.
Eigen::MatrixXd full_matrix(const Eigen::VectorXd& edges, Eigen::Index n) {
  Eigen::MatrixXd full = Eigen::MatrixXd::Ones(n, n);
  Eigen::Index e = 0;
  for (Eigen::Index a = 0; a < n; ++a) {
    for (Eigen::Index b = a + 1; b < n && e < edges.size(); ++b, ++e) {
      full(a, b) = full(b, a) = edges[e];
    }
  }
  return full;
}

void add_matrix(Page& page, const store::ConnectivityName& name, const store::AtlasRecord& atlas,
                const Eigen::VectorXd& edges) {
  const auto n = static_cast<Eigen::Index>(atlas.label.size());
  add_square(page,
             "Correlation between the " + std::to_string(n) + " regions of " + name.atlas + ", " +
                 name.source +
                 ": blue below 0, orange above, grey missing for want of coverage. The numbers are "
                 "in cohort.h5 under /connectivity.",
             atlas.label, full_matrix(edges, n), nullptr);
}

} // namespace

void add_connectivity(Page& page, const Session& session) {
  const Stored& stored = *session.stored;
  bool any = false;
  const auto names =
      session.edges != nullptr ? session.edges->name : stored.cohort.connectivity_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const store::ConnectivityName& name = names[i];
    if (name.kind != "correlation") continue;
    const auto& atlases = stored.cohort.header().atlases;
    const auto atlas = std::find_if(atlases.begin(), atlases.end(),
                                    [&](const auto& one) { return one.name == name.atlas; });
    Eigen::VectorXd edges;
    if (session.edges == nullptr) {
      edges = stored.cohort.connectivity_row(name, session.row);
    } else {
      edges = session.edges->edges[i].row(
          static_cast<Eigen::Index>(session.row - session.edges->first));
    }
    if (atlas == atlases.end() || edges.array().isNaN().all()) continue;
    any = true;
    add_matrix(page, name, *atlas, edges);
  }
  if (!any) page.absent("No connectivity of this session is stored: see the runs for the reason.");
}

} // namespace boldmill::report
