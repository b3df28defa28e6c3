#include "stages/functional/slice_timing.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::slice_timing {
namespace {

constexpr int kHalf = kTaps / 2;
constexpr int kPad = kHalf + 1; // one more, because whole samples are split off downwards
constexpr int kMinVolumes = 5;
constexpr double kBeta = 5.65; // Kaiser: 60 dB, flat to 0.84 of the Nyquist frequency

struct Shift {
  double samples = 0.0;    // in (-1, 1)
  int whole = 0;           // of it, downwards: -1 or 0
  std::vector<float> taps; // of the rest, kTaps
};

std::vector<Shift> shifts_of(const Timing& timing, double reference_s, double tr_s) {
  const std::size_t n_slices = timing.times_s.size();
  std::vector<Shift> shifts(n_slices);
  for (std::size_t s = 0; s < n_slices; ++s) {
    const double d = (reference_s - timing.times_s[s]) / tr_s;
    const double whole = std::floor(d);
    const std::vector<double> taps = shift_taps(d - whole);
    Shift& shift = shifts[timing.reversed ? n_slices - 1 - s : s];
    shift.samples = d;
    shift.whole = static_cast<int>(whole);
    shift.taps.assign(taps.begin(), taps.end());
  }
  return shifts;
}

// The steady part of the series of some consecutive voxels: (pad + T + pad) x width.
class Rows {
public:
  Rows(std::size_t n_steady, std::size_t width)
      : n_(n_steady), width_(width), values_((n_steady + 2 * kPad) * width), mean_(width),
        slope_(width), out_(width) {}

  void load(const Series& bold, int first, std::size_t voxel) {
    for (std::size_t t = 0; t < n_; ++t) {
      const float* from = bold.volume(first + static_cast<int>(t)) + voxel;
      std::copy_n(from, width_, row(t));
    }
    remove_line();
    extend();
  }

  // Taps and whole shift of column i are those of shift(i).
  template <class ShiftOf>
  void store(Series& bold, int first, std::size_t voxel, bool same, const ShiftOf& shift) {
    for (std::size_t t = 0; t < n_; ++t) {
      if (same) {
        filter(t, shift(0));
      } else {
        for (std::size_t i = 0; i < width_; ++i) filter(t, shift(i), i);
      }
      float* to = bold.volume(first + static_cast<int>(t)) + voxel;
      for (std::size_t i = 0; i < width_; ++i) {
        const Shift& by = shift(same ? 0 : i);
        to[i] = out_[i] + static_cast<float>(mean_[i] + slope_[i] * (time(t) + by.samples));
      }
    }
  }

private:
  float* row(std::size_t t) { return values_.data() + (t + kPad) * width_; }
  [[nodiscard]] double time(std::size_t t) const {
    return static_cast<double>(t) - 0.5 * static_cast<double>(n_ - 1);
  }

  void remove_line() {
    std::fill(mean_.begin(), mean_.end(), 0.0);
    std::fill(slope_.begin(), slope_.end(), 0.0);
    double squares = 0.0;
    for (std::size_t t = 0; t < n_; ++t) {
      const float* x = row(t);
      const double at = time(t);
      squares += at * at;
      for (std::size_t i = 0; i < width_; ++i) {
        mean_[i] += static_cast<double>(x[i]);
        slope_[i] += at * static_cast<double>(x[i]);
      }
    }
    for (std::size_t i = 0; i < width_; ++i) {
      mean_[i] /= static_cast<double>(n_);
      slope_[i] /= squares;
    }
    for (std::size_t t = 0; t < n_; ++t) {
      float* x = row(t);
      const double at = time(t);
      for (std::size_t i = 0; i < width_; ++i)
        x[i] = static_cast<float>(static_cast<double>(x[i]) - mean_[i] - slope_[i] * at);
    }
  }

  // 2 x(end) - x(mirrored); a series shorter than the pad holds its furthest value.
  void extend() {
    const std::size_t last = n_ - 1;
    for (std::size_t p = 1; p <= kPad; ++p) {
      const std::size_t from = std::min(p, last);
      float* before = values_.data() + (kPad - p) * width_;
      float* after = row(last) + p * width_;
      const float* head = row(0);
      const float* tail = row(last);
      for (std::size_t i = 0; i < width_; ++i) {
        before[i] = 2.0F * head[i] - row(from)[i];
        after[i] = 2.0F * tail[i] - row(last - from)[i];
      }
    }
  }

  const float* first_tap(std::size_t t, const Shift& shift) const {
    const auto at = static_cast<std::ptrdiff_t>(t) + kPad + shift.whole - (kHalf - 1);
    return values_.data() + static_cast<std::size_t>(at) * width_;
  }
  void filter(std::size_t t, const Shift& shift) {
    std::fill(out_.begin(), out_.end(), 0.0F);
    const float* x = first_tap(t, shift);
    for (const float tap : shift.taps) {
      for (std::size_t i = 0; i < width_; ++i) out_[i] += tap * x[i];
      x += width_;
    }
  }
  void filter(std::size_t t, const Shift& shift, std::size_t i) {
    const float* x = first_tap(t, shift) + i;
    float sum = 0.0F;
    for (std::size_t n = 0; n < shift.taps.size(); ++n) sum += shift.taps[n] * x[n * width_];
    out_[i] = sum;
  }

