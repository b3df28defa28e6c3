#include "pipeline/simulate/phantom.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::simulate {
namespace {

constexpr float kSmallestWeight = 0.01F;
constexpr double kFieldSmoothing_mm = 3.0;

// Signal of a tissue mixture without dephasing: T2*-weighted gradient echo and T2-weighted spin
// echo.
float gradient_echo_signal(const Tissue& t) {
  return 1.0F * t.grey + 0.82F * t.white + 1.2F * t.csf + t.head_epi;
}
float spin_echo_signal(const Tissue& t) {
  return 1.0F * t.grey + 0.85F * t.white + 1.7F * t.csf + t.head_epi;
}

struct Tissues {
  std::vector<float> grey, csf, brain;
};

struct Draft {
  Phantom phantom;
  Tissues tissues;
  std::vector<std::vector<SourceEntry>> by_source; // in_plane holds the lattice index here
};

void sample_anatomy(const PhantomInputs& in, Draft& draft, const Context& context) {
  Phantom& p = draft.phantom;
  const std::size_t n = p.fine.n_voxels();
  const auto plane = static_cast<std::size_t>(p.fine.shape[0] * p.fine.shape[1]);
  const auto planes = static_cast<std::size_t>(p.fine.shape[2]);
  for (auto* field : {&p.gradient_echo, &p.spin_echo, &p.field_hz, &draft.tissues.grey,
                      &draft.tissues.csf, &draft.tissues.brain}) {
    field->assign(n, 0.0F);
  }
  std::vector<std::vector<SourceEntry>> found(planes);
  parallel_blocks(context, planes, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin * plane; v < end * plane; ++v) {
      const std::array<int, 3> ijk = p.fine.coordinates(v);
      const Eigen::Vector3d point =
          in.bold_to_anatomy(p.fine.to_mm(Eigen::Vector3d(ijk[0], ijk[1], ijk[2])));
      const Tissue t = in.anatomy.at(point);
      p.field_hz[v] = static_cast<float>(air_field_hz(point));
      p.gradient_echo[v] = gradient_echo_signal(t);
      p.spin_echo[v] = spin_echo_signal(t);
      draft.tissues.grey[v] = t.grey;
      draft.tissues.csf[v] = t.csf;
      draft.tissues.brain[v] = t.grey + t.white + t.csf;
      const float cells = t.grey + t.white;
      if (cells < 0.05F) continue;
      const std::array<float, kSources> w = source_weights(in.anatomy.places, point);
      for (std::size_t s = 0; s < kSources; ++s) {
        if (w[s] * cells < kSmallestWeight) continue;
        found[v / plane].push_back(
            {static_cast<std::uint32_t>(v), static_cast<std::uint32_t>(s), w[s] * cells});
      }
    }
  });
  draft.by_source.resize(kSources);
  for (const auto& entries : found) {
    for (const SourceEntry& e : entries) draft.by_source[e.source].push_back(e);
  }
}

// The scanner's shim: the constant and linear part of the field over the brain is taken away.
void shim(Draft& draft, double factor) {
  Phantom& p = draft.phantom;
  Eigen::Matrix4d normal = Eigen::Matrix4d::Zero();
  Eigen::Vector4d right = Eigen::Vector4d::Zero();
  const auto basis = [&p](std::size_t v) {
    const std::array<int, 3> ijk = p.fine.coordinates(v);
    return Eigen::Vector4d(1.0, ijk[0] * 0.01, ijk[1] * 0.01, ijk[2] * 0.01);
  };
  for (std::size_t v = 0; v < p.field_hz.size(); ++v) {
    if (draft.tissues.brain[v] < 0.5F) continue;
    const Eigen::Vector4d b = basis(v);
    normal += b * b.transpose();
    right += b * static_cast<double>(p.field_hz[v]);
  }
  const Eigen::Vector4d fit = normal.ldlt().solve(right);
  for (std::size_t v = 0; v < p.field_hz.size(); ++v) {
    const double value = factor * (static_cast<double>(p.field_hz[v]) - basis(v).dot(fit));
    p.field_hz[v] = static_cast<float>(std::clamp(value, -250.0, 250.0));
  }
}

double sinc(double x) {
  const double p = std::numbers::pi * x;
  return std::abs(p) < 1e-6 ? 1.0 : std::sin(p) / p;
}

