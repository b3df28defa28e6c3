#include "stages/denoise/motion_filter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "stages/denoise/kernels/butterworth.hpp"

namespace boldmill::motion_filter {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<const char*, 6> kMotion{"trans_x", "trans_y", "trans_z",
                                             "rot_x",   "rot_y",   "rot_z"};

// Where a frequency appears after sampling, in breaths per minute.
double folded(double bpm, double tr_s) {
  const double sampling = 60.0 / tr_s;
  return std::abs(bpm - std::floor((bpm + 0.5 * sampling) / sampling) * sampling);
}

// Notch of unit gain far off, -3 dB at the edges of its width (Orfanidis 1996, section 11.3.2).
Biquad notch(double centre_hz, double width_hz, double tr_s) {
  const double w = 2.0 * std::numbers::pi * centre_hz * tr_s;
  const double gain = 1.0 / (1.0 + std::tan(std::numbers::pi * width_hz * tr_s));
  return {gain, -2.0 * gain * std::cos(w), gain, -2.0 * gain * std::cos(w), 2.0 * gain - 1.0};
}

std::string number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

void check(const Inputs& inputs, const Params& params) {
  if (!(inputs.tr_s > 0.0) || inputs.motion.rows() < 2) {
    throw Error(ErrorKind::input, "motion_filter: found " + std::to_string(inputs.motion.rows()) +
                                      " volumes at a repetition time of " + number(inputs.tr_s) +
                                      " s, expected at least 2 at a positive one");
  }
  if (!inputs.motion.allFinite()) {
    throw Error(ErrorKind::input, "motion_filter: a motion trace has a missing value");
  }
  if (params.type != "notch") return;
  if (!(params.band_stop_min_bpm < params.band_stop_max_bpm)) {
    throw Error(ErrorKind::usage,
                "motion_filter: band_stop_min_bpm " + number(params.band_stop_min_bpm) +
                    " is not below band_stop_max_bpm " + number(params.band_stop_max_bpm));
  }
  if (params.order < 4) {
    throw Error(ErrorKind::usage,
                "motion_filter: order " + std::to_string(params.order) + ", a notch needs 4");
  }
}

void warn_if_folded(const Inputs& inputs, const Params& params, Outputs& out) {
  const bool notched = params.type == "notch";
  const bool moved = out.band_stop_min_bpm != params.band_stop_min_bpm ||
                     (notched && out.band_stop_max_bpm != params.band_stop_max_bpm);
  if (!moved) return;
  const auto band = [notched](double low, double high) {
    return number(low) + (notched ? "-" + number(high) : std::string());
  };
  out.warning = "motion filter: " + band(params.band_stop_min_bpm, params.band_stop_max_bpm) +
                " breaths per minute reach above the Nyquist frequency of " +
                number(30.0 / inputs.tr_s) + " at a repetition time of " + number(inputs.tr_s) +
                " s and are folded to " + band(out.band_stop_min_bpm, out.band_stop_max_bpm);
}

std::vector<Biquad> sections_of(const Inputs& inputs, const Params& params, const Outputs& out,
                                int* passes) {
  *passes = 1;
  if (params.type == "lp") {
    return butterworth(params.order / 2, 0.0, out.band_stop_min_bpm / 60.0, inputs.tr_s);
  }
  *passes = params.order / 4;
  const double low = out.band_stop_min_bpm / 60.0;
  const double high = out.band_stop_max_bpm / 60.0;
  return {notch(0.5 * (low + high), std::abs(high - low), inputs.tr_s)};
}

int position(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  context.check_stop();
  Outputs out{.motion = inputs.motion};
  if (params.type == "none") return out;
  check(inputs, params);
  out.band_stop_min_bpm = folded(params.band_stop_min_bpm, inputs.tr_s);
  out.band_stop_max_bpm = params.type == "lp" ? 0.0 : folded(params.band_stop_max_bpm, inputs.tr_s);
  warn_if_folded(inputs, params, out);
  constexpr double kLeast = 1e-6; // breaths per minute
  const double nyquist = 30.0 / inputs.tr_s;
  const bool lp_is_void = params.type == "lp" && (out.band_stop_min_bpm < kLeast ||
                                                  out.band_stop_min_bpm > nyquist - kLeast);
  const bool notch_is_void =
      params.type == "notch" && std::abs(out.band_stop_max_bpm - out.band_stop_min_bpm) < kLeast;
  if (lp_is_void || notch_is_void) {
    out.warning += (out.warning.empty() ? "motion filter: " : "; ") +
                   std::string("nothing is left to filter, the traces stay as they are");
    return out;
  }
  int passes = 1;
  const std::vector<Biquad> sections = sections_of(inputs, params, out, &passes);
  for (int pass = 0; pass < passes; ++pass) {
    for (Eigen::Index c = 0; c < out.motion.cols(); ++c) {
      out.motion.col(c) = filter_forward_backward(sections, out.motion.col(c), Padding::constant);
    }
  }
  out.applied = true;
  return out;
}

Outputs filter_table(const std::vector<std::string>& names, Eigen::MatrixXd& values, double tr_s,
                     double head_radius_mm, const Params& params, const Context& context) {
  Eigen::MatrixXd motion(values.rows(), 6);
  for (Eigen::Index c = 0; c < 6; ++c) {
    const char* name = kMotion[static_cast<std::size_t>(c)];
    const int at = position(names, name);
    if (at < 0) {
      throw Error(ErrorKind::input,
                  std::string("confounds: no column ") + name + ", needed by the motion filter");
    }
    motion.col(c) = values.col(at);
  }
  Outputs out = run({{motion.data(), motion.rows(), 6}, tr_s}, params, context);
  if (!out.applied) return out;
  const Eigen::Index n = values.rows();
  Eigen::MatrixXd step = Eigen::MatrixXd::Constant(n, 6, kNaN);
  step.bottomRows(n - 1) = out.motion.bottomRows(n - 1) - out.motion.topRows(n - 1);
  const auto put = [&](const std::string& name, const Eigen::VectorXd& column) {
    const int at = position(names, name);
    if (at >= 0) values.col(at) = column;
  };
  for (Eigen::Index c = 0; c < 6; ++c) {
    const std::string name = kMotion[static_cast<std::size_t>(c)];
    put(name, out.motion.col(c));
    put(name + "_derivative1", step.col(c));
    put(name + "_power2", out.motion.col(c).cwiseAbs2());
    put(name + "_derivative1_power2", step.col(c).cwiseAbs2());
  }
  put("framewise_displacement",
      step.leftCols<3>().cwiseAbs().rowwise().sum() +
          head_radius_mm * step.rightCols<3>().cwiseAbs().rowwise().sum());
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return 56 * shape.n_volumes * sizeof(double);
}

} // namespace boldmill::motion_filter
