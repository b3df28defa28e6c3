#include "stages/anatomy/kernels/affine_fit.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"

namespace boldmill::anatomy {
namespace {

constexpr std::size_t kGrain = 4096;

// Sums over samples from which the correlation and its derivatives follow. d is the derivative of
// the moving value by the 12 increments, g its spatial part: d = g (x) X with X = (x / reach, 1).
struct Sums {
  double n = 0, f = 0, m = 0, ff = 0, mm = 0, fm = 0;
  Eigen::Matrix<double, 12, 1> d = Eigen::Matrix<double, 12, 1>::Zero();
  Eigen::Matrix<double, 12, 1> fd = d, md = d;
  Eigen::Matrix<double, 6, 10> dd = Eigen::Matrix<double, 6, 10>::Zero(); // gg (x) XX, packed

  Sums& operator+=(const Sums& o) {
    n += o.n, f += o.f, m += o.m, ff += o.ff, mm += o.mm, fm += o.fm;
    d += o.d, fd += o.fd, md += o.md, dd += o.dd;
    return *this;
  }
};

struct Sampler {
  const Volume& image;
  Eigen::Matrix3f to_voxel; // of the fixed point relative to its centre
  Eigen::Vector3f offset;
  Eigen::Matrix3f gradient_map; // voxel gradient -> gradient by the fixed point, per mm
  std::size_t sy, sz;

  Sampler(const Volume& moving, const Affine& fixed_to_moving, const Eigen::Vector3d& center)
      : image(moving), sy(static_cast<std::size_t>(moving.grid.shape[0])),
        sz(sy * static_cast<std::size_t>(moving.grid.shape[1])) {
    const Eigen::Matrix4d map = moving.grid.affine.inverse() * fixed_to_moving;
    const Eigen::Matrix3d linear = map.topLeftCorner<3, 3>();
    to_voxel = linear.cast<float>();
    offset = (linear * center + map.topRightCorner<3, 1>()).cast<float>();
    gradient_map = linear.transpose().cast<float>();
  }