// Dephasing across the voxel over the echo time: |sinc(G dz TE)| through the slice, and for half of
// the in-plane gradients, which the readout partly refocuses.
void apply_dropout(const PhantomInputs& in, Phantom& p, const Context& context) {
  const auto nx = static_cast<std::size_t>(p.fine.shape[0]);
  const std::array<std::size_t, 3> stride{1, nx, nx * static_cast<std::size_t>(p.fine.shape[1])};
  parallel_blocks(context, p.field_hz.size(), 1U << 16U, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      if (p.gradient_echo[v] == 0.0F) continue;
      const std::array<int, 3> ijk = p.fine.coordinates(v);
      double factor = 1.0;
      for (std::size_t a = 0; a < 3; ++a) {
        if (ijk[a] == 0 || ijk[a] + 1 >= p.fine.shape[a]) continue;
        const double per_voxel =
            0.5 * kFine *
            static_cast<double>(p.field_hz[v + stride[a]] - p.field_hz[v - stride[a]]);
        factor *= std::abs(sinc((a == 2 ? 1.0 : 0.5) * per_voxel * in.site.te_s));
      }
      p.gradient_echo[v] *= static_cast<float>(factor);
    }
  });
}

// Blurs every source's product with the signal inside its own box and sorts the result by plane.
void spread_sources(Draft& draft, const Eigen::Vector3d& sigma, const std::vector<float>& sharp,
                    const Context& context) {
  Phantom& p = draft.phantom;
  const auto plane = static_cast<std::size_t>(p.fine.shape[0] * p.fine.shape[1]);
  p.sources.resize(static_cast<std::size_t>(p.fine.shape[2]));
  for (const auto& entries : draft.by_source) {
    if (entries.empty()) continue;
    std::array<int, 3> low = p.fine.shape;
    std::array<int, 3> high{0, 0, 0};
    for (const SourceEntry& e : entries) {
      const std::array<int, 3> ijk = p.fine.coordinates(e.in_plane);
      for (std::size_t a = 0; a < 3; ++a) {
        low[a] = std::max(0, std::min(low[a], ijk[a] - 4));
        high[a] = std::min(p.fine.shape[a], std::max(high[a], ijk[a] + 5));
      }
    }
    const Grid box{.shape = {high[0] - low[0], high[1] - low[1], high[2] - low[2]},
                   .affine = Eigen::Matrix4d::Identity()};
    std::vector<float> product(box.n_voxels(), 0.0F);
    for (const SourceEntry& e : entries) {
      const std::array<int, 3> ijk = p.fine.coordinates(e.in_plane);
      product[box.index(ijk[0] - low[0], ijk[1] - low[1], ijk[2] - low[2])] =
          e.value * sharp[e.in_plane];
    }
    gaussian_smooth_in_place(product, box.shape, sigma, context);
    for (std::size_t b = 0; b < product.size(); ++b) {
      if (product[b] < kSmallestWeight) continue;
      const std::array<int, 3> at = box.coordinates(b);
      const std::size_t v = p.fine.index(at[0] + low[0], at[1] + low[1], at[2] + low[2]);
      p.sources[v / plane].push_back(
          {static_cast<std::uint32_t>(v % plane), entries[0].source, product[b]});
    }
  }
}

void make_warps(const PhantomInputs& in, Phantom& p, const Context& context) {
  if (in.distortion <= 0.0) return;
  std::vector<float> shift(p.field_hz.size());
  for (std::size_t v = 0; v < shift.size(); ++v) {
    shift[v] = static_cast<float>(p.field_hz[v] * in.site.readout_s * kFine);
  }
  p.positive = invert_shift(shift, p.fine.shape, context);
  for (float& s : shift) s = -s;
  p.negative = invert_shift(shift, p.fine.shape, context);
}

