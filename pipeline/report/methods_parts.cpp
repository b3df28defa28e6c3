#include "pipeline/report/methods_parts.hpp"

#include <algorithm>
#include <sstream>

namespace boldmill::report {
namespace {

// Whether a switch of the configuration is on.
bool is_on(const Json& config, const char* section, const char* key) {
  return config.contains(section) && config[section].contains(key) &&
         config[section][key] == Json(true);
}

bool lists(const Json& config, const char* section, const char* key, const char* item) {
  if (!config.contains(section) || !config[section].contains(key)) return false;
  const Json& found = config[section][key];
  return std::find(found.begin(), found.end(), Json(item)) != found.end();
}

bool is_positive(const Json& config, const char* section, const char* key) {
  return config.contains(section) && config[section].contains(key) &&
         config[section][key].is_number() && config[section][key].get<double>() > 0.0;
}

// What was done to voxels before regions were averaged.
std::string voxels_text(const Json& c) {
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  std::string text;
  if (is_on(c, "voxels", "despike")) {
    text += "After the volumes before steady state were dropped, spikes of every voxel (over " +
            v("despike", "cut_start") +
            " robust SD from a smooth curve) were pulled in as by 3dDespike -NEW, to at most " +
            v("despike", "cut_limit") + " SD. ";
  }
  if (is_positive(c, "voxels", "smoothing_mm")) {
    text += "The voxels of the brain mask were smoothed by a Gaussian of " +
            v("voxels", "smoothing_mm") + " mm FWHM, with 0 outside the mask. ";
  }
  return text;
}

// In which order trend, filter, confounds and censoring act.
std::string order_text(const Json& c) {
  const auto v = [&c](const char* key) { return value(c, "nuisance_regression", key); };
  const std::string trend = is_on(c, "nuisance_regression", "detrend") ? "a linear trend, " : "";
  std::string band;
  if (is_positive(c, "nuisance_regression", "high_pass_hz")) {
    band += "high-pass " + v("high_pass_hz") + " Hz";
  }
  if (is_positive(c, "nuisance_regression", "low_pass_hz")) {
    band += (band.empty() ? "" : ", ") + ("low-pass " + v("low_pass_hz") + " Hz");
  }
  if (v("filter") == "butterworth") {
    return "in the order of XCP-D: censored volumes were interpolated by cubic splines in series "
           "and "
           "confounds alike, both were " +
           std::string(trend.empty() ? "centred" : "detrended") +
           (band.empty()
                ? ""
                : " and filtered forward and backward (Butterworth of order " +
                      v("butterworth_order") + ", " + band + ", padding " + v("padding") + ")") +
           ", the confounds were fitted to the volumes kept (" +
           (is_on(c, "nuisance_regression", "intercept") ? "with" : "without") +
           " a constant) and subtracted, and " +
           (v("output") == "interpolated" ? "interpolated volumes were left in"
                                          : "volumes were censored again");
  }
  const std::string waves = v("filter") == "fourier" ? "sines and cosines" : "cosines";
  return "in one least-squares model on the volumes kept, of a constant, " + trend +
         "the confounds" +
         (band.empty() ? "" : " and the " + waves + " outside the band (" + band + ")");
}

} // namespace

std::string value(const Json& config, const char* section, const char* key) {
  if (!config.contains(section) || !config[section].contains(key)) return "?";
  const Json& found = config[section][key];
  if (!found.is_array()) return found.is_string() ? found.get<std::string>() : found.dump();
  std::string text;
  for (const Json& item : found) {
    text += (text.empty() ? "" : ", ") + (item.is_string() ? item.get<std::string>() : item.dump());
  }
  return text.empty() ? "none" : text;
}

std::string denoising_text(const Json& c) {
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  std::ostringstream t;
  if (c.contains("motion_filter") && v("motion_filter", "type") != "none") {
    t << "The motion traces were filtered against breathing (" << v("motion_filter", "type") << ", "
      << v("motion_filter", "band_stop_min_bpm") << " to "
      << v("motion_filter", "band_stop_max_bpm") << " breaths a minute, order "
      << v("motion_filter", "order") << "), before framewise displacement and expansions. ";
  }
  t << voxels_text(c) << "Region series (" << v("extraction", "statistic")
    << " over the voxels) were cleaned with strategy " << v("nuisance_regression", "strategy");
  if (v("nuisance_regression", "strategy") == "custom") {
    t << " (columns " << v("nuisance_regression", "columns") << ")";
  }
  if (c.contains("nuisance_regression") && v("nuisance_regression", "extra_columns") != "none") {
    t << " and the columns " << v("nuisance_regression", "extra_columns");
  }
  t << ", " << order_text(c) << ". ";
  if (is_positive(c, "nuisance_regression", "fd_threshold_mm")) {
    t << "Volumes with a framewise displacement above "
      << v("nuisance_regression", "fd_threshold_mm") << " mm were censored. ";
  }
  if (c.contains("voxels") && v("voxels", "regressors") != "none" &&
      v("voxels", "regressors") != "?") {
    t << "With the confounds, each voxel lost series of its own (" << v("voxels", "regressors")
      << ", a degree of freedom each), so that voxels were cleaned before regions were averaged. ";
  }
  if (is_on(c, "nuisance_regression", "standardize")) {
    t << "Series were then z-scored over the volumes kept. ";
  }
  t << "Runs with fewer than " << v("nuisance_regression", "min_dof")
    << " degrees of freedom left, or with more than " << v("gates", "max_fd_share")
    << " of their volumes above " << v("gates", "fd_exclusion_mm") << " mm, were excluded. ";
  return t.str();
}

std::string connectivity_text(const Json& c) {
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  std::string text = "Kinds of connectivity: " + v("connectivity", "kinds");
  if (is_positive(c, "connectivity", "n_volumes")) {
    text += ", each from exactly " + v("connectivity", "n_volumes") +
            " kept volumes drawn with seed " + v("connectivity", "random_seed");
  }
  if (lists(c, "connectivity", "kinds", "lagged")) {
    text += "; lagged by " + v("connectivity", "lag") + " volumes";
  }
  if (lists(c, "connectivity", "kinds", "sliding_window")) {
    text += "; sliding windows of " + v("sliding_window", "window") + " volumes, a step of " +
            v("sliding_window", "step");
  }
  return text + ". ";
}

std::string regional_text(const Json& c) {
  const auto v = [&c](const char* section, const char* key) { return value(c, section, key); };
  std::string text;
  const auto wants = [&c](const char* measure) {
    return lists(c, "regional", "measures", measure);
  };
  const std::string band = v("alff", "low_hz") + " to " + v("alff", "high_hz") + " Hz";
  if (wants("alff")) {
    text += "ALFF of every voxel is twice the mean amplitude of the denoised series from " + band +
            " (Lomb-Scargle with censored volumes). ";
  }
  if (wants("falff")) {
    text += "fALFF is the share of the spectrum's amplitude from " + band +
            ", of the series denoised without low-pass. ";
  }
  if (wants("reho")) {
    text += "ReHo is Kendall's W of the denoised series over " + v("reho", "neighbours") +
            " neighbours, corrected for ties. ";
  }
  if (wants("tsnr")) text += "tSNR is the mean over the SD of the series before denoising. ";
  if (!text.empty()) text += "Their means over regions are reported. ";
  if (wants("graph") || wants("modularity")) {
    text += "Graph measures" + std::string(wants("modularity") ? " and modules" : "") +
            " are those of the weighted matrix " + v("regional", "graph_kind") + ". ";
  }
  return text;
}

} // namespace boldmill::report
