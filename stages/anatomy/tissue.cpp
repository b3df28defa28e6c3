#include "stages/anatomy/tissue.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stages/anatomy/kernels/checks.hpp"
#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::tissue {
namespace {

constexpr std::size_t kGrain = 16384;
constexpr int kClasses = 3;
constexpr std::size_t kLeastVoxels = 1000;
using Three = std::array<double, 3>;

struct Mixture {
  Three mean{};
  Three variance{};
  Three weight{}; // adds up to 1; without priors the share of the class
};

// Sums of one EM step; the mixture follows from them.
struct Moments {
  Three weight{};
  Three first{};
  Three second{};
  Three expected{}; // sum of q_c / sum_k weight_k q_k, `weight` divided by it is the next weight
  double log_likelihood = 0.0;
  Moments& operator+=(const Moments& o) {
    for (std::size_t c = 0; c < 3; ++c) {
      weight[c] += o.weight[c];
      expected[c] += o.expected[c];
      first[c] += o.first[c];
      second[c] += o.second[c];
    }
    log_likelihood += o.log_likelihood;
    return *this;
  }
  void add(const Three& p, double value) {
    for (std::size_t c = 0; c < 3; ++c) {
      weight[c] += p[c];
      first[c] += p[c] * value;
      second[c] += p[c] * value * value;
    }
  }
};

// Intensities of the mask in voxel order, and where each voxel's six neighbours are in that order.
struct Brain {
  std::vector<std::size_t> voxels;
  std::vector<float> value;
  std::vector<std::int32_t> neighbour; // 6 per voxel, -1 outside the mask
  std::vector<float> prior;            // 3 per voxel, to the power of `prior_weight`, or empty
  double floor = 0.0;                  // least variance
};

constexpr double kLeastGap = 0.1; // of the histogram's: priors below it know nothing
constexpr double kLeastWeight = 1e-6;
constexpr double kLeastPrior = 0.02; // no place forbids a tissue: lesions, odd anatomy, warp errors

// Prior probabilities of each brain voxel, floored and adding up to 1: 3 per voxel.
std::vector<float> prior_shares(const Priors& priors, const std::vector<std::size_t>& voxels) {
  const Volume* maps[3] = {&priors.csf, &priors.gm, &priors.wm};
  std::vector<float> shares;
  shares.reserve(kClasses * voxels.size());
  for (const std::size_t v : voxels) {
    Three p{};
    double total = 0.0;
    for (std::size_t c = 0; c < 3; ++c) {
      const double value = static_cast<double>(maps[c]->data[v]);
      p[c] = std::max(value > 0.0 ? value : 0.0, kLeastPrior);
      total += p[c];
    }
    for (const double value : p) shares.push_back(static_cast<float>(value / total));
  }
  return shares;
}

Brain gather(const Inputs& inputs) {
  const Grid& grid = inputs.mask.grid;
  Brain brain;
  brain.voxels = indices_of(inputs.mask);
  if (inputs.lesion != nullptr) {
    std::erase_if(brain.voxels, [&](std::size_t v) { return inputs.lesion->data[v] != 0; });
    if (brain.voxels.size() < kLeastVoxels) {
      throw Error(ErrorKind::input, "lesion mask: leaves " + std::to_string(brain.voxels.size()) +
                                        " voxels of the brain, expected " +
                                        std::to_string(kLeastVoxels));
    }
  }
  std::vector<std::int32_t> place(grid.n_voxels(), -1);
  for (std::size_t n = 0; n < brain.voxels.size(); ++n) {
    place[brain.voxels[n]] = static_cast<std::int32_t>(n);
  }
  const std::size_t stride[3] = {1, static_cast<std::size_t>(grid.shape[0]),
                                 static_cast<std::size_t>(grid.shape[0]) *
                                     static_cast<std::size_t>(grid.shape[1])};
  brain.value.reserve(brain.voxels.size());
  brain.neighbour.reserve(6 * brain.voxels.size());
  for (const std::size_t v : brain.voxels) {
    brain.value.push_back(inputs.t1w.data[v]);
    const auto at = grid.coordinates(v);
    for (std::size_t a = 0; a < 3; ++a) {
      brain.neighbour.push_back(at[a] > 0 ? place[v - stride[a]] : -1);
      brain.neighbour.push_back(at[a] + 1 < grid.shape[a] ? place[v + stride[a]] : -1);
    }
  }
  return brain;
}

// Clamps the brightest 0.1 % (vessels), then k-means from spread quantiles: a start that EM keeps.
Mixture start_mixture(Brain& brain) {
  std::vector<float> sorted = brain.value;
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&](double q) {
    return static_cast<double>(
        sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))]);
  };
  const double top = quantile(0.999);
  for (float& value : brain.value) value = std::min(value, static_cast<float>(top));
  const double spread = quantile(0.98) - quantile(0.02);
  if (!(spread > 0.0)) {
    throw Error(ErrorKind::input, "T1w: constant inside the brain mask, expected three tissues");
  }
  brain.floor = 1e-4 * spread * spread;
  Three center{quantile(0.02), quantile(0.4), quantile(0.9)};
  Moments sums;
  for (int iteration = 0; iteration < 50; ++iteration) {
    sums = Moments{};
    for (const float v : sorted) {
      const double value = std::min(static_cast<double>(v), top);
      std::size_t best = 0;
      for (std::size_t c = 1; c < 3; ++c) {
        if (std::abs(value - center[c]) < std::abs(value - center[best])) best = c;
      }
      Three p{};
      p[best] = 1.0;
      sums.add(p, value);
    }
    double change = 0.0;
    for (std::size_t c = 0; c < 3; ++c) {
      const double next = sums.weight[c] > 0.0 ? sums.first[c] / sums.weight[c] : center[c];
      change = std::max(change, std::abs(next - center[c]));
      center[c] = next;
    }
    if (change < 1e-3 * spread) break;
  }
  Mixture mixture;
  const double n = static_cast<double>(brain.value.size());
  for (std::size_t c = 0; c < 3; ++c) {
    const double weight = std::max(sums.weight[c], 1.0);
    mixture.mean[c] = center[c];
    mixture.variance[c] = std::max(
        brain.floor, sums.second[c] / weight - sums.first[c] / weight * (sums.first[c] / weight));
    mixture.weight[c] = weight / n;
  }
  return mixture;
}