  std::size_t n_;
  std::size_t width_;
  std::vector<float> values_;
  std::vector<double> mean_, slope_;
  std::vector<float> out_;
};

double bessel_i0(double x) {
  double term = 1.0;
  double sum = 1.0;
  for (int k = 1; k < 60; ++k) {
    term *= (x / (2.0 * k)) * (x / (2.0 * k));
    sum += term;
  }
  return sum;
}

void check(const Inputs& inputs) {
  const Timing& timing = inputs.timing;
  const double tr_s = inputs.bold.tr_s;
  const int n_slices = inputs.bold.grid.shape.at(static_cast<std::size_t>(timing.axis));
  if (timing.times_s.size() != static_cast<std::size_t>(n_slices)) {
    throw Error(ErrorKind::input, "slice times: found " + std::to_string(timing.times_s.size()) +
                                      ", expected one for each of " + std::to_string(n_slices) +
                                      " slices");
  }
  for (const double time : timing.times_s) {
    if (!(time >= 0.0 && time < tr_s)) {
      throw Error(ErrorKind::input, "slice times: found " + std::to_string(time) +
                                        " s, expected 0 to the repetition time of " +
                                        std::to_string(tr_s) + " s");
    }
  }
}

} // namespace

std::vector<double> shift_taps(double d) {
  std::vector<double> taps(kTaps);
  double sum = 0.0;
  for (int n = 0; n < kTaps; ++n) {
    const double at = n - (kHalf - 1) - d; // in (-kHalf, kHalf]
    const double share = at / kHalf;
    const double window = bessel_i0(kBeta * std::sqrt(std::max(0.0, 1.0 - share * share)));
    const double x = std::numbers::pi * at;
    const double sinc = at == 0.0 ? 1.0 : std::sin(x) / x;
    taps[static_cast<std::size_t>(n)] = d == 0.0 ? (at == 0.0 ? 1.0 : 0.0) : sinc * window;
    sum += taps[static_cast<std::size_t>(n)];
  }
  for (double& tap : taps) tap /= sum;
  return taps;
}

double reference_time_s(std::span<const double> times_s, double reference) {
  const auto [first, last] = std::minmax_element(times_s.begin(), times_s.end());
  return std::round((*first + reference * (*last - *first)) * 1000.0) / 1000.0;
}

std::string reason_to_skip(const Timing& timing, int n_volumes, int n_dummies,
                           const Params& params) {
  if (!params.enabled) return "slice timing correction is switched off";
  if (timing.times_s.empty()) return "no slice times";
  const auto [first, last] = std::minmax_element(timing.times_s.begin(), timing.times_s.end());
  if (!(*last - *first > 1e-6)) return "all slices at the same time";
  if (n_volumes - n_dummies < kMinVolumes) {
    return "found " + std::to_string(n_volumes - n_dummies) +
           " steady volumes, expected at least " + std::to_string(kMinVolumes);
  }
  return "";
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  Series& bold = inputs.bold;
  const std::string reason =
      reason_to_skip(inputs.timing, bold.n_volumes, inputs.n_dummies, params);
  if (!reason.empty()) throw Error(ErrorKind::input, "slice timing: " + reason);
  check(inputs);
  Outputs out;
  out.reference_s = reference_time_s(inputs.timing.times_s, params.reference);
  for (const double time : inputs.timing.times_s) {
    out.largest_shift_s = std::max(out.largest_shift_s, std::abs(out.reference_s - time));
  }
  const std::vector<Shift> shifts = shifts_of(inputs.timing, out.reference_s, bold.tr_s);
  const auto& shape = bold.grid.shape;
  const auto width = static_cast<std::size_t>(shape[0]);
  const std::size_t n_rows = bold.grid.n_voxels() / width;
  const auto n_steady = static_cast<std::size_t>(bold.n_volumes - inputs.n_dummies);
  const int axis = inputs.timing.axis;
  parallel_blocks(context, n_rows, 8, [&](std::size_t begin, std::size_t end) {
    Rows rows(n_steady, width);
    for (std::size_t r = begin; r < end; ++r) {
      const std::size_t j = r % static_cast<std::size_t>(shape[1]);
      const std::size_t k = r / static_cast<std::size_t>(shape[1]);
      rows.load(bold, inputs.n_dummies, r * width);
      rows.store(bold, inputs.n_dummies, r * width, axis != 0, [&](std::size_t i) -> const Shift& {
        return shifts[axis == 0 ? i : axis == 1 ? j : k];
      });
    }
  });
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.n_threads * shape.row_length *
         ((shape.n_volumes + 2 * kPad) * sizeof(float) + 2 * sizeof(double) + sizeof(float));
}

} // namespace boldmill::slice_timing
