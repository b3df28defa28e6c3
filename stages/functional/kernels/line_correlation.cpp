#include "stages/functional/kernels/line_correlation.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill {
namespace {

constexpr std::size_t kBlock = 8192;
constexpr double kLeastVariance = 1e-4; // of a window, images scaled to about 1

} // namespace

LineCorrelation::LineCorrelation(Volume fixed, const Volume& moving, Mask domain, int axis,
                                 int radius)
    : fixed_(std::move(fixed)), coefficients_(moving.data), domain_(std::move(domain)), axis_(axis),
      radius_(radius), n_domain_(count(domain_)) {
  bspline_prefilter(coefficients_.data(), fixed_.grid.shape);
}

// Sums over the windows, cut at the image's border.
std::vector<float> LineCorrelation::box(std::vector<float> data, const Context& context) const {
  std::vector<float> out(data.size());
  std::size_t stride = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    const auto n = static_cast<std::size_t>(fixed_.grid.shape[a]);
    const auto r = static_cast<std::size_t>(radius_);
    parallel_blocks(context, data.size(), kBlock, [&](std::size_t begin, std::size_t end) {
      for (std::size_t v = begin; v < end; ++v) {
        const std::size_t m = v / stride % n;
        const std::size_t low = m >= r ? m - r : 0;
        const std::size_t high = std::min(m + r, n - 1);
        float sum = 0.0F;
        for (std::size_t p = low; p <= high; ++p) sum += data[v - m * stride + p * stride];
        out[v] = sum;
      }
    });
    std::swap(data, out);
    stride *= n;
  }
  return data;
}

LineCorrelation::Value LineCorrelation::evaluate(const std::vector<float>& shift, bool derivatives,
                                                 const Context& context) const {
  constexpr double kStep = 0.05;
  const Grid& grid = fixed_.grid;
  const std::size_t n = fixed_.data.size();
  std::vector<float> m(n), slope(derivatives ? n : 0), one(n, 1.0F);
  parallel_blocks(context, n, kBlock, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      const auto ijk = grid.coordinates(v);
      Eigen::Vector3d x(ijk[0], ijk[1], ijk[2]);
      const double place = x[axis_] + static_cast<double>(shift[v]);
      const auto at = [&](double y) {
        x[axis_] = y;
        return sample_bspline(coefficients_.data(), grid.shape, x[0], x[1], x[2], 0.0F);
      };
      m[v] = at(place);
      if (derivatives) {
        slope[v] = (at(place + kStep) - at(place - kStep)) / static_cast<float>(2.0 * kStep);
      }
    }
  });
  const auto product = [&](const std::vector<float>& a, const std::vector<float>& b) {
    std::vector<float> out(n);
    for (std::size_t v = 0; v < n; ++v) out[v] = a[v] * b[v];
    return box(std::move(out), context);
  };
  const std::vector<float>& f = fixed_.data;
  const std::vector<float> size = box(one, context);
  const std::vector<float> sf = box(f, context), sm = box(m, context);
  const std::vector<float> sff = product(f, f), smm = product(m, m), sfm = product(f, m);
  std::vector<float> alpha(derivatives ? n : 0), beta(alpha), alpha_f(alpha), beta_m(alpha);
  Value value;
  const double sum = parallel_sum(context, n, kBlock, 0.0, [&](std::size_t begin, std::size_t end) {
    double part = 0.0;
    for (std::size_t v = begin; v < end; ++v) {
      if (domain_.data[v] == 0) continue;
      const auto k = static_cast<double>(size[v]);
      const auto mf = static_cast<double>(sf[v]) / k;
      const auto mm = static_cast<double>(sm[v]) / k;
      const double a = static_cast<double>(sfm[v]) - k * mf * mm;
      const double b = static_cast<double>(smm[v]) - k * mm * mm + k * kLeastVariance;
      const double c = static_cast<double>(sff[v]) - k * mf * mf + k * kLeastVariance;
      part += a * a / (b * c);
      if (!derivatives) continue;
      alpha[v] = static_cast<float>(2.0 * a / (b * c));
      beta[v] = static_cast<float>(2.0 * a * a / (b * b * c));
      alpha_f[v] = static_cast<float>(2.0 * a / (b * c) * mf);
      beta_m[v] = static_cast<float>(2.0 * a * a / (b * b * c) * mm);
    }
    return part;
  });
  value.mean_r2 = sum / static_cast<double>(std::max<std::size_t>(n_domain_, 1));
  if (!derivatives) return value;
  alpha = box(std::move(alpha), context);
  beta = box(std::move(beta), context);
  alpha_f = box(std::move(alpha_f), context);
  beta_m = box(std::move(beta_m), context);
  value.by_shift.resize(n);
  value.curvature.resize(n);
  for (std::size_t v = 0; v < n; ++v) {
    value.by_shift[v] = slope[v] * (f[v] * alpha[v] - alpha_f[v] - m[v] * beta[v] + beta_m[v]);
    value.curvature[v] = slope[v] * slope[v] * beta[v];
  }
  return value;
}

} // namespace boldmill
