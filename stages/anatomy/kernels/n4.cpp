#include "stages/anatomy/kernels/n4.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
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

// The voxels that count, row after row of the image.
struct Inside {
  Mask mask;
  std::vector<std::size_t> rows; // row r has entries rows[r] to rows[r + 1]
  std::vector<std::uint32_t> x;  // place in the row

  Inside(const Volume& image, const Mask& asked) : mask(asked) {
    const auto nx = static_cast<std::size_t>(image.grid.shape[0]);
    x.reserve(count(asked));
    rows.reserve(asked.data.size() / nx + 1);
    rows.push_back(0);
    for (std::size_t v = 0; v < mask.data.size(); ++v) {
      mask.data[v] = asked.data[v] != 0 && image.data[v] > 0.0F ? 1 : 0;
      if (mask.data[v] != 0) x.push_back(static_cast<std::uint32_t>(v % nx));
      if ((v + 1) % nx == 0) rows.push_back(x.size());
    }
  }
};

class Loop {
public:
  Loop(const Volume& image, const Mask& mask, const N4Settings& settings, const Context& context)
      : settings_(settings), context_(context), inside_(image, mask),
        ny_(static_cast<std::size_t>(image.grid.shape[1])),
        nz_(static_cast<std::size_t>(image.grid.shape[2])) {
    log_image_.reserve(inside_.x.size());
    for (std::size_t v = 0; v < image.data.size(); ++v) {
      if (inside_.mask.data[v] != 0) log_image_.push_back(std::log(image.data[v]));
    }
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
    const Grid& grid = inside_.mask.grid;
    SplineFit fit(inside_.mask, result_.log_field, context_);
    const TensorWeights weights = basis_weights(result_.log_field, grid.shape);
    result_.converged = !(range_.high > range_.low); // nothing to sharpen
    for (int i = 0; i < settings_.iterations && !result_.converged; ++i) {
      const IntensityMap map = sharpen(histogram(), settings_.sharpening);
      fit.add_to(
          result_.log_field,
          [&](std::size_t j, std::size_t k, double* row) {
            std::fill(row, row + grid.shape[0], 0.0);
            return residual(j + ny_ * k, map, row);
          },
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
          Change change;
          const std::size_t r = j + ny_ * k;
          for (std::size_t v = inside_.rows[r]; v < inside_.rows[r + 1]; ++v) {
            const auto value =
                static_cast<float>(static_cast<double>(log_image_[v]) - field[inside_.x[v]]);
            const double ratio = std::expm1(static_cast<double>(value - corrected_[v]));
            corrected_[v] = value;
            change.low = std::min(change.low, static_cast<double>(value));
            change.high = std::max(change.high, static_cast<double>(value));
            change.n += 1.0;
            change.sum += ratio;
            change.sum_squares += ratio * ratio;
          }
          changes[k] += change;
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
      for (std::size_t v = inside_.rows[k * ny_]; v < inside_.rows[(k + 1) * ny_]; ++v)
        of_slice.add(static_cast<double>(corrected_[v]));
      return of_slice;
    });
  }

  bool residual(std::size_t r, const IntensityMap& map, double* row) const {
    for (std::size_t v = inside_.rows[r]; v < inside_.rows[r + 1]; ++v) {
      const auto value = static_cast<double>(corrected_[v]);
      row[inside_.x[v]] = value - map(value);
    }
    return inside_.rows[r + 1] > inside_.rows[r];
  }

  const N4Settings& settings_;
  const Context& context_;
  Inside inside_;
  std::vector<float> log_image_; // of the voxels that count, as the next
  std::vector<float> corrected_;
  std::size_t ny_, nz_;
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
  // A byte of mask, the rows' offsets, and three words for each voxel that counts.
  return 14 * n_voxels + static_cast<std::size_t>(8.0 * (lattices + histograms));
}

} // namespace boldmill::anatomy
