#include "stages/anatomy/kernels/n4.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "stages/core/parallel.hpp"

namespace boldmill::anatomy {
namespace {

// Of one slice: what a new field does to the voxels that count.
struct Change {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double n = 0.0;
  double sum = 0.0; // of (old field / new field) - 1
  double sum_squares = 0.0;

  Change& operator+=(const Change& other) {
    low = std::min(low, other.low);
    high = std::max(high, other.high);
    n += other.n;
    sum += other.sum;
    sum_squares += other.sum_squares;
    return *this;
  }
  [[nodiscard]] double variation() const { // SD / mean of old field / new field
    const double mean = sum / n;
    const double variance = n > 1.0 ? (sum_squares - n * mean * mean) / (n - 1.0) : 0.0;
    return std::sqrt(std::max(0.0, variance)) / (1.0 + mean);
  }
};

class Loop {
public:
  Loop(const Volume& image, const Mask& mask, const N4Settings& settings, const Context& context)
      : settings_(settings), context_(context), inside_(mask), log_image_(image.data.size()),
        nx_(static_cast<std::size_t>(image.grid.shape[0])),
        ny_(static_cast<std::size_t>(image.grid.shape[1])),
        nz_(static_cast<std::size_t>(image.grid.shape[2])) {
    parallel_blocks(context, nz_, 1, [&](std::size_t k, std::size_t) {
      for (std::size_t v = k * nx_ * ny_; v < (k + 1) * nx_ * ny_; ++v) {
        inside_.data[v] = mask.data[v] != 0 && image.data[v] > 0.0F ? 1 : 0;
        if (inside_.data[v] != 0) log_image_[v] = std::log(image.data[v]);
      }
    });
    corrected_ = log_image_;
    result_.log_field = zero_spline(image.grid.shape, settings.first_spans);
    range_ = update(basis_weights(result_.log_field, image.grid.shape));
  }

  N4Result run() {
    for (int level = 0; level < settings_.levels; ++level) {
      if (level > 0) result_.log_field = halve_spans(result_.log_field);
      run_level();
    }
    return std::move(result_);
  }

private:
  void run_level() {
    SplineFit fit(inside_, result_.log_field, context_);
    const TensorWeights weights = basis_weights(result_.log_field, inside_.grid.shape);
    result_.converged = !(range_.high > range_.low); // nothing to sharpen
    for (int i = 0; i < settings_.iterations && !result_.converged; ++i) {
      const IntensityMap map = sharpen(histogram(), settings_.sharpening);
      fit.add_to(
          result_.log_field,
          [&](std::size_t j, std::size_t k, double* row) { return residual(j, k, map, row); },
          context_);
      range_ = update(weights);
      ++result_.iterations_done;
      result_.last_change = range_.variation();
      result_.converged =
          result_.last_change <= settings_.convergence || !(range_.high > range_.low);
    }
  }

  // corrected = log image - field; says what changed.
  Change update(const TensorWeights& weights) {
    std::vector<Change> changes(nz_);
    evaluate(
        result_.log_field, weights,
        [&](std::size_t j, std::size_t k, const double* field) {
          const std::size_t begin = (k * ny_ + j) * nx_;
          Change& change = changes[k];
          for (std::size_t i = 0; i < nx_; ++i) {
            const std::size_t v = begin + i;
            if (inside_.data[v] == 0) continue;
            const auto value = static_cast<float>(static_cast<double>(log_image_[v]) - field[i]);
            const double ratio = std::expm1(static_cast<double>(value - corrected_[v]));
            corrected_[v] = value;
            change.low = std::min(change.low, static_cast<double>(value));
            change.high = std::max(change.high, static_cast<double>(value));
            change.n += 1.0;
            change.sum += ratio;
            change.sum_squares += ratio * ratio;
          }
        },
        context_);
    Change total;
    for (const Change& change : changes) total += change;
    return total;
  }

  Histogram histogram() const {
    const Histogram zero(range_.low, range_.high, settings_.sharpening.bins);
    return parallel_sum(context_, nz_, 1, zero, [&](std::size_t k, std::size_t) {
      Histogram of_slice = zero;
      for (std::size_t v = k * nx_ * ny_; v < (k + 1) * nx_ * ny_; ++v) {
        if (inside_.data[v] != 0) of_slice.add(static_cast<double>(corrected_[v]));
      }
      return of_slice;
    });
  }

  bool residual(std::size_t j, std::size_t k, const IntensityMap& map, double* row) const {
    const std::size_t begin = (k * ny_ + j) * nx_;
    bool any = false;
    for (std::size_t i = 0; i < nx_; ++i) {
      row[i] = 0.0;
      if (inside_.data[begin + i] == 0) continue;
      const auto value = static_cast<double>(corrected_[begin + i]);
      row[i] = value - map(value);
      any = true;
    }
    return any;
  }

  const N4Settings& settings_;
  const Context& context_;
  Mask inside_;
  std::vector<float> log_image_;
  std::vector<float> corrected_;
  std::size_t nx_, ny_, nz_;
  Change range_;
  N4Result result_;
};

} // namespace

N4Result n4(const Volume& image, const Mask& mask, const N4Settings& settings,
            const Context& context) {
  return Loop(image, mask, settings, context).run();
}

std::size_t n4_peak_bytes(std::size_t n_voxels, double longest_axis, const N4Settings& settings) {
  const int spans = *std::max_element(settings.first_spans.begin(), settings.first_spans.end());
  const double m = 3.0 + std::ldexp(spans, settings.levels - 1);
  const double lattices = 5.0 * m * m * m + longest_axis * m * m;
  const double histograms = longest_axis * static_cast<double>(settings.sharpening.bins);
  return 9 * n_voxels + static_cast<std::size_t>(8.0 * (lattices + histograms));
}

} // namespace boldmill::anatomy
