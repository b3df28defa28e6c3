#include "stages/anatomy/kernels/lesion.hpp"

#include <algorithm>

#include "stages/core/smooth.hpp"

namespace boldmill::anatomy {
namespace {

constexpr double kFirstSigmaMm = 4.0;
constexpr double kWidestMm = 128.0;
constexpr float kLeastWeight = 1e-3F;

} // namespace

Volume fill_lesion(const Volume& image, const Mask& lesion, const Context& context) {
  Volume out = image;
  Volume sound(image.grid, 1.0F);
  std::vector<std::size_t> open = indices_of(lesion);
  if (open.empty() || open.size() == image.data.size()) return out;
  for (const std::size_t v : open) {
    sound.data[v] = 0.0F;
    out.data[v] = 0.0F;
  }
  const Volume known = out;
  for (double sigma = kFirstSigmaMm; !open.empty() && sigma <= kWidestMm; sigma *= 2.0) {
    const Volume weight = gaussian_smooth(sound, sigma, context);
    const Volume sum = gaussian_smooth(known, sigma, context);
    std::erase_if(open, [&](std::size_t v) {
      if (weight.data[v] < kLeastWeight) return false;
      out.data[v] = sum.data[v] / weight.data[v];
      return true;
    });
  }
  return out;
}

} // namespace boldmill::anatomy
