#include "stages/functional/kernels/mutual_information.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "stages/core/error.hpp"

namespace boldmill {
namespace {

struct Range {
  float low = 0.0F;
  float high = 0.0F;
};

// Robust range of the positive values.
Range robust_range(std::vector<float> values) {
  std::erase_if(values, [](float v) { return !(v > 0.0F) || !std::isfinite(v); });
  if (values.size() < 100) return {};
  const auto at = [&](double q) {
    const auto rank = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + rank, values.end());
    return values[static_cast<std::size_t>(rank)];
  };
  return {at(0.005), at(0.995)};
}

void require_contrast(const Range& range, const char* which) {
  if (!(range.high > range.low)) {
    throw Error(ErrorKind::input, std::string("coregistration: found no contrast in the ") + which +
                                      ", expected an image of a head");
  }
}

// Bin 0 is kept for background: positive values start at bin 1.
float in_bins(float value, const Range& range) {
  if (!(value > 0.0F)) return 0.0F;
  const float share = (value - range.low) / (range.high - range.low);
  return 1.0F + std::clamp(share, 0.0F, 1.0F) * static_cast<float>(MutualInformation::kBins - 2);
}

double entropy(const double* counts, std::size_t n, double total) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    if (counts[i] > 0.0) sum += counts[i] * std::log(counts[i]);
  }
  return std::log(total) - sum / total;
}

} // namespace

MutualInformation::MutualInformation(const Volume& fixed, const Mask& region, const Volume& moving,
                                     std::size_t max_points)
    : center_(fixed.grid.center_mm()) {
  const std::vector<std::size_t> voxels = indices_of(region);
  std::vector<float> values;
  for (const std::size_t v : voxels) values.push_back(fixed.data[v]);
  const Range fixed_range = robust_range(values);
  require_contrast(fixed_range, "BOLD reference");
  const Range moving_range = robust_range(moving.data);
  require_contrast(moving_range, "T1w");
  Affine into_border = Affine::Identity();
  into_border.topRightCorner<3, 1>().setOnes();
  moving_from_mm_ = into_border * moving.grid.affine.inverse();
  Grid padded;
  for (std::size_t a = 0; a < 3; ++a) shape_[a] = padded.shape[a] = moving.grid.shape[a] + 2;
  moving_.assign(padded.n_voxels(), 0.0F);
  for (std::size_t v = 0; v < moving.data.size(); ++v) {
    const auto [i, j, k] = moving.grid.coordinates(v);
    moving_[padded.index(i + 1, j + 1, k + 1)] = in_bins(moving.data[v], moving_range);
  }
  const double keep =
      std::min(1.0, static_cast<double>(max_points) / static_cast<double>(voxels.size()));
  for (std::size_t n = 0; n < voxels.size(); ++n) {
    // The n-th voxel is taken when the running total of `keep` passes a whole number.
    if (std::floor(static_cast<double>(n + 1) * keep) ==
        std::floor(static_cast<double>(n) * keep)) {
      continue;
    }
    const auto [i, j, k] = fixed.grid.coordinates(voxels[n]);
    const Eigen::Vector3d mm = fixed.grid.to_mm(Eigen::Vector3d(i, j, k)) - center_;
    x_.push_back(static_cast<float>(mm[0]));
    y_.push_back(static_cast<float>(mm[1]));
    z_.push_back(static_cast<float>(mm[2]));
    bin_.push_back(static_cast<std::uint8_t>(std::lround(in_bins(values[n], fixed_range))));
  }
}

float MutualInformation::moving_at(float x, float y, float z) const {
  const bool inside =
      x >= 0.0F && y >= 0.0F && z >= 0.0F && x < static_cast<float>(shape_[0] - 1) &&
      y < static_cast<float>(shape_[1] - 1) && z < static_cast<float>(shape_[2] - 1);
  if (!inside) return 0.0F;
  const auto i = static_cast<std::size_t>(x);
  const auto j = static_cast<std::size_t>(y);
  const auto k = static_cast<std::size_t>(z);
  const float fx = x - static_cast<float>(i);
  const float fy = y - static_cast<float>(j);
  const float fz = z - static_cast<float>(k);
  const auto nx = static_cast<std::size_t>(shape_[0]);
  const auto nxy = nx * static_cast<std::size_t>(shape_[1]);
  const float* p = moving_.data() + i + nx * j + nxy * k;
  const float* q = p + nxy;
  const float low0 = p[0] + fx * (p[1] - p[0]);
  const float low1 = p[nx] + fx * (p[nx + 1] - p[nx]);
  const float high0 = q[0] + fx * (q[1] - q[0]);
  const float high1 = q[nx] + fx * (q[nx + 1] - q[nx]);
  const float low = low0 + fy * (low1 - low0);
  return low + fz * (high0 + fy * (high1 - high0) - low);
}

double MutualInformation::operator()(const Affine& fixed_to_moving) const {
  Affine shift = Affine::Identity();
  shift.topRightCorner<3, 1>() = center_;
  const Eigen::Matrix4f m = (moving_from_mm_ * fixed_to_moving * shift).cast<float>();
  constexpr auto kSide = static_cast<std::size_t>(kBins);
  std::array<double, kSide * kSide> joint{};
  for (std::size_t n = 0; n < bin_.size(); ++n) {
    const float x = m(0, 0) * x_[n] + m(0, 1) * y_[n] + m(0, 2) * z_[n] + m(0, 3);
    const float y = m(1, 0) * x_[n] + m(1, 1) * y_[n] + m(1, 2) * z_[n] + m(1, 3);
    const float z = m(2, 0) * x_[n] + m(2, 1) * y_[n] + m(2, 2) * z_[n] + m(2, 3);
    const float value = moving_at(x, y, z);
    const auto low = std::min(static_cast<std::size_t>(value), kSide - 2);
    const double share = static_cast<double>(value) - static_cast<double>(low);
    double* row = joint.data() + kSide * bin_[n] + low;
    row[0] += 1.0 - share;
    row[1] += share;
  }
  std::array<double, kSide> a{};
  std::array<double, kSide> b{};
  for (std::size_t i = 0; i < kSide; ++i) {
    for (std::size_t j = 0; j < kSide; ++j) {
      a[i] += joint[kSide * i + j];
      b[j] += joint[kSide * i + j];
    }
  }
  const auto total = static_cast<double>(bin_.size());
  const double both = entropy(joint.data(), joint.size(), total);
  if (!(both > 0.0)) return 1.0;
  return (entropy(a.data(), kSide, total) + entropy(b.data(), kSide, total)) / both;
}

} // namespace boldmill