  // Value (and gradient by the fixed point when wanted); false outside the lattice and, when
  // kMissing, where a value is missing.
  template <bool kGradient, bool kMissing>
  bool operator()(const float* point, float& value, Eigen::Vector3f& gradient) const {
    const Eigen::Vector3f v = to_voxel * Eigen::Vector3f(point[0], point[1], point[2]) + offset;
    const auto& shape = image.grid.shape;
    if (!(v[0] >= 0.0F && v[1] >= 0.0F && v[2] >= 0.0F &&
          v[0] <= static_cast<float>(shape[0] - 1) && v[1] <= static_cast<float>(shape[1] - 1) &&
          v[2] <= static_cast<float>(shape[2] - 1))) {
      return false;
    }
    const int i = std::min(static_cast<int>(v[0]), shape[0] - 2);
    const int j = std::min(static_cast<int>(v[1]), shape[1] - 2);
    const int k = std::min(static_cast<int>(v[2]), shape[2] - 2);
    const float x = v[0] - static_cast<float>(i);
    const float y = v[1] - static_cast<float>(j);
    const float z = v[2] - static_cast<float>(k);
    const float* p = image.data.data() + image.grid.index(i, j, k);
    const float c00 = p[0], c10 = p[sy], c01 = p[sz], c11 = p[sy + sz];
    const float d00 = p[1] - c00, d10 = p[sy + 1] - c10, d01 = p[sz + 1] - c01,
                d11 = p[sy + sz + 1] - c11;
    const float b00 = c00 + x * d00, b10 = c10 + x * d10, b01 = c01 + x * d01, b11 = c11 + x * d11;
    const float a0 = b00 + y * (b10 - b00), a1 = b01 + y * (b11 - b01);
    value = a0 + z * (a1 - a0);
    if constexpr (kMissing) {
      if (std::isnan(value)) return false;
    }
    if constexpr (kGradient) {
      const float e0 = d00 + y * (d10 - d00), e1 = d01 + y * (d11 - d01);
      const Eigen::Vector3f g(e0 + z * (e1 - e0), (b10 - b00) + z * ((b11 - b01) - (b10 - b00)),
                              a1 - a0);
      gradient = gradient_map * g;
    }
    return true;
  }
};

void accumulate_derivatives(const float* point, float f, float m, const Eigen::Vector3f& g,
                            Eigen::Matrix<float, 12, 3>& d, Eigen::Matrix<float, 6, 10>& dd) {
  constexpr float kScale = static_cast<float>(1.0 / kReachMm);
  const Eigen::Vector4f x(point[0] * kScale, point[1] * kScale, point[2] * kScale, 1.0F);
  Eigen::Matrix<float, 12, 1> row;
  for (int i = 0; i < 3; ++i) row.segment<4>(4 * i) = g[i] * x;
  d.col(0) += row;
  d.col(1) += f * row;
  d.col(2) += m * row;
  Eigen::Matrix<float, 10, 1> xx;
  xx << x[0] * x[0], x[0] * x[1], x[0] * x[2], x[0], x[1] * x[1], x[1] * x[2], x[1], x[2] * x[2],
      x[2], 1.0F;
  const float gg[6] = {g[0] * g[0], g[0] * g[1], g[0] * g[2],
                       g[1] * g[1], g[1] * g[2], g[2] * g[2]};
  for (int i = 0; i < 6; ++i) dd.row(i) += gg[i] * xx.transpose();
}

template <bool kDerivatives, bool kMissing>
Sums sum_over(const FixedSamples& fixed, const Volume& moving, const Affine& fixed_to_moving,
              const Context& context) {
  const Sampler sampler(moving, fixed_to_moving, fixed.center_mm);
  return parallel_sum(context, fixed.value.size(), kGrain, Sums{},
                      [&](std::size_t begin, std::size_t end) {
                        Sums sums;
                        Eigen::Matrix<float, 12, 3> d = Eigen::Matrix<float, 12, 3>::Zero();
                        Eigen::Matrix<float, 6, 10> dd = Eigen::Matrix<float, 6, 10>::Zero();
                        for (std::size_t s = begin; s < end; ++s) {
                          float m = 0.0F;
                          Eigen::Vector3f g;
                          const float* point = fixed.point_mm.data() + 3 * s;
                          if (!sampler.template operator()<kDerivatives, kMissing>(point, m, g))
                            continue;
                          const float f = fixed.value[s];
                          sums.n += 1.0;
                          sums.f += f;
                          sums.m += m;
                          sums.ff += static_cast<double>(f) * f;
                          sums.mm += static_cast<double>(m) * m;
                          sums.fm += static_cast<double>(f) * m;
                          if constexpr (kDerivatives) accumulate_derivatives(point, f, m, g, d, dd);
                        }
                        sums.d = d.col(0).cast<double>();
                        sums.fd = d.col(1).cast<double>();
                        sums.md = d.col(2).cast<double>();
                        sums.dd = dd.cast<double>();
                        return sums;
                      });
}

template <bool kDerivatives>
Sums sum_samples(const FixedSamples& fixed, const Volume& moving, const Affine& fixed_to_moving,
                 const Context& context) {
  return fixed.moving_has_gaps
             ? sum_over<kDerivatives, true>(fixed, moving, fixed_to_moving, context)
             : sum_over<kDerivatives, false>(fixed, moving, fixed_to_moving, context);
}

struct Moments {
  double f_norm = 0, m_norm = 0, correlation = -1, f_mean = 0, m_mean = 0;
  bool usable = false;
};

Moments moments_of(const Sums& s, std::size_t n_samples) {
  constexpr double kLeastInside = 0.1;
  Moments out;
  if (s.n < kLeastInside * static_cast<double>(n_samples) || s.n < 20) return out;
  out.f_mean = s.f / s.n;
  out.m_mean = s.m / s.n;
  const double ff = s.ff - s.n * out.f_mean * out.f_mean;
  const double mm = s.mm - s.n * out.m_mean * out.m_mean;
  if (!(ff > 1e-12 * s.ff) || !(mm > 1e-12 * s.mm)) return out;
  out.f_norm = std::sqrt(ff);
  out.m_norm = std::sqrt(mm);
  out.correlation = (s.fm - s.n * out.f_mean * out.m_mean) / (out.f_norm * out.m_norm);
  out.usable = true;
  return out;
}

Eigen::Matrix<double, 12, 12> unpack(const Eigen::Matrix<double, 6, 10>& packed) {
  static constexpr int kG[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
  static constexpr int kX[4][4] = {{0, 1, 2, 3}, {1, 4, 5, 6}, {2, 5, 7, 8}, {3, 6, 8, 9}};
  Eigen::Matrix<double, 12, 12> full;
  for (int a = 0; a < 12; ++a) {
    for (int b = 0; b < 12; ++b) full(a, b) = packed(kG[a / 4][b / 4], kX[a % 4][b % 4]);
  }
  return full;
}

// Columns: directions in the 12 increments that a freedom may use.
Eigen::MatrixXd generators(Freedom freedom) {
  if (freedom == Freedom::affine) return Eigen::MatrixXd::Identity(12, 12);
  Eigen::MatrixXd basis = Eigen::MatrixXd::Zero(12, freedom == Freedom::rigid ? 6 : 7);
  for (int i = 0; i < 3; ++i) basis(4 * i + 3, i) = 1.0;
  for (int r = 0; r < 3; ++r) { // rotation about axis r
    const int p = (r + 1) % 3;
    const int q = (r + 2) % 3;
    basis(4 * q + p, 3 + r) = 1.0;
    basis(4 * p + q, 3 + r) = -1.0;
  }
  if (freedom == Freedom::similarity) {
    for (int i = 0; i < 3; ++i) basis(4 * i + i, 6) = 1.0;
  }
  return basis;
}

// The increment as a map of the fixed space about its centre. Rotations stay rotations.
Affine increment(const Eigen::VectorXd& p, Freedom freedom, const Eigen::Vector3d& center) {
  Eigen::Matrix3d linear = Eigen::Matrix3d::Identity();
  Eigen::Vector3d shift;
  if (freedom == Freedom::affine) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) linear(i, j) += p[4 * i + j] / kReachMm;
      shift[i] = p[4 * i + 3];
    }
  } else {
    const Eigen::Vector3d omega = p.segment<3>(3) / kReachMm;
    const double angle = omega.norm();
    if (angle > 0.0) linear = Eigen::AngleAxisd(angle, omega / angle).toRotationMatrix();
    if (freedom == Freedom::similarity) linear *= std::exp(p[6] / kReachMm);
    shift = p.head<3>();
  }
  Affine out = Affine::Identity();
  out.topLeftCorner<3, 3>() = linear;
  out.topRightCorner<3, 1>() = center + shift - linear * center;
  return out;
}

} // namespace

