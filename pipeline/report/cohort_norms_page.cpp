// Sites before and after harmonisation, and the norm beside those it was made from.
#include <algorithm>
#include <cmath>

#include "pipeline/report/pages.hpp"
#include "stages/cohort/kernels/distributions.hpp"

namespace boldmill::report {
namespace {

constexpr double kFarZ = 1.96;
constexpr std::size_t kBins = 20;

// One site over the measures: offsets in pooled SD and spreads as ratios, before and after.
struct SiteEffects {
  std::vector<double> offset, offset_after, spread, spread_after;
};

// ComBat takes y to (y - location) / sqrt(scale), in pooled SD. What it estimated as the site's own
// but shrank stays: (location_unshrunk - location) / sqrt(scale), and of the SD
// sqrt(scale_unshrunk / scale).
SiteEffects effects_of(const store::GroupRecord& group, std::size_t site, std::size_t n_columns) {
  const auto& sd = group.array("pooled_sd").number;
  const auto& location = group.array("location").number;
  const auto& scale = group.array("scale").number;
  const auto& raw_location = group.array("location_unshrunk").number;
  const auto& raw_scale = group.array("scale_unshrunk").number;
  SiteEffects out;
  for (std::size_t c = 0; c < n_columns; ++c) {
    const std::size_t i = site * n_columns + c;
    if (!(sd.at(c) > 0.0) || !std::isfinite(raw_location.at(i)) || !(scale.at(i) > 0.0)) continue;
    out.offset.push_back(raw_location[i]);
    out.offset_after.push_back((raw_location[i] - location.at(i)) / std::sqrt(scale[i]));
    out.spread.push_back(std::sqrt(raw_scale.at(i)));
    out.spread_after.push_back(std::sqrt(raw_scale[i] / scale[i]));
  }
  return out;
}

double median_size(std::vector<double> values) {
  for (double& value : values) value = std::abs(value);
  return spread_of(std::move(values)).median;
}

void add_sites(Page& page, const store::GroupRecord& group) {
  const auto& batch = group.array("batch").text;
  const auto& n_rows = group.array("n_rows").number;
  const std::size_t n_columns = group.array("column").text.size();
  Table table("Sites before and after harmonisation",
              {{"site", ""},
               {"people", ""},
               {"offset before", "median of its size over the measures, in pooled SD"},
               {"offset after", ""},
               {"SD before", "median over the measures, over the pooled SD"},
               {"SD after", ""}});
  Json sites = Json::array();
  for (std::size_t b = 0; b < batch.size(); ++b) {
    const SiteEffects e = effects_of(group, b, n_columns);
    table.row({batch[b], number(n_rows.at(b), "%.0f"), number(median_size(e.offset)),
               number(median_size(e.offset_after)), number(spread_of(e.spread).median),
               number(spread_of(e.spread_after).median)});
    sites.push_back({{"site", batch[b]},
                     {"before", short_numbers(e.offset)},
                     {"after", short_numbers(e.offset_after)}});
  }
  page.paragraph("By column " + group.setting("batch_column") + ", " +
                 std::to_string(batch.size()) + " sites, " + std::to_string(n_columns) +
                 " measures; covariates stay in the data.");
  page.chart("sites",
             "Offset of each site from all, one dot a measure, after the covariates are accounted "
             "for. What stays after harmonisation is what empirical Bayes leaves in: a site's own "
             "estimate is trusted as far as its size allows.",
             sites, &table);
}

struct Calibration {
  std::vector<double> reference, others; // centiles
  std::size_t far_reference = 0, far_others = 0;
};

std::string share_of(std::size_t n, std::size_t all) {
  return all == 0 ? std::string()
                  : number(100.0 * static_cast<double>(n) / static_cast<double>(all), "%.1f");
}

std::vector<int> histogram(const std::vector<double>& centiles) {
  std::vector<int> out(kBins, 0);
  for (const double c : centiles) {
    ++out[std::min(kBins - 1, static_cast<std::size_t>(std::max(0.0, c) * kBins))];
  }
  return out;
}

std::size_t count_flags(const store::GroupRecord& group, const char* name) {
  if (!group.has(name)) return 0;
  const auto& values = group.array(name).number;
  return static_cast<std::size_t>(
      std::count_if(values.begin(), values.end(), [](double v) { return v > 0.0; }));
}

} // namespace

void add_harmonization(Page& page, const Stored& stored) {
  page.begin_section("harmonization", "Harmonisation of sites",
                     "How far sites differ in the measures, before and after ComBat, and what of "
                     "the people the site alone tells.");
  const auto group = stored.cohort.group("harmonization");
  if (group) {
    add_sites(page, *group);
  } else {
    const std::string why = stored.why_not("harmonization");
    page.absent("Measures were not harmonised" + (why.empty() ? "." : ": " + why + "."));
  }
  for (const auto& record : stored.tables) {
    if (record.path == kSiteAssociation && !record.columns.empty()) {
      page.table(table_of(record, record.columns.front().text.size()));
    }
  }
  page.end_section();
}

void add_norms(Page& page, const Stored& stored) {
  page.begin_section("norms", "Norms",
                     "Where people lie among healthy people of the same age, sex, site and motion. "
                     "A calibrated norm gives healthy people every centile equally often.");
  if (!stored.norms || !stored.norms->has("z") || !stored.norms->has("in_reference")) {
    const std::string why = stored.why_not("norms");
    page.absent("No norm is stored" + (why.empty() ? "." : ": " + why + "."));
    page.end_section();
    return;
  }
  const store::GroupRecord& group = *stored.norms;
  const auto& z = group.array("z").number;
  const auto& centile = group.array("centile").number;
  const bool held_out = group.has("z_held_out"); // not in older files
  const auto& reference_z = group.array(held_out ? "z_held_out" : "z").number;
  const auto& in_reference = group.array("in_reference").number;
  const auto& names = stored.cohort.header().measure;
  Table table("Norm of each measure", {{"measure", ""},
                                       {"healthy people", "that the norm was learned from"},
                                       {"of them beyond 1.96, %", "5 when calibrated"},
                                       {"SD of their z", "1 when calibrated"},
                                       {"other sessions", ""},
                                       {"of them beyond 1.96, %", ""},
                                       {"median z of them", ""}});
  Calibration all;
  Json by_measure = Json::array();
  for (std::size_t m = 0; m < names.size(); ++m) {
    std::vector<double> own, others;
    std::size_t far_own = 0, far_others = 0;
    double squares = 0.0;
    for (std::size_t row = 0; row < in_reference.size(); ++row) {
      const bool is_own = in_reference[row] > 0.0;
      const std::size_t i = row * names.size() + m;
      const double value = is_own ? reference_z.at(i) : z.at(i);
      if (std::isnan(value)) continue;
      (is_own ? own : others).push_back(value);
      (is_own ? far_own : far_others) += std::abs(value) > kFarZ ? 1 : 0;
      (is_own ? all.reference : all.others)
          .push_back(is_own && held_out ? cohort::normal_tail(-value) : centile.at(i));
      squares += is_own ? value * value : 0.0;
    }
    if (own.empty()) continue;
    all.far_reference += far_own;
    all.far_others += far_others;
    table.row({names[m], std::to_string(own.size()), share_of(far_own, own.size()),
               number(std::sqrt(squares / static_cast<double>(own.size()))),
               std::to_string(others.size()), share_of(far_others, others.size()),
               number(spread_of(others).median)});
    by_measure.push_back(
        {{"name", names[m]},
         {"own", short_number(static_cast<double>(far_own) / static_cast<double>(own.size()))},
         {"others", others.empty() ? Json()
                                   : Json(short_number(static_cast<double>(far_others) /
                                                       static_cast<double>(others.size())))}});
  }
  page.paragraph(
      std::to_string(count_flags(group, "in_reference")) + " healthy people made the norm; " +
      share_of(all.far_reference, all.reference.size()) +
      " % of their values lie beyond z = 1.96 (5 % when calibrated)" +
      (all.others.empty()
           ? ". "
           : ", of other sessions " + share_of(all.far_others, all.others.size()) + " %. ") +
      std::to_string(count_flags(group, "age_outside")) +
      " sessions are outside the ages of the healthy people, " +
      std::to_string(count_flags(group, "new_site")) + " of a site without any.");
  page.paragraph(
      (held_out ? "The calibration is out of sample: the healthy people were dealt into " +
                      group.setting("calibration_folds") +
                      " folds, evenly over sites, and each is scored by the norm of the others."
                : "The calibration is that of the people who made the norm (in sample), which "
                  "flatters it.") +
          std::string(" The other sessions hold patients, whose deviations are the finding, and "
                      "later sessions of healthy people."),
      "lead");
  page.chart("norms",
             "Left: centiles of all measures together, of those who made the norm and of the "
             "other sessions; flat is calibrated. Right: share of sessions beyond z = 1.96, by "
             "measure; the dashed line is 5 %.",
             {{"own", histogram(all.reference)},
              {"others", histogram(all.others)},
              {"measures", by_measure}},
             &table);
  page.end_section();
}

} // namespace boldmill::report
