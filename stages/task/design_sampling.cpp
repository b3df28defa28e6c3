#include <algorithm>
#include <cmath>

#include "stages/task/hrf.hpp"
#include "stages/task/task_design_steps.hpp"

namespace boldmill::task_design {
namespace {

// The first `n` values of the convolution.
Eigen::VectorXd convolve(const Eigen::VectorXd& boxes, const Eigen::VectorXd& kernel) {
  Eigen::VectorXd out = Eigen::VectorXd::Zero(boxes.size());
  for (Eigen::Index i = 0; i < boxes.size(); ++i) {
    if (boxes[i] == 0.0) continue;
    const Eigen::Index n = std::min(kernel.size(), boxes.size() - i);
    out.segment(i, n) += boxes[i] * kernel.head(n);
  }
  return out;
}

void cumulate(Eigen::MatrixXd& x) {
  for (Eigen::Index i = 1; i < x.rows(); ++i) x.row(i) += x.row(i - 1);
}

// Events x (1 + modulators): amplitude, then amplitude times each modulator.
Eigen::MatrixXd heights(const Train& train) {
  const auto n = static_cast<Eigen::Index>(train.amplitude.size());
  const Eigen::Map<const Eigen::VectorXd> amplitude(train.amplitude.data(), n);
  Eigen::MatrixXd out(n, 1 + train.modulators.cols());
  out.col(0) = amplitude;
  for (Eigen::Index m = 0; m < train.modulators.cols(); ++m) {
    out.col(1 + m) = amplitude.cwiseProduct(train.modulators.col(m));
  }
  return out;
}

void name_columns(const Train& train, const Params& params, Sampled& out) {
  const std::vector<std::string> suffixes = hrf::suffixes(params.hrf, params.fir_delays);
  for (std::size_t m = 0; m <= train.modulator_names.size(); ++m) {
    const std::string stem =
        m == 0 ? train.condition : train.condition + " x " + train.modulator_names[m - 1];
    for (std::size_t s = 0; s < suffixes.size(); ++s) {
      out.names.push_back(stem + suffixes[s]);
      const bool derivative = s > 0 && params.hrf != "fir";
      out.roles.emplace_back(derivative ? "derivative" : m == 0 ? "condition" : "modulator");
    }
  }
}

// numpy.searchsorted on an evenly spaced grid written as numpy.linspace writes it.
struct FineGrid {
  double first_s, last_s;
  Eigen::Index n;
  [[nodiscard]] double at(Eigen::Index i) const {
    if (i == n - 1) return last_s;
    // Rounded between the two steps as numpy does: onsets often lie on a grid point.
    const volatile double way_s =
        static_cast<double>(i) * ((last_s - first_s) / static_cast<double>(n - 1));
    return way_s + first_s;
  }
  [[nodiscard]] Eigen::Index not_before(double time_s) const {
    Eigen::Index low = 0;
    Eigen::Index high = n;
    while (low < high) {
      const Eigen::Index middle = (low + high) / 2;
      if (at(middle) < time_s) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
};

Eigen::MatrixXd grid_boxes(const FineGrid& grid, const Train& train) {
  const Eigen::MatrixXd height = heights(train);
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(grid.n, height.cols());
  for (std::size_t e = 0; e < train.onset_s.size(); ++e) {
    const double onset_s = train.onset_s[e];
    const Eigen::Index on = std::min(grid.not_before(onset_s), grid.n - 1);
    Eigen::Index off = std::min(grid.not_before(onset_s + train.duration_s[e]), grid.n - 1);
    if (off == on && off < grid.n - 1) ++off; // an impulse fills one bin
    out.row(on) += height.row(static_cast<Eigen::Index>(e));
    out.row(off) -= height.row(static_cast<Eigen::Index>(e));
  }
  cumulate(out);
  return out;
}

// Bins of tr_s / microtime_bins; bin `pad` is the start of the run.
struct Microtime {
  Eigen::Index pad, n;
  double start_s, step_s;
};

// SPM's: from the rounded onset for the rounded duration and one bin more.
Eigen::MatrixXd spm_boxes(const Train& train, const Eigen::MatrixXd& height,
                          const Microtime& grid) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(grid.n, height.cols());
  for (std::size_t e = 0; e < train.onset_s.size(); ++e) {
    const double onset_s = train.onset_s[e] - grid.start_s;
    const auto on = static_cast<Eigen::Index>(std::round(onset_s / grid.step_s)) + grid.pad;
    const auto off =
        on + 1 + static_cast<Eigen::Index>(std::round(train.duration_s[e] / grid.step_s));
    const auto row = height.row(static_cast<Eigen::Index>(e));
    if (off < 0 || on >= grid.n) continue;
    out.row(std::max<Eigen::Index>(on, 0)) += row;
    if (off < grid.n) out.row(off) -= row;
  }
  cumulate(out);
  return out;
}

// The share of each bin, half a step to both sides of its time, that the event fills; an event
// without duration is divided between its two neighbours.
Eigen::MatrixXd exact_boxes(const Train& train, const Eigen::MatrixXd& height,
                            const Microtime& grid) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(grid.n, height.cols());
  const auto add = [&](Eigen::Index bin, double share, std::size_t event) {
    if (bin < 0 || bin >= grid.n) return;
    out.row(bin) += share * height.row(static_cast<Eigen::Index>(event));
  };
  for (std::size_t e = 0; e < train.onset_s.size(); ++e) {
    const double from =
        (train.onset_s[e] - grid.start_s) / grid.step_s + static_cast<double>(grid.pad);
    const double length = train.duration_s[e] / grid.step_s;
    if (length == 0.0) {
      const double part = from - std::floor(from);
      add(static_cast<Eigen::Index>(std::floor(from)), 1.0 - part, e);
      add(static_cast<Eigen::Index>(std::floor(from)) + 1, part, e);
      continue;
    }
    const auto first = static_cast<Eigen::Index>(std::floor(from + 0.5));
    const auto last = static_cast<Eigen::Index>(std::floor(from + length + 0.5));
    for (Eigen::Index bin = std::max<Eigen::Index>(first, 0); bin <= std::min(last, grid.n - 1);
         ++bin) {
      const double middle = static_cast<double>(bin);
      const double share = std::min(from + length, middle + 0.5) - std::max(from, middle - 0.5);
      if (share > 0.0) add(bin, share, e);
    }
  }
  return out;
}

} // namespace

Sampled sample_microtime(const Train& train, const Inputs& inputs, const Params& params) {
  const int bins = params.microtime_bins;
  const double step_s = inputs.tr_s / bins;
  int reference = params.reference_bin;
  if (reference == 0) {
    reference = std::max(1, static_cast<int>(std::round(params.slice_time_ref * bins)));
    if (params.variant == "exact") {
      reference = std::min(bins, 1 + static_cast<int>(std::round(params.slice_time_ref * bins)));
    }
  }
  if (reference > bins) {
    throw Error(ErrorKind::usage, "reference_bin: found " + std::to_string(reference) +
                                      ", expected 1 to microtime_bins " + std::to_string(bins));
  }
  // SPM begins 32 bins before the run; the response of earlier events would be cut there.
  const auto pad = 32 + static_cast<Eigen::Index>(std::ceil(32.0 / step_s));
  const Eigen::Index length = pad + static_cast<Eigen::Index>(inputs.n_volumes) * bins;
  Eigen::MatrixXd height = heights(train);
  if (params.orthogonalise) height = hrf::orthogonalised(height);
  const bool impulses = std::all_of(train.duration_s.begin(), train.duration_s.end(),
                                    [](double d) { return d == 0.0; });
  if (impulses) height /= step_s;
  const bool exact = params.variant == "exact";
  const Eigen::MatrixXd boxes =
      exact ? exact_boxes(train, height, {pad, length, inputs.start_s, step_s})
            : spm_boxes(train, height, {pad, length, inputs.start_s, step_s});
  const Eigen::MatrixXd basis = hrf::spm_basis(params.hrf, inputs.tr_s, bins, params.fir_delays);
  Sampled out;
  out.values.resize(inputs.n_volumes, boxes.cols() * basis.cols());
  for (Eigen::Index m = 0; m < boxes.cols(); ++m) {
    for (Eigen::Index b = 0; b < basis.cols(); ++b) {
      const Eigen::VectorXd response = convolve(boxes.col(m), basis.col(b));
      for (Eigen::Index t = 0; t < inputs.n_volumes; ++t) {
        out.values(t, m * basis.cols() + b) = response[pad + t * bins + reference - 1];
      }
    }
  }
  if (params.orthogonalise && params.hrf != "fir") out.values = hrf::orthogonalised(out.values);
  name_columns(train, params, out);
  return out;
}

Sampled sample_nilearn(const Train& train, const Inputs& inputs, const Params& params) {
  const Eigen::Index n = inputs.n_volumes;
  if (n < 2) throw Error(ErrorKind::input, "a design of variant nilearn needs two volumes");
  const double first_s = inputs.start_s + params.slice_time_ref * inputs.tr_s;
  const double last_s =
      inputs.start_s + (static_cast<double>(n - 1) + params.slice_time_ref) * inputs.tr_s;
  const double end_s = last_s * (1.0 + 1.0 / static_cast<double>(n - 1));
  double points = static_cast<double>(n - 1) / (last_s - first_s);
  points *= (end_s - first_s - params.min_onset_s) * params.oversampling;
  const FineGrid grid{first_s + params.min_onset_s, end_s,
                      static_cast<Eigen::Index>(std::rint(points + 1.0))};
  const FineGrid frames{first_s, last_s, n};
  const Eigen::MatrixXd boxes = grid_boxes(grid, train);
  const Eigen::MatrixXd basis =
      hrf::nilearn_basis(params.hrf, inputs.tr_s, params.oversampling, params.fir_delays);
  const bool fir = params.hrf == "fir";
  const Eigen::Index shift = fir && params.oversampling > 1 ? params.oversampling - 1 : 0;
  Sampled out;
  out.values.resize(n, boxes.cols() * basis.cols());
  for (Eigen::Index m = 0; m < boxes.cols(); ++m) {
    for (Eigen::Index b = 0; b < basis.cols(); ++b) {
      const Eigen::VectorXd response = convolve(boxes.col(m), basis.col(b));
      for (Eigen::Index t = 0; t < n; ++t) {
        const double time_s = frames.at(t);
        const Eigen::Index right = std::clamp<Eigen::Index>(grid.not_before(time_s), 1, grid.n - 1);
        const double left_s = grid.at(right - 1);
        const double part = (time_s - left_s) / (grid.at(right) - left_s);
        const double low = response[right - 1 + shift];
        out.values(t, m * basis.cols() + b) = low + part * (response[right + shift] - low);
      }
    }
    if (!fir) {
      auto block = out.values.middleCols(m * basis.cols(), basis.cols());
      block = hrf::orthogonalised(block).eval();
    }
  }
  name_columns(train, params, out);
  return out;
}

} // namespace boldmill::task_design