double merit(double correlation, double inside) {
  constexpr double kEnough = 0.7;
  return correlation * std::min(1.0, inside / kEnough);
}

CorrelationStep correlation_step(const FixedSamples& fixed, const Volume& moving,
                                 const Affine& fixed_to_moving, const Context& context) {
  const Sums s = sum_samples<true>(fixed, moving, fixed_to_moving, context);
  const Moments m = moments_of(s, fixed.value.size());
  CorrelationStep out;
  out.inside = s.n / static_cast<double>(fixed.value.size());
  if (!m.usable) return out;
  out.correlation = m.correlation;
  const Eigen::Matrix<double, 12, 1> f_d = (s.fd - m.f_mean * s.d) / (m.f_norm * m.m_norm);
  const Eigen::Matrix<double, 12, 1> m_d = (s.md - m.m_mean * s.d) / (m.m_norm * m.m_norm);
  out.gradient = f_d - m.correlation * m_d;
  out.curvature =
      (unpack(s.dd) - s.d * s.d.transpose() / s.n) / (m.m_norm * m.m_norm) - m_d * m_d.transpose();
  return out;
}

double correlation_only(const FixedSamples& fixed, const Volume& moving,
                        const Affine& fixed_to_moving, const Context& context, double* inside) {
  const Sums s = sum_samples<false>(fixed, moving, fixed_to_moving, context);
  if (inside != nullptr) *inside = s.n / static_cast<double>(fixed.value.size());
  return moments_of(s, fixed.value.size()).correlation;
}

FitResult fit_affine(const FixedSamples& fixed, const Volume& moving, const Affine& start,
                     const FitControl& control, const Context& context) {
  const Eigen::MatrixXd basis = generators(control.freedom);
  FitResult out;
  out.fixed_to_moving = start;
  CorrelationStep at = correlation_step(fixed, moving, start, context);
  double damping = 1e-3;
  while (out.iterations < control.iterations && at.correlation > -1.0) {
    ++out.iterations;
    const Eigen::VectorXd gradient = basis.transpose() * at.gradient;
    Eigen::MatrixXd curvature = basis.transpose() * at.curvature * basis;
    curvature.diagonal() *= 1.0 + damping;
    curvature.diagonal().array() += 1e-12;
    const Eigen::VectorXd step = curvature.ldlt().solve(gradient);
    const Affine change = increment(step, control.freedom, fixed.center_mm);
    const double moved = rms_displacement_mm(change, Affine::Identity(), fixed.center_mm, kReachMm);
    if (!std::isfinite(moved)) break;
    const Affine candidate = out.fixed_to_moving * change;
    const bool sane = moved < 60.0 && change.topLeftCorner<3, 3>().determinant() > 0.1;
    const CorrelationStep next =
        sane ? correlation_step(fixed, moving, candidate, context) : CorrelationStep{};
    if (merit(next.correlation, next.inside) > merit(at.correlation, at.inside)) {
      out.fixed_to_moving = candidate;
      at = next;
      damping = std::max(damping * 0.2, 1e-6);
    } else {
      damping *= 10.0;
      if (damping > 1e6) out.converged = true;
    }
    if (moved < control.convergence_mm) out.converged = true;
    if (out.converged) break;
  }
  out.correlation = at.correlation;
  out.inside = at.inside;
  return out;
}

} // namespace boldmill::anatomy