// Of a class that is nearly empty only the weight is taken.
Mixture mixture_of(const Moments& sums, const Mixture& before, double n, double floor) {
  Mixture mixture = before;
  double total = 0.0;
  for (std::size_t c = 0; c < 3; ++c) {
    mixture.weight[c] = std::max(sums.weight[c] / sums.expected[c], kLeastWeight);
    total += mixture.weight[c];
    if (!(sums.weight[c] > 1e-3 * n)) continue;
    mixture.mean[c] = sums.first[c] / sums.weight[c];
    mixture.variance[c] =
        std::max(floor, sums.second[c] / sums.weight[c] - mixture.mean[c] * mixture.mean[c]);
  }
  for (double& weight : mixture.weight) weight /= total;
  return mixture;
}

// The mixture the priors alone say: moments weighted by each class's prior. Priors that do not tell
// the classes apart (flat, misplaced) leave the start from the histogram.
Mixture start_from_priors(const Brain& brain, const std::vector<float>& shares,
                          const Mixture& fallback) {
  Moments sums;
  for (std::size_t n = 0; n < brain.value.size(); ++n) {
    const float* p = shares.data() + kClasses * n;
    sums.add({p[0], p[1], p[2]}, brain.value[n]);
  }
  sums.expected = sums.weight; // the weights are in the priors
  const Mixture start =
      mixture_of(sums, fallback, static_cast<double>(brain.value.size()), brain.floor);
  for (std::size_t c = 0; c < 2; ++c) {
    const double gap = fallback.mean[c + 1] - fallback.mean[c];
    if (!(start.mean[c + 1] - start.mean[c] > kLeastGap * gap)) return fallback;
  }
  return start;
}