// Acquisition voxels within about 12 mm of any signal, and their tissue in the reference pose.
void find_active(Draft& draft, const Context& context) {
  Phantom& p = draft.phantom;
  std::vector<float> reach = p.spin_echo;
  gaussian_smooth_in_place(reach, p.fine.shape, Eigen::Vector3d::Constant(2.5), context);
  double sum = 0.0;
  double weight = 0.0;
  for (int k = 0; k < p.bold.shape[2]; ++k) {
    p.slice_begin.push_back(p.active.size());
    for (int j = 0; j < p.bold.shape[1]; ++j) {
      for (int i = 0; i < p.bold.shape[0]; ++i) {
        const std::size_t v =
            p.fine.index(kFine * i + kFineMargin, kFine * j + kFineMargin, kFine * k + kFineMargin);
        if (reach[v] < 1e-3F) continue;
        p.active.push_back(static_cast<std::uint32_t>(p.bold.index(i, j, k)));
        p.grey.push_back(draft.tissues.grey[v]);
        p.csf.push_back(draft.tissues.csf[v]);
        p.brain.push_back(draft.tissues.brain[v]);
        sum += static_cast<double>(draft.tissues.brain[v] * p.gradient_echo[v]);
        weight += static_cast<double>(draft.tissues.brain[v]);
      }
    }
  }
  p.slice_begin.push_back(p.active.size());
  p.mean_signal = weight > 0.0 ? sum / weight : 1.0;
}

} // namespace

Grid fine_grid(const Grid& bold) {
  Grid fine;
  for (std::size_t a = 0; a < 3; ++a) fine.shape[a] = kFine * bold.shape[a] + 2 * kFineMargin;
  Eigen::Matrix4d to_bold = Eigen::Matrix4d::Identity();
  for (int a = 0; a < 3; ++a) {
    to_bold(a, a) = 1.0 / kFine;
    // Acquisition voxel 0 covers the lattice points kFineMargin ... kFineMargin + kFine - 1.
    to_bold(a, 3) = -(kFineMargin + 0.5 * (kFine - 1)) / kFine;
  }
  fine.affine = bold.affine * to_bold;
  return fine;
}

Warp invert_shift(const std::vector<float>& shift, const std::array<int, 3>& shape,
                  const Context& context) {
  Warp warp;
  warp.shift_and_factor.assign(2 * shift.size(), 0.0F);
  const auto nx = static_cast<std::size_t>(shape[0]);
  const int ny = shape[1];
  const std::size_t lines = nx * static_cast<std::size_t>(shape[2]);
  parallel_blocks(context, lines, 256, [&](std::size_t begin, std::size_t end) {
    for (std::size_t line = begin; line < end; ++line) {
      const std::size_t first = (line / nx) * nx * static_cast<std::size_t>(ny) + line % nx;
      const auto at = [&](double y) {
        const double c = std::clamp(y, 0.0, static_cast<double>(ny - 1));
        const int j = std::min(static_cast<int>(c), ny - 2);
        const double w = c - j;
        const float* s = shift.data() + first + static_cast<std::size_t>(j) * nx;
        return (1.0 - w) * static_cast<double>(s[0]) + w * static_cast<double>(s[nx]);
      };
      double previous = -1.0;
      for (int x = 0; x < ny; ++x) {
        double y = x - at(x);
        for (int iteration = 0; iteration < 40; ++iteration) {
          const double change = 0.7 * (x - at(y) - y); // damped: steep fields would oscillate
          y += change;
          if (std::abs(change) < 1e-5) break;
        }
        const double slope = x == 0 ? 1.0 : y - previous;
        previous = y;
        float* out = warp.shift_and_factor.data() + 2 * (first + static_cast<std::size_t>(x) * nx);
        out[0] = static_cast<float>(x - y);
        out[1] = static_cast<float>(std::clamp(slope, 0.0, 4.0));
      }
    }
  });
  return warp;
}

Phantom build_phantom(const PhantomInputs& inputs, const Context& context) {
  Draft draft;
  Phantom& p = draft.phantom;
  p.bold = inputs.bold;
  p.fine = fine_grid(inputs.bold);
  sample_anatomy(inputs, draft, context);
  shim(draft, inputs.distortion);
  // The balls have sharp edges, real sinuses do not.
  gaussian_smooth_in_place(p.field_hz, p.fine.shape,
                           kFieldSmoothing_mm * p.fine.spacing_mm().cwiseInverse(), context);
  apply_dropout(inputs, p, context);
  // Point spread: a Gaussian whose FWHM is one acquisition voxel. It commutes with the head's
  // motion.
  const Eigen::Vector3d sigma = Eigen::Vector3d::Constant(kFine / kFwhmPerSigma);
  spread_sources(draft, sigma, p.gradient_echo, context);
  gaussian_smooth_in_place(p.gradient_echo, p.fine.shape, sigma, context);
  gaussian_smooth_in_place(p.spin_echo, p.fine.shape, sigma, context);
  make_warps(inputs, p, context);
  find_active(draft, context);
  return std::move(draft.phantom);
}

} // namespace boldmill::simulate