// One mean-field E step. With q_c = prior_c exp(smoothness * the neighbours' p_c),
//   p_c = weight_c q_c N(x; mean_c, variance_c) / sum_k weight_k q_k N(x; mean_k, variance_k).
Moments expectation(const Brain& brain, const Mixture& mixture, double smoothness,
                    const std::vector<float>& from, std::vector<float>& to,
                    const Context& context) {
  Three log_scale{};
  Three inverse{};
  for (std::size_t c = 0; c < 3; ++c) {
    log_scale[c] = -0.5 * std::log(mixture.variance[c]);
    inverse[c] = 0.5 / mixture.variance[c];
  }
  const auto weighted = [&](std::size_t n) { // q of voxel n
    Three q{1.0, 1.0, 1.0};
    if (!from.empty()) {
      Three around{};
      for (std::size_t m = 0; m < 6; ++m) {
        const std::int32_t other = brain.neighbour[6 * n + m];
        if (other < 0) continue;
        const float* p = from.data() + kClasses * static_cast<std::size_t>(other);
        for (std::size_t c = 0; c < 3; ++c) around[c] += p[c];
      }
      for (std::size_t c = 0; c < 3; ++c) q[c] = std::exp(smoothness * around[c]);
    }
    if (!brain.prior.empty()) {
      for (std::size_t c = 0; c < 3; ++c) {
        q[c] *= static_cast<double>(brain.prior[kClasses * n + c]);
      }
    }
    return q;
  };
  return parallel_sum(context, brain.value.size(), kGrain, Moments{},
                      [&](std::size_t begin, std::size_t end) {
                        Moments sums;
                        for (std::size_t n = begin; n < end; ++n) {
                          const double value = brain.value[n];
                          const Three q = weighted(n);
                          Three p{};
                          double most = -1e300;
                          double mixed = 0.0;
                          for (std::size_t c = 0; c < 3; ++c) {
                            const double d = value - mixture.mean[c];
                            p[c] = log_scale[c] - d * d * inverse[c];
                            most = std::max(most, p[c]);
                            mixed += mixture.weight[c] * q[c];
                          }
                          double total = 0.0;
                          for (std::size_t c = 0; c < 3; ++c) {
                            p[c] = mixture.weight[c] * q[c] * std::exp(p[c] - most);
                            total += p[c];
                          }
                          for (std::size_t c = 0; c < 3; ++c) {
                            p[c] /= total;
                            to[kClasses * n + c] = static_cast<float>(p[c]);
                            sums.expected[c] += q[c] / mixed;
                          }
                          sums.add(p, value);
                          sums.log_likelihood += most + std::log(total / mixed);
                        }
                        return sums;
                      });
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  anatomy::require_image(inputs.t1w, "T1w");
  anatomy::require_mask(inputs.mask, inputs.t1w.grid, "brain mask", kLeastVoxels);
  if (inputs.lesion != nullptr) {
    anatomy::require_mask(*inputs.lesion, inputs.t1w.grid, "lesion mask");
  }
  if (inputs.priors != nullptr) {
    for (const Volume* map : {&inputs.priors->csf, &inputs.priors->gm, &inputs.priors->wm}) {
      if (!map->grid.same_as(inputs.t1w.grid)) {
        throw Error(ErrorKind::input, "tissue priors: on another grid than the T1w");
      }
    }
  }
  Brain brain = gather(inputs);
  Mixture mixture = start_mixture(brain);
  const double n = static_cast<double>(brain.value.size());
  if (inputs.priors != nullptr) {
    std::vector<float> shares = prior_shares(*inputs.priors, brain.voxels);
    mixture = start_from_priors(brain, shares, mixture);
    for (float& share : shares) {
      share = static_cast<float>(std::pow(static_cast<double>(share), params.prior_weight));
    }
    brain.prior = std::move(shares);
  }
  std::vector<float> now;
  std::vector<float> next(kClasses * brain.value.size());
  Outputs out;
  double before = -1e300;
  while (out.iterations < params.iterations) {
    const Moments sums = expectation(brain, mixture, params.smoothness, now, next, context);
    mixture = mixture_of(sums, mixture, n, brain.floor);
    now.resize(next.size());
    std::swap(now, next);
    ++out.iterations;
    context.advance();
    const double mean = sums.log_likelihood / n;
    out.converged = std::abs(mean - before) < params.convergence;
    before = mean;
    if (out.converged) break;
  }
  out.csf = Volume(inputs.mask.grid);
  out.gm = Volume(inputs.mask.grid);
  out.wm = Volume(inputs.mask.grid);
  Volume* maps[3] = {&out.csf, &out.gm, &out.wm};
  const double millilitres = inputs.mask.grid.voxel_volume_mm3() * 1e-3;
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0.0;
    for (std::size_t v = 0; v < brain.voxels.size(); ++v) {
      const float p = now[kClasses * v + c];
      maps[c]->data[brain.voxels[v]] = p;
      sum += static_cast<double>(p);
    }
    out.volume_ml[c] = sum * millilitres;
    out.class_mean[c] = mixture.mean[c];
    out.class_sd[c] = std::sqrt(mixture.variance[c]);
  }
  return out;
}

Priors template_priors(const Volume& brain, const Mask& mask, const Context& context,
                       double spacing_mm, double sigma_mm) {
  const Volume coarse = downsample(brain, spacing_mm, context);
  const Mask inside = resample_mask(mask, coarse.grid, {}, context);
  Outputs tissues = run({coarse, inside}, {}, context);
  return {gaussian_smooth(std::move(tissues.csf), sigma_mm, context),
          gaussian_smooth(std::move(tissues.gm), sigma_mm, context),
          gaussian_smooth(std::move(tissues.wm), sigma_mm, context)};
}

Priors priors_on(const Mask& mask, const Priors& priors, const PointMap& t1w_to_template,
                 const Context& context) {
  const std::vector<std::size_t> voxels = indices_of(mask);
  const Grid& from = priors.csf.grid;
  const std::vector<double> at =
      source_coordinates(from, mask.grid, voxels, t1w_to_template, context);
  Priors out{Volume(mask.grid), Volume(mask.grid), Volume(mask.grid)};
  parallel_blocks(context, voxels.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) {
      const double* x = at.data() + 3 * n;
      const auto sample = [&](const Volume& map) {
        return sample_linear(map.data.data(), from.shape, x[0], x[1], x[2]);
      };
      out.csf.data[voxels[n]] = sample(priors.csf);
      out.gm.data[voxels[n]] = sample(priors.gm);
      out.wm.data[voxels[n]] = sample(priors.wm);
    }
  });
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t in_mask = shape.n_in_mask > 0 ? shape.n_in_mask : shape.n_voxels / 4;
  return shape.n_voxels * 16 + in_mask * 80 + shape.n_voxels * 12;
}

} // namespace boldmill::tissue
